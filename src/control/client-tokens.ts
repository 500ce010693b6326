import type { Draft } from './draft.js'
import { Refusal } from './refusal.js'
import type { PartFailure, TokenUse } from './state.js'

/** EC2 does not say how long it knows a token. A client's retries are over in minutes. */
const TOKEN_LIFE_MS = 24 * 3600 * 1000
/** The oldest are forgotten first. */
const TOKENS_MAX = 10_000

/** What an operation made, and what it could not make. */
export interface Made {
  readonly ids: readonly string[]
  readonly failures: readonly PartFailure[]
}

/** A client's token counts for one operation of one account. */
export interface TokenOfClient {
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
    draft.setTokens(withToken(draft.state.tokens, key, use))
  }
  return { ids, failures }
}

function withToken(
  tokens: ReadonlyMap<string, TokenUse>,
  key: string,
  use: TokenUse,
): ReadonlyMap<string, TokenUse> {
  const next = new Map(tokens)
  next.delete(key)
  for (const [old, { usedAt }] of next) {
    if (next.size < TOKENS_MAX && use.usedAt - usedAt < TOKEN_LIFE_MS) break
    next.delete(old)
  }
  return next.set(key, use)
}
