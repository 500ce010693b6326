import { HeaderFields } from '../protocol/request.js'
import { canonicalRequest, sha256 } from './canonical-request.js'
import type { Credential } from './credentials.js'
import {
  ALGORITHM,
  type Scope,
  scopeText,
  signatureOf,
  TERMINATOR,
  timestampOf,
} from './signing.js'

/** A request that is still to be sent. */
interface UnsignedRequest {
  readonly method: 'GET' | 'POST'
  /** Escaped; `/` when it is left out. */
  readonly path?: string
  /** After `?`, escaped; empty when there is none. */
  readonly query?: string
  /** All of them are signed; `host` must be among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * The headers of `request` and those that sign it with version 4: `x-amz-date`, with a session
 * token `x-amz-security-token`, and `authorization`. A `Verifier` is its inverse.
 */
export function signRequest(
  request: UnsignedRequest,
  credential: Credential,
  { region, service, at }: { region: string; service: string; at: Date },
): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = credential
  const timestamp = timestampOf(at)
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': timestamp,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  }
  const fields = new HeaderFields(Object.entries(headers).flat())
  const names = [...fields.names()].sort()
  const { method, path = '/', query = '', body } = request
  const canonical = canonicalRequest({ method, path, query, headers: fields }, names, sha256(body))
  if (canonical === undefined) throw new TypeError(`the query ${query} holds a bad escape`)
  const date = timestamp.slice(0, 8)
  const scope: Scope = { date, region, service, terminator: TERMINATOR }
  const signature = signatureOf(canonical, { scope, timestamp, secret: secretAccessKey })
  const parts = [
    `Credential=${accessKeyId}/${scopeText(scope)}`,
    `SignedHeaders=${names.join(';')}`,
    `Signature=${signature.toString('hex')}`,
  ]
  return { ...headers, authorization: `${ALGORITHM} ${parts.join(', ')}` }
}
