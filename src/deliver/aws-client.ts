import { errnoOf } from '../sink/write-error.js'
import { DeliveryError, type DeliveryErrorKind } from './destination.js'

/** How long connecting, and then the silence of the other side, may take. */
const CONNECT_MS = 10_000
const SILENCE_MS = 60_000

/** What the clients of all services have in common. Endpoints and credentials are found as every AWS client does. */
export function awsClientConfig(region: string, silenceMs = SILENCE_MS) {
  return {
    region,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: silenceMs },
    // What fails for longer is tried again by Delivery, which says so.
    maxAttempts: 2,
  }
}

const THROTTLED =
  /^(?:SlowDown|Throttling|ThrottlingException|ThrottledException|RequestLimitExceeded|TooManyRequestsException|LimitExceededException|ServiceUnavailable|ServiceUnavailableException|RequestThrottled.*|ProvisionedThroughputExceededException)$/
const REFUSED =
  /^(?:AccessDenied.*|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken.*|UnrecognizedClientException|InvalidClientTokenId|NoSuchBucket|AllAccessDisabled|AccountProblem|ResourceNotFoundException|NotAuthorized.*|CredentialsProviderError|TokenProviderError|InvalidKMSResourceException|KMS.*)$/

/** The failure of a call of the SDK, as delivery words it. Errors of the local file system stay what they are. */
export function awsFailure(error: unknown): Error {
  if (error instanceof DeliveryError) return error
  const { name, message, $metadata } = error as Error & {
    $metadata?: { httpStatusCode?: number }
  }
  const status = $metadata?.httpStatusCode
  const code = errnoOf(error)
  // A file that is gone or cannot be read, not an answer.
  if (status === undefined && (code === 'ENOENT' || code === 'EACCES' || code === 'EIO')) {
    return error as Error
  }
  const said = name === 'Error' || name === code ? '' : `${name}: `
  return new DeliveryError(kindOf(name, status), said + firstLine(message), error)
}

function kindOf(name: string, status: number | undefined): DeliveryErrorKind {
  if (THROTTLED.test(name) || status === 429 || status === 503) return 'Rate limited'
  if (REFUSED.test(name) || status === 401 || status === 403) return 'Access error'
  return 'Unknown error'
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}
