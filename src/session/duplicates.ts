import { randomFillSync } from 'node:crypto'
import type { Frame } from '../wire/frame.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip.js'
import { u8, u16, u32 } from '../wire/octets.js'

/** What to do with a copy: count it, keep it out of flows and mark it in captures, or drop it. */
export const DUPLICATE_MODES = ['keep', 'mark', 'drop'] as const

export type DuplicateMode = (typeof DUPLICATE_MODES)[number]

/** Copies of one packet come within this of each other, in nanoseconds. */
const WINDOW_NS = 5_000_000

/** Packets remembered: sets of WAYS, picked by hash. A million packets a second need 5,000 of them. */
const SETS = 4096
const WAYS = 4
const ENTRY_WORDS = 5
const FIRST_HASH = 0
const SECOND_HASH = 1
/** Index of the session plus one; 0: the entry is empty. */
const SESSION = 2
const SECONDS = 3
const NANOSECONDS = 4

/** Octets behind the IP header that are compared: headers, and of RTP and the like what changes from packet to packet. */
const TRANSPORT_OCTETS = 64

/** Where a checksum stands in the transport header, by protocol. */
const TCP_CHECKSUM = 16
const UDP_CHECKSUM = 6
const ICMP_CHECKSUM = 2

/**
 * Finds the packets that were mirrored at both of their ends.
 *
 * AWS mirrors a packet at most once for each interface, so a copy can only come in
 * another session: a retransmission, which comes in the same one, is never taken
 * for one. A copy is equal in all of its IP header but time to live and checksum,
 * and in the first 64 octets behind it but the checksum there; it comes within 5
 * ms; and each packet has one. Copies that two sessions cut to different lengths
 * below that are not recognised, nor are those that meet in no worker.
 */
export class Duplicates {
  readonly #entries = new Uint32Array(SETS * WAYS * ENTRY_WORDS)
  /** Keyed, so that nobody can make two packets that look the same. */
  readonly #seeds = randomFillSync(new Uint32Array(2))
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
    this.#first = this.#seeds[0]! | 0
    this.#second = this.#seeds[1]! | 0
    const ipEnd = ipAt + frame.ipLength
    const end = ipEnd < frame.end ? ipEnd : frame.end

    let transportAt: number
    if (frame.ipVersion === 4) {
      // All of the fixed header but time to live and checksum; options go with the rest.
      this.#mix(u32(bytes, ipAt))
      this.#mix(u32(bytes, ipAt + 4))
      this.#mix(u8(bytes, ipAt + 9))
      this.#mix(u32(bytes, ipAt + 12))
      this.#mix(u32(bytes, ipAt + 16))
      transportAt = ipAt + 20
    } else {
      this.#mix(u32(bytes, ipAt))
      this.#mix(u16(bytes, ipAt + 4) | (u8(bytes, ipAt + 6) << 16))
      for (let at = ipAt + 8; at < ipAt + 40; at += 4) this.#mix(u32(bytes, at))
      transportAt = ipAt + 40
    }

    const checksumAt = frame.transportAt + checksumOffset(frame.protocol)
    const until = Math.min(end, transportAt + TRANSPORT_OCTETS)
    let at = transportAt
    for (; at + 4 <= until; at += 4) {
      let word = u32(bytes, at)
      if (checksumAt >= at && checksumAt < at + 4) {
        word &= checksumAt === at ? 0x0000_ffff : 0xffff_0000
      }
      this.#mix(word)
    }
    for (; at < until; at++) this.#mix(u8(bytes, at))
  }

  #mix(word: number): void {
    let first = Math.imul(this.#first ^ word, 0x85eb_ca6b)
    first ^= first >>> 15
    this.#first = Math.imul(first, 0xc2b2_ae35) >>> 0
    let second = Math.imul(this.#second ^ word, 0x27d4_eb2f)
    second ^= second >>> 13
    this.#second = (Math.imul(second, 0x1656_67b1) + 1) >>> 0
  }
}

/** Far from every header where there is no checksum to leave out. */
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
      return 0x10_0000
  }
}
