import { addressText, readAddress } from '../flow/address-keys.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  COLD_WORDS,
  FIRST_SECONDS_0,
  HOT_WORDS,
  KIND,
  PACKETS_0,
  PORTS,
  SESSION,
  STATE,
} from '../flow/flow-entry.js'
import { STATE_BEGUN_BY_B } from '../flow/flow-state.js'
import type { FlowTable } from '../flow/flow-table.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { TCP_ACK, TCP_RST } from '../wire/tcp.js'
import type { AttemptRow, FloodRow, OneWayRow, ScanRow } from './behavior-report.js'
import { SplitHalves } from './split-halves.js'
import { attemptOf, everFlags } from './tcp-attempt.js'

/** Kept exactly; beyond, the least common are let go, so that what is told is a lower bound. */
const PROBES_MAX = 65_536
const SCANS_MAX = 16_384
const SERVICES_MAX = 4096
const TARGETS_MAX = 16_384

const WORDS = 4

/** Ports that traceroute sends to, one after the other. */
const TRACEROUTE_FIRST = 33_434
const TRACEROUTE_LAST = 33_534

// Sums of what failed …
const REFUSED = 0
const UNANSWERED = 1
const FIRST = 2
const LAST = 3
// … and of all that was tried.
const ATTEMPTED = 4

/** What connections that came to nothing have in common: who tried, where, on which ports. */
export class Probes {
  readonly #tracker: FlowTracker
  /** From, to, protocol and port: each counts once. */
  readonly #probes = new HeavyKeys({ keyWords: 2 * WORDS + 1, sums: 0, capacity: PROBES_MAX })
  /** From, to and protocol. */
  readonly #ports = new HeavyKeys({ keyWords: 2 * WORDS + 1, sums: 4, capacity: SCANS_MAX })
  /** From, protocol and port. */
  readonly #hosts = new HeavyKeys({ keyWords: WORDS + 1, sums: 4, capacity: SCANS_MAX })
  /** Protocol and port. */
  readonly #services = new HeavyKeys({ keyWords: 1, sums: 5, capacity: SERVICES_MAX })
  /** To and port. */
  readonly #targets = new HeavyKeys({ keyWords: WORDS + 1, sums: 5, capacity: TARGETS_MAX })
  /** By session: TCP connections whose one side acknowledges what was not seen, and those seen whole. */
  readonly #oneWay = new Map<number, { oneWay: number; both: number }>()

  readonly splits = new SplitHalves()

  constructor(tracker: FlowTracker) {
    this.#tracker = tracker
  }

  /** Takes a connection that is about to leave the table. */
  end(flow: number): void {
    const { table } = this.#tracker
    const { words, counts } = table
    const at = flow * HOT_WORDS
    const protocol = words[at + KIND]! & 0xff
    const isBegunByB = (words[at + STATE]! & STATE_BEGUN_BY_B) !== 0
    const packets0 = counts[(at >>> 1) + PACKETS_0]!
    const packets1 = counts[(at >>> 1) + PACKETS_0 + 2]!
    const answers = isBegunByB ? packets0 : packets1
    if (protocol === PROTOCOL_UDP) {
      if (answers === 0) this.#fail(table, flow, isBegunByB, protocol, false)
      return
    }
    if (protocol !== PROTOCOL_TCP) return
    const asked = everFlags(words, at, isBegunByB ? 1 : 0)
    const hasBoth = packets0 > 0 && packets1 > 0
    if (!hasBoth) this.splits.add(table, flow, packets0 > 0 ? 0 : 1)
    this.#noteWays(words[at + SESSION]!, hasBoth, asked)
    const attempt = attemptOf(words, at, packets0, packets1)
    if (attempt === undefined) return
    const isRefused = attempt === 'refused'
    const isUnanswered = attempt === 'unanswered'
    this.#attempt(table, flow, isBegunByB, isRefused, isUnanswered, (asked & TCP_ACK) === 0)
    if (isRefused || isUnanswered) this.#fail(table, flow, isBegunByB, protocol, isRefused)
  }

  /** One host's ports that one other tried in vain. */
  portScans(count: number): ScanRow[] {
    const keys = this.#ports
    return keys.top(count).map((row) => ({
      source: addressText(keys, row, 0),
      destination: addressText(keys, row, WORDS),
      protocol: keys.keyWord(row, 2 * WORDS),
      port: undefined,
      targets: keys.weightOf(row),
      ...failuresOf(keys, row),
    }))
  }

  /** Hosts that one other tried in vain on one port. */
  hostScans(count: number): ScanRow[] {
    const keys = this.#hosts
    return keys.top(count).map((row) => ({
      source: addressText(keys, row, 0),
      destination: undefined,
      protocol: keys.keyWord(row, WORDS) >>> 16,
      port: keys.keyWord(row, WORDS) & 0xffff,
      targets: keys.weightOf(row),
      ...failuresOf(keys, row),
    }))
  }

  /** Services whose connections failed. */
  failures(count: number): AttemptRow[] {
    const keys = this.#services
    return keys.top(count).map((row) => ({
      port: keys.keyWord(row, 0),
      attempted: keys.sumOf(row, ATTEMPTED),
      refused: keys.sumOf(row, REFUSED),
      unanswered: keys.sumOf(row, UNANSWERED),
    }))
  }

  /** Ports of hosts where connections were begun and left. */
  floods(count: number): FloodRow[] {
    const keys = this.#targets
    return keys.top(count).map((row) => ({
      destination: addressText(keys, row, 0),
      port: keys.keyWord(row, WORDS),
      attempted: keys.sumOf(row, ATTEMPTED),
      halfOpen: keys.weightOf(row),
      seconds: keys.sumOf(row, LAST) - keys.sumOf(row, FIRST),
    }))
  }

  /** By the index of their session. */
  oneWay(): OneWayRow[] {
    return [...this.#oneWay].map(([session, counts]) => ({ session, ...counts }))
  }

  #noteWays(session: number, hasBoth: boolean, asked: number): void {
    let counts = this.#oneWay.get(session)
    if (counts === undefined) {
      counts = { oneWay: 0, both: 0 }
      this.#oneWay.set(session, counts)
    }
    if (hasBoth) counts.both++
    else if ((asked & TCP_ACK) !== 0 && (asked & TCP_RST) === 0) counts.oneWay++
  }

  #attempt(
    table: FlowTable,
    flow: number,
    isBegunByB: boolean,
    isRefused: boolean,
    isUnanswered: boolean,
    isHalfOpen: boolean,
  ): void {
    const port = servedPort(table, flow, isBegunByB)
    const services = this.#services
    services.key[0] = port
    const service = services.add(isRefused || isUnanswered ? 1 : 0)
    services.sum(service, ATTEMPTED, 1)
    services.sum(service, isRefused ? REFUSED : UNANSWERED, isRefused || isUnanswered ? 1 : 0)
    const targets = this.#targets
    readEnd(table, flow, !isBegunByB, targets.key, 0)
    targets.key[WORDS] = port
    const target = targets.add(isHalfOpen && !isRefused ? 1 : 0)
    targets.sum(target, ATTEMPTED, 1)
    this.#span(targets, target, flow, isBegunByB)
  }

  #fail(
    table: FlowTable,
    flow: number,
    isBegunByB: boolean,
    protocol: number,
    isRefused: boolean,
  ): void {
    const port = servedPort(table, flow, isBegunByB)
    if (port === 0) return
    if (protocol === PROTOCOL_UDP && port >= TRACEROUTE_FIRST && port <= TRACEROUTE_LAST) return
    const probes = this.#probes
    readEnd(table, flow, isBegunByB, probes.key, 0)
    readEnd(table, flow, !isBegunByB, probes.key, WORDS)
    probes.key[2 * WORDS] = (protocol << 16) | port
    if (probes.weightOf(probes.add(1)) > 1) return
    const ports = this.#ports
    ports.key.set(probes.key)
    ports.key[2 * WORDS] = protocol
    const hosts = this.#hosts
    for (let word = 0; word < WORDS; word++) hosts.key[word] = probes.key[word]!
    hosts.key[WORDS] = (protocol << 16) | port
    for (const keys of [ports, hosts]) {
      const row = keys.add(1)
      keys.sum(row, isRefused ? REFUSED : UNANSWERED, 1)
      this.#span(keys, row, flow, isBegunByB)
    }
  }

  /** Widens the span of a row to the second that a connection began in. */
  #span(keys: HeavyKeys, row: number, flow: number, isBegunByB: boolean): void {
    const stored =
      this.#tracker.table.cold[flow * COLD_WORDS + FIRST_SECONDS_0 + (isBegunByB ? 2 : 0)]!
    const seconds = this.#tracker.secondsOf(stored)
    const first = keys.sumOf(row, FIRST)
    if (first === 0 || seconds < first) keys.sum(row, FIRST, seconds - first)
    const last = keys.sumOf(row, LAST)
    if (seconds > last) keys.sum(row, LAST, seconds - last)
  }
}

function failuresOf(keys: HeavyKeys, row: number) {
  return {
    refused: keys.sumOf(row, REFUSED),
    unanswered: keys.sumOf(row, UNANSWERED),
    seconds: keys.sumOf(row, LAST) - keys.sumOf(row, FIRST),
  }
}

function servedPort({ words }: FlowTable, flow: number, isBegunByB: boolean): number {
  const ports = words[flow * HOT_WORDS + PORTS]!
  return isBegunByB ? ports >>> 16 : ports & 0xffff
}

/** Lays out the address of one end. */
function readEnd(table: FlowTable, flow: number, isB: boolean, key: Uint32Array, at: number): void {
  if (isB) readAddress(table, flow, ADDRESS_B, ADDRESS_B_REST, key, at)
  else readAddress(table, flow, ADDRESS_A, ADDRESS_A_REST, key, at)
}
