import { CommanderError } from 'commander'
import { type ErrorCode, OperatorError } from '../errors.js'
import { sayBug, sayProblem } from './process/console.js'
import { Interrupted } from './process/stop.js'
import { createProgram } from './program.js'

/** Done; ran and something went wrong; the command line could not be understood. */
export type ExitCode = 0 | 1 | 2

/**
 * Runs one command line and answers with the exit code; never exits by itself, but by a
 * signal that had to wait until nothing half done was left.
 *
 * A command's action sets `process.exitCode` only through the code it throws:
 * OperatorError carries 1 or 2, anything else is a bug and is shown whole.
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const program = createProgram()
  try {
    await program.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    const names = program.commands.map((command) => command.name())
    return report(
      error,
      argv.find((word) => names.includes(word)),
    )
  }
}

/** Says what went wrong in one line on stderr. */
function report(error: unknown, command: string | undefined): ExitCode {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    // Help that was not asked for (`mirrortap` alone) has been printed in full already.
    if (error.code === 'commander.help') return 2
    const help = command === undefined ? 'mirrortap --help' : `mirrortap ${command} --help`
    const line = error.message.replace(/^error: /, '').replace(/\n(?=\(Did you mean )/, ' ')
    sayProblem(`${line} (see ${help})`)
    return 2
  }
  if (error instanceof OperatorError) {
    sayProblem(withAdvice(error))
    return error.exitCode
  }
  if (error instanceof Interrupted) {
    sayProblem(error.message)
    process.kill(process.pid, error.signal)
    return 1
  }
  sayBug(error)
  return 1
}

/** What to do about it on the command line, where the error cannot know of that. */
const ADVICE: Readonly<Record<string, string>> = {
  ERR_LOG_FORMAT:
    'put it in single quotes, so that the shell leaves it alone, and see "mirrortap flow-log --help" for the fields there are',
  ERR_NO_PACKET_SOCKET: 'or mirror a capture file with --read',
  ERR_NO_RECVMMSG: 'or use --receiver dgram',
} satisfies Partial<Record<ErrorCode, string>>

function withAdvice({ message, code }: OperatorError): string {
  const advice = ADVICE[code]
  return advice === undefined ? message : `${message}; ${advice}`
}
