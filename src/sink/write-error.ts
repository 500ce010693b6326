import { OperatorError } from '../errors.js'

/** What the operator can do about it, by errno. */
const ADVICE: Record<string, string> = {
  EACCES: 'no permission; change its owner or mode, or write elsewhere',
  EDQUOT: 'the disk quota is used up; raise it or free some space',
  EEXIST: 'the name is taken by something else; choose another',
  EFBIG: 'the largest file size allowed here is reached (ulimit -f)',
  EIO: 'the device reports an error; look at the kernel log',
  EISDIR: 'that is a directory; name a file in it',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  ENAMETOOLONG: 'the name is too long',
  ENFILE: 'the system has too many open files',
  ENOENT: 'the directory does not exist; create it first',
  ENOSPC: 'no space left on the device; free some',
  ENOTDIR: 'a part of the path is not a directory',
  EPERM: 'not permitted; change its owner or mode, or write elsewhere',
  EPIPE: 'the reader has gone',
  EROFS: 'the file system is read-only; write elsewhere',
}

/** Writing failed for a reason outside the program. `code` is the errno, such as `ENOSPC`, if there was one. */
export class WriteError extends OperatorError {
  readonly path: string

  /** `path` is `-` for standard output. */
  constructor(path: string, cause: unknown) {
    const code = errnoOf(cause)
    const reason = ADVICE[code ?? ''] ?? messageOf(cause)
    const what = path === '-' ? 'to standard output' : path
    super(`cannot write ${what}: ${reason}${code === undefined ? '' : ` (${code})`}`, { cause })
    this.path = path
  }
}

/** The errno of a failed system call, such as `ENOENT`, or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (error instanceof OperatorError && error.code.startsWith('ERR_')) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ')
}
