/**
 * Times in pcapng files: 64 bits, as two words, counting units that each
 * interface chooses (if_tsresol) from an epoch it may shift (if_tsoffset).
 *
 * A number holds 53 bits, so a count of nanoseconds never exists as one. Its
 * seconds are estimated in floating point, and the remainder, which is below
 * 2^32, is taken exactly from the low words; where the estimate was one off,
 * the remainder shows it.
 */
import { putU32Le } from './words.js'

const NANOSECONDS = 1_000_000_000
const TWO_32 = 0x1_0000_0000

/** if_tsresol where an interface does not say: microseconds. */
export const DEFAULT_TSRESOL = 6

/**
 * The last second that is taken for a time: the last that 64 bits of microseconds, the usual unit,
 * reach, in the year 586 512. Some files hold such times by mistake and are read as they stand;
 * only offsets and coarser units lead further.
 */
export const LAST_TIME = 18_446_744_073_709

/** The last second of the year 9999, after which dates have no usual form. */
export const LAST_DATE = 253_402_300_799

/** What `TimeScale.convert` fills: a Packet has this shape. */
export interface PacketTime {
  seconds: number
  nanoseconds: number
}

/** How the times of one interface are counted. */
export class TimeScale {
  /** 0 where only `#units` can hold it, or the quick way would not be exact. */
  readonly #unitsPerSecond: number
  readonly #nanosecondsPerUnit: number
  readonly #units: bigint
  readonly #offset: bigint
  readonly #quickOffset: number

  /**
   * `tsresol`: the byte of the option; the top bit chooses powers of two over
   * powers of ten, the others are the negated exponent. `offset`: whole seconds, 64 bits.
   */
  constructor(tsresol: number, offset: bigint) {
    const exponent = BigInt(tsresol & 0x7f)
    this.#units = (tsresol & 0x80) === 0 ? 10n ** exponent : 2n ** exponent
    this.#quickOffset = Number(offset)
    const quick = (tsresol === 6 || tsresol === 9) && Number.isSafeInteger(this.#quickOffset)
    this.#unitsPerSecond = quick ? Number(this.#units) : 0
    this.#nanosecondsPerUnit = quick ? NANOSECONDS / this.#unitsPerSecond : 0
    this.#offset = offset
  }

  /**
   * Puts the time `high`, `low` into `out`; parts of a nanosecond are cut off. False where it lies
   * before 1970 or after LAST_TIME: `out` is then zero.
   */
  convert(high: number, low: number, out: PacketTime): boolean {
    const unitsPerSecond = this.#unitsPerSecond
    if (unitsPerSecond === 0) {
      this.#convertExactly(high, low, out)
    } else {
      this.#convertQuickly(high, low, unitsPerSecond, out)
    }
    if (out.seconds >= 0 && out.seconds <= LAST_TIME) return true
    out.seconds = 0
    out.nanoseconds = 0
    return false
  }

  #convertQuickly(high: number, low: number, unitsPerSecond: number, out: PacketTime): void {
    let seconds = Math.floor((high * TWO_32 + low) / unitsPerSecond)
    let rest = (low - Math.imul(seconds, unitsPerSecond)) | 0
    if (rest < 0) {
      seconds -= 1
      rest += unitsPerSecond
    } else if (rest >= unitsPerSecond) {
      seconds += 1
      rest -= unitsPerSecond
    }
    out.seconds = seconds + this.#quickOffset
    out.nanoseconds = rest * this.#nanosecondsPerUnit
  }

  /** For the resolutions nobody uses: allocates. */
  #convertExactly(high: number, low: number, out: PacketTime): void {
    const count = (BigInt(high) << 32n) | BigInt(low)
    out.seconds = Number(count / this.#units + this.#offset)
    out.nanoseconds = Number(((count % this.#units) * BigInt(NANOSECONDS)) / this.#units)
  }
}

/** Writes the time as nanoseconds into the two words at `high` and `low`, exactly. */
export function putNanoseconds(
  seconds: number,
  nanoseconds: number,
  bytes: Uint8Array,
  high: number,
  low: number,
): void {
  const lowWord = (Math.imul(seconds, NANOSECONDS) + nanoseconds) >>> 0
  // Off by less than 2^10, which vanishes beside the 2^32 it is divided by.
  const rest = seconds * NANOSECONDS + nanoseconds - lowWord
  putU32Le(bytes, high, Math.round(rest / TWO_32))
  putU32Le(bytes, low, lowWord)
}
