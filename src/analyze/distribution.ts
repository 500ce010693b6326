import { Float64Histogram } from 'hdr-histogram-js'

/** `bytes`: bytes. `ns`: nanoseconds. */
type Unit = 'bytes' | 'packets' | 'ns'

/** As data. Percentiles are at most 0.1 % above the true value; min, max and mean are exact. */
export interface DistributionReport {
  unit: Unit
  count: number
  /** null, as all that follow, when nothing was recorded. */
  min: number | null
  mean: number | null
  p50: number | null
  p90: number | null
  p99: number | null
  p999: number | null
  max: number | null
  /**
   * How many values lie in [from, to): powers of two for bytes and packets, 1-2-5 steps for
   * nanoseconds, without gaps from the first that has any to the last.
   */
  buckets: Bucket[]
}

export interface Bucket {
  from: number
  to: number
  count: number
}

const SIGNIFICANT_DIGITS = 3

/** Steps the histogram has for each power of two, as a power of two; up to twice that it has one for every value. */
const HALF_BITS = 10
const SINGLE_STEPS = 2 ** (HALF_BITS + 1) - 1
/** Values below 2^31 are counted in front of the histogram, in its own steps. */
const FRONT_LIMIT = 2 ** 31
const FRONT_LEN = (31 - HALF_BITS) * 2 ** HALF_BITS + 2 ** HALF_BITS

/**
 * Values of one kind, to three significant digits, in fixed memory: an
 * HdrHistogram with a front.
 *
 * The front exists because the library's recording works in floating-point
 * logarithms: measured 110 ns a value, where counting in the same steps with
 * integers takes 6. `report` pours the front into the histogram, which does
 * the rest.
 */
export class Distribution {
  count = 0

  readonly #unit: Unit
  readonly #front = new Float64Array(FRONT_LEN)
  readonly #histogram = new Float64Histogram(1, Number.MAX_SAFE_INTEGER, SIGNIFICANT_DIGITS)
  #min = Number.POSITIVE_INFINITY
  #max = 0
  #sum = 0

  constructor(unit: Unit) {
    this.#unit = unit
  }

  /** `value` is a whole number from 0 on; from 2^53 (104 days in nanoseconds) it counts as that. */
  record(value: number): void {
    this.count++
    this.#sum += value
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
    if (value < FRONT_LIMIT) {
      const shift = 31 - HALF_BITS - Math.clz32(value | SINGLE_STEPS)
      this.#front[(shift << HALF_BITS) + (value >>> shift)]! += 1
    } else {
      this.#histogram.recordValue(Math.min(value, Number.MAX_SAFE_INTEGER))
    }
  }

  report(): DistributionReport {
    this.#pour()
    const { count } = this
    const at = (percentile: number): number | null =>
      count === 0
        ? null
        : Math.max(this.#min, Math.min(this.#max, this.#histogram.getValueAtPercentile(percentile)))
    return {
      unit: this.#unit,
      count,
      min: count === 0 ? null : this.#min,
      mean: count === 0 ? null : this.#sum / count,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: count === 0 ? null : this.#max,
      buckets: this.#buckets(),
    }
  }

  #pour(): void {
    const front = this.#front
    for (let index = 0; index < FRONT_LEN; index++) {
      const count = front[index]!
      if (count === 0) continue
      const shift = Math.max((index >>> HALF_BITS) - 1, 0)
      this.#histogram.recordValueWithCount((index - (shift << HALF_BITS)) * 2 ** shift, count)
    }
    front.fill(0)
  }

  #buckets(): Bucket[] {
    const bounds = this.#unit === 'ns' ? oneTwoFive() : powersOfTwo()
    const buckets: Bucket[] = []
    let bucket: Bucket = { from: 0, to: bounds.next().value, count: 0 }
    const values = this.#histogram.recordedValuesIterator
    values.reset()
    while (values.hasNext()) {
      const { valueIteratedTo, countAddedInThisIterationStep } = values.next()
      // The middle of the step, so that a bound inside of it rounds to the nearer side.
      const value = this.#histogram.medianEquivalentValue(valueIteratedTo)
      while (value >= bucket.to) {
        if (bucket.count > 0 || buckets.length > 0) buckets.push(bucket)
        bucket = { from: bucket.to, to: bounds.next().value, count: 0 }
      }
      bucket.count += countAddedInThisIterationStep
    }
    if (bucket.count > 0) buckets.push(bucket)
    return buckets
  }
}

function* powersOfTwo(): Generator<number, never> {
  for (let bound = 1; ; bound *= 2) yield bound
}

function* oneTwoFive(): Generator<number, never> {
  for (let decade = 1; ; decade *= 10) {
    yield decade
    yield 2 * decade
    yield 5 * decade
  }
}
