/**
 * What an OperatorError is about, for programs. Where the operating system refused something,
 * the code is its name for that instead, such as `ENOENT` or `EADDRINUSE`.
 *
 * - `ERR_OPTION`: an option has a value that it cannot have
 * - `ERR_FILTER`: a pcap-filter(7) expression is wrong
 * - `ERR_LOG_FORMAT`: a format of flow logs is wrong
 * - `ERR_CAPTURE_FORMAT`: a file is no capture file, or one that cannot be read here
 * - `ERR_CAPTURE_DAMAGED`: a capture file was read up to its damage
 * - `ERR_NO_RECVMMSG`, `ERR_NO_PACKET_SOCKET`, `ERR_NO_TAP`: this host, or the optional package koffi, does not allow it
 * - `ERR_FAILED`: none of these; `message` says what
 */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_FILTER'
  | 'ERR_LOG_FORMAT'
  | 'ERR_CAPTURE_FORMAT'
  | 'ERR_CAPTURE_DAMAGED'
  | 'ERR_NO_RECVMMSG'
  | 'ERR_NO_PACKET_SOCKET'
  | 'ERR_NO_TAP'
  | 'ERR_FAILED'

/** What is wrong with these is what was asked for. */
const USAGE: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_OPTION',
  'ERR_FILTER',
  'ERR_LOG_FORMAT',
])

/**
 * An error that whoever runs the program can mend: a file that is not there, a port that is
 * taken, a filter that is wrong. Anything else that is thrown is a bug.
 *
 * `message` is one line that says what is wrong and what to do.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  /** An ErrorCode, or the operating system's name for what went wrong, such as `ENOENT`. */
  readonly code: string
  /**
   * Of the command line: 2 when that was at fault, and 1 otherwise.
   *
   * @internal
   */
  readonly exitCode: 1 | 2

  constructor(message: string, options: { cause?: unknown; exitCode?: 1 | 2; code?: string } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? (USAGE.has(options.code ?? '') ? 2 : 1)
    this.code =
      options.code ??
      systemCodeOf(options.cause) ??
      (this.exitCode === 2 ? 'ERR_OPTION' : 'ERR_FAILED')
  }
}

/** The operating system's name for what went wrong, such as `ENOENT`; undefined for any other error. */
function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const { code } = error
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}
