import { DEADLINE, HOT_WORDS, NEVER, SESSION, STATE } from './flow-entry.js'
import { type FlowFilter, passesFilters } from './flow-filter.js'
import { ageOf, copyOf, emptyRow, type FlowRow, readRow } from './flow-row.js'
import { STATE_CLOSED, STATE_MASK } from './flow-state.js'
import type { FlowTracker } from './flow-tracker.js'
import type { RowSink } from './row-block.js'

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

export interface FlowCaptureOptions {
  /** Whether to look at the flows of a session, by its index; undefined: at all. */
  wants?: (session: number) => boolean
  /**
   * Ends the connections of the rows it finds, as StartFlowFlush does: a
   * connection ends as a whole when either of its directions matches.
   */
  flush?: boolean
}

/**
 * The open flows of a live table at one moment: those that were seen by then and
 * are not over (TCP closed or reset, or idle for too long), old enough, and let
 * through by a filter. One row for each direction.
 *
 * The table is walked in steps, between which packets go on being counted; what
 * began after the moment is left out. So it is a view over a short time, as
 * AWS's is, not a frozen picture. A step allocates nothing, whatever it finds.
 */
export class FlowCapture {
  readonly #tracker: FlowTracker
  readonly #request: FlowCaptureRequest
  readonly #minimumAge: number
  readonly #wants: FlowCaptureOptions['wants']
  readonly #flush: boolean
  readonly #row = emptyRow()
  #next = 0

  constructor(tracker: FlowTracker, request: FlowCaptureRequest, options: FlowCaptureOptions = {}) {
    this.#tracker = tracker
    this.#request = request
    this.#minimumAge = Math.max(request.minimumAgeSeconds, 0)
    this.#wants = options.wants
    this.#flush = options.flush ?? false
    tracker.countQueued()
  }

  /** Whether `step` has been all the way round. */
  get done(): boolean {
    return this.#next >= this.#tracker.table.used
  }

  /**
   * Looks at the next `budget` entries and puts what it finds into `rows`. Stops
   * early where `rows` has no room for another connection, which is two rows.
   */
  step(budget: number, rows: RowSink): void {
    const tracker = this.#tracker
    tracker.countQueued()
    const { table } = tracker
    const until = Math.min(table.used, this.#next + budget)
    let flow = this.#next
    for (; flow < until && rows.room >= 2; flow++) {
      if (!table.isLive(flow) || !this.#isWanted(flow) || !this.#isOpen(flow)) continue
      const first = this.#take(flow, 0, rows)
      const second = this.#take(flow, 1, rows)
      if (this.#flush && (first || second)) tracker.flush(flow)
    }
    this.#next = flow
  }

  /** Looks at all that is left in one go. For a table that nothing waits for. */
  rest(): FlowRow[] {
    const rows: FlowRow[] = []
    this.step(Number.MAX_SAFE_INTEGER, {
      room: Number.POSITIVE_INFINITY,
      put: (row) => rows.push(copyOf(row)),
    })
    return rows
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

  #isWanted(flow: number): boolean {
    const wants = this.#wants
    return wants === undefined || wants(this.#tracker.table.words[flow * HOT_WORDS + SESSION]!)
  }

  #isOpen(flow: number): boolean {
    const { words } = this.#tracker.table
    const at = flow * HOT_WORDS
    if ((words[at + STATE]! & STATE_MASK) === STATE_CLOSED) return false
    if (words[at + DEADLINE] === NEVER) return true
    return this.#tracker.secondsOf(words[at + DEADLINE]!) >= this.#request.atSeconds
  }
  /** Puts one direction of a connection into `rows`, where it has packets and matches. */
  #take(flow: number, direction: number, rows: RowSink): boolean {
    const row = this.#row
    if (!readRow(this.#tracker, flow, direction, row)) return false
    const { filters, atSeconds, atNanoseconds } = this.#request
    if (ageOf(row, atSeconds, atNanoseconds) < this.#minimumAge) return false
    if (!passesFilters(row, filters)) return false
    rows.put(row, flow)
    return true
  }
}
