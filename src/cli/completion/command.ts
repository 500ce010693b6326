import { Argument, type Command } from 'commander'
import { SHELLS, type Shell } from './shells.js'

/** `mirrortap completion`: what a shell needs to complete commands, options and values. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a completion script for bash, zsh or fish')
    .description(
      'Prints a script that lets a shell complete the commands of mirrortap, their options, the values ' +
        'of options with fixed choices, and file names.',
    )
    .addArgument(new Argument('<shell>', 'shell to print the script for').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  # bash, in ~/.bashrc\n' +
        '  source <(mirrortap completion bash)\n' +
        '  # zsh, in ~/.zshrc, after compinit\n' +
        '  source <(mirrortap completion zsh)\n' +
        '  # fish\n' +
        '  mirrortap completion fish > ~/.config/fish/completions/mirrortap.fish',
    )
    .action(async (shell: Shell) => {
      const { completion } = await import('./run.js')
      await completion(program, shell)
    })
}
