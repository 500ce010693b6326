import { createHash } from 'node:crypto'
import { decodeOctets, splitForm } from '../protocol/form.js'
import type { RequestHead } from '../protocol/request.js'

/**
 * The canonical form of a request, which both sides hash (Signature Version 4, "Create a canonical
 * request", https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 *
 * Nothing is decoded and written anew that the signer had not: header values are bytes as
 * received, and the body enters by its hash alone.
 */

/** Not part of what is signed: it is the signature. */
const SIGNATURE_PARAMETER = 'X-Amz-Signature'

/** `text` holds one character a byte, as does what comes back. undefined when an escape of the query is cut short. */
export function canonicalRequest(
  head: Pick<RequestHead, 'method' | 'path' | 'query' | 'headers'>,
  signedHeaders: readonly string[],
  bodyHash: string,
): string | undefined {
  const query = canonicalQuery(head.query)
  if (query === undefined) return undefined
  const names = [...signedHeaders].sort()
  const fields = names.map((name) => `${name}:${head.headers.all(name).map(trim).join(',')}\n`)
  // As it was sent, escaped once more: so every service but S3 has it.
  const path = head.path.split('/').map((part) => encodeOctets(Buffer.from(part, 'latin1')))
  return [head.method, path.join('/'), query, fields.join(''), names.join(';'), bodyHash].join('\n')
}

/** Sorted by name, then value, everything but unreserved characters escaped. */
function canonicalQuery(query: string): string | undefined {
  const pairs: [name: string, value: string][] = []
  for (const [rawName, rawValue] of splitForm(query)) {
    const name = decodeOctets(rawName)
    const value = decodeOctets(rawValue)
    if (name === undefined || value === undefined) return undefined
    const encodedName = encodeOctets(name)
    if (encodedName !== SIGNATURE_PARAMETER) pairs.push([encodedName, encodeOctets(value)])
  }
  return pairs
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map((pair) => pair.join('='))
    .join('&')
}

/** RFC 3986 §2.3 as it is, any other byte as `%XX`. */
function encodeOctets(octets: Buffer): string {
  return octets
    .toString('latin1')
    .replace(
      /[^A-Za-z0-9._~-]/g,
      (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Without spaces at the ends, runs of them as one. */
function trim(value: string): string {
  return value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')
}

/** Lower-case hexadecimal SHA-256; text is one character a byte. */
export function sha256(of: string | Buffer): string {
  const hash = createHash('sha256')
  return (typeof of === 'string' ? hash.update(of, 'latin1') : hash.update(of)).digest('hex')
}
