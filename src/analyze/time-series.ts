export const MICROSECONDS = 1e6

/**
 * Widths a bin may have, in microseconds: each a multiple of the one before, so
 * that bins can be joined, and all what people divide time into.
 */
const WIDTHS: readonly number[] = [
  ...[1, 2, 10, 20, 100, 200, 1000, 2000, 10_000, 20_000, 100_000, 200_000],
  ...[1, 2, 10, 20, 60, 120, 600, 1200, 3600, 7200, 21_600, 43_200, 86_400].map(
    (seconds) => seconds * MICROSECONDS,
  ),
]

/** Bins at most; when the span grows past them they are joined, two to six into one. */
export const BINS_MAX = 720

/** As data. Bin `index` begins at `start` plus `index` times `binSeconds`. */
export interface SeriesReport {
  /** Decimal seconds since the epoch, a multiple of the width; null when there is no bin. */
  start: string | null
  /** Decimal seconds. */
  binSeconds: string
  bins: number
}

/**
 * Packets and bytes over time, in columns, in bounded memory: at most 720 bins,
 * which grow wider as the time that the packets span does. Packets may come in
 * any order.
 */
export class TimeSeries {
  readonly #columns: number
  readonly #packets: Float64Array
  readonly #bytes: Float64Array
  #widthIndex = 0
  #width = WIDTHS[0]!
  /** Of the first bin: its number, counted in widths from the epoch. */
  #first = 0
  #bins = 0
  /** The bin last looked for, and the microseconds it covers. */
  #last = -1
  #lastFrom = 0
  #lastTo = 0

  constructor(columns: number) {
    this.#columns = columns
    this.#packets = new Float64Array(BINS_MAX * columns)
    this.#bytes = new Float64Array(BINS_MAX * columns)
  }

  /** The bin of a moment, for `add`; any bin found before may have moved. */
  bin(seconds: number, nanoseconds: number): number {
    const at = seconds * MICROSECONDS + Math.floor(nanoseconds / 1000)
    if (at < this.#lastFrom || at >= this.#lastTo || this.#last < 0) this.#find(at)
    return this.#last
  }

  add(bin: number, column: number, bytes: number): void {
    const at = bin * this.#columns + column
    this.#packets[at]! += 1
    this.#bytes[at]! += bytes
  }

  /** From the first bin to the end of the last, in microseconds. */
  get from(): number {
    return this.#first * this.#width
  }

  get to(): number {
    return (this.#first + this.#bins) * this.#width
  }

  /** Adds what another has counted. */
  addAll(other: TimeSeries): void {
    if (other.#bins === 0) return
    // So that no bin of the other lies across two of these.
    while (this.#width < other.#width) this.#widen()
    this.#find(other.from)
    this.#find(other.to - 1)
    while (this.#width < other.#width) this.#widen()
    for (let bin = 0; bin < other.#bins; bin++) {
      this.#find((other.#first + bin) * other.#width)
      for (let column = 0; column < this.#columns; column++) {
        const [to, from] = [this.#last * this.#columns + column, bin * this.#columns + column]
        this.#packets[to]! += other.#packets[from]!
        this.#bytes[to]! += other.#bytes[from]!
      }
    }
  }

  /** Makes bins wider until there are so many at most. */
  limitTo(bins: number): void {
    while (this.#bins > bins) this.#widen()
  }

  report(): SeriesReport {
    return {
      start: this.#bins === 0 ? null : decimalSeconds(this.#first * this.#width),
      binSeconds: decimalSeconds(this.#width),
      bins: this.#bins,
    }
  }

  /** A column, bin by bin. */
  packets(column: number): number[] {
    return this.#column(this.#packets, column)
  }

  bytes(column: number): number[] {
    return this.#column(this.#bytes, column)
  }

  #column(of: Float64Array, column: number): number[] {
    return Array.from({ length: this.#bins }, (_, bin) => of[bin * this.#columns + column]!)
  }

  #find(at: number): void {
    let number = Math.floor(at / this.#width)
    if (this.#bins === 0) {
      this.#first = number
      this.#bins = 1
    }
    while (this.#span(number) > BINS_MAX) {
      this.#widen()
      number = Math.floor(at / this.#width)
    }
    if (number < this.#first) this.#makeRoomBefore(number)
    this.#bins = Math.max(this.#bins, number - this.#first + 1)
    this.#last = number - this.#first
    this.#lastFrom = number * this.#width
    this.#lastTo = this.#lastFrom + this.#width
  }

  /** Bins there would be with that one. */
  #span(number: number): number {
    const end = Math.max(this.#first + this.#bins, number + 1)
    return end - Math.min(this.#first, number)
  }

  #makeRoomBefore(number: number): void {
    const shift = this.#first - number
    for (const counts of [this.#packets, this.#bytes]) {
      counts.copyWithin(shift * this.#columns, 0, this.#bins * this.#columns)
      counts.fill(0, 0, shift * this.#columns)
    }
    this.#first = number
    this.#bins += shift
  }

  #widen(): void {
    const before = this.#width
    this.#widthIndex++
    this.#width = WIDTHS[this.#widthIndex] ?? before * 2
    const ratio = this.#width / before
    const first = Math.floor(this.#first / ratio)
    const bins = Math.floor((this.#first + this.#bins - 1) / ratio) - first + 1
    for (const counts of [this.#packets, this.#bytes]) {
      this.#join(counts, ratio, this.#first - first * ratio)
    }
    this.#first = first
    this.#bins = bins
    this.#last = -1
  }

  /** Adds each bin to the one that takes its place; none is overtaken, since that lies at or before it. */
  #join(counts: Float64Array, ratio: number, offset: number): void {
    const columns = this.#columns
    for (let bin = 0; bin < this.#bins; bin++) {
      const target = Math.floor((bin + offset) / ratio)
      for (let column = 0; column < columns; column++) {
        const from = bin * columns + column
        const count = counts[from]!
        counts[from] = 0
        counts[target * columns + column]! += count
      }
    }
  }
}

/** Whole microseconds as decimal seconds, without passing through a fraction. */
function decimalSeconds(microseconds: number): string {
  const seconds = Math.floor(microseconds / MICROSECONDS)
  const rest = microseconds - seconds * MICROSECONDS
  return `${seconds}.${String(rest).padStart(6, '0')}`
}
