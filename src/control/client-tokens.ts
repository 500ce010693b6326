import type { Draft } from './draft.js'
import { LayeredMap } from './layered-map.js'
import { Refusal } from './refusal.js'
import type { PartFailure, TokenUse } from './state.js'
import { noteEntry, sizeOfMap } from './stored-size.js'

/** EC2 does not say how long it knows a token. A client's retries are over in minutes. */
const TOKEN_LIFE_MS = 24 * 3600 * 1000
/** The oldest are forgotten first. */
const TOKENS_MAX = 10_000
/** Of all uses as JSON. One that made a thousand flow logs has as many ids. */
const TOKEN_BYTES_MAX = 8 * 1024 * 1024

/** What an operation made, and what it could not make. */
export interface Made {
  readonly ids: readonly string[]
  readonly failures: readonly PartFailure[]
}

/** A client's token counts for one operation of one account. */
interface TokenOfClient {
  readonly operation: string
  readonly accountId: string
  readonly token: string
  /** Equal for equal parameters. */
  readonly fingerprint: string
}

/**
 * Does `make` the first time the client sends this token, and answers with what
 * came of it from then on, also after a restart. An operation that was refused
 * leaves its token unused. Throws Refusal when the token comes with other parameters.
 *
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 */
export function onceFor(draft: Draft, client: TokenOfClient, make: () => Made): Made {
  const key = `${client.accountId} ${client.operation} ${client.token}`
  const used = draft.state.tokens.get(key)
  if (used !== undefined && draft.now - used.usedAt < TOKEN_LIFE_MS) {
    if (used.fingerprint !== client.fingerprint) {
      throw new Refusal(
        'IdempotentParameterMismatch',
        `The client token '${client.token}' was used with other parameters`,
      )
    }
    return used
  }

  const { ids, failures } = make()
  if (ids.length > 0) {
    const use = { fingerprint: client.fingerprint, ids, failures, usedAt: draft.now }
    draft.useToken(key, use, withToken(draft.state.tokens, key, use))
  }
  return { ids, failures }
}

/** The tokens after this use, without those that it is time to forget. */
export function withToken(
  tokens: ReadonlyMap<string, TokenUse>,
  key: string,
  use: TokenUse,
): ReadonlyMap<string, TokenUse> {
  let next = without(LayeredMap.of(tokens), key)
  const before = next
  next = next.with(key, use)
  noteEntry(before, next, key)
  for (const [old, { usedAt }] of next) {
    const isFull = next.size > TOKENS_MAX || sizeOfMap(next) > TOKEN_BYTES_MAX
    if (old === key || (!isFull && use.usedAt - usedAt < TOKEN_LIFE_MS)) break
    next = without(next, old)
  }
  return next
}

function without(tokens: LayeredMap<string, TokenUse>, key: string): LayeredMap<string, TokenUse> {
  const next = tokens.without(key)
  if (next !== tokens) noteEntry(tokens, next, key)
  return next
}
