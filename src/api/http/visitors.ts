import { createHash, createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Refused } from '../../aws/protocol/protocol.js'
import type { HeaderFields } from '../../aws/protocol/request.js'
import type { Credential } from '../../aws/sigv4/credentials.js'
import { isFromOwnPage } from './loopback.js'
import type { Page, Route } from './route.js'

/** Signed in at a time; one more ends the one that has been away longest. */
const VISITORS_MAX = 256
const SIGNED_IN_MS = 12 * 60 * 60 * 1000

const COOKIE = 'mirrortap'

/** What the key signs to make the token; the page of the dashboard knows it too. */
const TOKEN_OF = 'mirrortap dashboard'

/**
 * The token that signs the user of an access key in: HMAC-SHA256 of a constant under the secret, in
 * base64url. It gives away nothing of the secret, lasts as long as the key, and whoever has the key can make it.
 */
export function signInToken({ secretAccessKey }: Pick<Credential, 'secretAccessKey'>): string {
  return createHmac('sha256', secretAccessKey).update(TOKEN_OF).digest('base64url')
}

/**
 * Who has signed in with a browser, which cannot sign each request: the token of an access key
 * becomes a cookie, which is good for that user's calls as long as they come from a page of this server.
 */
export class Visitors {
  /** By the hash of the token, so that how long a look-up takes tells nothing of one. */
  readonly #users = new Map<string, Credential>()
  readonly #visitors = new LRUCache<string, Credential>({ max: VISITORS_MAX, ttl: SIGNED_IN_MS })

  constructor(credentials: Iterable<Credential>) {
    for (const credential of credentials) {
      this.#users.set(hashOf(signInToken(credential)), credential)
    }
  }

  /** Whose request it is; undefined where it carries no cookie of ours, and a refusal where that is of no use. */
  of(headers: HeaderFields): Credential | Refused | undefined {
    const id = cookieOf(headers)
    if (id === undefined) return undefined
    const visitor = this.#visitors.get(hashOf(id))
    if (visitor === undefined) {
      return new Refused('unknown-key', 'You are no longer signed in; open the dashboard again.')
    }
    if (isFromOwnPage(headers)) return visitor
    return new Refused('forbidden', 'A signed-in browser may ask only from the dashboard.')
  }

  /** POST with `Authorization: Bearer TOKEN`: a cookie, or 403. */
  get signIn(): Route {
    return {
      path: '/sign-in',
      method: 'POST',
      answer: ({ headers }): Page => {
        const [, token] = /^Bearer ([\w-]{1,128})$/.exec(headers.get('authorization') ?? '') ?? []
        const user = token === undefined ? undefined : this.#users.get(hashOf(token))
        if (user === undefined || !isFromOwnPage(headers)) return { status: 403, ...NOTHING }
        const id = randomBytes(32).toString('base64url')
        this.#visitors.set(hashOf(id), user)
        return { status: 204, ...NOTHING, headers: cookie(id, SIGNED_IN_MS / 1000) }
      },
    }
  }

  get signOut(): Route {
    return {
      path: '/sign-out',
      method: 'POST',
      answer: ({ headers }): Page => {
        const id = cookieOf(headers)
        if (id === undefined || !isFromOwnPage(headers)) return { status: 403, ...NOTHING }
        this.#visitors.delete(hashOf(id))
        return { status: 204, ...NOTHING, headers: cookie('', 0) }
      },
    }
  }
}

const NOTHING = { contentType: 'text/plain', body: '' }

function cookieOf(headers: HeaderFields): string | undefined {
  for (const pair of (headers.get('cookie') ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2)
    if (name === COOKIE && value !== undefined && value.length <= 128) return value
  }
  return undefined
}

/** Unreadable for scripts, and left out of what other sites cause (RFC 6265bis). */
function cookie(value: string, maxAgeSeconds: number): Record<string, string> {
  return {
    'Set-Cookie': `${COOKIE}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict`,
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
