import type { FlowRecord } from '../flow/flow-record.js'
import type { FlowLogDestination } from '../flowlog/flow-log-destination.js'
import type { SessionMetadata } from '../flowlog/metadata.js'
import { WindowStatus } from '../flowlog/window-status.js'
import { SeenWindows } from './seen-windows.js'

/** A flow log that holds a session's records, and what it says of the session beside them. */
export interface SessionLog {
  readonly destination: FlowLogDestination
  readonly metadata: SessionMetadata
}

/** What is known of a session. */
interface SessionWindows {
  logs: readonly SessionLog[]
  readonly seen: SeenWindows
}

const NO_LOGS: readonly SessionLog[] = []

/**
 * The windows of one aggregation interval: which flow logs have the records of each session,
 * which sessions had any in a window, and what was lost in it.
 */
export class WindowLogs {
  readonly seconds: number
  /** Of windows without records, or with losses. */
  readonly status: WindowStatus
  /** By index. */
  readonly #sessions: (SessionWindows | undefined)[] = []
  /** Packets and records that are known to be lost, by the end of the window. */
  readonly #lost = new Map<number, number>()

  /** `write` takes the records of `status`. */
  constructor(seconds: number, write: (record: FlowRecord, window: WindowLogs) => void) {
    this.seconds = seconds
    this.status = new WindowStatus((record) => write(record, this))
  }

  /** Which flow logs have the records of a session from now on. */
  setLogs(session: number, logs: readonly SessionLog[]): void {
    const known = this.#sessions[session]
    if (known === undefined) this.#sessions[session] = { logs, seen: new SeenWindows() }
    else known.logs = logs
  }

  logsOf(session: number): readonly SessionLog[] {
    return this.#sessions[session]?.logs ?? NO_LOGS
  }

  /** A session is closed. */
  forget(session: number): void {
    this.#sessions[session] = undefined
  }

  /** A session has a record in the window that ends then. */
  noteRecord(session: number, end: number): void {
    this.#sessions[session]?.seen.note(end)
  }

  hadRecords(session: number, end: number): boolean {
    return this.#sessions[session]?.seen.has(end) === true
  }

  /** Loss is known only by its sum: it may have happened at any time between two seconds. */
  noteLoss(lost: number, since: number, until: number): void {
    const ends = new Set([this.#endOf(since), this.#endOf(until)])
    for (const end of ends) this.#lost.set(end, (this.#lost.get(end) ?? 0) + lost)
  }

  /** What was lost in the window that ends then; and before, for a stall may have skipped windows. */
  takeLoss(end: number): number {
    let lost = 0
    for (const [key, count] of this.#lost) {
      if (key > end) continue
      lost += count
      this.#lost.delete(key)
    }
    return lost
  }

  #endOf(seconds: number): number {
    return seconds - (seconds % this.seconds) + this.seconds
  }
}
