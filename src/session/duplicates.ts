import { randomInt } from 'node:crypto'
import { ABSENT, type Frame } from '../wire/frame.js'
import { ICMP_CHECKSUM } from '../wire/icmp.js'
import { IPV4_HEADER_LEN, IPV4_TIME_TO_LIVE } from '../wire/ipv4.js'
import { IPV6_HEADER_LEN, IPV6_PAYLOAD_LENGTH } from '../wire/ipv6.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { TCP_CHECKSUM } from '../wire/tcp.js'
import { UDP_CHECKSUM } from '../wire/udp.js'

/** What to do with a copy: count it, keep it out of flows and mark it in captures, or drop it. */
export const DUPLICATE_MODES = ['keep', 'mark', 'drop'] as const

export type DuplicateMode = (typeof DUPLICATE_MODES)[number]

/** Copies of one packet come within this of each other, in nanoseconds. */
const WINDOW_NS = 5_000_000

/** Packets remembered: sets of WAYS, picked by hash. A million packets a second need 5,000 of them. */
const SETS = 2048
const WAYS = 8
const ENTRY_WORDS = 5
const FIRST_HASH = 0
const SECOND_HASH = 1
/** Index of the session plus one; 0: the entry is empty. */
const SESSION = 2
const SECONDS = 3
const NANOSECONDS = 4

/** Bytes after the fixed IP header that are compared: ports, sequence numbers, time stamps of TCP and RTP. */
const BEHIND_OCTETS = 32

/** The word of time to live, protocol and checksum; and that of payload length, next header and hop limit. */
const IPV4_UNLIKE_WORD = IPV4_TIME_TO_LIVE
const IPV6_UNLIKE_WORD = IPV6_PAYLOAD_LENGTH

/** Far from every header, where there is no checksum to leave out. */
const NOWHERE = 0x4000_0000

/**
 * Finds the packets that were mirrored at both of their ends.
 *
 * AWS mirrors a packet at most once for each interface, so a copy can only come in
 * another session: a retransmission, which comes in the same one, is never taken
 * for one. A copy is equal in all of its IP header but time to live and checksum,
 * and in the first 32 bytes after it but the checksum there; it comes within 5
 * ms; and each packet has one. Copies that two sessions cut to different lengths
 * below that are not recognised, nor are those that meet in no worker, nor those of
 * packets that came before a second session did.
 */
export class Duplicates {
  readonly #entries = new Int32Array(SETS * WAYS * ENTRY_WORDS)
  /** Keyed, so that nobody can make two packets that look the same. */
  readonly #seed1 = randomInt(2 ** 31)
  readonly #seed2 = randomInt(2 ** 31)
  // Signed, so that V8 keeps them as small integers.
  #first = 0
  #second = 0
  #onlySession = -1
  #several = false

  /** Whether packets of another session than `session` have come so far: until then nothing is a copy. */
  hasSeveralSessions(session: number): boolean {
    if (this.#several) return true
    if (this.#onlySession === -1) this.#onlySession = session
    this.#several = this.#onlySession !== session
    return this.#several
  }

  /** Whether the frame (which carries IP) is the copy of one that another session has brought. */
  isCopy(frame: Frame, session: number, seconds: number, nanoseconds: number): boolean {
    this.#hash(frame)
    const entries = this.#entries
    const set = (this.#first & (SETS - 1)) * WAYS * ENTRY_WORDS
    let oldest = set
    for (let at = set; at < set + WAYS * ENTRY_WORDS; at += ENTRY_WORDS) {
      if (
        entries[at + SESSION] !== 0 &&
        entries[at + FIRST_HASH] === this.#first &&
        entries[at + SECOND_HASH] === this.#second &&
        entries[at + SESSION] !== session + 1 &&
        this.#isNear(at, seconds, nanoseconds)
      ) {
        // It has found its copy; the next one is of the next.
        entries[at + SESSION] = 0
        entries[at + SECONDS] = 0
        return true
      }
      if (this.#isOlder(at, oldest)) oldest = at
    }
    entries[oldest + FIRST_HASH] = this.#first
    entries[oldest + SECOND_HASH] = this.#second
    entries[oldest + SESSION] = session + 1
    entries[oldest + SECONDS] = seconds
    entries[oldest + NANOSECONDS] = nanoseconds
    return false
  }

  #isNear(at: number, seconds: number, nanoseconds: number): boolean {
    const apart = seconds - this.#entries[at + SECONDS]!
    if (apart < -1 || apart > 1) return false
    return Math.abs(apart * 1e9 + nanoseconds - this.#entries[at + NANOSECONDS]!) <= WINDOW_NS
  }

  #isOlder(left: number, right: number): boolean {
    const entries = this.#entries
    return (
      entries[left + SECONDS]! < entries[right + SECONDS]! ||
      (entries[left + SECONDS] === entries[right + SECONDS] &&
        entries[left + NANOSECONDS]! < entries[right + NANOSECONDS]!)
    )
  }

  /** Puts two hashes of what copies have in common into `#first` and `#second`. */
  #hash(frame: Frame): void {
    const { bytes, ipAt } = frame
    const ipEnd = ipAt + frame.ipLength
    const end = ipEnd < frame.end ? ipEnd : frame.end
    const isV4 = frame.ipVersion === 4
    const behind = ipAt + (isV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN)
    const until = Math.min(end, behind + BEHIND_OCTETS)
    // What differs between copies: one word of the IP header, half a word of the transport's.
    const timeToLiveAt = ipAt + (isV4 ? IPV4_UNLIKE_WORD : IPV6_UNLIKE_WORD)
    const { transportAt } = frame
    const checksumAt =
      transportAt === ABSENT ? NOWHERE : transportAt + checksumOffset(frame.protocol)

    let first = this.#seed1 ^ frame.protocol
    let second = this.#seed2
    let at = ipAt
    for (; at + 4 <= until; at += 4) {
      let word =
        (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      if (at === timeToLiveAt) word = isV4 ? 0 : word & 0xffff_ff00
      else if (checksumAt - at < 4 && checksumAt >= at - 1) word &= maskWithout(checksumAt - at)
      first = Math.imul(first ^ word, 0x85eb_ca6b)
      first ^= first >>> 15
      second = Math.imul((second + word) | 0, 0x27d4_eb2f)
      second ^= second >>> 13
    }
    for (; at < until; at++) {
      if (at === checksumAt || at === checksumAt + 1) continue
      first = Math.imul(first ^ bytes[at]!, 0x85eb_ca6b)
    }
    this.#first = Math.imul(first ^ (first >>> 16), 0xc2b2_ae35) | 0
    this.#second = Math.imul(second ^ (second >>> 16), 0x1656_67b1) | 0
  }
}

/** Clears the checksum's bytes from a word that it begins in (0 to 3) or before (-1). */
function maskWithout(offset: number): number {
  switch (offset) {
    case -1:
      return 0x00ff_ffff
    case 0:
      return 0x0000_ffff
    case 1:
      return 0xff00_00ff | 0
    case 2:
      return 0xffff_0000 | 0
    default:
      return 0xffff_ff00 | 0
  }
}

function checksumOffset(protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      return TCP_CHECKSUM
    case PROTOCOL_UDP:
      return UDP_CHECKSUM
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      return ICMP_CHECKSUM
    default:
      return NOWHERE
  }
}
