import type { FlowRow } from '../flow/flow-row.js'
import { ROW_BYTES, RowBlock } from '../flow/row-block.js'

/** A row of a flow capture with the names of its session. Plain data. */
export interface CapturedFlow extends FlowRow, SessionLabel {}

/** Plain data. */
export interface SessionLabel {
  sessionName: string | null
  vni: number | null
  source: string | null
}

/**
 * Some of the rows that one column finds. Plain data; the memory is handed over.
 * A row's `session` is an index among the labels of this batch and of those before it.
 */
export interface FlowBatch {
  /** As a RowBlock has them. */
  readonly rows: ArrayBuffer
  readonly count: number
  /** Sessions that no earlier batch spoke of. */
  readonly labels: readonly SessionLabel[]
}

/**
 * The rows of a flow capture, kept as they came: in no order but always the same,
 * ROW_BYTES bytes each, made into objects when they are looked at.
 */
export class CapturedFlows {
  /** Rows held. */
  length = 0
  /** Rows that there was no room for. */
  refused = 0
  readonly #limit: number
  readonly #blocks: { readonly block: RowBlock; readonly start: number; labels: SessionLabel[] }[] =
    []
  readonly #labels = new Map<unknown, SessionLabel[]>()

  /** `limit`: rows held at most. */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  /** Memory that the rows take. */
  get octets(): number {
    return this.length * ROW_BYTES
  }

  /** Takes over a batch. `column`: which one found it; the batches of one column come in their order. */
  add(batch: FlowBatch, column: unknown = undefined): void {
    let labels = this.#labels.get(column)
    if (labels === undefined) {
      labels = []
      this.#labels.set(column, labels)
    }
    labels.push(...batch.labels)
    if (this.length + batch.count > this.#limit) {
      this.refused += batch.count
      return
    }
    const block = new RowBlock(batch.rows, batch.count)
    this.#blocks.push({ block, start: this.length, labels })
    this.length += batch.count
  }

  /** Row `index`, below `length`. */
  at(index: number): CapturedFlow {
    let low = 0
    for (let high = this.#blocks.length; high - low > 1; ) {
      const middle = (low + high) >>> 1
      if (this.#blocks[middle]!.start <= index) low = middle
      else high = middle
    }
    const { block, start, labels } = this.#blocks[low]!
    const row = block.at(index - start)
    return { ...row, ...labels[row.session]! }
  }

  *[Symbol.iterator](): IterableIterator<CapturedFlow> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
