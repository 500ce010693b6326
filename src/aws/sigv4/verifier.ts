import { timingSafeEqual } from 'node:crypto'
import { Refused } from '../protocol/protocol.js'
import type { HeaderFields, ReceivedRequest, RequestHead } from '../protocol/request.js'
import { canonicalRequest, sha256 } from './canonical-request.js'
import type { Credential } from './credentials.js'
import { readSignature, type Signature } from './signature.js'
import { signatureOf, TERMINATOR } from './signing.js'

interface VerifierOptions {
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
 * signed these bytes, for this service and region, around now.
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
    const claim = this.checkHead(request, service, true)
    return claim instanceof Refused ? claim : claim.check(request.body)
  }

  /**
   * The same before the body is read: all that can be decided by then is, the signature too where
   * the head says which body it is for. `hasBody`: one comes, for all that is known, after the head.
   */
  checkHead(head: RequestHead, service: string, hasBody: boolean): SignedHead | Refused {
    const signature = readSignature(head)
    if (signature instanceof Refused) return signature
    const credential = this.#options.credentials.get(signature.accessKeyId)
    if (credential === undefined) {
      return new Refused('unknown-key', 'There is no such access key in the credentials file.')
    }
    const bodyHash = head.headers.get('x-amz-content-sha256') ?? (hasBody ? undefined : EMPTY_HASH)
    return (
      this.#checkScope(signature, service) ??
      this.#checkTime(signature) ??
      checkCoverage(signature, head.headers) ??
      (bodyHash === undefined
        ? undefined
        : checkSignature(signature, head, bodyHash, credential)) ??
      checkToken(signature, credential.sessionToken) ??
      new SignedHead(head, { signature, credential, bodyHash })
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

/** A head that nothing speaks against; its body is still to come. */
export class SignedHead {
  readonly #head: RequestHead
  readonly #credential: Credential
  readonly #signature: Signature
  /** The one that was signed; undefined: the signature has not been checked yet. */
  readonly #bodyHash: string | undefined

  constructor(
    head: RequestHead,
    of: { signature: Signature; credential: Credential; bodyHash: string | undefined },
  ) {
    this.#head = head
    this.#credential = of.credential
    this.#signature = of.signature
    this.#bodyHash = of.bodyHash
  }

  /** Whether someone who has the secret wrote it: the signature has been checked. */
  get isProven(): boolean {
    return this.#bodyHash !== undefined
  }

  /** Whose request it is with this body, or why it is nobody's. */
  check(body: Buffer): Credential | Refused {
    const hash = sha256(body)
    if (this.#bodyHash === hash) return this.#credential
    if (this.#bodyHash !== undefined) return wrongBody()
    return checkSignature(this.#signature, this.#head, hash, this.#credential) ?? this.#credential
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

const EMPTY_HASH = sha256('')
const HASH = /^[0-9a-f]{64}$/

function checkSignature(
  signature: Signature,
  head: RequestHead,
  bodyHash: string,
  { secretAccessKey: secret }: Credential,
): Refused | undefined {
  // UNSIGNED-PAYLOAD among them: neither service's clients send it, and it would let anyone on the way change the call.
  if (!HASH.test(bodyHash)) return wrongBody()
  const canonical = canonicalRequest(head, signature.signedHeaders, bodyHash)
  if (canonical === undefined) {
    return new Refused('malformed-signature', 'A parameter of the URL holds a bad escape.')
  }
  const { timestamp } = signature
  const expected = signatureOf(canonical, { scope: signature, timestamp, secret })
  const given = HASH.test(signature.signature)
    ? Buffer.from(signature.signature, 'hex')
    : Buffer.alloc(expected.length)
  if (timingSafeEqual(expected, given)) return undefined
  return wrongSignature(
    'The signature does not match. Check the secret access key, and that nothing on the way changes the request.',
  )
}

function wrongBody(): Refused {
  return wrongSignature('X-Amz-Content-SHA256 is not the SHA-256 of the body.')
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
