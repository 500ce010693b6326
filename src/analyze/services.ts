import { HOT_WORDS, KIND, PORTS, STATE } from '../flow/flow-entry.js'
import { STATE_BEGUN_BY_B } from '../flow/flow-state.js'
import type { FlowTable } from '../flow/flow-table.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import { hasPorts } from '../wire/ports.js'
import { PROTOCOL_TCP, PROTOCOL_UDP, protocolName } from '../wire/protocol.js'
import { portNames } from '../wire/service-names.js'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../wire/tcp.js'
import type { ServiceRow } from './analysis-report.js'
import type { CleartextRow } from './behavior-report.js'
import { attemptOf, everFlags } from './tcp-attempt.js'

/** Protocols and ports that are summed up exactly; beyond, the lightest are let go. */
const SERVICES_MAX = 16_384

const PACKETS = 0
const FLOWS = 1
/** Connections that were answered, or said so much that somebody must want it. */
const SERVED = 2

/** Packets of one direction that are more than an attempt. */
const UNANSWERED_PACKETS = 10
/** Ports that nothing answered on are listed up to this many; more are those of a scan. */
const UNANSWERED_MAX = 20

const NAMES: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [PROTOCOL_TCP, portNames(PROTOCOL_TCP)],
  [PROTOCOL_UDP, portNames(PROTOCOL_UDP)],
])

/** Of TCP: what is typed, name and password included, is sent as it is. */
const CLEARTEXT: ReadonlyMap<number, string> = new Map([
  [21, 'ftp'],
  [23, 'telnet'],
  [512, 'exec'],
  [513, 'login'],
])

/** How much went to and from each port that is served. */
export class Services {
  readonly #keys = new HeavyKeys({ keyWords: 1, sums: 3, capacity: SERVICES_MAX })

  /** Takes a connection that is still in the table, both directions together. */
  add(
    table: FlowTable,
    flow: number,
    packets0: number,
    bytes0: number,
    packets1: number,
    bytes1: number,
  ): void {
    const { words } = table
    const at = flow * HOT_WORDS
    const protocol = words[at + KIND]! & 0xff
    const ports = words[at + PORTS]!
    // Fragments without their first have none.
    if (!hasPorts(protocol) || ports === 0) return
    this.#keys.key[0] = (protocol << 16) | servedPort(words, at, ports)
    const row = this.#keys.add(bytes0 + bytes1)
    this.#keys.sum(row, PACKETS, packets0 + packets1)
    this.#keys.sum(row, FLOWS, (packets0 > 0 ? 1 : 0) + (packets1 > 0 ? 1 : 0))
    if (isServed(words, at, packets0, packets1)) this.#keys.sum(row, SERVED, 1)
  }

  /** The heaviest, and how many ports were left out since nothing answered there. */
  report(count: number): { rows: ServiceRow[]; unanswered: number } {
    const keys = this.#keys
    let unanswered = 0
    for (let row = 0; row < keys.count; row++) if (keys.sumOf(row, SERVED) === 0) unanswered++
    if (unanswered <= UNANSWERED_MAX) unanswered = 0
    const isLeftOut = (row: number): boolean => unanswered > 0 && keys.sumOf(row, SERVED) === 0
    const top = keys.top(count, (row) => (isLeftOut(row) ? -1 : keys.weightOf(row)))
    return { rows: this.#rows(top.filter((row) => !isLeftOut(row))), unanswered }
  }

  /** Protocols of sessions in clear text that connections were made to. */
  cleartext(): CleartextRow[] {
    const keys = this.#keys
    const rows: CleartextRow[] = []
    for (let row = 0; row < keys.count; row++) {
      const port = keys.keyWord(row, 0) & 0xffff
      const name = keys.keyWord(row, 0) >>> 16 === PROTOCOL_TCP ? CLEARTEXT.get(port) : undefined
      const connections = keys.sumOf(row, SERVED)
      if (name !== undefined && connections > 0) rows.push({ name, port, connections })
    }
    return rows.sort((left, right) => right.connections - left.connections)
  }

  #rows(rows: readonly number[]): ServiceRow[] {
    const keys = this.#keys
    return rows.map((row) => {
      const protocol = keys.keyWord(row, 0) >>> 16
      const port = keys.keyWord(row, 0) & 0xffff
      return {
        protocol: protocolName(protocol) ?? String(protocol),
        port,
        name: NAMES.get(protocol)?.get(port) ?? null,
        flows: keys.sumOf(row, FLOWS),
        packets: keys.sumOf(row, PACKETS),
        bytes: keys.weightOf(row),
      }
    })
  }
}

/** Whether it is more than an attempt: of TCP what `Probes` does not count as failed. */
function isServed(words: Uint32Array, at: number, packets0: number, packets1: number): boolean {
  if ((words[at + KIND]! & 0xff) !== PROTOCOL_TCP) {
    return (packets0 > 0 && packets1 > 0) || packets0 + packets1 >= UNANSWERED_PACKETS
  }
  const attempt = attemptOf(words, at, packets0, packets1)
  if (attempt !== undefined) return attempt === 'answered'
  // Its beginning is not here; a lone reset answers what was no service.
  const all = everFlags(words, at, 0) | everFlags(words, at, 1)
  return (all & TCP_ACK) !== 0 && ((all & TCP_RST) === 0 || packets0 + packets1 > 2)
}

/** That of the side that did not begin, where a SYN tells who began; else the lower one. */
function servedPort(words: Uint32Array, at: number, ports: number): number {
  const a = ports >>> 16
  const b = ports & 0xffff
  if ((words[at + KIND]! & 0xff) === PROTOCOL_TCP) {
    const begunByB = (words[at + STATE]! & STATE_BEGUN_BY_B) !== 0
    if ((everFlags(words, at, begunByB ? 1 : 0) & TCP_SYN) !== 0) return begunByB ? a : b
  }
  return Math.min(a, b)
}
