/** Where the time comes from, so that tests can turn the hands. */
interface TimeSource {
  /** Wall clock, whole milliseconds since the epoch. */
  wall(): number
  /** Milliseconds with a fraction, from any origin; never goes back. */
  monotonic(): number
  /** The wall clock at `monotonic() === 0`, with a fraction. */
  origin: number
}

const SYSTEM: TimeSource = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  origin: performance.timeOrigin,
}

const CHECK_EVERY_MS = 1000
/** Beyond this the wall clock was set, rather than read in whole milliseconds. */
const STEP_MS = 2
/** A clock set back by more than this is followed; by less, it is waited for. */
const FOLLOW_BACK_MS = 1000

/**
 * The wall clock in seconds and nanoseconds, for receivers that the kernel does not tell.
 *
 * Sub-millisecond steps come from the monotonic clock, added as whole nanoseconds to an
 * anchor that is held against `Date.now()` once a second. Time does not go back when the
 * clock is corrected, unless it is set back by more than a second: then waiting would leave
 * the time standing, which is worse.
 */
export class ReadClock {
  seconds = 0
  nanoseconds = 0
  readonly #source: TimeSource
  #anchoredAt: number
  #anchorSeconds = 0
  #anchorNanoseconds = 0

  constructor(source: TimeSource = SYSTEM) {
    this.#source = source
    this.#anchoredAt = source.monotonic()
    this.#anchor(source.origin + this.#anchoredAt)
    this.#check()
  }

  /** Sets `seconds` and `nanoseconds` to now. */
  read(): void {
    const now = this.#source.monotonic()
    if (now - this.#anchoredAt >= CHECK_EVERY_MS) {
      this.#advance(now)
      this.#check()
    }
    let seconds = this.#anchorSeconds
    let nanoseconds = this.#anchorNanoseconds + Math.floor((now - this.#anchoredAt) * 1e6)
    if (nanoseconds >= 1e9) {
      seconds += 1
      nanoseconds -= 1e9
    }
    const back = (this.seconds - seconds) * 1000 + (this.nanoseconds - nanoseconds) / 1e6
    if (back > 0 && back <= FOLLOW_BACK_MS) return
    this.seconds = seconds
    this.nanoseconds = nanoseconds
  }

  /** Moves the anchor to `now` along the monotonic clock. */
  #advance(now: number): void {
    const elapsed = now - this.#anchoredAt
    const nanoseconds = this.#anchorNanoseconds + Math.floor((elapsed % 1000) * 1e6)
    this.#anchorSeconds += Math.floor(elapsed / 1000) + Math.floor(nanoseconds / 1e9)
    this.#anchorNanoseconds = nanoseconds % 1e9
    this.#anchoredAt = now
  }

  /** Moves the anchor to the wall clock where the two have parted. */
  #check(): void {
    const anchored = this.#anchorSeconds * 1000 + this.#anchorNanoseconds / 1e6
    const wall = this.#source.wall()
    if (Math.abs(wall - anchored) > STEP_MS) this.#anchor(wall)
  }

  #anchor(milliseconds: number): void {
    this.#anchorSeconds = Math.floor(milliseconds / 1000)
    this.#anchorNanoseconds = Math.floor((milliseconds % 1000) * 1e6)
  }
}
