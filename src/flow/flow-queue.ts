import { i32 } from '../wire/bytes.js'
import { DIRECTION_UNKNOWN, EGRESS, type Frame } from '../wire/frame.js'
import { TCP_ACKNOWLEDGMENT, TCP_SEQUENCE } from '../wire/tcp.js'
import { KIND } from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'
import { readFlowKey } from './flow-key.js'
import {
  PLACE_ACKNOWLEDGMENT,
  PLACE_BITS,
  PLACE_CONFIRMED,
  PLACE_END_SHIFT,
  PLACE_IP_LENGTH,
  PLACE_NANOSECONDS,
  PLACE_OF_CLOCK,
  PLACE_REVERSED,
  PLACE_SECONDS,
  PLACE_SEQUENCE,
  PLACE_TIMED,
  PLACE_WORDS,
} from './flow-place.js'
import { A_IS_LOCAL, A_IS_REMOTE } from './flow-state.js'

/**
 * Packets on their way into a flow table, reduced to what is counted of them, in
 * places of PLACE_WORDS words from `base` on. Whoever gives the memory may move
 * `base` between packets, and empties the queue when `onFull` is called.
 */
export class FlowQueue {
  words: Uint32Array
  base = 0
  length = 0

  readonly #capacity: number
  readonly #hash: FlowHash
  readonly #onFull: () => void

  constructor(words: Uint32Array, capacity: number, hash: FlowHash, onFull: () => void) {
    this.words = words
    this.#capacity = capacity
    this.#hash = hash
    this.#onFull = onFull
  }

  add(frame: Frame, session: number, seconds: number, nanoseconds: number, timed: boolean): void {
    const { words } = this
    const at = this.base + this.length * PLACE_WORDS
    const direction = readFlowKey(frame, session, this.#hash, words, at)
    words[at + PLACE_SECONDS] = seconds
    words[at + PLACE_NANOSECONDS] = nanoseconds
    words[at + PLACE_IP_LENGTH] = frame.ipLength
    if (frame.tcpFlags !== 0) {
      const transportAt = frame.transportAt
      words[at + PLACE_SEQUENCE] = i32(frame.bytes, transportAt + TCP_SEQUENCE)
      words[at + PLACE_ACKNOWLEDGMENT] = i32(frame.bytes, transportAt + TCP_ACKNOWLEDGMENT)
    }
    let bits = frame.tcpFlags | (direction * PLACE_REVERSED)
    if (timed) bits |= PLACE_TIMED
    if (frame.direction !== DIRECTION_UNKNOWN) {
      const isFromA = direction === 0
      const end = (frame.direction === EGRESS) === isFromA ? A_IS_LOCAL : A_IS_REMOTE
      bits |= end << PLACE_END_SHIFT
    }
    if (frame.isInterfaceConfirmed) bits |= PLACE_CONFIRMED
    words[at + PLACE_BITS] = bits
    if (++this.length === this.#capacity) this.#onFull()
  }

  /** Adds no packet, but tells the time. */
  addClock(seconds: number): void {
    const at = this.base + this.length * PLACE_WORDS
    this.words[at + KIND] = PLACE_OF_CLOCK
    this.words[at + PLACE_SECONDS] = seconds
    if (++this.length === this.#capacity) this.#onFull()
  }
}
