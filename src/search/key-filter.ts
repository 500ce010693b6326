import { spread } from './key.js'

/** Bits for each key of a block: one key in a hundred that is not in it seems to be. */
const BITS_A_KEY = 10
/** A block's filter is no longer than this part of the block, however many keys there are. */
const SHARE_MAX = 1 / 64

/** Lengths are multiples of this, in bytes. */
export const FILTER_UNIT = 8
/** As long as 16 bits of units say. */
const FILTER_LEN_MAX = 0xffff * FILTER_UNIT
/** More would find hardly more that is not there, and cost as much again. */
const PROBES_MAX = 4

/** Slots for keys: a block of 256 KiB has room for some 3400 frames of a dozen keys. */
const SLOTS = 1 << 16
const KEYS_MAX = (SLOTS / 4) * 3

/** The different keys of one block while it is read. */
export class KeySet {
  count = 0
  /** There were more than it holds. */
  isFull = false
  readonly #slots = new Int32Array(SLOTS)
  /** The keys one behind the other, and their slots. */
  readonly #keys = new Int32Array(KEYS_MAX)
  readonly #used = new Uint16Array(KEYS_MAX)

  add(key: number): void {
    const slots = this.#slots
    // 0 is an empty slot.
    const kept = key === 0 ? 1 : key
    let at = kept & (SLOTS - 1)
    for (let found = slots[at]!; found !== 0; found = slots[at]!) {
      if (found === kept) return
      at = (at + 1) & (SLOTS - 1)
    }
    if (this.count === KEYS_MAX) {
      this.isFull = true
      return
    }
    slots[at] = kept
    this.#keys[this.count] = kept
    this.#used[this.count++] = at
  }

  /** Sets the bits of every key in a filter. */
  putInto(filter: Uint8Array, probes: number): void {
    const keys = this.#keys
    const scale = (filter.length * 8) / 0x1_0000_0000
    for (let index = 0; index < this.count; index++) {
      const key = keys[index]!
      const step = spread(key) | 1
      let hash = key
      for (let probe = 0; probe < probes; probe++) {
        const bit = ((hash >>> 0) * scale) | 0
        filter[bit >>> 3]! |= 1 << (bit & 7)
        hash = (hash + step) | 0
      }
    }
  }

  clear(): void {
    for (let index = 0; index < this.count; index++) this.#slots[this.#used[index]!] = 0
    this.count = 0
    this.isFull = false
  }
}

/** Bytes of the filter for this many keys of a block of `octets`. */
export function filterLength(keys: number, octets: number): number {
  const wanted = Math.ceil((keys * BITS_A_KEY) / 8 / FILTER_UNIT) * FILTER_UNIT
  const most = Math.floor((octets * SHARE_MAX) / FILTER_UNIT) * FILTER_UNIT
  return Math.max(FILTER_UNIT, Math.min(wanted, most, FILTER_LEN_MAX))
}

/** Bits to set for a key, where the filter has that many bits for each. */
export function probesFor(length: number, keys: number): number {
  const best = Math.round((length * 8 * Math.LN2) / Math.max(keys, 1))
  return Math.min(Math.max(best, 1), PROBES_MAX)
}

/** Whether a key may be in a Bloom filter; false is certain. */
export function mayHold(filter: Uint8Array, probes: number, key: number): boolean {
  const scale = (filter.length * 8) / 0x1_0000_0000
  // As KeySet keeps it.
  const kept = key === 0 ? 1 : key
  const step = spread(kept) | 1
  let hash = kept
  for (let probe = 0; probe < probes; probe++) {
    const bit = ((hash >>> 0) * scale) | 0
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false
    hash = (hash + step) | 0
  }
  return true
}
