import { createHash, createHmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import { HeaderFields, type ReceivedRequest } from '../../../src/aws/protocol/request.js'
import type { Credential } from '../../../src/aws/sigv4/credentials.js'
import { ALICE, REGION } from '../../api/running-api.js'

export const HOST = 'mirror.local:8080'
export const SIGNED_AT = new Date('2026-03-01T12:00:00Z')

/** SHA-256 as the SDK's signer wants it. */
class Sha256 {
  readonly #secret: Buffer | undefined
  #parts: Buffer[] = []

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    if (secret !== undefined) this.#secret = octets(secret)
  }

  update(part: string | ArrayBuffer | ArrayBufferView): void {
    this.#parts.push(octets(part))
  }

  digest(): Promise<Uint8Array> {
    const hash =
      this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
    for (const part of this.#parts) hash.update(part)
    return Promise.resolve(hash.digest())
  }

  reset(): void {
    this.#parts = []
  }
}

function octets(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data)
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

export interface ToSign {
  method?: 'GET' | 'POST'
  query?: Record<string, string | string[]>
  headers?: Record<string, string>
  body?: string | Buffer
  who?: Credential
  at?: Date
  region?: string
  service?: string
}

/** What the AWS SDK's own signer makes of a request, as a server receives it. */
export async function signed(what: ToSign = {}): Promise<ReceivedRequest> {
  const { query = {}, body = '' } = what
  const headers = { host: HOST, ...what.headers }
  const request = { method: what.method ?? 'POST', headers, query, body }
  const made = await signer(what).sign(
    { ...request, protocol: 'http:', hostname: 'mirror.local', port: 8080, path: '/' },
    { signingDate: what.at ?? SIGNED_AT },
  )
  return received({ ...request, query: queryText(query), headers: Object.entries(made.headers) })
}

/** The same for a URL that is signed; its headers are as given. */
export async function presigned(
  what: ToSign & { expiresIn?: number } = {},
): Promise<ReceivedRequest> {
  const { query = {}, body = '' } = what
  const headers = { host: HOST, ...what.headers }
  const request = { method: what.method ?? 'GET', headers, query, body }
  const made = await signer(what).presign(
    { ...request, protocol: 'http:', hostname: 'mirror.local', port: 8080, path: '/' },
    { signingDate: what.at ?? SIGNED_AT, expiresIn: what.expiresIn ?? 300 },
  )
  const text = queryText(made.query as Record<string, string | string[]>)
  return received({ ...request, query: text, headers: Object.entries(made.headers) })
}

function signer({ who = ALICE, region = REGION, service = 'ec2' }: ToSign): SignatureV4 {
  const { accessKeyId, secretAccessKey, sessionToken } = who
  const credentials = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  }
  return new SignatureV4({ credentials, region, service, sha256: Sha256 })
}

export function received(of: {
  method?: string
  query?: string
  headers: readonly (readonly [string, string])[]
  body?: string | Buffer
}): ReceivedRequest {
  const { method = 'POST', query = '', headers, body = '' } = of
  return {
    method,
    path: '/',
    query,
    // On the wire text is bytes, and Node makes one character of each.
    headers: new HeaderFields(headers.flat().map((text) => Buffer.from(text).toString('latin1'))),
    body: Buffer.from(body as string),
    sourceIpAddress: '192.0.2.7',
  }
}

/** A copy whose header fields went through `change`. */
export function withHeaders(
  request: ReceivedRequest,
  change: (fields: [string, string][]) => [string, string][],
): ReceivedRequest {
  const fields = [...request.headers.names()].flatMap((name) =>
    request.headers.all(name).map((value): [string, string] => [name, value]),
  )
  return { ...request, headers: new HeaderFields(change(fields).flat()) }
}

function queryText(query: Record<string, string | string[]>): string {
  return Object.entries(query)
    .flatMap(([name, values]) =>
      [values].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
    )
    .join('&')
}
