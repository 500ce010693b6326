import { createHmac } from 'node:crypto'
import { sha256 } from './canonical-request.js'

/** The only algorithm of Signature Version 4 that is spoken here. */
export const ALGORITHM = 'AWS4-HMAC-SHA256'

export const TERMINATOR = 'aws4_request'

/** For what a signature is good. */
export interface Scope {
  /** `20260301`. */
  readonly date: string
  readonly region: string
  /** `ec2`. */
  readonly service: string
  readonly terminator: string
}

/** `20260301/us-east-1/ec2/aws4_request`. */
export function scopeText({ date, region, service, terminator }: Scope): string {
  return [date, region, service, terminator].join('/')
}

/**
 * The signature of a canonical request, 32 bytes. `timestamp` is `20260301T120000Z`.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function signatureOf(
  canonical: string,
  { scope, timestamp, secret }: { scope: Scope; timestamp: string; secret: string },
): Buffer {
  const toSign = [ALGORITHM, timestamp, scopeText(scope), sha256(canonical)].join('\n')
  const { date, region, service, terminator } = scope
  const key = [date, region, service, terminator].reduce(hmac, Buffer.from(`AWS4${secret}`))
  return hmac(key, toSign)
}

/** `20260301T120000Z`. */
export function timestampOf(at: Date): string {
  // 2026-03-01T12:00:00.000Z
  return at.toISOString().replace(/[-:]|\.\d+/g, '')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}
