/** Lets a few pieces of work run at a time; the others wait in the order they came. */
export class Turns {
  readonly #atATime: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(atATime: number) {
    this.#atATime = atATime
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    // A finished piece hands its turn to the next in line, so nobody overtakes.
    if (this.#running < this.#atATime) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
