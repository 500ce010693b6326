import { addressText, readAddress } from '../flow/address-keys.js'
import { ADDRESS_A, ADDRESS_A_REST, ADDRESS_B, ADDRESS_B_REST } from '../flow/flow-entry.js'
import type { FlowTable } from '../flow/flow-table.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import type { Conversations, TalkerRow, Talkers } from './analysis-report.js'

/** Addresses, and pairs of them, that are summed up exactly; beyond, the lightest are let go. */
const ADDRESSES_MAX = 262_144
const PAIRS_MAX = 262_144

/** Addresses in the matrix of who talks to whom. */
const MATRIX_MAX = 12

const WORDS = 4

// What is summed up for an address …
const SENT_PACKETS = 0
const SENT_BYTES = 1
const RECEIVED_PACKETS = 2
const RECEIVED_BYTES = 3
const FLOWS = 4
// … and for a pair, A being the lower address.
const A_TO_B_PACKETS = 0
const A_TO_B_BYTES = 1
const B_TO_A_PACKETS = 2
const B_TO_A_BYTES = 3

/** Who sent how much, and to whom, over all sessions. */
export class AddressTotals {
  readonly #addresses: HeavyKeys
  readonly #pairs: HeavyKeys

  constructor() {
    this.#addresses = new HeavyKeys({ keyWords: WORDS, sums: 5, capacity: ADDRESSES_MAX })
    this.#pairs = new HeavyKeys({ keyWords: 2 * WORDS, sums: 4, capacity: PAIRS_MAX })
  }

  /** Takes a connection that is still in the table: packets and bytes of direction 0, then of 1. */
  add(
    table: FlowTable,
    flow: number,
    packets0: number,
    bytes0: number,
    packets1: number,
    bytes1: number,
  ): void {
    const { key } = this.#pairs
    readAddress(table, flow, ADDRESS_A, ADDRESS_A_REST, key, 0)
    readAddress(table, flow, ADDRESS_B, ADDRESS_B_REST, key, WORDS)
    this.#addAddress(0, packets0, bytes0, packets1, bytes1)
    this.#addAddress(WORDS, packets1, bytes1, packets0, bytes0)
    const pairs = this.#pairs
    const row = pairs.add(bytes0 + bytes1)
    pairs.sum(row, A_TO_B_PACKETS, packets0)
    pairs.sum(row, A_TO_B_BYTES, bytes0)
    pairs.sum(row, B_TO_A_PACKETS, packets1)
    pairs.sum(row, B_TO_A_BYTES, bytes1)
  }

  talkers(count: number): Talkers {
    const addresses = this.#addresses
    const packetsOf = (row: number): number =>
      addresses.sumOf(row, SENT_PACKETS) + addresses.sumOf(row, RECEIVED_PACKETS)
    return {
      addresses: addresses.count + addresses.dropped,
      dropped: addresses.dropped,
      lackBytesMax: addresses.lost,
      byBytes: addresses.top(count).map((row) => this.#talker(row)),
      byPackets: addresses.top(count, packetsOf).map((row) => this.#talker(row)),
    }
  }

  conversations(count: number): Conversations {
    const pairs = this.#pairs
    return {
      pairs: pairs.count + pairs.dropped,
      dropped: pairs.dropped,
      lackBytesMax: pairs.lost,
      top: pairs.top(count).map((row) => ({
        a: addressText(pairs, row, 0),
        b: addressText(pairs, row, WORDS),
        aToBPackets: pairs.sumOf(row, A_TO_B_PACKETS),
        aToBBytes: pairs.sumOf(row, A_TO_B_BYTES),
        bToAPackets: pairs.sumOf(row, B_TO_A_PACKETS),
        bToABytes: pairs.sumOf(row, B_TO_A_BYTES),
      })),
      matrix: this.#matrix(),
    }
  }

  #addAddress(
    word: number,
    sentPackets: number,
    sentBytes: number,
    receivedPackets: number,
    receivedBytes: number,
  ): void {
    const addresses = this.#addresses
    for (let index = 0; index < WORDS; index++) {
      addresses.key[index] = this.#pairs.key[word + index]!
    }
    const row = addresses.add(sentBytes + receivedBytes)
    addresses.sum(row, SENT_PACKETS, sentPackets)
    addresses.sum(row, SENT_BYTES, sentBytes)
    addresses.sum(row, RECEIVED_PACKETS, receivedPackets)
    addresses.sum(row, RECEIVED_BYTES, receivedBytes)
    addresses.sum(row, FLOWS, (sentPackets > 0 ? 1 : 0) + (receivedPackets > 0 ? 1 : 0))
  }

  #talker(row: number): TalkerRow {
    const addresses = this.#addresses
    return {
      address: addressText(addresses, row, 0),
      sentPackets: addresses.sumOf(row, SENT_PACKETS),
      sentBytes: addresses.sumOf(row, SENT_BYTES),
      receivedPackets: addresses.sumOf(row, RECEIVED_PACKETS),
      receivedBytes: addresses.sumOf(row, RECEIVED_BYTES),
      flows: addresses.sumOf(row, FLOWS),
    }
  }

  #matrix(): Conversations['matrix'] {
    const pairs = this.#pairs
    const rows = this.#addresses.top(MATRIX_MAX)
    const square = (): number[][] => rows.map(() => rows.map(() => 0))
    const bytes = square()
    const packets = square()
    for (let pair = 0; pair < pairs.count; pair++) {
      const a = this.#placeOf(pair, 0, rows)
      const b = a === -1 ? -1 : this.#placeOf(pair, WORDS, rows)
      if (b === -1) continue
      bytes[a]![b]! += pairs.sumOf(pair, A_TO_B_BYTES)
      bytes[b]![a]! += pairs.sumOf(pair, B_TO_A_BYTES)
      packets[a]![b]! += pairs.sumOf(pair, A_TO_B_PACKETS)
      packets[b]![a]! += pairs.sumOf(pair, B_TO_A_PACKETS)
    }
    return { addresses: rows.map((row) => addressText(this.#addresses, row, 0)), bytes, packets }
  }

  /** Where in `rows` of addresses that one of a pair is. */
  #placeOf(pair: number, word: number, rows: readonly number[]): number {
    return rows.findIndex((row) => {
      for (let index = 0; index < WORDS; index++) {
        if (this.#addresses.keyWord(row, index) !== this.#pairs.keyWord(pair, word + index)) {
          return false
        }
      }
      return true
    })
  }
}
