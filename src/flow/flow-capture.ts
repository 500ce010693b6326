import { DEADLINE, HOT_WORDS, NEVER, STATE } from './flow-entry.js'
import { type FlowFilter, passesFilters } from './flow-filter.js'
import { ageOf, type FlowRow, rowsOf } from './flow-row.js'
import { STATE_CLOSED, STATE_MASK } from './flow-state.js'
import type { FlowTracker } from './flow-tracker.js'

/** What StartFlowCapture asks for. Plain data. */
export interface FlowCaptureRequest {
  /** Flows younger than this are left out, in whole seconds. */
  minimumAgeSeconds: number
  filters: readonly FlowFilter[]
  /** The moment that ages are relative to: the packet clock's time of the request. */
  atSeconds: number
  atNanoseconds: number
}

/** As DescribeFlowOperation has it. */
export type FlowCaptureStatus = 'COMPLETED' | 'COMPLETED_WITH_ERRORS'

/**
 * The open flows of a live table at one moment: those that were seen by then and
 * are not over (TCP closed or reset, or idle for too long), old enough, and let
 * through by a filter. One row for each direction.
 *
 * The table is walked in steps, between which packets go on being counted; what
 * began after the moment is left out. So it is a view over a short time, as
 * AWS's is, not a frozen picture.
 */
export class FlowCapture {
  readonly #tracker: FlowTracker
  readonly #request: FlowCaptureRequest
  #next = 0

  constructor(tracker: FlowTracker, request: FlowCaptureRequest) {
    this.#tracker = tracker
    this.#request = request
  }

  /** Whether `step` has been all the way round. */
  get done(): boolean {
    return this.#next >= this.#tracker.table.used
  }

  /** Looks at the next `budget` entries and adds what it finds to `rows`. */
  step(budget: number, rows: FlowRow[]): void {
    const { table } = this.#tracker
    const { minimumAgeSeconds, filters, atSeconds, atNanoseconds } = this.#request
    const until = Math.min(table.used, this.#next + budget)
    for (let flow = this.#next; flow < until; flow++) {
      if (!table.isLive(flow) || !this.#isOpen(flow)) continue
      for (const row of rowsOf(this.#tracker, flow)) {
        const age = ageOf(row, atSeconds, atNanoseconds)
        if (age >= Math.max(minimumAgeSeconds, 0) && passesFilters(row, filters)) rows.push(row)
      }
    }
    this.#next = until
  }

  /**
   * Why flows may be missing, or their counts be too low: something was evicted,
   * or ended early because the table was nearly full, that could have been open
   * still. Undefined when the table hid nothing.
   */
  get doubt(): string | undefined {
    const tracker = this.#tracker
    if (tracker.evictedAt < 0) return undefined
    const since = this.#request.atSeconds - tracker.longestTimeout
    if (tracker.secondsOf(tracker.evictedAt) >= since) {
      return 'Flows were evicted from the full flow table'
    }
    return undefined
  }

  #isOpen(flow: number): boolean {
    const { words } = this.#tracker.table
    const at = flow * HOT_WORDS
    if ((words[at + STATE]! & STATE_MASK) === STATE_CLOSED) return false
    if (words[at + DEADLINE] === NEVER) return true
    return this.#tracker.secondsOf(words[at + DEADLINE]!) >= this.#request.atSeconds
  }
}
