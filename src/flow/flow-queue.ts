import type { Frame } from '../wire/frame.js'
import { KIND } from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'
import { readFlowKey } from './flow-key.js'

/** Words of a place: the key as an entry begins, then what of the packet is counted. */
export const PLACE_WORDS = 20
export const PLACE_DIRECTION = 12
export const PLACE_IP_LENGTH = 13
export const PLACE_TCP_FLAGS = 14
export const PLACE_SECONDS = 15
export const PLACE_NANOSECONDS = 16
/** 1 where the packet has a time. */
export const PLACE_TIMED = 17
/** Which end of the flow the mirrored interface is, as far as the packet tells; and whether that is confirmed. */
export const PLACE_INTERFACE = 18

/** In KIND: the place holds no packet, only the clock. */
export const PLACE_OF_CLOCK = 0

/** In PLACE_INTERFACE, beside A_IS_LOCAL and A_IS_REMOTE. */
export const PLACE_CONFIRMED = 4

/** What knows which end of a flow the mirrored interface is; interface-identity.ts is one. */
export interface InterfaceOracle {
  /** A_IS_LOCAL, A_IS_REMOTE, or 0 while it cannot be told. */
  decide(frame: Frame, direction: number): number
  /** Whether the outer source is known to be the interface's. */
  readonly primaryConfirmed: boolean
}

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

  add(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
    oracle: InterfaceOracle | undefined,
  ): void {
    const { words } = this
    const at = this.base + this.length * PLACE_WORDS
    const direction = readFlowKey(frame, session, this.#hash, words, at)
    words[at + PLACE_DIRECTION] = direction
    words[at + PLACE_IP_LENGTH] = frame.ipLength
    words[at + PLACE_TCP_FLAGS] = frame.tcpFlags
    words[at + PLACE_SECONDS] = seconds
    words[at + PLACE_NANOSECONDS] = nanoseconds
    words[at + PLACE_TIMED] = timed ? 1 : 0
    words[at + PLACE_INTERFACE] = 0
    if (oracle !== undefined) {
      const end = oracle.decide(frame, direction)
      words[at + PLACE_INTERFACE] = oracle.primaryConfirmed ? end | PLACE_CONFIRMED : end
    }
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
