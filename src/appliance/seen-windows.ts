/** The latest two windows of a length that a session had flow records in. */
export class SeenWindows {
  #end = 0
  #previous = 0

  /** A record of the window that ends then has left. */
  note(end: number): void {
    if (end > this.#end) {
      this.#previous = this.#end
      this.#end = end
    } else if (end < this.#end) {
      // A flow of the window after it has ended before the sweep: one second is both's.
      this.#previous = Math.max(this.#previous, end)
    }
  }

  has(end: number): boolean {
    return this.#end === end || this.#previous === end
  }
}
