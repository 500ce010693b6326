import type { FlowTrackerOptions } from '../../src/flow/flow-lives.js'
import type { FlowRecord } from '../../src/flow/flow-record.js'
import { NO_FLOW } from '../../src/flow/flow-table.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import type { Words } from './flow-frames.js'
import { flowText, frameOf, type Numbers } from './flow-frames.js'
import type { PlainRecord } from './plain-flows.js'
import type { TimedPacket } from './traffic.js'

/** How the clock is driven: by a timer every second, one second behind the packets, or by packets alone. */
export type Drive = 'timer' | 'packets'

/** A record that left, and the packet clock of that moment. */
export interface LeftRecord extends PlainRecord {
  leftAt: number
}

/** A flow tracker that keeps what it is told. */
export class TrackerRun {
  readonly tracker: FlowTracker
  readonly records: LeftRecord[] = []
  readonly windows: number[] = []
  packets = 0
  bytes = 0
  untracked = 0
  readonly #drive: Drive
  readonly #budget: number
  #clock = -1

  constructor(
    options: Partial<FlowTrackerOptions>,
    drive: Drive = 'timer',
    budget = Number.MAX_SAFE_INTEGER,
  ) {
    this.#drive = drive
    this.#budget = budget
    this.tracker = new FlowTracker({
      capacity: 4096,
      sessions: 8,
      onRecord: (record) => this.records.push(this.plain(record)),
      onWindow: (_start, end) => this.windows.push(end),
      ...options,
    })
  }

  /** Lets the timer go off for every second up to that of the packet, then tracks it. */
  packet(packet: Omit<TimedPacket, keyof Numbers> & Partial<Numbers>): number {
    if (this.#drive === 'timer' && packet.seconds > this.#clock) this.tick(packet.seconds)
    const flow = this.tracker.track(
      frameOf(packet.name, packet.tcpFlags, packet.ipLength, undefined, {
        sequence: 0,
        acknowledgment: 0,
        ...packet,
      }),
      packet.name.session,
      packet.seconds,
      packet.nanoseconds,
    )
    this.packets++
    this.bytes += packet.ipLength
    if (flow === NO_FLOW) this.untracked++
    return flow
  }

  /** Moves the clock to `seconds`, with work at each second on the way. */
  tick(seconds: number): void {
    const from = this.#clock < 0 ? seconds : this.#clock + 1
    for (let second = from; second <= seconds; second++) {
      // Packets of the second before may still be on their way.
      this.tracker.advance(second - 1)
      this.work()
    }
    this.#clock = Math.max(this.#clock, seconds)
  }

  /** All that is due, in slices of the budget. */
  work(): void {
    for (let slices = 0; this.tracker.work(this.#budget); slices++) {
      if (slices > 1e6) throw new Error('work never ends')
    }
  }

  /** The sums of all records, to be held against `packets` and `bytes`. */
  get recorded(): { packets: number; bytes: number } {
    return this.records.reduce(
      (sum, { packets, bytes }) => ({ packets: sum.packets + packets, bytes: sum.bytes + bytes }),
      { packets: 0, bytes: 0 },
    )
  }

  plain(record: FlowRecord): LeftRecord {
    return {
      flow: flowText({
        session: record.session,
        version: record.ipVersion,
        protocol: record.protocol,
        source: [...record.packetSource] as unknown as Words,
        destination: [...record.packetDestination] as unknown as Words,
        sourcePort: record.sourcePort,
        destinationPort: record.destinationPort,
      }),
      windowStart: record.windowStart,
      windowEnd: record.windowEnd,
      startSeconds: record.startSeconds,
      endSeconds: record.endSeconds,
      packets: record.packets,
      bytes: record.bytes,
      vpcTcpFlags: record.vpcTcpFlags,
      reason: record.reason,
      leftAt: this.tracker.now,
    }
  }
}

/** Lines in one list and not in the other, at most ten: empty when both hold the same lines, in any order. */
export function differences(actual: readonly string[], expected: readonly string[]): string[] {
  const balance = new Map<string, number>()
  for (const line of actual) balance.set(line, (balance.get(line) ?? 0) + 1)
  for (const line of expected) balance.set(line, (balance.get(line) ?? 0) - 1)
  return [...balance]
    .filter(([, count]) => count !== 0)
    .map(([line, count]) => `${count > 0 ? 'unexpected' : 'missing'}: ${line}`)
    .sort((a, b) => (a.slice(12) < b.slice(12) ? -1 : 1))
    .slice(0, 10)
}
