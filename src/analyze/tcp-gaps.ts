import type { TcpCounts } from './tcp-counts.js'
import {
  ACK_SEEN,
  ACKED,
  DIRECTION_WORDS,
  GAPS,
  GAPS_MASK,
  GAPS_MAX,
  GAPS_SHIFT,
  MISSING,
  OUT_OF_ORDER,
  RETRANSMITTED,
  STATE,
  TROUBLE_WORDS,
} from './tcp-entry.js'

/**
 * The runs of sequence numbers that were skipped and may yet come, and what else
 * went wrong in each direction of a connection. `direction` is where its words
 * begin in the array of TcpHealth.
 */
export class TcpGaps {
  readonly #words: Int32Array
  readonly #trouble: Int32Array
  readonly #missing: Float64Array

  constructor(capacity: number, words: Int32Array) {
    this.#words = words
    const memory = new ArrayBuffer(capacity * 2 * TROUBLE_WORDS * 4)
    this.#trouble = new Int32Array(memory)
    this.#missing = new Float64Array(memory)
  }

  /** [from, to) was skipped. */
  open(direction: number, from: number, to: number, counts: TcpCounts): void {
    const open = this.#open(direction)
    const last = troubleAt(direction) + GAPS + 2 * (open - 1)
    // It goes on where the last one ended: nothing came between.
    if (open > 0 && this.#trouble[last + 1] === from) {
      this.#trouble[last + 1] = to
      return
    }
    counts.gaps++
    this.#push(direction, from, to, counts)
  }

  /** Data of [from, to) came: takes it out of the gaps. Returns how much of it filled some. */
  fill(direction: number, from: number, to: number, counts: TcpCounts): number {
    let open = this.#open(direction)
    if (open === 0) return 0
    const trouble = this.#trouble
    const first = troubleAt(direction) + GAPS
    let filled = 0
    for (let index = 0; index < open; index++) {
      const at = first + 2 * index
      const gapFrom = trouble[at]!
      const gapTo = trouble[at + 1]!
      const start = ((from - gapFrom) | 0) > 0 ? from : gapFrom
      const end = ((to - gapTo) | 0) < 0 ? to : gapTo
      const here = (end - start) | 0
      if (here <= 0) continue
      filled += here
      if (start === gapFrom && end === gapTo) {
        trouble.copyWithin(at, at + 2, first + 2 * open)
        open--
        index--
      } else if (start === gapFrom) trouble[at] = end
      else if (end === gapTo) trouble[at + 1] = start
      else {
        // The middle of a gap: two remain.
        trouble[at + 1] = start
        this.#setOpen(direction, open)
        this.#push(direction, end, gapTo, counts)
        return filled
      }
    }
    this.#setOpen(direction, open)
    return filled
  }

  noteRetransmission(direction: number): void {
    this.#trouble[troubleAt(direction) + RETRANSMITTED]! += 1
  }

  noteOutOfOrder(direction: number): void {
    this.#trouble[troubleAt(direction) + OUT_OF_ORDER]! += 1
  }

  /** A connection is over: what is still open in a direction was never filled. */
  end(flow: number, side: 0 | 1, counts: TcpCounts): void {
    const direction = (2 * flow + side) * DIRECTION_WORDS
    const at = troubleAt(direction) + GAPS
    const open = this.#open(direction)
    for (let index = 0; index < open; index++) {
      const gap = at + 2 * index
      this.#giveUp(direction, this.#trouble[gap]!, this.#trouble[gap + 1]!, counts)
    }
    this.#setOpen(direction, 0)
  }

  retransmitted(flow: number, side: number): number {
    return this.#trouble[(2 * flow + side) * TROUBLE_WORDS + RETRANSMITTED]!
  }

  outOfOrder(flow: number, side: number): number {
    return this.#trouble[(2 * flow + side) * TROUBLE_WORDS + OUT_OF_ORDER]!
  }

  /** Bytes that never came. */
  missing(flow: number, side: number): number {
    return this.#missing[((2 * flow + side) * TROUBLE_WORDS) / 2 + MISSING]!
  }

  /** Another flow takes the place of this one, which had some trouble. */
  clear(flow: number): void {
    const at = 2 * flow * TROUBLE_WORDS
    this.#trouble.fill(0, at, at + 2 * TROUBLE_WORDS)
  }

  /** At the end, so that the first is the oldest. */
  #push(direction: number, from: number, to: number, counts: TcpCounts): void {
    const trouble = this.#trouble
    const first = troubleAt(direction) + GAPS
    let open = this.#open(direction)
    if (open === GAPS_MAX) {
      this.#giveUp(direction, trouble[first]!, trouble[first + 1]!, counts)
      trouble.copyWithin(first, first + 2, first + 2 * GAPS_MAX)
      open--
    }
    trouble[first + 2 * open] = from
    trouble[first + 2 * open + 1] = to
    this.#setOpen(direction, open + 1)
  }

  #giveUp(direction: number, from: number, to: number, counts: TcpCounts): void {
    const words = this.#words
    const length = (to - from) | 0
    counts.gapsUnfilled++
    counts.missingBytes += length
    this.#missing[troubleAt(direction) / 2 + MISSING]! += length
    if ((words[direction + STATE]! & ACK_SEEN) === 0) return
    const acknowledged = Math.min((words[direction + ACKED]! - from) | 0, length)
    if (acknowledged <= 0) return
    counts.gapsAcknowledged++
    counts.acknowledgedMissingBytes += acknowledged
  }

  #open(direction: number): number {
    return (this.#words[direction + STATE]! & GAPS_MASK) >>> GAPS_SHIFT
  }

  #setOpen(direction: number, open: number): void {
    const words = this.#words
    words[direction + STATE] = (words[direction + STATE]! & ~GAPS_MASK) | (open << GAPS_SHIFT)
  }
}

function troubleAt(direction: number): number {
  return (direction / DIRECTION_WORDS) * TROUBLE_WORDS
}
