import { FlowRecord, type OnFlowRecord } from '../flow/flow-record.js'

/** What one session did in a window that is over. */
export interface SessionWindow {
  readonly session: number
  /** Flow records written for the window. */
  readonly records: number
  /** Packets or records that are known to be missing from them, whatever the cause. */
  readonly lost: number
}

/**
 * Says of each session's window what flow records cannot: that nothing came
 * (NODATA), or that something is missing (SKIPDATA).
 *
 * One SKIPDATA stands for everything lost in its window, beside the records that
 * were written. A window with loss is never NODATA: what was lost may have been
 * all there was.
 */
export class WindowStatus {
  readonly #onRecord: OnFlowRecord
  readonly #record = new FlowRecord()

  /** `onRecord` takes the records; one instance serves them all. */
  constructor(onRecord: OnFlowRecord) {
    this.#onRecord = onRecord
  }

  /** `sessions` are those known throughout the window [windowStart, windowEnd), in whole seconds. */
  end(windowStart: number, windowEnd: number, sessions: Iterable<SessionWindow>): void {
    const record = this.#record
    record.windowStart = windowStart
    record.windowEnd = windowEnd
    for (const { session, records, lost } of sessions) {
      if (lost === 0 && records > 0) continue
      record.session = session
      record.status = lost > 0 ? 'SKIPDATA' : 'NODATA'
      this.#onRecord(record)
    }
  }
}
