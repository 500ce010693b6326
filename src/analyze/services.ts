import { FLAGS, HOT_WORDS, KIND, PORTS, STATE } from '../flow/flow-entry.js'
import { STATE_BEGUN_BY_B } from '../flow/flow-state.js'
import type { FlowTable } from '../flow/flow-table.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import { hasPorts } from '../wire/ports.js'
import { PROTOCOL_TCP, protocolName } from '../wire/protocol.js'
import { TCP_SYN } from '../wire/tcp.js'
import type { ServiceRow } from './analysis-report.js'

/** Protocols and ports that are summed up exactly; beyond, the lightest are let go. */
const SERVICES_MAX = 16_384

const PACKETS = 0
const FLOWS = 1

/** Where in the FLAGS word the flags ever seen of direction 0 stand; of direction 1 eight bits above. */
const EVER_SHIFT = 16

/** How much went to and from each port that is served. */
export class Services {
  readonly #keys = new HeavyKeys({ keyWords: 1, sums: 2, capacity: SERVICES_MAX })

  /** Takes a connection that is still in the table, both directions together. */
  add(table: FlowTable, flow: number, flows: number, packets: number, bytes: number): void {
    const { words } = table
    const at = flow * HOT_WORDS
    const protocol = words[at + KIND]! & 0xff
    const ports = words[at + PORTS]!
    // Fragments without their first have none.
    if (!hasPorts(protocol) || ports === 0) return
    this.#keys.key[0] = (protocol << 16) | servedPort(words, at, ports)
    const row = this.#keys.add(bytes)
    this.#keys.sum(row, PACKETS, packets)
    this.#keys.sum(row, FLOWS, flows)
  }

  report(count: number): ServiceRow[] {
    const keys = this.#keys
    return keys.top(count).map((row) => {
      const protocol = keys.keyWord(row, 0) >>> 16
      return {
        protocol: protocolName(protocol) ?? String(protocol),
        port: keys.keyWord(row, 0) & 0xffff,
        flows: keys.sumOf(row, FLOWS),
        packets: keys.sumOf(row, PACKETS),
        bytes: keys.weightOf(row),
      }
    })
  }
}

/** That of the side that did not begin, where a SYN tells who began; else the lower one. */
function servedPort(words: Uint32Array, at: number, ports: number): number {
  const a = ports >>> 16
  const b = ports & 0xffff
  if ((words[at + KIND]! & 0xff) === PROTOCOL_TCP) {
    const begunByB = (words[at + STATE]! & STATE_BEGUN_BY_B) !== 0
    const ever = words[at + FLAGS]! >>> (EVER_SHIFT + (begunByB ? 8 : 0))
    if ((ever & TCP_SYN) !== 0) return begunByB ? a : b
  }
  return Math.min(a, b)
}
