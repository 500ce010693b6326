import { ApiError, type Output } from './action.js'
import { type Parameter, parseForm, splitForm } from './form.js'
import { ACTION_WITHIN, type Call, type Protocol, type RefusalCodes } from './protocol.js'
import { nestParameters, PARAMETERS_MAX } from './query-input.js'
import type { ReceivedRequest } from './request.js'
import { element, emitMembers, escapeXml } from './xml.js'

/**
 * The EC2 query protocol: form-encoded parameters with `Action` and `Version`, by GET in the URL
 * or by POST in the body, answered in XML.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */

const EC2_VERSION = '2016-11-15'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = `http://ec2.amazonaws.com/doc/${EC2_VERSION}/`

const CODES: RefusalCodes = {
  'missing-signature': ['MissingAuthenticationToken', 403],
  'malformed-signature': ['IncompleteSignature', 400],
  'unknown-key': ['AuthFailure', 401],
  'wrong-signature': ['AuthFailure', 401],
  'wrong-time': ['RequestExpired', 400],
  'wrong-scope': ['AuthFailure', 401],
  forbidden: ['UnauthorizedOperation', 403],
  malformed: ['MalformedQueryString', 400],
  'too-large': ['RequestEntityTooLarge', 413],
  busy: ['RequestLimitExceeded', 503],
  unavailable: ['ServiceUnavailable', 503],
  'wrong-method': ['MethodNotAllowed', 405],
  'unknown-path': ['InvalidAction', 404],
  'unknown-action': ['InvalidAction', 400],
  internal: ['InternalError', 500],
}

/** Read here, or of a signature (those of version 2 as well, which nobody checks); no parameters of an action. */
const IS_TRANSPORT =
  /^(?:Action|Version|X-Amz-.*|AWSAccessKeyId|Signature|SignatureMethod|SignatureVersion|SecurityToken|Timestamp|Expires)$/i

export const queryProtocol: Protocol = {
  refusals: CODES,
  contentType: 'text/xml;charset=UTF-8',

  read(request: ReceivedRequest): Call {
    const parameters = [...parametersOf(request.query), ...parametersOf(formIn(request))]
    const action = only(parameters, 'Action')
    if (action === undefined || action === '') {
      throw new ApiError('MissingAction', 'The request has no parameter Action.')
    }
    const version = only(parameters, 'Version')
    // There is one: a request that names none means that.
    if (version !== undefined && version !== EC2_VERSION) {
      throw new ApiError('NoSuchVersion', `The only version of this API is ${EC2_VERSION}.`)
    }
    const input = nestParameters(parameters.filter(([name]) => !IS_TRANSPORT.test(name)))
    if (typeof input === 'string') throw new ApiError('InvalidParameterCombination', input)
    return { action, input }
  },

  actionOf({ query, body }: ReceivedRequest): string | undefined {
    const form = body.toString('latin1', 0, ACTION_WITHIN)
    const pairs = [...splitForm(query.slice(0, ACTION_WITHIN)), ...splitForm(form)]
    return pairs.find(([name]) => name === 'Action')?.[1]
  },

  reply(action: string, output: Output, requestId: string): string {
    const id = element('requestId', requestId)
    return `${DECLARATION}<${action}Response xmlns="${NAMESPACE}">${id}${emitMembers(output)}</${action}Response>`
  },

  fail(error: ApiError, requestId: string): string {
    const code = element('Code', escapeXml(error.code))
    const errors = `<Errors><Error>${code}${element('Message', escapeXml(error.message))}</Error></Errors>`
    return `${DECLARATION}<Response>${errors}${element('RequestID', requestId)}</Response>`
  },
}

/** The body as form text; a POST without a content type is taken at its word. */
function formIn({ headers, body }: ReceivedRequest): string {
  const type = headers.get('content-type') ?? ''
  const isForm = type === '' || /^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)
  if (!isForm && body.length > 0) {
    throw new ApiError(
      'MalformedQueryString',
      'The body must be of the content type application/x-www-form-urlencoded.',
    )
  }
  return body.toString('latin1')
}

function parametersOf(text: string): Parameter[] {
  // Said before anything is decoded, which takes far longer than counting.
  if (isLongerThan(text, PARAMETERS_MAX)) {
    throw new ApiError(
      'InvalidParameterCombination',
      `There are more than ${PARAMETERS_MAX} parameters.`,
    )
  }
  const parameters = parseForm(text)
  if (parameters === undefined) {
    throw new ApiError('MalformedQueryString', 'A parameter holds a bad escape or is not UTF-8.')
  }
  return parameters
}

/** Whether a form has more than this many pairs. */
function isLongerThan(text: string, most: number): boolean {
  let pairs = 1
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) {
    if (++pairs > most) return true
  }
  return false
}

function only(parameters: readonly Parameter[], wanted: string): string | undefined {
  const values = parameters.filter(([name]) => name === wanted)
  if (values.length > 1) {
    throw new ApiError('InvalidParameterCombination', `The parameter '${wanted}' is given twice.`)
  }
  return values[0]?.[1]
}
