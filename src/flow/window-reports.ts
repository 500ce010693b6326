import {
  BYTES_0,
  COLD_WORDS,
  FLAGS,
  HOT_WORDS,
  LAST_SECONDS_0,
  LAST_SECONDS_1,
  NEVER,
  PACKETS_0,
  REPORTED_BYTES_0,
  REPORTED_BYTES_1,
  REPORTED_PACKETS_0,
  REPORTED_PACKETS_1,
  WINDOW_END,
  WINDOW_FIRST,
} from './flow-entry.js'
import { type EndReason, FlowRecord, type OnFlowRecord } from './flow-record.js'
import type { FlowTable } from './flow-table.js'
import { readRecord } from './read-record.js'
import type { StoredTime } from './stored-time.js'
import { type AggregationWindow, SummedReports } from './summed-reports.js'

/** The window that the table counts in; without a length a record spans a flow's life. */
export interface WindowReportsOptions extends Partial<AggregationWindow> {
  /** Adds to every record, before it is handed over, what only the record's session knows. */
  complete?: OnFlowRecord
  /** Windows of another length besides, a multiple of that one. */
  longer?: AggregationWindow
}

/**
 * The second clock of a flow table: aggregation windows. Says what each flow did
 * in each of them, split exactly at the boundary by the times of the flow's own
 * packets; a sweep hands over what lies still when its window is over.
 */
export class WindowReports {
  /** A packet lies in the window at hand where it is less than this many seconds before its last. */
  readonly span: number

  readonly #table: FlowTable
  readonly #time: Pick<StoredTime, 'secondsOf'>
  readonly #record = new FlowRecord()
  readonly #windowSeconds: number
  readonly #complete: OnFlowRecord | undefined
  readonly #onRecord: OnFlowRecord | undefined
  readonly #onWindow: WindowReportsOptions['onWindow']
  readonly #summed: SummedReports | undefined
  /** The packet clock. */
  #now = 0
  /** No packet from before this second is expected any more. */
  #settled = 0
  /** End of the window to be swept for next, and how far the sweep has come; -1: none under way. */
  #sweepEnd = NEVER
  #sweepAt = -1

  constructor(
    table: FlowTable,
    time: Pick<StoredTime, 'secondsOf'>,
    options: WindowReportsOptions,
  ) {
    this.#table = table
    this.#time = time
    this.#windowSeconds = options.windowSeconds ?? 0
    this.span = this.#windowSeconds || 2 ** 32
    this.#complete = options.complete
    this.#onRecord = options.onRecord
    this.#onWindow = options.onWindow
    this.#summed =
      options.longer && new SummedReports(table, time, options.longer, options.complete)
  }

  /** A flow begins. */
  begin(flow: number, seconds: number): void {
    const { words, coldCounts } = this.#table
    const coldAt = (flow * COLD_WORDS) >>> 1
    coldCounts[coldAt + REPORTED_PACKETS_0] = 0
    coldCounts[coldAt + REPORTED_BYTES_0] = 0
    coldCounts[coldAt + REPORTED_PACKETS_1] = 0
    coldCounts[coldAt + REPORTED_BYTES_1] = 0
    words[flow * HOT_WORDS + WINDOW_FIRST] = 0
    words[flow * HOT_WORDS + WINDOW_END] = this.#endOf(seconds)
  }

  /** A packet lies outside the window at hand, after or before it: reports that and enters the packet's. */
  enter(flow: number, seconds: number): void {
    this.report(flow, 'window')
    const { words } = this.#table
    const at = flow * HOT_WORDS
    const end = this.#endOf(seconds)
    const start = end - this.#windowSeconds
    words[at + WINDOW_END] = end
    // Where time went back, the latest packets are of another window: what this one has will be later than its start.
    for (let last = at + LAST_SECONDS_0; last <= at + LAST_SECONDS_1; last += 2) {
      if (words[last]! < start) continue
      words[last] = start
      words[last + 1] = 0
    }
  }

  /** Notes the first second of a direction in its window. */
  note(flow: number, direction: number, seconds: number): void {
    if (this.#windowSeconds === 0) return
    const words = this.#table.words
    const at = flow * HOT_WORDS
    const shift = direction === 0 ? 16 : 0
    const both = words[at + WINDOW_FIRST]!
    const before = (both >>> shift) & 0xffff
    const into = seconds - (words[at + WINDOW_END]! - this.#windowSeconds) + 1
    if (before !== 0 && before <= into) return
    words[at + WINDOW_FIRST] = (both & (0xffff << (16 - shift))) | (into << shift)
  }

  /** Hands over a record for each direction that has something not yet reported. */
  report(flow: number, reason: EndReason): void {
    const { words, counts, coldCounts } = this.#table
    const at = flow * HOT_WORDS
    const countsAt = at >>> 1
    const coldAt = (flow * COLD_WORDS) >>> 1
    for (let direction = 0; direction < 2; direction++) {
      const packets = counts[countsAt + PACKETS_0 + direction * 2]!
      if (packets === coldCounts[coldAt + REPORTED_PACKETS_0 + direction * 2]!) continue
      if (this.#onRecord !== undefined) {
        readRecord(this.#table, flow, direction, this.#windowSeconds, this.#record)
        this.#record.reason = reason
        this.#summed?.add(flow, direction, this.#record)
        this.#unstore(this.#record)
        this.#complete?.(this.#record)
        this.#onRecord(this.#record)
      }
      coldCounts[coldAt + REPORTED_PACKETS_0 + direction * 2] = packets
      coldCounts[coldAt + REPORTED_PACKETS_0 + 1 + direction * 2] =
        counts[countsAt + BYTES_0 + direction * 2]!
    }
    words[at + WINDOW_FIRST] = 0
    words[at + FLAGS]! &= 0xffff_0000
    if (reason !== 'window') this.#summed?.report(flow, reason)
  }

  /** Hands over what a flow did so far in its windows of both lengths, which go on with another record. */
  reportSoFar(flow: number): void {
    this.report(flow, 'window')
    this.#summed?.report(flow, 'window')
  }

  /** The packet clock stands at `now`, and nothing from before `settled` is expected any more. */
  advance(now: number, settled: number): void {
    if (this.#windowSeconds === 0) return
    if (this.#sweepEnd === NEVER) {
      this.#sweepEnd = this.#endOf(now)
      this.#summed?.start(now)
    }
    this.#now = now
    if (settled > this.#settled) this.#settled = settled
  }

  /** The packet clock was set back to `now`: the next window to close is that of the new time. */
  stepBack(now: number, settled: number): void {
    if (this.#windowSeconds === 0) return
    this.#now = now
    this.#settled = settled
    this.#sweepEnd = this.#endOf(settled)
    this.#sweepAt = -1
    this.#summed?.start(settled)
  }

  /**
   * Hands over the records of windows that are over, and says so when all of one
   * have left. Looks at `budget` flows at most and returns what is left of it: 0
   * when there is more to do.
   */
  sweep(budget: number): number {
    const table = this.#table
    const summed = this.#summed
    const ahead = this.#endOf(this.#now)
    while (this.#settled >= this.#sweepEnd) {
      if (this.#sweepAt < 0) this.#sweepAt = 0
      const until = Math.min(table.used, this.#sweepAt + budget)
      budget -= until - this.#sweepAt
      const isDue = summed?.isDue(this.#sweepEnd) === true
      for (let flow = this.#sweepAt; flow < until; flow++) {
        if (!table.isLive(flow)) continue
        const end = table.words[flow * HOT_WORDS + WINDOW_END]!
        // One that lies ahead of the clock is from before it was set back.
        if (end <= this.#sweepEnd || end > ahead) this.report(flow, 'window')
        if (isDue) summed.sweep(flow, this.#sweepEnd, this.#now)
      }
      this.#sweepAt = until
      if (until < table.used) return 0
      this.#closeWindow()
    }
    return budget
  }

  #closeWindow(): void {
    const end = this.#sweepEnd
    // Silence of many windows is one step: nothing was there to be swept.
    const latest = this.#settled - (this.#settled % this.#windowSeconds)
    this.#sweepEnd = Math.max(end + this.#windowSeconds, latest)
    this.#sweepAt = -1
    const time = this.#time
    this.#onWindow?.(time.secondsOf(end - this.#windowSeconds), time.secondsOf(end))
    this.#summed?.close(end, this.#settled)
  }

  #endOf(seconds: number): number {
    const length = this.#windowSeconds
    return length === 0 ? NEVER : seconds - (seconds % length) + length
  }

  #unstore(record: FlowRecord): void {
    const time = this.#time
    record.startSeconds = time.secondsOf(record.startSeconds)
    record.endSeconds = time.secondsOf(record.endSeconds)
    record.windowStart = time.secondsOf(record.windowStart)
    record.windowEnd = time.secondsOf(record.windowEnd)
  }
}
