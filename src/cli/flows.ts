import type { Command } from 'commander'

export function addFlows(program: Command): void {
  program.command('flows')
}
