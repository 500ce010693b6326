import { parseForm } from '../protocol/form.js'
import { Refused } from '../protocol/protocol.js'
import type { HeaderFields, RequestHead } from '../protocol/request.js'
import { ALGORITHM, type Scope, timestampOf } from './signing.js'

/** What a request says of its own signature, in its `Authorization` header or its URL. Nothing of it is proven. */
export interface Signature extends Scope {
  readonly accessKeyId: string
  /** Lower case, each once. */
  readonly signedHeaders: readonly string[]
  /** 64 hexadecimal digits if it is any good. */
  readonly signature: string
  /** `20260301T120000Z`. */
  readonly timestamp: string
  /** Seconds from `timestamp` on that a URL is good for; undefined in header form. */
  readonly expiresSeconds: number | undefined
  readonly sessionToken: string | undefined
}

/** Seven days. */
const EXPIRES_SECONDS_MAX = 604_800

const TOKEN_CHARACTERS = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** Finds the signature of a request, whole and of version 4, or says what is wrong with it. */
export function readSignature({ headers, query }: RequestHead): Signature | Refused {
  const authorization = headers.get('authorization')
  const inUrl = urlParameters(query)
  if (inUrl === undefined)
    return malformed('A parameter of the URL holds a bad escape, or is given twice.')
  if (inUrl.size > 0 && authorization !== undefined) {
    return malformed('A request is signed by its Authorization header or by its URL, not by both.')
  }
  if (authorization !== undefined) return fromHeader(authorization, headers)
  if (inUrl.size > 0) return fromUrl(inUrl)
  return new Refused(
    'missing-signature',
    'The request is not signed: give an access key, of Signature Version 4.',
  )
}

function fromHeader(authorization: string, headers: HeaderFields): Signature | Refused {
  const match = /^(\S+) +(.*)$/.exec(authorization)
  if (match === null || match[1] !== ALGORITHM) {
    return malformed(`The Authorization header must begin with ${ALGORITHM}.`)
  }
  const parts = new Map<string, string>()
  for (const part of match[2]!.split(',')) {
    const [, name, value] = /^ *([A-Za-z]+)=(\S+) *$/.exec(part) ?? []
    if (name === undefined || value === undefined || parts.has(name)) {
      return malformed(
        'The Authorization header holds a part that is not Name=value, or is given twice.',
      )
    }
    parts.set(name, value)
  }
  for (const name of ['Credential', 'SignedHeaders', 'Signature']) {
    if (!parts.has(name)) return malformed(`The Authorization header has no ${name}.`)
  }
  const timestamp = timestampIn(headers)
  if (timestamp === undefined) {
    return malformed('A signed request needs the header X-Amz-Date, such as 20260301T120000Z.')
  }
  return assemble({
    credential: parts.get('Credential')!,
    signedHeaders: parts.get('SignedHeaders')!,
    signature: parts.get('Signature')!,
    timestamp,
    expiresSeconds: undefined,
    sessionToken: headers.get('x-amz-security-token'),
  })
}

function fromUrl(parameters: ReadonlyMap<string, string>): Signature | Refused {
  for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
    if (!parameters.has(`X-Amz-${name}`)) return malformed(`The URL has no X-Amz-${name}.`)
  }
  if (parameters.get('X-Amz-Algorithm') !== ALGORITHM) {
    return malformed(`X-Amz-Algorithm must be ${ALGORITHM}.`)
  }
  const expires = parameters.get('X-Amz-Expires')!
  const expiresSeconds = /^\d{1,6}$/.test(expires) ? Number(expires) : 0
  if (expiresSeconds < 1 || expiresSeconds > EXPIRES_SECONDS_MAX) {
    return malformed(`X-Amz-Expires must be 1 to ${EXPIRES_SECONDS_MAX} seconds.`)
  }
  return assemble({
    credential: parameters.get('X-Amz-Credential')!,
    signedHeaders: parameters.get('X-Amz-SignedHeaders')!,
    signature: parameters.get('X-Amz-Signature')!,
    timestamp: parameters.get('X-Amz-Date')!,
    expiresSeconds,
    sessionToken: parameters.get('X-Amz-Security-Token'),
  })
}

function assemble(
  parts: { credential: string; signedHeaders: string } & Pick<
    Signature,
    'signature' | 'timestamp' | 'expiresSeconds' | 'sessionToken'
  >,
): Signature | Refused {
  const { credential, signedHeaders, ...rest } = parts
  const words = credential.split('/')
  if (words.length !== 5 || words.includes('')) {
    return malformed('Credential must be <access key>/<YYYYMMDD>/<region>/<service>/aws4_request.')
  }
  const [accessKeyId, date, region, service, terminator] = words as [
    string,
    string,
    string,
    string,
    string,
  ]
  const names = signedHeaders.split(';')
  const isList = names.every((name) => TOKEN_CHARACTERS.test(name))
  if (!isList || new Set(names).size < names.length) {
    return malformed('SignedHeaders must be names of headers in lower case with ; between them.')
  }
  if (!/^\d{8}T\d{6}Z$/.test(rest.timestamp)) {
    return malformed('The date of the signature must look like 20260301T120000Z.')
  }
  return { accessKeyId, date, region, service, terminator, signedHeaders: names, ...rest }
}

/** X-Amz-Date, or Date in the same form or in that of HTTP. */
function timestampIn(headers: HeaderFields): string | undefined {
  const own = headers.get('x-amz-date')
  if (own !== undefined) return own
  const date = headers.get('date')
  if (date === undefined || /^\d{8}T\d{6}Z$/.test(date)) return date
  const milliseconds = Date.parse(date)
  if (Number.isNaN(milliseconds)) return undefined
  return timestampOf(new Date(milliseconds))
}

/** Those of the signature; undefined when they cannot be read, or leave a choice. */
function urlParameters(query: string): Map<string, string> | undefined {
  const found = new Map<string, string>()
  // Most requests have none.
  if (!/X-Amz-(?:Algorithm|Credential|Signature)=/.test(query)) return found
  const parameters = parseForm(query)
  if (parameters === undefined) return undefined
  for (const [name, value] of parameters) {
    if (!name.startsWith('X-Amz-')) continue
    if (found.has(name)) return undefined
    found.set(name, value)
  }
  return found
}

function malformed(message: string): Refused {
  return new Refused('malformed-signature', message)
}
