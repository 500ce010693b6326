/**
 * How many files one thread may hold open, those included that are on their way to their names.
 *
 * A file that follows another of its kind waits until one closes: each of those that wait has one
 * that will. What opens its first file is refused when too many are open.
 */
export class FileBudget {
  readonly limit: number
  /** Since the last `tick`, somebody was refused or had to wait. */
  isShort = false
  #used = 0
  readonly #waiting: (() => void)[] = []

  /** Infinity bounds nothing. */
  constructor(limit: number) {
    this.limit = limit
  }

  get used(): number {
    return this.#used
  }

  /** Takes a place, if no more than this share of all is then used. */
  tryTake(share = 1): boolean {
    if (this.#used < Math.floor(this.limit * share)) {
      this.#used++
      return true
    }
    this.isShort = true
    return false
  }

  /** Takes the next place that is free, for a file whose predecessor has one. */
  async take(): Promise<void> {
    if (this.tryTake()) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Gives a place back once its file is closed: to the one that has waited longest. */
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#used--
    else next()
  }

  /** By a timer: begins to note shortage anew. */
  tick(): void {
    this.isShort = this.#waiting.length > 0
  }
}
