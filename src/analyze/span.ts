import { decimalSeconds } from './quantities.js'

/** As data: moments and their distance as decimal seconds; null where there was none. */
interface SpanReport {
  first: string | null
  last: string | null
  span: string | null
}

/** The earliest and the latest of some moments, in whatever order they come. */
export class Span {
  firstSeconds = -1
  firstNanoseconds = 0
  lastSeconds = -1
  lastNanoseconds = 0

  add(seconds: number, nanoseconds: number): void {
    if (
      seconds > this.lastSeconds ||
      (seconds === this.lastSeconds && nanoseconds > this.lastNanoseconds)
    ) {
      this.lastSeconds = seconds
      this.lastNanoseconds = nanoseconds
      if (this.firstSeconds < 0) {
        this.firstSeconds = seconds
        this.firstNanoseconds = nanoseconds
      }
    } else if (
      seconds < this.firstSeconds ||
      (seconds === this.firstSeconds && nanoseconds < this.firstNanoseconds)
    ) {
      this.firstSeconds = seconds
      this.firstNanoseconds = nanoseconds
    }
  }

  addSpan(other: Span): void {
    if (other.firstSeconds < 0) return
    this.add(other.firstSeconds, other.firstNanoseconds)
    this.add(other.lastSeconds, other.lastNanoseconds)
  }

  report(): SpanReport {
    if (this.firstSeconds < 0) return { first: null, last: null, span: null }
    const borrow = this.lastNanoseconds < this.firstNanoseconds ? 1 : 0
    return {
      first: decimalSeconds(this.firstSeconds, this.firstNanoseconds),
      last: decimalSeconds(this.lastSeconds, this.lastNanoseconds),
      span: decimalSeconds(
        this.lastSeconds - this.firstSeconds - borrow,
        this.lastNanoseconds - this.firstNanoseconds + borrow * 1e9,
      ),
    }
  }
}
