import { OperatorError } from '../errors.js'
import { errnoOf } from './write-error.js'

/** What the operator can do about it, by errno. */
const ADVICE: Record<string, string> = {
  EACCES: 'no permission; run as a user who may',
  EISDIR: 'that is a directory; name a file in it',
  ENOENT: 'it does not exist; check the path',
  ENOTDIR: 'it does not exist; check the path',
  EPERM: 'not permitted; run as a user who may',
}

/** Reading a file that an option names failed for a reason outside the program. */
export class ReadError extends OperatorError {
  /** `what` is what the file is for, such as `the configuration`. */
  constructor(what: string, path: string, cause: unknown) {
    const code = errnoOf(cause)
    const reason = ADVICE[code ?? ''] ?? (cause as Error).message
    super(`cannot read ${what} ${path}: ${reason}${code === undefined ? '' : ` (${code})`}`, {
      cause,
    })
  }
}
