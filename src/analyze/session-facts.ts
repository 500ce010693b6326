import type { FlowDirection } from '../flow/flow-record.js'
import { Top } from '../flow/top.js'
import type { Session } from '../session/session.js'
import type { FlowSummary, SessionAnalysis } from './analysis-report.js'
import { Span } from './span.js'
import { TcpCounts } from './tcp-counts.js'

/** What is found out of one session beside what it counts itself. */
export class SessionFacts {
  readonly session: Session
  /** Its line in the time series. */
  readonly line: number
  readonly span = new Span()
  readonly tcp = new TcpCounts()
  flows = 0
  readonly largest: Top<FlowSummary>
  readonly #directions = {
    ingress: { packets: 0, bytes: 0 },
    egress: { packets: 0, bytes: 0 },
    unknown: { packets: 0, bytes: 0 },
  }

  /** `flows`: of how many of its flows there is a list. */
  constructor(session: Session, line: number, flows: number) {
    this.session = session
    this.line = line
    this.largest = new Top(flows)
  }

  /** Takes a flow that is over. */
  addFlow(direction: FlowDirection, packets: number, bytes: number): void {
    this.flows++
    const counts = this.#directions[direction ?? 'unknown']
    counts.packets += packets
    counts.bytes += bytes
  }

  report(): SessionAnalysis {
    const { session, vni, source, macAddress, received, bytes, malformed, duplicates, ...cuts } =
      this.session.report()
    const { first, last } = this.span.report()
    return {
      session,
      vni,
      source,
      macAddress,
      packets: received,
      bytes,
      first,
      last,
      flows: this.flows,
      directions: structuredClone(this.#directions),
      malformed,
      duplicates,
      cut: cuts.cut,
      cutCauses: cuts.cutCauses,
      packetLength: cuts.packetLength,
      topFlows: this.largest.rows,
      tcp: { ...this.tcp },
    }
  }
}
