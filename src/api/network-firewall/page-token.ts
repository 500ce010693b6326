import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { ApiError } from '../../aws/protocol/action.js'

const SEAL_LEN = 16
/** What is listed lives no longer than the process, and neither do tokens. */
const KEY = randomBytes(32)

/**
 * Tokens that say where a list goes on. A token holds for the question it was
 * given for and for no other, and cannot be made by a client.
 */
export function makePageToken(question: string, position: number): string {
  const text = Buffer.from(String(position))
  // Standard base64: the model's pattern has no `-` and `_`.
  return Buffer.concat([seal(question, text), text]).toString('base64')
}

/** The position in a token. Throws InvalidRequestException for one that is not of this question. */
export function readPageToken(question: string, token: string): number {
  const octets = Buffer.from(token, 'base64')
  const text = octets.subarray(SEAL_LEN)
  // What decodes to the same octets is another text all the same.
  const isWhole = octets.length > SEAL_LEN && octets.toString('base64') === token
  if (!isWhole || !isSealed(question, text, octets)) {
    throw new ApiError('InvalidRequestException', 'NextToken is not valid for this request')
  }
  return Number(text.toString())
}

function isSealed(question: string, text: Buffer, octets: Buffer): boolean {
  return timingSafeEqual(seal(question, text), octets.subarray(0, SEAL_LEN))
}

function seal(question: string, text: Buffer): Buffer {
  const hmac = createHmac('sha256', KEY).update(question).update('\0').update(text)
  return hmac.digest().subarray(0, SEAL_LEN)
}
