/** A clock that is behind by more than this has been set back; by less, packets have overtaken each other. */
const SET_BACK_SECONDS = 10

/** What may be done so often in a second, and this many times at once after a pause. */
export class Tokens {
  readonly #perSecond: number
  readonly #atOnce: number
  #left: number
  #now = Number.NEGATIVE_INFINITY

  constructor({ perSecond, atOnce }: { perSecond: number; atOnce: number }) {
    this.#perSecond = perSecond
    this.#atOnce = atOnce
    this.#left = atOnce
  }

  /** Takes one, in that second of the packets' clock; false where then less than `leave` were left. */
  take(seconds: number, leave = 0): boolean {
    this.#refill(seconds)
    if (this.#left < leave + 1) return false
    this.#left--
    return true
  }

  #refill(seconds: number): void {
    if (seconds > this.#now) {
      this.#left = Math.min(this.#left + (seconds - this.#now) * this.#perSecond, this.#atOnce)
    } else if (this.#now - seconds <= SET_BACK_SECONDS) return
    this.#now = seconds
  }
}
