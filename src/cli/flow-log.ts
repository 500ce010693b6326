import type { Command } from 'commander'

export function addFlowLog(program: Command): void {
  program.command('flow-log')
}
