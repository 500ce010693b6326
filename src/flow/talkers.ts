import { addressText, readAddress } from './address-keys.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  BYTES_0,
  BYTES_1,
  HASH,
  HOT_WORDS,
  SESSION,
} from './flow-entry.js'
import type { FlowTracker } from './flow-tracker.js'
import { HeavyKeys } from './heavy-keys.js'

/** What one address of a session has said and heard between two looks. */
export interface Talker {
  /** Index of the session. */
  readonly session: number
  readonly address: string
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Connections that had packets. */
  readonly connections: number
}

/** Addresses that are summed up at a time; beyond, the lightest are let go. */
const ADDRESSES_MAX = 4096

/** Session, then an address in four words. */
const KEY_WORDS = 5

const SENT = 0
const RECEIVED = 1
const CONNECTIONS = 2

/**
 * Who sends and receives how much just now, from a flow table that counts anyway: what each connection
 * had at the last look is taken from what it has. Packets are not slowed down by it; a look costs about a
 * tenth of a millisecond for a thousand connections, and 20 bytes of memory for each that there is room for.
 *
 * A look is taken in steps, `step` until it says false, and ends with `top`.
 */
export class Talkers {
  /** Whether there was a look before, to compare with. */
  isCompared = false
  readonly #tracker: FlowTracker
  /** Of each connection the hash of its key, and the bytes of both directions, at the last look. */
  readonly #hashes: Uint32Array
  readonly #seen: Float64Array
  #sums = newSums()
  #next = 0

  constructor(tracker: FlowTracker) {
    this.#tracker = tracker
    const { capacity } = tracker.table
    this.#hashes = new Uint32Array(capacity)
    this.#seen = new Float64Array(2 * capacity)
  }

  /** Looks at the next connections, so many of them; false when it has been all the way round. */
  step(budget: number): boolean {
    const tracker = this.#tracker
    if (this.#next === 0) tracker.countQueued()
    const { table } = tracker
    const { words, counts } = table
    const until = Math.min(table.used, this.#next + budget)
    for (let flow = this.#next; flow < until; flow++) {
      if (!table.isLive(flow)) continue
      const at = flow * HOT_WORDS
      const bytes0 = counts[(at >>> 1) + BYTES_0]!
      const bytes1 = counts[(at >>> 1) + BYTES_1]!
      // What came to the entry since may be another connection, or the same begun anew.
      const isKnown = this.#hashes[flow] === words[at + HASH]
      const before0 = isKnown && this.#seen[2 * flow]! <= bytes0 ? this.#seen[2 * flow]! : 0
      const before1 = isKnown && this.#seen[2 * flow + 1]! <= bytes1 ? this.#seen[2 * flow + 1]! : 0
      this.#hashes[flow] = words[at + HASH]!
      this.#seen[2 * flow] = bytes0
      this.#seen[2 * flow + 1] = bytes1
      if (this.isCompared && bytes0 + bytes1 > before0 + before1) {
        this.#add(flow, bytes0 - before0, bytes1 - before1)
      }
    }
    this.#next = until
    return until < table.used
  }

  /** Ends the look: those that sent and received most, and how many there were. */
  top(count: number): { talkers: Talker[]; addresses: number } {
    const sums = this.#sums
    const talkers = sums.top(count).map((row) => ({
      session: sums.keyWord(row, 0),
      address: addressText(sums, row, 1),
      sentBytes: sums.sumOf(row, SENT),
      receivedBytes: sums.sumOf(row, RECEIVED),
      connections: sums.sumOf(row, CONNECTIONS),
    }))
    const addresses = sums.count + sums.dropped
    this.isCompared = true
    this.#next = 0
    this.#sums = newSums()
    return { talkers, addresses }
  }

  #add(flow: number, bytes0: number, bytes1: number): void {
    const { table } = this.#tracker
    const { key } = this.#sums
    key[0] = table.words[flow * HOT_WORDS + SESSION]!
    readAddress(table, flow, ADDRESS_A, ADDRESS_A_REST, key, 1)
    this.#addAddress(bytes0, bytes1)
    readAddress(table, flow, ADDRESS_B, ADDRESS_B_REST, key, 1)
    this.#addAddress(bytes1, bytes0)
  }

  #addAddress(sent: number, received: number): void {
    const sums = this.#sums
    const row = sums.add(sent + received)
    sums.sum(row, SENT, sent)
    sums.sum(row, RECEIVED, received)
    sums.sum(row, CONNECTIONS, 1)
  }
}

function newSums(): HeavyKeys {
  return new HeavyKeys({ keyWords: KEY_WORDS, sums: 3, capacity: ADDRESSES_MAX })
}
