import { STEP_SECONDS } from '../flow/flow-intake.js'

/** Packets may be so much ahead of the timer that tells of the time. */
const LEAD_SECONDS = 3
/** Times that the clock may be set between two windows' ends. */
const RUNS_MAX = 8

/** While the clock ran without being set. */
interface Run {
  /** End of the window that is to end next. */
  next: number
  /** What the clock showed last. */
  to: number
}

/**
 * Which windows of one length pass: those whose end the clock reaches by running, not those
 * that it jumps over when it is set, nor those that a packet with a wrong time is of.
 */
export class PassedWindows {
  readonly #seconds: number
  readonly #runs: Run[] = []

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  /** The clock shows `now`. Unless it `ran`, it was set ahead since it was last asked. Returns whether it was set back. */
  tick(now: number, ran: boolean): boolean {
    const run = this.#runs.at(-1)
    const isSetBack = run !== undefined && now + STEP_SECONDS < run.to
    if (run !== undefined && ran && !isSetBack) run.to = Math.max(run.to, now)
    else {
      this.#runs.push({ next: endOfWindow(now, this.#seconds), to: now })
      if (this.#runs.length > RUNS_MAX) this.#runs.shift()
    }
    return isSetBack
  }

  /** The clock as it was last told. */
  get now(): number {
    return this.#runs.at(-1)?.to ?? 0
  }

  /**
   * All records of the window that ends at `end` have left, and of every window before it or before
   * the clock was set. Ends of those that have passed and were not taken before.
   */
  take(end: number): number[] {
    const ends: number[] = []
    for (const [index, run] of this.#runs.entries()) {
      const isLatest = index === this.#runs.length - 1
      const until = isLatest ? Math.min(end, run.to + LEAD_SECONDS) : run.to
      for (; run.next <= until; run.next += this.#seconds) ends.push(run.next)
    }
    this.#runs.splice(0, this.#runs.length - 1)
    return ends
  }
}

/** When the window of that second ends. */
export function endOfWindow(second: number, windowSeconds: number): number {
  return second - (second % windowSeconds) + windowSeconds
}
