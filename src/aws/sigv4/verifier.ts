import { timingSafeEqual } from 'node:crypto'
import { Refused } from '../protocol/protocol.js'
import type { HeaderFields, ReceivedRequest } from '../protocol/request.js'
import { canonicalRequest, sha256 } from './canonical-request.js'
import type { Credential } from './credentials.js'
import { readSignature, type Signature } from './signature.js'
import { signatureOf, TERMINATOR } from './signing.js'

export interface VerifierOptions {
  /** By access key id. */
  readonly credentials: ReadonlyMap<string, Credential>
  /** The only one that requests may be meant for. */
  readonly region: string
  /** How far a client's clock may be off, either way. AWS allows EC2's clients 15 minutes. */
  readonly skewSeconds: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Checks signatures of version 4. A request passes when someone who has a secret of `credentials`
 * signed these octets, for this service and region, around now.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 */
export class Verifier {
  readonly #options: VerifierOptions

  constructor(options: VerifierOptions) {
    this.#options = options
  }

  /** Whose signature it is, or why it is none. `service` is as in the scope: `ec2`. */
  verify(request: ReceivedRequest, service: string): Credential | Refused {
    const signature = readSignature(request)
    if (signature instanceof Refused) return signature
    const credential = this.#options.credentials.get(signature.accessKeyId)
    if (credential === undefined) {
      return new Refused('unknown-key', 'There is no such access key in the credentials file.')
    }
    return (
      this.#checkScope(signature, service) ??
      this.#checkTime(signature) ??
      checkCoverage(signature, request.headers) ??
      checkSignature(signature, request, credential.secretAccessKey) ??
      checkToken(signature, credential.sessionToken) ??
      credential
    )
  }

  #checkScope(signature: Signature, service: string): Refused | undefined {
    const { date, region, terminator, timestamp } = signature
    const wanted = [
      ['region', region, this.#options.region],
      ['service', signature.service, service],
      ['terminator', terminator, TERMINATOR],
      ['date', date, timestamp.slice(0, 8)],
    ] as const
    for (const [what, is, should] of wanted) {
      if (is === should) continue
      return new Refused(
        'wrong-scope',
        `Credential is scoped to the wrong ${what}, not '${should}'.`,
      )
    }
    return undefined
  }

  #checkTime({ timestamp, expiresSeconds }: Signature): Refused | undefined {
    const { now, skewSeconds } = this.#options
    const signedAt = milliseconds(timestamp)
    if (Number.isNaN(signedAt)) {
      return new Refused('malformed-signature', `There is no such time as ${timestamp}.`)
    }
    const ageSeconds = (now() - signedAt) / 1000
    if (ageSeconds < -skewSeconds) {
      return new Refused('wrong-time', `Signature not yet current: ${timestamp} is in the future.`)
    }
    if (ageSeconds > (expiresSeconds ?? skewSeconds)) {
      return new Refused('wrong-time', `Signature expired: ${timestamp} is too long ago.`)
    }
    return undefined
  }
}

/** What changes a request's meaning must have been signed. */
function checkCoverage({ signedHeaders }: Signature, headers: HeaderFields): Refused | undefined {
  const signed = new Set(signedHeaders)
  const needed = ['host', ...[...headers.names()].filter((name) => name.startsWith('x-amz-'))]
  // A date that is not signed would not be one.
  const usesDate =
    headers.get('authorization') !== undefined && headers.get('x-amz-date') === undefined
  if (usesDate) needed.push('date')
  for (const name of needed) {
    if (!signed.has(name)) return wrongSignature(`The header ${name} must be signed.`)
  }
  for (const name of signedHeaders) {
    if (headers.all(name).length === 0)
      return wrongSignature(`The signed header ${name} is missing.`)
  }
  return undefined
}

function checkSignature(
  signature: Signature,
  request: ReceivedRequest,
  secret: string,
): Refused | undefined {
  const bodyHash = sha256(request.body)
  const claimedHash = request.headers.get('x-amz-content-sha256')
  // UNSIGNED-PAYLOAD among them: neither service's clients send it, and it would let anyone on the way change the call.
  if (claimedHash !== undefined && claimedHash !== bodyHash) {
    return wrongSignature('X-Amz-Content-SHA256 is not the SHA-256 of the body.')
  }
  const canonical = canonicalRequest(request, signature.signedHeaders, bodyHash)
  if (canonical === undefined) {
    return new Refused('malformed-signature', 'A parameter of the URL holds a bad escape.')
  }
  const { timestamp } = signature
  const expected = signatureOf(canonical, { scope: signature, timestamp, secret })
  const given = /^[0-9a-f]{64}$/.test(signature.signature)
    ? Buffer.from(signature.signature, 'hex')
    : Buffer.alloc(expected.length)
  if (timingSafeEqual(expected, given)) return undefined
  return wrongSignature(
    'The signature does not match. Check the secret access key, and that nothing on the way changes the request.',
  )
}

/** The token is covered by the signature already; it must also be the one that belongs to the key. */
function checkToken(
  { sessionToken }: Signature,
  expected: string | undefined,
): Refused | undefined {
  if (sessionToken === undefined && expected === undefined) return undefined
  const given = sha256(sessionToken ?? '')
  if (timingSafeEqual(Buffer.from(given), Buffer.from(sha256(expected ?? '')))) return undefined
  return new Refused('unknown-key', 'The session token is not the one of this access key.')
}

function wrongSignature(message: string): Refused {
  return new Refused('wrong-signature', message)
}

/** `20260301T120000Z` → milliseconds since the epoch, or NaN where there is no such time. */
function milliseconds(timestamp: string): number {
  const iso = timestamp.replace(
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
    '$1-$2-$3T$4:$5:$6.000Z',
  )
  const time = Date.parse(iso)
  // Date.parse takes 30 February for 2 March.
  return !Number.isNaN(time) && new Date(time).toISOString() === iso ? time : Number.NaN
}
