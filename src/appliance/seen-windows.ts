/** Runs remembered at most. The clock begins one when it is set; so does each silence where nobody says NODATA. */
const RUNS_MAX = 64

/** Consecutive windows, by the ends of the first and the last. */
interface Run {
  first: number
  last: number
}

/**
 * Windows of one length in which something was said: flow records, or that there were none.
 * The clock may be set back and pass them again. They are kept as runs of consecutive
 * windows, of which a clock that is never set makes one.
 */
export class SeenWindows {
  readonly #seconds: number
  /** In no order but that new ones come last. */
  readonly #runs: Run[] = []

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** Something is said of the window that ends then. */
  note(end: number): void {
    if (this.has(end)) return
    const seconds = this.#seconds
    const before = this.#runs.find(({ last }) => last + seconds === end)
    const after = this.#runs.find(({ first }) => first - seconds === end)
    if (before !== undefined && after !== undefined) {
      after.first = before.first
      this.#runs.splice(this.#runs.indexOf(before), 1)
    } else if (before !== undefined) before.last = end
    else if (after !== undefined) after.first = end
    else {
      this.#runs.push({ first: end, last: end })
      if (this.#runs.length > RUNS_MAX) this.#runs.shift()
    }
  }

  has(end: number): boolean {
    for (let index = this.#runs.length - 1; index >= 0; index--) {
      const { first, last } = this.#runs[index]!
      if (first <= end && end <= last) return true
    }
    return false
  }
}
