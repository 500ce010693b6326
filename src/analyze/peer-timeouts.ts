import { addressText, readAddress } from '../flow/address-keys.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  HOT_WORDS,
  LAST_SECONDS_0,
  LAST_SECONDS_1,
  PORTS,
} from '../flow/flow-entry.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import { TCP_ACK, TCP_FIN, TCP_RST } from '../wire/tcp.js'
import type { TimeoutRow } from './behavior-report.js'
import { everFlags } from './tcp-attempt.js'

/** Segments sent again, and seconds after the last word of the peer, from which on it no longer answers. */
const RETRANSMISSIONS = 3
const SECONDS = 5
const PEERS_MAX = 4096
const WORDS = 4

/** Peers of open connections that stopped answering while data was sent to them again and again. */
export class PeerTimeouts {
  readonly #tracker: FlowTracker
  /** To and port. */
  readonly #peers = new HeavyKeys({ keyWords: WORDS + 1, sums: 0, capacity: PEERS_MAX })

  constructor(tracker: FlowTracker) {
    this.#tracker = tracker
  }

  /** Takes a TCP connection that is about to leave the table; `again`: segments sent again, by direction. */
  end(flow: number, packets: readonly [number, number], again: readonly [number, number]): void {
    for (const direction of [0, 1] as const) {
      const isTried = again[direction] >= RETRANSMISSIONS && packets[1 - direction]! > 0
      if (isTried && this.#isSilent(flow, direction)) this.#add(flow, direction)
    }
  }

  rows(count: number): TimeoutRow[] {
    const keys = this.#peers
    return keys.top(count).map((row) => ({
      destination: addressText(keys, row, 0),
      port: keys.keyWord(row, WORDS),
      connections: keys.weightOf(row),
    }))
  }

  /** Whether the peer of a direction said nothing for long, and had not ended. */
  #isSilent(flow: number, direction: 0 | 1): boolean {
    const { words } = this.#tracker.table
    const at = flow * HOT_WORDS
    const ended = everFlags(words, at, direction === 0 ? 1 : 0)
    // One that never confirmed anything was not yet connected.
    if ((ended & TCP_ACK) === 0 || (ended & (TCP_FIN | TCP_RST)) !== 0) return false
    const [mine, theirs] =
      direction === 0 ? [LAST_SECONDS_0, LAST_SECONDS_1] : [LAST_SECONDS_1, LAST_SECONDS_0]
    const seconds = (word: number) => this.#tracker.secondsOf(words[at + word]!)
    return seconds(mine) - seconds(theirs) >= SECONDS
  }

  #add(flow: number, direction: 0 | 1): void {
    const { table } = this.#tracker
    const ports = table.words[flow * HOT_WORDS + PORTS]!
    const { key } = this.#peers
    if (direction === 0) readAddress(table, flow, ADDRESS_B, ADDRESS_B_REST, key, 0)
    else readAddress(table, flow, ADDRESS_A, ADDRESS_A_REST, key, 0)
    key[WORDS] = direction === 0 ? ports & 0xffff : ports >>> 16
    this.#peers.add(1)
  }
}
