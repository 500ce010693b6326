import { u32 } from '../wire/bytes.js'
import type { Frame } from '../wire/frame.js'

/** Who sent a packet to whom, and when: of a connection that of its originator. Plain data. */
export interface Ends {
  readonly session: number
  readonly ipVersion: 4 | 6
  readonly protocol: number
  /** IPv4 in word 0. */
  readonly source: Uint32Array
  readonly destination: Uint32Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly seconds: number
  readonly nanoseconds: number
  /** False where the file gives no time. */
  readonly timed: boolean
}

export interface Moment {
  readonly seconds: number
  readonly nanoseconds: number
  readonly timed: boolean
}

/** Of a frame that carries IP. */
export function endsOf(frame: Frame, session: number, moment: Moment): Ends {
  const { seconds, nanoseconds, timed } = moment
  return {
    session,
    ipVersion: frame.ipVersion === 6 ? 6 : 4,
    protocol: frame.protocol,
    source: addressWords(frame, frame.srcAt),
    destination: addressWords(frame, frame.dstAt),
    sourcePort: frame.srcPort,
    destinationPort: frame.dstPort,
    seconds,
    nanoseconds,
    timed,
  }
}

/** The same from the other side. */
export function turned(ends: Ends): Ends {
  return {
    ...ends,
    source: ends.destination,
    destination: ends.source,
    sourcePort: ends.destinationPort,
    destinationPort: ends.sourcePort,
  }
}

/** What tells connections apart. */
export function connectionKey(ends: Ends): string {
  return `${ends.session} ${ends.protocol} ${ends.source.join()} ${ends.sourcePort} ${ends.destination.join()} ${ends.destinationPort}`
}

function addressWords({ bytes, ipVersion }: Frame, at: number): Uint32Array {
  const words = new Uint32Array(4)
  for (let word = 0; word < (ipVersion === 6 ? 4 : 1); word++)
    words[word] = u32(bytes, at + word * 4)
  return words
}
