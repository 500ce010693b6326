import { errnoOf } from '../sink/write-error.js'
import { DeliveryError } from './destination.js'

const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections: no program listens on its port',
  ECONNRESET: 'closed the connection',
  EPIPE: 'closed the connection',
  ETIMEDOUT: 'does not answer',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ENOTFOUND: 'has a name that is not known',
  EAI_AGAIN: 'has a name that cannot be looked up now',
}

/** A failure of a socket, as delivery words it; `other` is what is at its other end. */
export function networkFailure(error: unknown, other: string): DeliveryError {
  if (error instanceof DeliveryError) return error
  const code = errnoOf(error) ?? ''
  const said = UNREACHED[code]
  const message = said === undefined ? `${other}: ${(error as Error).message}` : `${other} ${said}`
  return new DeliveryError(
    'Unknown error',
    said === undefined ? message : `${message} (${code})`,
    error,
  )
}
