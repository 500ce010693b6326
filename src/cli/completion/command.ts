import { Argument, type Command } from 'commander'
import { SHELLS, type Shell } from './shells.js'

/** `mirrortap completion`: what a shell needs to complete commands, options and values. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('a completion script for bash, zsh or fish')
    .description(
      'Prints a script with which a shell completes the commands of mirrortap, their options, the ' +
        'values of options that have a fixed choice, and file names.',
    )
    .addArgument(new Argument('<shell>', 'the shell to complete in').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  # bash, in ~/.bashrc\n' +
        '  source <(mirrortap completion bash)\n' +
        '  # zsh, in ~/.zshrc, behind compinit\n' +
        '  source <(mirrortap completion zsh)\n' +
        '  # fish\n' +
        '  mirrortap completion fish > ~/.config/fish/completions/mirrortap.fish',
    )
    .action(async (shell: Shell) => {
      const { completion } = await import('./run.js')
      await completion(program, shell)
    })
}
