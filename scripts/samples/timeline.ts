import type { Shot } from '../../test/support/pcap-file.js'
import type { Random } from '../../test/support/random.js'

/** Frames with the times at which they were seen; several tellers may add to one. */
export class Timeline {
  readonly shots: Shot[] = []
  readonly random: Random
  readonly #seconds: number
  /** Of the next frame, since the start. */
  microseconds = 0

  /** `startSeconds` since the epoch is time 0. */
  constructor(startSeconds: number, random: Random) {
    this.#seconds = startSeconds
    this.random = random
  }

  /** Lets about so many microseconds pass, a tenth more or less. */
  pass(microseconds: number): void {
    this.microseconds += Math.round(microseconds * (0.9 + this.random.below(200) / 1000))
  }

  add(frame: Buffer): void {
    const seconds = this.#seconds + Math.floor(this.microseconds / 1e6)
    // Real clocks have a finer hand than the microseconds of the plot.
    const nanoseconds = (this.microseconds % 1e6) * 1000 + this.random.below(1000)
    this.shots.push({ frame, seconds, nanoseconds })
  }
}

/** Everything in order of time, as one interface would see it. */
export function inOrder(shots: readonly Shot[]): Shot[] {
  return [...shots].sort((a, b) => a.seconds! - b.seconds! || a.nanoseconds! - b.nanoseconds!)
}
