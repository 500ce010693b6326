import type { FlowDirection } from '../flow/flow-record.js'
import type { Session } from '../session/session.js'
import type { SessionAnalysis } from './analysis-report.js'
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
  readonly #directions = {
    ingress: { packets: 0, bytes: 0 },
    egress: { packets: 0, bytes: 0 },
    unknown: { packets: 0, bytes: 0 },
  }

  constructor(session: Session, line: number) {
    this.session = session
    this.line = line
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
      tcp: { ...this.tcp },
    }
  }
}
