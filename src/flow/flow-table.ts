import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ALIGNMENT,
  COLD_WORDS,
  HASH,
  HOT_WORDS,
  KIND,
  KIND_IPV6,
  NEXT_FREE,
  NO_ENTRY,
  PORTS,
  SESSION,
} from './flow-entry.js'

/** The table is full: the caller decides what to give up. */
export const NO_FLOW = -1

/** 64 KiB. */
const FIRST_SLOTS = 16_384

/**
 * Connections by session and 5-tuple, which the caller has hashed; see flow-key.ts.
 *
 * Open addressing over `#slots`, which holds index + 1 (0: empty) at no more than
 * half load; removal closes the gap by shifting the following run back, so there
 * are no tombstones. Slots become more as flows do: a search may fall on any of
 * them, and those for a million flows (8 MiB) push the entries out of the caches
 * that a thousand flows would stay in. To sort 130,000 flows into twice the slots
 * takes 4 ms, 500,000 take 25, once.
 *
 * An entry is an index into `words`, `counts`, `cold` and `coldCounts` (see
 * flow-entry.ts), in memory laid out once; a million of them cost the garbage
 * collector nothing. The table owns no clock and knows nothing of records:
 * flow-tracker.ts does.
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

  /** Of the packet last counted: 0 when it runs from A to B, else 1. */
  direction = 0
  /** Of the last `touch`: whether the entry is new. Its counters and times are then the caller's to set. */
  created = false

  #slots: Uint32Array
  #mask: number
  #free = NO_ENTRY

  constructor(capacity: number) {
    this.capacity = capacity
    let slots = 4
    while (slots < Math.min(capacity * 2, FIRST_SLOTS)) slots *= 2
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
    // Not shared, but a plain ArrayBuffer of this size makes V8 collect garbage, which takes 5 ms.
    const hot = new SharedArrayBuffer(ALIGNMENT + capacity * HOT_WORDS * 4)
    this.words = new Uint32Array(hot, ALIGNMENT)
    this.counts = new Float64Array(hot, ALIGNMENT)
    const cold = new SharedArrayBuffer(capacity * COLD_WORDS * 4)
    this.cold = new Uint32Array(cold)
    this.coldCounts = new Float64Array(cold)
  }

  /** The connection of the key that lies at `keys[at]`, created if new; NO_FLOW when it is new and the table is full. */
  touch(keys: Uint32Array, at: number): number {
    const found = this.find(keys, at)
    this.created = found === NO_FLOW
    return found === NO_FLOW ? this.#insert(keys, at) : found
  }

  /** The flow that the key at `keys[at]` is probably of, or NO_FLOW: what to bring near before `touch`. */
  guess(keys: Uint32Array, at: number): number {
    return this.#slots[keys[at + HASH]! & this.#mask]! - 1
  }

  /** Frees an entry. The caller has taken it out of every list and needs it no more. */
  remove(flow: number): void {
    this.#emptySlot(flow)
    const words = this.words
    words[flow * HOT_WORDS + KIND] = 0
    words[flow * HOT_WORDS + NEXT_FREE] = this.#free
    this.#free = flow
    this.count--
  }

  /** Keeps an entry where no key is found in it: its connection is over, and its ports are used again. */
  setAside(flow: number): void {
    this.#emptySlot(flow)
    const hash = ~this.words[flow * HOT_WORDS + HASH]! >>> 0
    this.words[flow * HOT_WORDS + HASH] = hash
    this.#fillSlot(hash, flow)
  }

  /** The connection of the key at `keys[at]` that was set aside, or NO_FLOW. */
  findAside(keys: Uint32Array, at: number): number {
    const hash = keys[at + HASH]!
    keys[at + HASH] = ~hash
    const found = this.find(keys, at)
    keys[at + HASH] = hash
    return found
  }

  #emptySlot(flow: number): void {
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
  }

  /** What lies where the search for this entry begins: what to bring near before `remove`. */
  homeOf(flow: number): number {
    return this.#slots[this.words[flow * HOT_WORDS + HASH]! & this.#mask]!
  }

  /** Whether the entry is in use: no live flow has a KIND of 0. */
  isLive(flow: number): boolean {
    return this.words[flow * HOT_WORDS + KIND] !== 0
  }

  /** The connection of the key that lies at `keys[keyAt]`, or NO_FLOW. */
  find(keys: Uint32Array, keyAt: number): number {
    const slots = this.#slots
    const words = this.words
    const mask = this.#mask
    const hash = keys[keyAt + HASH]!
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]!
      if (entry === 0) return NO_FLOW
      const at = (entry - 1) * HOT_WORDS
      if (
        words[at + HASH] === hash &&
        words[at + ADDRESS_A] === keys[keyAt + ADDRESS_A] &&
        words[at + ADDRESS_B] === keys[keyAt + ADDRESS_B] &&
        words[at + PORTS] === keys[keyAt + PORTS] &&
        words[at + KIND] === keys[keyAt + KIND] &&
        words[at + SESSION] === keys[keyAt + SESSION] &&
        (keys[keyAt + KIND]! < KIND_IPV6 || this.#sameRest(at, keys, keyAt))
      ) {
        return entry - 1
      }
    }
  }

  #sameRest(at: number, keys: Uint32Array, keyAt: number): boolean {
    const words = this.words
    for (let word = ADDRESS_A_REST; word < ADDRESS_A_REST + 6; word++) {
      if (words[at + word] !== keys[keyAt + word]) return false
    }
    return true
  }

  #insert(keys: Uint32Array, keyAt: number): number {
    const words = this.words
    let flow = this.#free
    if (flow !== NO_ENTRY) {
      this.#free = words[flow * HOT_WORDS + NEXT_FREE]!
    } else if (this.used < this.capacity) {
      flow = this.used++
    } else {
      return NO_FLOW
    }

    if (this.count * 2 >= this.#slots.length) this.#addSlots()
    const hash = keys[keyAt + HASH]!
    this.#fillSlot(hash, flow)
    this.count++

    const at = flow * HOT_WORDS
    words[at + HASH] = hash
    words[at + SESSION] = keys[keyAt + SESSION]!
    words[at + KIND] = keys[keyAt + KIND]!
    words[at + PORTS] = keys[keyAt + PORTS]!
    words[at + ADDRESS_A] = keys[keyAt + ADDRESS_A]!
    words[at + ADDRESS_B] = keys[keyAt + ADDRESS_B]!
    const v6 = keys[keyAt + KIND]! >= KIND_IPV6
    for (let word = ADDRESS_A_REST; word < ADDRESS_A_REST + 6; word++) {
      words[at + word] = v6 ? keys[keyAt + word]! : 0
    }
    return flow
  }

  #fillSlot(hash: number, flow: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let slot = hash & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = flow + 1
  }

  #addSlots(): void {
    const slots = this.#slots.length * 2
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
    const { words } = this
    for (let flow = 0; flow < this.used; flow++) {
      if (this.isLive(flow)) this.#fillSlot(words[flow * HOT_WORDS + HASH]!, flow)
    }
  }
}
