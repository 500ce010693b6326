import { randomInt } from 'node:crypto'
import { i32 } from '../wire/bytes.js'
import type { Frame } from '../wire/frame.js'

/** A set of places is looked through for a stream; the one used longest ago gives way. */
const WAYS = 4
/** Session, protocol, ports, two addresses, and a number of the caller's. */
const KEY_WORDS = 11

/**
 * A bounded table of streams: one direction of a connection in a session, and a number that tells
 * several things of it apart. What is told of a packet that is in none costs a few nanoseconds.
 */
export class StreamSlots<Value> {
  /** How many gave way before their time. */
  displaced = 0

  readonly #mask: number
  readonly #onDisplaced: (value: Value) => void
  readonly #tags: Int32Array
  readonly #keys: Int32Array
  readonly #used: Float64Array
  readonly #values: (Value | undefined)[]
  readonly #key = new Int32Array(KEY_WORDS)
  /** Otherwise a sender could choose where its streams fall. */
  readonly #seed = randomInt(2 ** 31)
  #clock = 0
  /** How many places are taken. While it is none, as in traffic whose beginnings were not seen, nothing is looked up. */
  #taken = 0

  /** `slots`: a power of two. */
  constructor(slots: number, onDisplaced: (value: Value) => void) {
    this.#mask = slots / WAYS - 1
    this.#onDisplaced = onDisplaced
    this.#tags = new Int32Array(slots)
    this.#keys = new Int32Array(slots * KEY_WORDS)
    this.#used = new Float64Array(slots)
    this.#values = new Array<Value | undefined>(slots).fill(undefined)
  }

  /** What is kept for the stream that a frame belongs to; `isReverse`: for the other direction. */
  find(frame: Frame, session: number, isReverse: boolean, number = 0): Value | undefined {
    const slot = this.#slotOf(frame, session, isReverse, number)
    if (slot < 0) return undefined
    this.#used[slot] = ++this.#clock
    return this.#values[slot]
  }

  put(frame: Frame, session: number, isReverse: boolean, value: Value, number = 0): void {
    let slot = this.#slotOf(frame, session, isReverse, number)
    if (slot < 0) {
      const tag = this.#tagOf(frame, session, isReverse, number)
      slot = this.#freeSlot(tag)
      const before = this.#values[slot]
      if (before === undefined) {
        this.#taken++
      } else {
        this.displaced++
        this.#onDisplaced(before)
      }
      this.#fillKey(frame, session, isReverse, number)
      this.#keys.set(this.#key, slot * KEY_WORDS)
      this.#tags[slot] = tag
    }
    this.#values[slot] = value
    this.#used[slot] = ++this.#clock
  }

  delete(frame: Frame, session: number, isReverse: boolean, number = 0): void {
    const slot = this.#slotOf(frame, session, isReverse, number)
    if (slot >= 0) this.#clear(slot)
  }

  /** Takes out all that is left, in the order in which it was last used. */
  drain(take: (value: Value) => void): void {
    const slots = [...this.#values.keys()].filter((slot) => this.#values[slot] !== undefined)
    for (const slot of slots.sort((left, right) => this.#used[left]! - this.#used[right]!)) {
      const value = this.#values[slot]!
      this.#clear(slot)
      take(value)
    }
  }

  /** Takes out those of which `isOver` is true. */
  takeIf(isOver: (value: Value) => boolean, take: (value: Value) => void): void {
    if (this.#taken === 0) return
    for (let slot = 0; slot < this.#values.length; slot++) {
      const value = this.#values[slot]
      if (value === undefined || !isOver(value)) continue
      this.#clear(slot)
      take(value)
    }
  }

  #clear(slot: number): void {
    this.#taken--
    this.#values[slot] = undefined
    this.#tags[slot] = 0
    this.#used[slot] = 0
  }

  /** The slot of a stream, or -1. */
  #slotOf(frame: Frame, session: number, isReverse: boolean, number: number): number {
    if (this.#taken === 0) return -1
    const tag = this.#tagOf(frame, session, isReverse, number)
    const tags = this.#tags
    const first = (tag & this.#mask) * WAYS
    let isFilled = false
    for (let slot = first; slot < first + WAYS; slot++) {
      if (tags[slot] !== tag) continue
      if (!isFilled) this.#fillKey(frame, session, isReverse, number)
      isFilled = true
      if (this.#hasKey(slot)) return slot
    }
    return -1
  }

  #freeSlot(tag: number): number {
    const first = (tag & this.#mask) * WAYS
    let oldest = first
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#values[slot] === undefined) return slot
      if (this.#used[slot]! < this.#used[oldest]!) oldest = slot
    }
    return oldest
  }

  /** A hash of the last words of the addresses, ports and session; never 0, which is that of a free slot. */
  #tagOf(frame: Frame, session: number, isReverse: boolean, number: number): number {
    const { bytes } = frame
    const last = frame.ipVersion === 6 ? 12 : 0
    const source = i32(bytes, (isReverse ? frame.dstAt : frame.srcAt) + last)
    const destination = i32(bytes, (isReverse ? frame.srcAt : frame.dstAt) + last)
    const ports = isReverse
      ? (frame.dstPort << 16) | frame.srcPort
      : (frame.srcPort << 16) | frame.dstPort
    let hash = Math.imul(source ^ this.#seed, 0x9e37_79b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ destination, 0x85eb_ca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ ports, 0xc2b2_ae35)
    hash = Math.imul(hash ^ (hash >>> 16) ^ (session << 16) ^ number, 0x27d4_eb2f)
    return (hash ^ (hash >>> 15)) | (1 << 31)
  }

  #fillKey(frame: Frame, session: number, isReverse: boolean, number: number): void {
    const key = this.#key
    const { bytes, srcPort, dstPort } = frame
    const from = isReverse ? frame.dstAt : frame.srcAt
    const to = isReverse ? frame.srcAt : frame.dstAt
    const isV6 = frame.ipVersion === 6
    key[0] = (session << 16) | (frame.protocol << 8) | frame.ipVersion
    key[1] = isReverse ? (dstPort << 16) | srcPort : (srcPort << 16) | dstPort
    key[2] = number
    for (let word = 0; word < 4; word++) {
      key[3 + word] = isV6 || word === 0 ? i32(bytes, from + word * 4) : 0
      key[7 + word] = isV6 || word === 0 ? i32(bytes, to + word * 4) : 0
    }
  }

  #hasKey(slot: number): boolean {
    const at = slot * KEY_WORDS
    for (let word = 0; word < KEY_WORDS; word++) {
      if (this.#keys[at + word] !== this.#key[word]) return false
    }
    return true
  }
}
