import { createHash } from 'node:crypto'

const DIGEST_LEN = 12

/**
 * A token that says where a list goes on. It holds for the question that it was given for and
 * for no other. It is not secret, and need not be: all it says is a position.
 */
export function makePageToken(question: string, position: string): string {
  // Standard base64: the pattern that Network Firewall's model has for tokens knows no `-` and `_`.
  return Buffer.concat([digestOf(question, position), Buffer.from(position)]).toString('base64')
}

/** The position in a token; undefined for text that is no token of this question. */
export function readPageToken(question: string, token: string): string | undefined {
  const position = Buffer.from(token, 'base64').toString('utf8', DIGEST_LEN)
  return makePageToken(question, position) === token ? position : undefined
}

function digestOf(question: string, position: string): Buffer {
  return createHash('sha256').update(`${question}\0${position}`).digest().subarray(0, DIGEST_LEN)
}
