/**
 * The first bytes of a stream, put together from pieces that come in any order and more than
 * once. Of two pieces for one place the first counts.
 */
export class ByteRanges {
  readonly #max: number
  #bytes: Uint8Array = new Uint8Array(0)
  /** [from, to) of what has come, in order and apart. */
  #ranges: (readonly [from: number, to: number])[] = []

  /** `max`: bytes kept; what lies after them is left out. */
  constructor(max: number) {
    this.#max = max
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Bytes from the first on without a gap. */
  get length(): number {
    const [first] = this.#ranges
    return first === undefined || first[0] > 0 ? 0 : first[1]
  }

  get isFull(): boolean {
    return this.length >= this.#max
  }

  /** Takes `bytes[start, end)` for the place `offset`. */
  add(offset: number, bytes: Uint8Array, start: number, end: number): void {
    const from = Math.max(offset, 0)
    const to = Math.min(offset + end - start, this.#max)
    if (to <= from || this.#ranges.length > RANGES_MAX) return
    this.#grow(to)
    // Only what is missing is written.
    let at = from
    for (const [begin, finish] of this.#ranges) {
      if (finish <= at) continue
      if (begin >= to) break
      if (begin > at) this.#copy(at, Math.min(begin, to), offset, bytes, start)
      at = Math.max(at, finish)
    }
    if (at < to) this.#copy(at, to, offset, bytes, start)
    this.#join(from, to)
  }

  /** Lets the first `count` bytes go: what lies behind them is now the first. */
  drop(count: number): void {
    this.#bytes.copyWithin(0, count)
    this.#ranges = this.#ranges.flatMap(([from, to]) =>
      to <= count ? [] : [[Math.max(from - count, 0), to - count] as const],
    )
  }

  #copy(from: number, to: number, offset: number, bytes: Uint8Array, start: number): void {
    this.#bytes.set(bytes.subarray(start + from - offset, start + to - offset), from)
  }

  #grow(length: number): void {
    if (this.#bytes.length >= length) return
    const grown = new Uint8Array(
      Math.min(this.#max, Math.max(2048, 2 ** Math.ceil(Math.log2(length)))),
    )
    grown.set(this.#bytes)
    this.#bytes = grown
  }

  #join(from: number, to: number): void {
    let [begin, finish] = [from, to]
    const apart = this.#ranges.filter(([first, last]) => {
      if (last < begin || first > finish) return true
      begin = Math.min(begin, first)
      finish = Math.max(finish, last)
      return false
    })
    this.#ranges = [...apart, [begin, finish] as const].sort(([left], [right]) => left - right)
  }
}

/** Gaps at once; a sender that leaves more is not listened to. */
const RANGES_MAX = 32
