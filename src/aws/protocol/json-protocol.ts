import { ApiError, type Input, type Output } from './action.js'
import type { Call, Protocol, RefusalCodes } from './protocol.js'
import type { ReceivedRequest } from './request.js'

/**
 * The AWS JSON 1.0 protocol, as Network Firewall speaks it: the action in the header
 * `X-Amz-Target`, parameters and results as JSON objects.
 *
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
 */

export const TARGET_PREFIX = 'NetworkFirewall_20201112.'

/** The deepest member of a request is at five. */
const DEPTH_MAX = 32

const UTF8 = new TextDecoder('utf-8', { fatal: true })

const CODES: RefusalCodes = {
  'missing-signature': ['MissingAuthenticationTokenException', 400],
  'malformed-signature': ['IncompleteSignatureException', 400],
  'unknown-key': ['UnrecognizedClientException', 400],
  'wrong-signature': ['InvalidSignatureException', 400],
  'wrong-time': ['InvalidSignatureException', 400],
  'wrong-scope': ['InvalidSignatureException', 400],
  forbidden: ['AccessDeniedException', 400],
  malformed: ['SerializationException', 400],
  'too-large': ['RequestEntityTooLargeException', 413],
  // 400 in the model; 503 also tells balancers and clients that know nothing of AWS.
  busy: ['ThrottlingException', 503],
  // 500 in the model, as for `busy`.
  unavailable: ['InternalServerError', 503],
  'wrong-method': ['UnknownOperationException', 405],
  'unknown-path': ['UnknownOperationException', 404],
  'unknown-action': ['UnknownOperationException', 400],
  internal: ['InternalServerError', 500],
}

export const jsonProtocol: Protocol = {
  refusals: CODES,
  contentType: 'application/x-amz-json-1.0',

  read(request: ReceivedRequest): Call {
    const target = request.headers.get('x-amz-target') ?? ''
    if (!target.startsWith(TARGET_PREFIX)) {
      throw new ApiError(
        'UnknownOperationException',
        `The header X-Amz-Target must be ${TARGET_PREFIX}<operation>.`,
      )
    }
    return { action: target.slice(TARGET_PREFIX.length), input: inputOf(request.body) }
  },

  actionOf({ headers }: ReceivedRequest): string | undefined {
    const target = headers.get('x-amz-target') ?? ''
    return target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : undefined
  },

  reply(_action: string, output: Output): string {
    return JSON.stringify(output, wireValue)
  },

  fail(error: ApiError): string {
    return JSON.stringify({ __type: error.code, Message: error.message })
  },
}

/** An empty body is `{}`. */
function inputOf(body: Buffer): Input {
  let parsed: unknown = {}
  try {
    if (body.length > 0) parsed = JSON.parse(UTF8.decode(body))
  } catch {
    throw malformed('The body is not JSON in UTF-8.')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw malformed('The body must be a JSON object.')
  }
  return withoutNulls(parsed, 1) as Input
}

/** A copy of objects without prototypes and without members that are null. */
function withoutNulls(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > DEPTH_MAX) throw malformed(`The body nests deeper than ${DEPTH_MAX} levels.`)
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth + 1))
  const object: Record<string, unknown> = Object.create(null)
  for (const [name, member] of Object.entries(value)) {
    if (member !== null) object[name] = withoutNulls(member, depth + 1)
  }
  return object
}

function malformed(message: string): ApiError {
  const [code, status] = CODES.malformed
  return new ApiError(code, message, status)
}

/** A Date as seconds since the epoch; members that are null are left out. `this` is what holds `key`. */
function wireValue(this: unknown, key: string, value: unknown): unknown {
  // JSON.stringify has made text of the Date in `value` already.
  const original = (this as Record<string, unknown>)[key]
  if (original instanceof Date) return original.getTime() / 1000
  if (value === null && !Array.isArray(this)) return undefined
  return value
}
