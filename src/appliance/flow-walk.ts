import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FlowCapture } from '../flow/flow-capture.js'
import { ROW_BYTES, RowBlock } from '../flow/row-block.js'
import type { Session } from '../session/session.js'
import type { FlowBatch, SessionLabel } from './captured-flows.js'

/** Connections looked at in one go: about a tenth of a millisecond. */
const BUDGET = 1024
/** Rows handed over at once: 176 KiB. */
const BATCH_ROWS = 2048

interface FlowWalkOptions {
  capture: FlowCapture
  /** The session that has an index now. */
  sessionAt: (index: number) => Session
  onBatch: OnBatch
  /** Takes the moment at which a slice of the work began; it has just ended. */
  onSlice: (began: number) => void
}

/** Takes rows as they are found, and their memory. */
export type OnBatch = (batch: FlowBatch) => void

/** Takes a flow capture all the way round, in slices between which the receiver has its turn. */
export async function walkFlows(options: FlowWalkOptions): Promise<void> {
  const { capture, sessionAt, onBatch, onSlice } = options
  const labels = new Labels()
  let rows = new ArrayBuffer(BATCH_ROWS * ROW_BYTES)
  let block = new RowBlock(rows)
  while (!capture.done) {
    const began = performance.now()
    const known = block.count
    capture.step(BUDGET, block)
    // An index may be another session's by the next slice.
    for (let row = known; row < block.count; row++) {
      const index = block.sessionAt(row)
      block.setSession(row, labels.numberOf(index, sessionAt(index)))
    }
    if (block.room < 2) {
      onBatch({ rows, count: block.count, labels: labels.news() })
      rows = new ArrayBuffer(BATCH_ROWS * ROW_BYTES)
      block = new RowBlock(rows)
    }
    onSlice(began)
    await nextTurn()
  }
  if (block.count === 0) return
  rows = rows.slice(0, block.count * ROW_BYTES)
  onBatch({ rows, count: block.count, labels: labels.news() })
}

/** Gives the sessions of a walk numbers that hold for all of it. */
class Labels {
  readonly #sessions: Session[] = []
  readonly #numberByIndex: number[] = []
  #news: SessionLabel[] = []

  numberOf(index: number, session: Session): number {
    const known = this.#numberByIndex[index]
    if (known !== undefined && this.#sessions[known] === session) return known
    const number = this.#sessions.push(session) - 1
    this.#numberByIndex[index] = number
    const { session: sessionName, vni, source } = session.report()
    this.#news.push({ sessionName, vni, source })
    return number
  }

  /** Labels of the numbers given since the last call. */
  news(): SessionLabel[] {
    const news = this.#news
    this.#news = []
    return news
  }
}
