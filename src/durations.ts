import { build, type Histogram } from 'hdr-histogram-js'

/** What is told of durations: half, nine of ten, … took no longer than this. */
export const QUANTILES = [0.5, 0.9, 0.99, 0.999] as const

/** Plain data. */
export interface Latency {
  readonly count: number
  readonly sumSeconds: number
  /** In seconds, in the order of QUANTILES. */
  readonly quantiles: readonly number[]
}

/** Longer ones count as this: an hour. */
const LONGEST_US = 3_600_000_000
/** Quantiles are of the last one to two of these. */
const WINDOW_MS = 60_000

/** Durations of late, as quantiles, and the sum of all there ever were. */
export class Durations {
  #count = 0
  #sumSeconds = 0
  #current = histogram()
  #before = histogram()
  readonly #both = histogram()
  #since = performance.now()

  /** Allocates nothing. What is negative, by clocks that differ, counts as 0. */
  record(microseconds: number): void {
    const counted = Math.min(Math.max(Math.round(microseconds), 0), LONGEST_US)
    this.#count++
    this.#sumSeconds += counted / 1e6
    this.#current.recordValue(counted)
  }

  /** Quantiles are 0 when there was nothing of late. */
  get latency(): Latency {
    this.#turn()
    this.#both.reset()
    this.#both.add(this.#before)
    this.#both.add(this.#current)
    const of = (quantile: number) => this.#both.getValueAtPercentile(quantile * 100) / 1e6
    return {
      count: this.#count,
      sumSeconds: this.#sumSeconds,
      quantiles: QUANTILES.map(of),
    }
  }

  #turn(): void {
    const elapsed = performance.now() - this.#since
    if (elapsed < WINDOW_MS) return
    this.#since += elapsed
    const older = this.#before
    this.#before = this.#current
    this.#current = older
    older.reset()
    // Nobody asked for so long that the other one is old too.
    if (elapsed >= 2 * WINDOW_MS) this.#before.reset()
  }
}

function histogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 2,
  })
}
