import type { Command } from 'commander'
import { print } from '../process/console.js'
import { bashScript } from './bash.js'
import { fishScript } from './fish.js'
import type { Shell } from './shells.js'
import { completedCommands, completedOptions } from './words.js'
import { zshScript } from './zsh.js'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** Prints the script for one shell. */
export function completion(program: Command, shell: Shell): void {
  print(SCRIPTS[shell](completedCommands(program), completedOptions(program)))
}
