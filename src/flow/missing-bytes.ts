/** Ends of connections whose data came out of order; more are not followed. */
const ENDS_MAX = 65_536
/** Pieces apart in one of them. */
const PIECES_MAX = 64

/**
 * Which bytes of streams were never seen although the other side confirmed them: lost by the capture,
 * not by the network. Positions are relative to the SYN, so that data begins at 1.
 */
export class MissingBytes {
  /** Of each end, where what was seen without a gap stops. */
  readonly #next: Float64Array
  /** What came beyond that: begin and end of each piece, in order. */
  readonly #pieces = new Map<number, number[]>()

  constructor(ends: number) {
    this.#next = new Float64Array(ends)
  }

  /** An end begins anew. */
  reset(end: number): void {
    this.#next[end] = 1
    this.#pieces.delete(end)
  }

  /** Data was seen. */
  see(end: number, from: number, to: number): void {
    if (to <= this.#next[end]!) return
    if (from > this.#next[end]!) {
      this.#keep(end, from, to)
      return
    }
    this.#next[end] = to
    if (this.#pieces.size > 0) this.#join(end)
  }

  /** Everything up to `to` is confirmed: how many bytes of it were not seen, in how many gaps. */
  confirm(end: number, to: number, out: { bytes: number; gaps: number }): void {
    out.bytes = 0
    out.gaps = 0
    while (this.#next[end]! < to) {
      const piece = this.#pieces.get(end)?.[0] ?? to
      const missing = Math.min(piece, to) - this.#next[end]!
      if (missing > 0) {
        out.bytes += missing
        out.gaps++
      }
      this.#next[end] = Math.min(piece, to)
      this.#join(end)
    }
  }

  #keep(end: number, from: number, to: number): void {
    let pieces = this.#pieces.get(end)
    if (pieces === undefined) {
      if (this.#pieces.size >= ENDS_MAX) {
        this.#pass(end, to)
        return
      }
      pieces = []
      this.#pieces.set(end, pieces)
    }
    if (pieces.length >= 2 * PIECES_MAX) {
      this.#pass(end, to)
      return
    }
    let at = 0
    while (at < pieces.length && pieces[at]! < from) at += 2
    pieces.splice(at, 0, from, to)
  }

  /** More than is followed: nothing is said of what is missing here. */
  #pass(end: number, to: number): void {
    this.#next[end] = to
    this.#pieces.delete(end)
  }

  #join(end: number): void {
    const pieces = this.#pieces.get(end)
    if (pieces === undefined) return
    let taken = 0
    while (taken < pieces.length && pieces[taken]! <= this.#next[end]!) {
      this.#next[end] = Math.max(this.#next[end]!, pieces[taken + 1]!)
      taken += 2
    }
    if (taken === pieces.length) this.#pieces.delete(end)
    else if (taken > 0) pieces.splice(0, taken)
  }
}
