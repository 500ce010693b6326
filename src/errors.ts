/**
 * Errors an operator can mend. Anything else that is thrown is a bug.
 *
 * `message` is one line that says what is wrong and what to do; `exitCode` is 2
 * when the command line was at fault and 1 otherwise.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  readonly exitCode: 1 | 2

  constructor(message: string, options: { cause?: unknown; exitCode?: 1 | 2 } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? 1
  }
}
