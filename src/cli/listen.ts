import type { Command } from 'commander'

export function addListen(program: Command): void {
  program.command('listen')
}
