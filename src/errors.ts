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

/** What a system call was for, as far as it matters to what can be done when it fails. */
type Purpose = 'read' | 'write' | 'serve' | 'receive' | 'capture'

/**
 * What the operator can do when a system call fails, by errno and by what the call was for.
 * Those of `read` go on from the name of the file. Words in braces are filled in by `adviceOn`.
 */
const ADVICE: Readonly<Record<string, Partial<Record<Purpose, string>>>> = {
  EACCES: {
    read: 'may not be read; run as a user who may',
    write: 'no permission; change its owner or mode, or write elsewhere',
    serve: 'no permission; ports below 1024 need root, name a higher one with {option} ADDR:PORT',
    receive:
      'no permission to bind UDP port {port}: run as root or with CAP_NET_BIND_SERVICE, or give a port from 1024 up',
    capture: 'no permission to read {name}: run as root or with CAP_NET_RAW',
  },
  EADDRINUSE: {
    serve: 'it is taken; name another with {option} ADDR:PORT{orElse}',
    receive:
      'UDP port {port} of {host} is taken: stop who has it ("ss -ulpn sport = :{port}"; a VXLAN interface of the kernel\'s shows no process), or give another port',
  },
  EADDRNOTAVAIL: {
    serve: 'this host has no such address; name one of its own with {option} ADDR:PORT',
    receive: '{host} is not an address of this host: give one of {addresses}, 0.0.0.0 or ::',
  },
  EAFNOSUPPORT: {
    receive: 'this host does not speak the protocol of {host}: give 0.0.0.0',
  },
  EBADF: { read: 'is closed; give it a capture or name a file' },
  EDQUOT: { write: 'the disk quota is used up; raise it or free some space' },
  EEXIST: { write: 'the name is taken by something else; choose another' },
  EFBIG: { write: 'the largest file size allowed here is reached (ulimit -f)' },
  EIO: { write: 'the device reports an error; look at the kernel log' },
  EISDIR: {
    read: 'is a directory; name a file in it',
    write: 'that is a directory; name a file in it',
  },
  EMFILE: {
    read: 'cannot be opened: too many open files; raise the limit (ulimit -n)',
    write: 'too many open files; raise the limit (ulimit -n)',
    receive: 'no file descriptor is left for the socket: raise the limit ("ulimit -n")',
  },
  ENAMETOOLONG: { write: 'the name is too long' },
  ENFILE: { write: 'the system has too many open files' },
  ENOENT: {
    read: 'does not exist; check the path',
    write: 'the directory does not exist; create it first',
  },
  ENOSPC: { write: 'no space left on the device; free some' },
  ENOTDIR: {
    read: 'does not exist; check the path',
    write: 'a part of the path is not a directory',
  },
  EPERM: {
    read: 'may not be read; run as a user who may',
    write: 'not permitted; change its owner or mode, or write elsewhere',
    capture: 'no permission to read {name}: run as root or with CAP_NET_RAW',
  },
  EPIPE: { write: 'the reader has gone' },
  EROFS: { write: 'the file system is read-only; write elsewhere' },
}

/** What to do about a failed system call; undefined where nothing better is known than its message. */
export function adviceOn(
  error: unknown,
  purpose: Purpose,
  words: Readonly<Record<string, string | number>> = {},
): string | undefined {
  const advice = ADVICE[systemCodeOf(error) ?? '']?.[purpose]
  return advice?.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(words[name]))
}
