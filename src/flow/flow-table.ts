import type { Frame } from '../wire/frame.js'
import { u32 } from '../wire/octets.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  COLD_WORDS,
  HASH,
  HOT_WORDS,
  KIND,
  KIND_IPV6,
  NEXT_DUE,
  NO_ENTRY,
  PORTS,
  SESSION,
} from './flow-entry.js'
import { FlowHash } from './flow-hash.js'

/** The table is full: the caller decides what to give up. */
export const NO_FLOW = -1

/**
 * Connections by session and 5-tuple, in memory laid out once.
 *
 * Open addressing over `#slots`, which holds index + 1 (0: empty) at no more than
 * half load; removal closes the gap by shifting the following run back, so there
 * are no tombstones. An entry is an index into `words`, `counts`, `cold` and
 * `coldCounts` (see flow-entry.ts); a million of them cost the garbage collector
 * nothing. The table owns no clock and knows nothing of records: flow-tracker.ts
 * does.
 *
 * Entries are interleaved rather than one column a field. Measured with
 * scripts/bench/flow-table over 500,000 live flows in random order, one packet
 * touches 3 cache lines instead of 12.
 */
export class FlowTable {
  readonly capacity: number
  /** Live entries. */
  count = 0
  /** Entries ever in use lie below this: what a sweep must visit. */
  used = 0

  /** Hot entries as words, and the same memory as Float64. */
  readonly words: Uint32Array
  readonly counts: Float64Array
  /** Cold entries as words, and the same memory as Float64. */
  readonly cold: Uint32Array
  readonly coldCounts: Float64Array

  /** Of the last `find` or `touch`: 0 when the frame runs from A to B, else 1. */
  direction = 0
  /** Of the last `touch`: whether the entry is new. Its counters and times are then the caller's to set. */
  created = false

  readonly #hash: FlowHash
  readonly #slots: Uint32Array
  readonly #mask: number
  #free = NO_ENTRY

  /** The key of the frame last looked at, laid out as in an entry. */
  readonly #key = new Uint32Array(HOT_WORDS)

  constructor(capacity: number, hash = new FlowHash()) {
    this.capacity = capacity
    this.#hash = hash
    let slots = 4
    while (slots < capacity * 2) slots *= 2
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
    const hot = new ArrayBuffer(capacity * HOT_WORDS * 4)
    this.words = new Uint32Array(hot)
    this.counts = new Float64Array(hot)
    const cold = new ArrayBuffer(capacity * COLD_WORDS * 4)
    this.cold = new Uint32Array(cold)
    this.coldCounts = new Float64Array(cold)
  }

  /** The connection `frame` (which must carry IP) belongs to in `session`, or NO_FLOW. */
  find(frame: Frame, session: number): number {
    this.#readKey(frame, session)
    return this.#locate()
  }

  /** The connection `frame` belongs to, created if new; NO_FLOW when it is new and the table is full. */
  touch(frame: Frame, session: number): number {
    this.#readKey(frame, session)
    const found = this.#locate()
    this.created = found === NO_FLOW
    return found === NO_FLOW ? this.#insert() : found
  }

  /** Frees an entry. The caller has taken it out of every list and needs it no more. */
  remove(flow: number): void {
    const mask = this.#mask
    const slots = this.#slots
    const words = this.words
    let hole = words[flow * HOT_WORDS + HASH]! & mask
    while (slots[hole] !== flow + 1) hole = (hole + 1) & mask

    // Pull back every later entry of the run that could have lived in the hole.
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = words[(slots[slot]! - 1) * HOT_WORDS + HASH]! & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = slots[slot]!
      hole = slot
    }
    slots[hole] = 0

    words[flow * HOT_WORDS + KIND] = 0
    words[flow * HOT_WORDS + NEXT_DUE] = this.#free
    this.#free = flow
    this.count--
  }

  /** Whether the entry is in use: no live flow has a KIND of 0. */
  isLive(flow: number): boolean {
    return this.words[flow * HOT_WORDS + KIND] !== 0
  }

  /** Lays the key of `frame` and its hash out in `#key`, and sets `direction`. */
  #readKey(frame: Frame, session: number): void {
    const key = this.#key
    const bytes = frame.bytes
    const srcAt = frame.srcAt
    const dstAt = frame.dstAt
    const srcPort = frame.srcPort
    const dstPort = frame.dstPort
    const version = frame.ipVersion

    const order =
      version === 4 ? u32(bytes, srcAt) - u32(bytes, dstAt) : compareIpv6(bytes, srcAt, dstAt)
    const flipped = order > 0 || (order === 0 && srcPort > dstPort)
    const aAt = flipped ? dstAt : srcAt
    const bAt = flipped ? srcAt : dstAt
    this.direction = flipped ? 1 : 0

    key[SESSION] = session
    key[KIND] = (version << 8) | frame.protocol
    key[PORTS] = flipped ? (dstPort << 16) | srcPort : (srcPort << 16) | dstPort
    key[ADDRESS_A] = u32(bytes, aAt)
    key[ADDRESS_B] = u32(bytes, bAt)
    if (version === 6) {
      for (let word = 0; word < 3; word++) {
        key[ADDRESS_A_REST + word] = u32(bytes, aAt + 4 + word * 4)
        key[ADDRESS_B_REST + word] = u32(bytes, bAt + 4 + word * 4)
      }
    }
    this.#hash.hash(key)
  }

  #locate(): number {
    const slots = this.#slots
    const words = this.words
    const mask = this.#mask
    const key = this.#key
    const hash = key[HASH]!
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]!
      if (entry === 0) return NO_FLOW
      const at = (entry - 1) * HOT_WORDS
      if (
        words[at + HASH] === hash &&
        words[at + ADDRESS_A] === key[ADDRESS_A] &&
        words[at + ADDRESS_B] === key[ADDRESS_B] &&
        words[at + PORTS] === key[PORTS] &&
        words[at + KIND] === key[KIND] &&
        words[at + SESSION] === key[SESSION] &&
        (key[KIND]! < KIND_IPV6 || this.#sameRest(at))
      ) {
        return entry - 1
      }
    }
  }

  #sameRest(at: number): boolean {
    const words = this.words
    const key = this.#key
    for (let word = ADDRESS_A_REST; word < ADDRESS_A_REST + 6; word++) {
      if (words[at + word] !== key[word]) return false
    }
    return true
  }

  #insert(): number {
    const words = this.words
    let flow = this.#free
    if (flow !== NO_ENTRY) {
      this.#free = words[flow * HOT_WORDS + NEXT_DUE]!
    } else if (this.used < this.capacity) {
      flow = this.used++
    } else {
      return NO_FLOW
    }

    const key = this.#key
    const hash = key[HASH]!
    let slot = hash & this.#mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = flow + 1
    this.count++

    const at = flow * HOT_WORDS
    words[at + HASH] = hash
    words[at + SESSION] = key[SESSION]!
    words[at + KIND] = key[KIND]!
    words[at + PORTS] = key[PORTS]!
    words[at + ADDRESS_A] = key[ADDRESS_A]!
    words[at + ADDRESS_B] = key[ADDRESS_B]!
    const v6 = key[KIND]! >= KIND_IPV6
    for (let word = ADDRESS_A_REST; word < ADDRESS_A_REST + 6; word++) {
      words[at + word] = v6 ? key[word]! : 0
    }
    return flow
  }
}

/** Below, at or above 0 as the address at `left` is before, the same as or behind that at `right`. */
function compareIpv6(bytes: Uint8Array, left: number, right: number): number {
  for (let word = 0; word < 16; word += 4) {
    const difference = u32(bytes, left + word) - u32(bytes, right + word)
    if (difference !== 0) return difference
  }
  return 0
}
