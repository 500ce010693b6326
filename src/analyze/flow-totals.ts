import { HOT_WORDS, KIND, PACKETS_0, SESSION, STATE } from '../flow/flow-entry.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import { interfaceDirection } from '../flow/read-record.js'
import { Top } from '../flow/top.js'
import { PROTOCOL_TCP } from '../wire/protocol.js'
import { AddressTotals } from './address-totals.js'
import type { FlowSummary, Flows, TroubledFlow } from './analysis-report.js'
import { Distribution } from './distribution.js'
import { durationOf, summaryOf } from './flow-summary.js'
import { PeerTimeouts } from './peer-timeouts.js'
import { Probes } from './probes.js'
import { Services } from './services.js'
import type { SessionFacts } from './session-facts.js'
import type { TcpHealth } from './tcp-health.js'

interface FlowTotalsOptions {
  tracker: FlowTracker
  tcp: TcpHealth
  /** Of the session with that index. */
  factsOf: (session: number) => SessionFacts
  /** Rows of each list. */
  top: number
}

/** Sums up flows as they leave the flow table. */
export class FlowTotals {
  readonly duration = new Distribution('ns')
  readonly bytes = new Distribution('bytes')
  readonly packets = new Distribution('packets')
  readonly addresses = new AddressTotals()
  readonly services = new Services()
  readonly probes: Probes
  readonly timeouts: PeerTimeouts
  readonly #options: FlowTotalsOptions
  readonly #byBytes: Top<FlowSummary>
  readonly #byPackets: Top<FlowSummary>
  readonly #troubled: Top<TroubledFlow>
  #connections = 0

  constructor(options: FlowTotalsOptions) {
    this.#options = options
    this.probes = new Probes(options.tracker)
    this.timeouts = new PeerTimeouts(options.tracker)
    this.#byBytes = new Top(options.top)
    this.#byPackets = new Top(options.top)
    this.#troubled = new Top(options.top)
  }

  /** Takes a connection that is about to leave the table. */
  end(flow: number): void {
    const { table } = this.#options.tracker
    const { words, counts } = table
    const at = flow * HOT_WORDS
    const facts = this.#options.factsOf(words[at + SESSION]!)
    const isTcp = (words[at + KIND]! & 0xff) === PROTOCOL_TCP
    if (isTcp) this.#options.tcp.end(flow, facts.tcp)

    const countsAt = (at >>> 1) + PACKETS_0
    const packets0 = counts[countsAt]!
    const bytes0 = counts[countsAt + 1]!
    const packets1 = counts[countsAt + 2]!
    const bytes1 = counts[countsAt + 3]!
    if (packets0 > 0) this.#endDirection(flow, 0, packets0, bytes0, facts, isTcp)
    if (packets1 > 0) this.#endDirection(flow, 1, packets1, bytes1, facts, isTcp)
    if (isTcp) {
      const { gaps } = this.#options.tcp
      const again = [gaps.retransmitted(flow, 0), gaps.retransmitted(flow, 1)] as const
      this.timeouts.end(flow, [packets0, packets1], again)
      this.#options.tcp.forget(flow)
    }

    this.#connections++
    this.probes.end(flow)
    this.addresses.add(table, flow, packets0, bytes0, packets1, bytes1)
    this.services.add(table, flow, packets0, bytes0, packets1, bytes1)
  }

  report(): Flows {
    return {
      count: this.packets.count,
      connections: this.#connections,
      evicted: this.#options.tracker.ended.evicted,
      topByBytes: this.#byBytes.rows,
      topByPackets: this.#byPackets.rows,
    }
  }

  /** Flows with most trouble. */
  get troubled(): TroubledFlow[] {
    return this.#troubled.rows
  }

  #endDirection(
    flow: number,
    direction: 0 | 1,
    packets: number,
    bytes: number,
    facts: SessionFacts,
    isTcp: boolean,
  ): void {
    const { tracker } = this.#options
    const state = tracker.table.words[flow * HOT_WORDS + STATE]!
    facts.addFlow(interfaceDirection(state, direction), packets, bytes)
    this.packets.record(packets)
    this.bytes.record(bytes)
    this.duration.record(Math.max(durationOf(tracker, flow, direction), 0))
    const isLarge = this.#byBytes.wants(bytes)
    if (isLarge || facts.largest.wants(bytes)) {
      const summary = this.#summary(flow, direction, facts)
      if (isLarge) this.#byBytes.add(bytes, summary)
      if (facts.largest.wants(bytes)) facts.largest.add(bytes, summary)
    }
    if (this.#byPackets.wants(packets)) {
      this.#byPackets.add(packets, this.#summary(flow, direction, facts))
    }
    if (isTcp) this.#noteTrouble(flow, direction, facts)
  }

  #noteTrouble(flow: number, direction: 0 | 1, facts: SessionFacts): void {
    const { gaps } = this.#options.tcp
    const retransmissions = gaps.retransmitted(flow, direction)
    const outOfOrder = gaps.outOfOrder(flow, direction)
    const missingBytes = gaps.missing(flow, direction)
    const weight = retransmissions + outOfOrder + missingSegments(missingBytes)
    if (weight === 0 || !this.#troubled.wants(weight)) return
    const row = {
      ...this.#summary(flow, direction, facts),
      retransmissions,
      outOfOrder,
      missingBytes,
    }
    this.#troubled.add(weight, row)
  }

  #summary(flow: number, direction: number, facts: SessionFacts): FlowSummary {
    return summaryOf(this.#options.tracker, flow, direction, facts.session.name)
  }
}

/** What is missing, in segments of common size, to weigh it against what came. */
function missingSegments(bytes: number): number {
  return Math.ceil(bytes / 1460)
}
