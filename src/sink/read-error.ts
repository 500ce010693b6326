import { adviceOn, OperatorError } from '../errors.js'
import { errnoOf } from './write-error.js'

/** Reading a file that an option names failed for a reason outside the program. */
export class ReadError extends OperatorError {
  /** `what` is what the file is for, such as `the configuration`. */
  constructor(what: string, path: string, cause: unknown) {
    const code = errnoOf(cause)
    const advice = adviceOn(cause, 'read')
    const reason = advice === undefined ? (cause as Error).message : `it ${advice}`
    super(`cannot read ${what} ${path}: ${reason}${code === undefined ? '' : ` (${code})`}`, {
      cause,
    })
  }
}
