import { readAddress } from '../flow/address-keys.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  HOT_WORDS,
  PORTS,
  SESSION,
} from '../flow/flow-entry.js'
import type { FlowTable } from '../flow/flow-table.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import type { SplitRow } from './behavior-report.js'

/** Connections of which one half was seen; beyond, the rarest are let go. */
const HALVES_MAX = 16_384
/** Pairs of sessions. */
const PAIRS_MAX = 1024
const WORDS = 4

/** Connections whose directions lie in two sessions, as where the ways there and back differ. */
export class SplitHalves {
  /** Both ends, as the flow table orders them; by direction the session that it was seen in, plus one. */
  readonly #halves = new HeavyKeys({ keyWords: 2 * WORDS + 1, sums: 2, capacity: HALVES_MAX })
  readonly #pairs = new Map<string, { sessions: [number, number]; connections: number }>()

  /** Takes a connection of which one direction was seen in its session. */
  add(table: FlowTable, flow: number, direction: 0 | 1): void {
    const { words } = table
    const at = flow * HOT_WORDS
    const halves = this.#halves
    readAddress(table, flow, ADDRESS_A, ADDRESS_A_REST, halves.key, 0)
    readAddress(table, flow, ADDRESS_B, ADDRESS_B_REST, halves.key, WORDS)
    halves.key[2 * WORDS] = words[at + PORTS]!
    const row = halves.add(1)
    const session = words[at + SESSION]!
    if (halves.sumOf(row, direction) !== 0) return
    halves.sum(row, direction, session + 1)
    const other = halves.sumOf(row, 1 - direction) - 1
    if (other >= 0 && other !== session) this.#pair(other, session)
  }

  rows(): SplitRow[] {
    return [...this.#pairs.values()]
  }

  #pair(one: number, two: number): void {
    const sessions: [number, number] = one < two ? [one, two] : [two, one]
    const pair = this.#pairs.get(sessions.join())
    if (pair !== undefined) pair.connections++
    else if (this.#pairs.size < PAIRS_MAX) {
      this.#pairs.set(sessions.join(), { sessions, connections: 1 })
    }
  }
}
