import { adviceOn, OperatorError } from '../errors.js'

/** Writing failed for a reason outside the program. `code` is the errno, such as `ENOSPC`, if there was one. */
export class WriteError extends OperatorError {
  readonly path: string

  /** `path` is `-` for standard output. */
  constructor(path: string, cause: unknown) {
    const code = errnoOf(cause)
    const reason = adviceOn(cause, 'write') ?? messageOf(cause)
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
