/** Lines a minute, of each kind that has a limit of its own. */
export const LINES_A_MINUTE = 60

const MINUTE = 60

/**
 * Passes lines on for the operator, this many a minute. How many were left out is reported when the
 * minute is over.
 */
export class LineLimit {
  readonly #what: string
  readonly #say: (line: string) => void
  #room = LINES_A_MINUTE
  #omitted = 0
  /** When the minute began. */
  #since = 0

  /** `what` the lines are about, in the plural: for the line that says how many were left out. */
  constructor(what: string, say: (line: string) => void) {
    this.#what = what
    this.#say = say
  }

  say(line: string): void {
    if (this.#room === 0) this.#omitted++
    else {
      this.#room--
      this.#say(line)
    }
  }

  /** By a timer, with the wall clock; one that was set begins a minute. */
  tick(nowSeconds: number): void {
    if (nowSeconds >= this.#since && nowSeconds < this.#since + MINUTE) return
    this.#since = nowSeconds
    this.#room = LINES_A_MINUTE
    this.sayOmitted()
  }

  /** Says how many lines were left out since that was last said, if any were. */
  sayOmitted(): void {
    if (this.#omitted === 0) return
    this.#say(`lines about ${this.#what} left out: ${this.#omitted}`)
    this.#omitted = 0
  }
}

/** A limit for each kind of lines, so that many of one keep none of another back. */
export class LineLimits {
  readonly #say: (line: string) => void
  readonly #limits: LineLimit[] = []

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** To say lines of a kind with; `what` they are about, in the plural. */
  about(what: string): (line: string) => void {
    const limit = new LineLimit(what, this.#say)
    this.#limits.push(limit)
    return (line) => limit.say(line)
  }

  tick(nowSeconds: number): void {
    for (const limit of this.#limits) limit.tick(nowSeconds)
  }

  sayOmitted(): void {
    for (const limit of this.#limits) limit.sayOmitted()
  }
}
