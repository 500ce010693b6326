import { OperatorError } from '../errors.js'
import { formatTimeName } from './time-name.js'

/** When the next file begins and what files are called, as tcpdump's -w, -C, -G and -W have it. */
export interface SeriesPolicy {
  /** -w; with an interval a pattern for formatTimeName. */
  path: string
  /** -C: once a file is larger than this, in bytes before compression, the next packet begins another; Infinity: never. */
  rotateBytes: number
  /** -G: whole seconds after which the next file begins; Infinity: never. */
  rotateSeconds: number
  /** -W: by size, files that are used in turn; by time alone, files after which it is over. Infinity: any number. */
  files: number
}

/** What openSink takes for a compression; a number goes before it. */
const COMPRESSION = /\.(?:gz|zst)$/

/**
 * The files of one capture, one after the other.
 *
 * Intervals are counted from the first file on and do not drift: the nth begins
 * n times their length after it. One in which nothing happened is a file too when
 * a timer asks for it, and is passed over when packets do.
 */
export class FileSeries {
  readonly #policy: SeriesPolicy
  /** Bytes of a number; 0: no leading zeros, and none at all on the first file. */
  readonly #width: number
  readonly #isTimed: boolean
  #origin = 0
  /** The open file's interval. */
  #start = 0
  #until = Number.POSITIVE_INFINITY
  /** Files in this interval before the open one. */
  #number = 0
  /** Intervals that have a file. */
  #intervals = 0

  /** Throws OperatorError (exit code 2) for a name that would be used again and again. */
  constructor(policy: SeriesPolicy) {
    this.#policy = policy
    this.#isTimed = policy.rotateSeconds !== Number.POSITIVE_INFINITY
    const isRing = policy.rotateBytes !== Number.POSITIVE_INFINITY && Number.isFinite(policy.files)
    this.#width = isRing && policy.files > 1 ? String(policy.files - 1).length : 0
    const isOneFile = policy.files === 1 && policy.rotateBytes === Number.POSITIVE_INFINITY
    if (!this.#isTimed) return
    const { path, rotateSeconds } = policy
    // Minutes, hours and days all begin at 0, where too coarse a name shows.
    if (this.#name(0) !== this.#name(rotateSeconds) || isOneFile) return
    throw new OperatorError(
      `with -G every file would replace the one before, since both are called ${path}: ` +
        'put the time into the name, such as %Y%m%dT%H%M%SZ.pcap',
      { exitCode: 2 },
    )
  }

  /** Name of the first file, whose interval begins in that second. */
  begin(seconds: number): string {
    this.#origin = seconds
    return this.#enter(seconds)
  }

  /** Whether a packet of that second goes into the next file, the open one having `octets`. */
  isDue(octets: number, seconds: number): boolean {
    return octets > this.#policy.rotateBytes || seconds >= this.#until
  }

  /** Whether the last file's time is over in that second. */
  isOver(seconds: number): boolean {
    return (
      seconds >= this.#until &&
      this.#intervals >= this.#policy.files &&
      this.#policy.rotateBytes === Number.POSITIVE_INFINITY
    )
  }

  /** Name of the next file, which the packet or the timer of that second begins. */
  next(seconds: number): string {
    const { rotateSeconds, files } = this.#policy
    if (seconds >= this.#until) {
      const passed = seconds - this.#origin
      return this.#enter(seconds - (passed % rotateSeconds))
    }
    this.#number = (this.#number + 1) % files
    return this.#name(this.#start)
  }

  #enter(start: number): string {
    this.#start = start
    this.#until = start + this.#policy.rotateSeconds
    this.#number = 0
    this.#intervals++
    return this.#name(start)
  }

  #name(start: number): string {
    const { path } = this.#policy
    const base = this.#isTimed ? formatTimeName(path, new Date(start * 1000)) : path
    if (this.#number === 0 && this.#width === 0) return base
    const compression = COMPRESSION.exec(base)?.[0] ?? ''
    const stem = base.slice(0, base.length - compression.length)
    return `${stem}${String(this.#number).padStart(this.#width, '0')}${compression}`
  }
}
