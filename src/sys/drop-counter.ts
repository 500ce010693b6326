/**
 * A 32-bit counter of the kernel's, made whole: it wraps after 4,294,967,296 drops,
 * a little over an hour of losing everything at 1 Mpps. Must be read more often than that.
 */
export class DropCounter {
  #last: number
  #total = 0

  /** `before`: drops that another has counted already. */
  constructor(before = 0) {
    this.#last = before % 2 ** 32
  }

  /** Takes what the kernel says now, unsigned, and answers with the drops since the counter began. */
  update(word: number): number {
    this.#total += (word - this.#last) >>> 0
    this.#last = word
    return this.#total
  }

  get total(): number {
    return this.#total
  }
}
