import { HOT_WORDS, NEVER, SESSION, STATE } from './flow-entry.js'
import { type EndReason, FlowRecord, type OnFlowRecord } from './flow-record.js'
import { INTERFACE_CONFIRMED, OTHER_FLAGS, VPC_FLAGS } from './flow-state.js'
import type { FlowTable } from './flow-table.js'
import { interfaceDirection, readKey } from './read-record.js'
import type { StoredTime } from './stored-time.js'

/** Windows of one length, aligned to the epoch. */
export interface AggregationWindow {
  windowSeconds: number
  /** Takes what each flow did in each window. */
  onRecord: OnFlowRecord
  /** A window is over and every record of it has been handed over. */
  onWindow?: (windowStart: number, windowEnd: number) => void
}

/** Packets and bytes of direction 0, then of direction 1. */
const COUNTS = 4
/**
 * Words of a flow: first and last millisecond of each direction, counted from the window's start,
 * the window's end, and flags (direction 0 in the low byte).
 */
const FIRST = 0
const LAST = 2
const END = 4
const FLAGS = 5
const WORDS = 6

/**
 * Records of windows longer than those that the table counts in: adds up what a flow's records
 * say until its longer window, or the flow, is over. No packet touches it, only records
 * do, so that it costs nothing but when windows end; memory is laid out
 * once, 56 bytes for each entry of the table.
 */
export class SummedReports {
  readonly #table: FlowTable
  readonly #time: Pick<StoredTime, 'secondsOf'>
  readonly #seconds: number
  readonly #complete: OnFlowRecord | undefined
  readonly #onRecord: OnFlowRecord
  readonly #onWindow: AggregationWindow['onWindow']
  readonly #record = new FlowRecord()
  readonly #counts: Float64Array
  readonly #words: Uint32Array
  /** End of the window to be closed next. */
  #end = NEVER

  constructor(
    table: FlowTable,
    time: Pick<StoredTime, 'secondsOf'>,
    { windowSeconds, onRecord, onWindow }: AggregationWindow,
    complete?: OnFlowRecord,
  ) {
    this.#table = table
    this.#time = time
    this.#seconds = windowSeconds
    this.#complete = complete
    this.#onRecord = onRecord
    this.#onWindow = onWindow
    this.#counts = new Float64Array(table.capacity * COUNTS)
    this.#words = new Uint32Array(table.capacity * WORDS)
  }

  /** The clock starts at `now`, or is set back to it. */
  start(now: number): void {
    this.#end = this.#endOf(now)
  }

  /** Adds what a record of a short window says, whose times are as the table keeps them. */
  add(flow: number, direction: number, record: FlowRecord): void {
    const words = this.#words
    const counts = this.#counts
    const at = flow * WORDS
    const countsAt = flow * COUNTS
    const end = this.#endOf(record.windowStart)
    if (words[at + END] !== end) {
      this.report(flow, 'window')
      words[at + END] = end
    }
    // Where the clock was set back, an earlier record may be of a later time.
    const isFirst = counts[countsAt + direction * 2] === 0
    const first = at + FIRST + direction
    const last = at + LAST + direction
    const start = end - this.#seconds
    const from = (record.startSeconds - start) * 1000 + record.startMilliseconds
    const to = (record.endSeconds - start) * 1000 + record.endMilliseconds
    words[first] = isFirst ? from : Math.min(words[first]!, from)
    words[last] = isFirst ? to : Math.max(words[last]!, to)
    counts[countsAt + direction * 2]! += record.packets
    counts[countsAt + direction * 2 + 1]! += record.bytes
    words[at + FLAGS]! |= (record.vpcTcpFlags | record.otherTcpFlags) << (direction * 8)
  }

  /** Hands over a record for each direction that has something not yet reported. */
  report(flow: number, reason: EndReason): void {
    const words = this.#words
    const counts = this.#counts
    const at = flow * WORDS
    const countsAt = flow * COUNTS
    for (let direction = 0; direction < 2; direction++) {
      const packets = counts[countsAt + direction * 2]!
      if (packets === 0) continue
      this.#hand(flow, direction, reason)
      counts[countsAt + direction * 2] = 0
      counts[countsAt + direction * 2 + 1] = 0
    }
    words[at + FLAGS] = 0
  }

  /** Whether a window is over once the short one that ends at `shortEnd` is: then `sweep` is to see every flow. */
  isDue(shortEnd: number): boolean {
    return shortEnd >= this.#end
  }

  /** Hands over what a flow has of windows that are over by `shortEnd`, or that lie ahead of the clock, which was set back. */
  sweep(flow: number, shortEnd: number, now: number): void {
    const end = this.#words[flow * WORDS + END]!
    if (end <= shortEnd || end > this.#endOf(now)) this.report(flow, 'window')
  }

  /** Every record of the short window has left; nothing from before `settled` is expected any more. */
  close(shortEnd: number, settled: number): void {
    while (shortEnd >= this.#end) {
      const end = this.#end
      this.#end = Math.max(end + this.#seconds, settled - (settled % this.#seconds))
      const time = this.#time
      this.#onWindow?.(time.secondsOf(end - this.#seconds), time.secondsOf(end))
    }
  }

  #hand(flow: number, direction: number, reason: EndReason): void {
    const table = this.#table
    const words = this.#words
    const at = flow * WORDS
    const countsAt = flow * COUNTS + direction * 2
    const state = table.words[flow * HOT_WORDS + STATE]!
    const time = this.#time
    const record = this.#record
    readKey(table, flow, direction, record)
    record.session = table.words[flow * HOT_WORDS + SESSION]!
    record.packets = this.#counts[countsAt]!
    record.bytes = this.#counts[countsAt + 1]!
    const start = words[at + END]! - this.#seconds
    const first = words[at + FIRST + direction]!
    const last = words[at + LAST + direction]!
    record.startSeconds = time.secondsOf(start + Math.floor(first / 1000))
    record.startMilliseconds = first % 1000
    record.endSeconds = time.secondsOf(start + Math.floor(last / 1000))
    record.endMilliseconds = last % 1000
    record.windowStart = time.secondsOf(start)
    record.windowEnd = time.secondsOf(words[at + END]!)
    const flags = words[at + FLAGS]! >>> (direction * 8)
    record.vpcTcpFlags = flags & VPC_FLAGS
    record.otherTcpFlags = flags & OTHER_FLAGS
    record.direction = interfaceDirection(state, direction)
    record.isInterfaceConfirmed = (state & INTERFACE_CONFIRMED) !== 0
    record.interfaceAddress = undefined
    record.reason = reason
    this.#complete?.(record)
    this.#onRecord(record)
  }

  #endOf(seconds: number): number {
    return seconds - (seconds % this.#seconds) + this.#seconds
  }
}
