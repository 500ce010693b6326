/** What is known to be lost, in packets and records, by the end of the window it was lost in. */
export class WindowLosses {
  readonly #seconds: number
  readonly #byEnd = new Map<number, number>()

  /** `seconds`: length of the windows. */
  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** Loss is known only by its sum: it may have happened at any time between two seconds. */
  note(lost: number, since: number, until: number): void {
    const ends = new Set([this.#endOf(since), this.#endOf(until)])
    for (const end of ends) this.#byEnd.set(end, (this.#byEnd.get(end) ?? 0) + lost)
  }

  /** What was lost in the window that ends then; and before, for a stall may have skipped windows. */
  take(end: number): number {
    let lost = 0
    for (const [key, count] of this.#byEnd) {
      if (key > end) continue
      lost += count
      this.#byEnd.delete(key)
    }
    return lost
  }

  #endOf(seconds: number): number {
    return seconds - (seconds % this.#seconds) + this.#seconds
  }
}
