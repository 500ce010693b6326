import type { EndReason } from '../flow/flow-record.js'
import { NO_FLOW } from '../flow/flow-table.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import type { Session } from '../session/session.js'
import type { Fault } from '../wire/fault.js'
import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { PROTOCOL_TCP } from '../wire/protocol.js'
import { TCP_SYN } from '../wire/tcp.js'
import type { Series, SeriesLine } from './analysis-report.js'
import type { Beacons } from './beacons.js'
import { Distribution } from './distribution.js'
import { PROTOCOL_LINES, ProtocolCounts } from './protocol-counts.js'
import { SessionFacts } from './session-facts.js'
import type { TcpHealth } from './tcp-health.js'
import { TimePeriods } from './time-periods.js'
import { BINS_MAX, type TimeSeries } from './time-series.js'

/** Sessions with a line of their own in the time series; the others share one. */
const SESSION_LINES = 64
/** Of each of those the largest flows. */
const SESSION_FLOWS = 10
const OTHER_SESSIONS = PROTOCOL_LINES.length + SESSION_LINES

interface TrafficOptions {
  tracker: FlowTracker
  tcp: TcpHealth
  beacons: Beacons
}

/** What the pipeline's packets come to: an observer sees each of them, and a counter those that are in flows. */
export class Traffic implements PacketCounter {
  readonly protocols = new ProtocolCounts()
  readonly frameSize = new Distribution('bytes')

  readonly #tracker: FlowTracker
  readonly #tcp: TcpHealth
  readonly #beacons: Beacons
  readonly #periods = new TimePeriods(PROTOCOL_LINES.length + SESSION_LINES + 1)
  readonly #byIndex: (SessionFacts | undefined)[] = []
  /** In the order they came; those whose index another has taken over stay here. */
  readonly #sessions: SessionFacts[] = []
  #latest: SessionFacts | undefined = undefined

  constructor(options: TrafficOptions) {
    this.#tracker = options.tracker
    this.#tcp = options.tcp
    this.#beacons = options.beacons
  }

  /** A PacketObserver. */
  observe(session: Session, packet: Packet, frame: Frame, fault: Fault | undefined): void {
    const facts = this.#latest?.session === session ? this.#latest : this.#find(session)
    const { seconds, nanoseconds, timed } = packet
    const length = frame.wireLength()
    this.frameSize.record(length)
    const line = this.protocols.add(frame, fault, length)
    if (timed) {
      facts.span.add(seconds, nanoseconds)
      const series = this.#periods.at(seconds)
      const bin = series.bin(seconds, nanoseconds)
      series.add(bin, line, length)
      series.add(bin, facts.line, length)
    }
  }

  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    const tracker = this.#tracker
    const flow = tracker.track(frame, session, seconds, nanoseconds, timed)
    // A fragment that waits for its first is in none yet.
    if (flow >= 0 && frame.protocol === PROTOCOL_TCP) {
      if (frame.tcpFlags === TCP_SYN && timed) this.#beacons.add(frame, seconds, nanoseconds)
      const { tcp } = this.factsOf(session)
      this.#tcp.observe(flow, tracker.table.direction, frame, seconds, nanoseconds, timed, tcp)
    }
    return flow !== NO_FLOW
  }

  get clampedTimes(): number {
    return this.#tracker.clampedTimes
  }

  work(budget: number): boolean {
    return this.#tracker.work(budget)
  }

  endSession(session: number, reason: EndReason): void {
    this.#tracker.endSession(session, reason)
  }

  factsOf(session: number): SessionFacts {
    return this.#byIndex[session]!
  }

  sessions(): readonly SessionFacts[] {
    return this.#sessions
  }

  seriesReport(): Series {
    const whole = this.#seriesOf(this.#periods.whole())
    // Together they have as many bins as one.
    const periods = this.#periods.inOrder(BINS_MAX)
    return {
      ...whole,
      periods: periods.length > 1 ? periods.map((period) => this.#seriesOf(period)) : [],
    }
  }

  #seriesOf(series: TimeSeries): Omit<Series, 'periods'> {
    const line = (name: string, column: number): SeriesLine => ({
      name,
      packets: series.packets(column),
      bytes: series.bytes(column),
    })
    const own = this.#sessions.slice(0, SESSION_LINES)
    const sessions = own.map((facts) => line(facts.session.name ?? 'not mirrored', facts.line))
    if (this.#sessions.length > SESSION_LINES) sessions.push(line('other', OTHER_SESSIONS))
    return {
      ...series.report(),
      sessions,
      protocols: PROTOCOL_LINES.map((name, column) => line(name, column)).filter(({ packets }) =>
        packets.some((count) => count > 0),
      ),
    }
  }

  #find(session: Session): SessionFacts {
    let facts = this.#byIndex[session.index]
    if (facts?.session !== session) {
      const line = PROTOCOL_LINES.length + Math.min(this.#sessions.length, SESSION_LINES)
      const flows = this.#sessions.length < SESSION_LINES ? SESSION_FLOWS : 0
      facts = new SessionFacts(session, line, flows)
      this.#byIndex[session.index] = facts
      this.#sessions.push(facts)
    }
    this.#latest = facts
    return facts
  }
}
