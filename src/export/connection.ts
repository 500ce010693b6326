import { createHash } from 'node:crypto'
import type { CommunityEnds } from '../application/community-id.js'
import type { Ends } from '../application/ends.js'

/** Decimal seconds with six digits as a number, as the logs have times. */
export function secondsOf(seconds: number, nanoseconds: number): number {
  return Number(`${seconds}.${String(Math.floor(nanoseconds / 1000)).padStart(6, '0')}`)
}

export function communityEnds(ends: Ends): CommunityEnds {
  return { ...ends, packetSource: ends.source, packetDestination: ends.destination }
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A number of the connection that is the same in all logs, and in every run: of its session, ends and protocol. */
function numberOf(session: number, ends: CommunityEnds): bigint {
  const side = (words: ArrayLike<number>, port: number) => `${Array.from(words).join()}:${port}`
  const sides = [
    side(ends.packetSource, ends.sourcePort),
    side(ends.packetDestination, ends.destinationPort),
  ].sort()
  const hash = createHash('sha256')
    .update(`${session} ${ends.protocol} ${sides.join(' ')}`)
    .digest()
  return hash.readBigUInt64BE(0)
}

/** Zeek's `uid`. */
export function uidOf(session: number, ends: CommunityEnds): string {
  let rest = numberOf(session, ends)
  let text = ''
  while (rest > 0n) {
    text = DIGITS[Number(rest % 62n)]! + text
    rest /= 62n
  }
  return `C${text}`
}

/** Suricata's `flow_id`, which a double holds. */
export function flowIdOf(session: number, ends: CommunityEnds): number {
  return Number(numberOf(session, ends) >> 12n)
}
