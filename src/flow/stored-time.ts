const DAY = 86_400

/**
 * Times are kept in 32 bits. From this second on, in the year 2097, they are kept
 * as the distance from the first such time, so that a file whose clock jumps
 * still has its order; both are whole days, so that windows stay aligned.
 */
export const FAR = 46_600 * DAY

/** Leaves room for a deadline above it. */
const FARTHEST = 0xffff_ffff - 100 * DAY

/** Seconds since the epoch as a flow table keeps them. Below FAR they are kept as they are. */
export class StoredTime {
  /** What FAR stands for; 0 until a time lies there. */
  #farEpoch = 0
  /** Times that are too far from that one, and are kept as the nearest that can be. */
  clamped = 0

  /** A time from FAR on, as it is kept. */
  storeFar(seconds: number): number {
    if (this.#farEpoch === 0) this.#farEpoch = seconds - (seconds % DAY) - DAY
    const stored = seconds - this.#farEpoch + FAR
    if (stored >= FAR && stored <= FARTHEST) return stored
    this.clamped++
    return stored < FAR ? FAR : FARTHEST
  }

  /** The time that is kept so. */
  secondsOf(stored: number): number {
    return stored < FAR ? stored : stored - FAR + this.#farEpoch
  }
}
