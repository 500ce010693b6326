import type { Command } from 'commander'

export function addCapture(program: Command): void {
  program.command('capture')
}
