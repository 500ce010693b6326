import { MICROSECONDS, TimeSeries } from './time-series.js'

/** What lies further away than this, and than so many times what a period spans, is another period. */
const GAP_SECONDS = 3600
const GAP_SPANS = 10
/** Periods at most; beyond, those nearest to each other become one. */
const PERIODS_MAX = 16

interface Period {
  readonly series: TimeSeries
  /** In microseconds: of one that was made of several, that of the longest of them. */
  joinedSpan: number | undefined
}

/**
 * Packets and bytes over time, in columns, where packets may be of several times far apart: captures of one minute,
 * years from each other, and frames with a time that is none. Each such period is a time series of its own.
 */
export class TimePeriods {
  readonly #columns: number
  readonly #periods: Period[] = []
  #latest: TimeSeries | undefined
  /** What surely is of the latest, in seconds. */
  #from = 0
  #to = 0

  constructor(columns: number) {
    this.#columns = columns
  }

  /** The series of a moment, where its bin is. */
  at(seconds: number): TimeSeries {
    if (this.#latest !== undefined && seconds >= this.#from && seconds < this.#to) {
      return this.#latest
    }
    return this.#find(seconds)
  }

  /** All of them on one axis. */
  whole(): TimeSeries {
    const whole = new TimeSeries(this.#columns)
    for (const { series } of this.#periods) whole.addAll(series)
    return whole
  }

  /** In the order of time, all with so many bins at most. */
  inOrder(bins: number): TimeSeries[] {
    this.#sort()
    for (let index = 1; index < this.#periods.length; ) {
      const [before, after] = [this.#periods[index - 1]!, this.#periods[index]!]
      const gap = Math.max(gapOf(before), gapOf(after))
      // They have grown towards each other.
      if (after.series.from - before.series.to < gap) this.#merge(index)
      else index++
    }
    const series = this.#periods.map((period) => period.series)
    for (const each of series) each.limitTo(Math.ceil(bins / series.length))
    return series
  }

  #find(seconds: number): TimeSeries {
    const at = seconds * MICROSECONDS
    let period = this.#periods.find(
      (one) => at >= one.series.from - gapOf(one) && at < one.series.to + gapOf(one),
    )
    if (period === undefined) {
      period = { series: new TimeSeries(this.#columns), joinedSpan: undefined }
      period.series.bin(seconds, 0)
      this.#periods.push(period)
      if (this.#periods.length > PERIODS_MAX) {
        this.#joinNearest()
        period = this.#periods.find(({ series }) => at >= series.from && at < series.to)!
      }
    }
    const { series } = period
    const gap = gapOf(period)
    this.#latest = series
    this.#from = Math.ceil((series.from - gap) / MICROSECONDS)
    this.#to = Math.floor((series.to + gap) / MICROSECONDS)
    return series
  }

  #sort(): void {
    this.#periods.sort((a, b) => a.series.from - b.series.from)
  }

  #joinNearest(): void {
    this.#sort()
    const distance = (index: number): number =>
      this.#periods[index]!.series.from - this.#periods[index - 1]!.series.to
    let nearest = 1
    for (let index = 2; index < this.#periods.length; index++) {
      if (distance(index) < distance(nearest)) nearest = index
    }
    this.#merge(nearest)
  }

  /** That one and the one before. */
  #merge(index: number): void {
    const [after] = this.#periods.splice(index, 1)
    const before = this.#periods[index - 1]!
    before.joinedSpan = Math.max(spanOf(before), spanOf(after!))
    before.series.addAll(after!.series)
  }
}

function spanOf({ series, joinedSpan }: Period): number {
  return joinedSpan ?? series.to - series.from
}

function gapOf(period: Period): number {
  return Math.max(GAP_SECONDS * MICROSECONDS, GAP_SPANS * spanOf(period))
}
