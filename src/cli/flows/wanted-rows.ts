import type { ConnectionFacts } from '../../flow/connection-facts.js'
import { type FlowFilter, passesFilters } from '../../flow/flow-filter.js'
import { pairOf } from '../../flow/flow-pair.js'
import { ageOf, copyOf, type FlowRow, rowsOf } from '../../flow/flow-row.js'
import type { FlowTracker } from '../../flow/flow-tracker.js'
import type { PointInTime } from '../../offline/offline.js'
import type { FlowsOptions } from './options.js'
import { comparison, FirstRows } from './order.js'

/** The rows to be shown: flows, or with --pairs connections of which either direction is wanted. */
export class WantedRows {
  readonly #rows: FirstRows<FlowRow>
  readonly #filters: readonly FlowFilter[]
  readonly #arePairs: boolean
  readonly #minimumAge: number
  readonly #top: number

  constructor(
    options: Pick<FlowsOptions, 'open' | 'sort' | 'top' | 'pairs' | 'minimumFlowAgeInSeconds'>,
    filters: readonly FlowFilter[],
  ) {
    const { open, sort, top, pairs, minimumFlowAgeInSeconds: minimumAge } = options
    const order = sort ?? { field: top === undefined ? 'first' : 'bytes', way: undefined }
    this.#top = top ?? Number.POSITIVE_INFINITY
    // Ages are known when all has been read.
    const isAgeKnown = open || minimumAge === 0
    const limit = isAgeKnown ? this.#top : Number.POSITIVE_INFINITY
    this.#rows = new FirstRows(comparison(order), limit)
    this.#filters = filters
    this.#arePairs = pairs ?? false
    this.#minimumAge = isAgeKnown ? 0 : minimumAge
  }

  /**
   * A connection that is over, or that the files have no more of. `facts` have what else is told of pairs.
   */
  addEnded(tracker: FlowTracker, flow: number, facts?: ConnectionFacts): void {
    const rows = rowsOf(tracker, flow).filter((row) => passesFilters(row, this.#filters))
    if (!this.#arePairs) for (const row of rows) this.#rows.add(row)
    else if (rows.length > 0) this.#rows.add(facts?.connectionOf(flow) ?? pairOf(tracker, flow))
  }

  /** A row of a flow capture; those of one connection come one after the other. */
  addCaptured(tracker: FlowTracker, facts?: ConnectionFacts): (row: FlowRow, flow: number) => void {
    let before = -1
    return (row, flow) => {
      if (!this.#arePairs) this.#rows.add(copyOf(row))
      else if (flow !== before) this.#rows.add(facts?.connectionOf(flow) ?? pairOf(tracker, flow))
      before = flow
    }
  }

  sorted(at: PointInTime): FlowRow[] {
    const rows = this.#rows.sorted()
    if (this.#minimumAge === 0) return rows
    return rows
      .filter((row) => ageOf(row, at.seconds, at.nanoseconds) >= this.#minimumAge)
      .slice(0, this.#top)
  }
}
