/** The heaviest of many rows, heaviest first; of equal ones those that came first. */
export class Top<Row> {
  readonly rows: Row[] = []
  readonly #weights: number[] = []
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether a row of that weight would be among them: to be asked before one is made. */
  wants(weight: number): boolean {
    return this.rows.length < this.#limit || weight > this.#weights.at(-1)!
  }

  add(weight: number, row: Row): void {
    let at = this.rows.length
    while (at > 0 && this.#weights[at - 1]! < weight) at--
    this.rows.splice(at, 0, row)
    this.#weights.splice(at, 0, weight)
    if (this.rows.length > this.#limit) {
      this.rows.pop()
      this.#weights.pop()
    }
  }
}
