import { setImmediate as turnOf } from 'node:timers/promises'
import { sleep } from '../sleep.js'

/** When packets leave: as they were captured, this many a second, or without waiting. */
export type Speed =
  | { readonly kind: 'original'; readonly factor: number }
  | { readonly kind: 'rate'; readonly packetsPerSecond: number }
  | { readonly kind: 'max' }

/** What a Pace knows of time; tests step one of their own. */
export interface Clock {
  /** Milliseconds since any moment, never going back. */
  now(): number
  /** Resolves after about this many milliseconds, or sooner when all is to stop. */
  sleep(ms: number): Promise<void>
  /** Resolves after one turn of the event loop. */
  turn(): Promise<void>
  /** All is to stop: nothing is waited for any more. */
  stopped(): boolean
}

/** The machine's clock; `signal` ends a sleep early. */
export function systemClock(signal: AbortSignal): Clock {
  return {
    now: () => performance.now(),
    sleep: (ms) => sleep(ms, signal),
    turn: () => turnOf(),
    stopped: () => signal.aborted,
  }
}

/** So much of the schedule may leave at once: timers are no finer. */
const BURST_MS = 1

/** After a stall packets leave at most this many times faster than they are due, until on time again. */
const CATCH_UP = 2

/** A stall longer than this is not made up for: the schedule moves instead. */
const LAG_MS_MAX = 1000

/**
 * Decides when each packet may leave.
 *
 * Every packet has a due time counted from the first one, never from the one
 * before it, so the errors of timers do not add up. What has fallen behind is
 * caught up with gently: never more than a millisecond's worth at once, and at
 * no more than twice the speed.
 */
export class Pace {
  readonly #speed: Speed
  readonly #clock: Clock

  /** Clock reading at which a due time of 0 leaves; undefined before the first packet. */
  #startedAt: number | undefined
  /** Clock reading at which the last packet would have left at full catching-up speed. */
  #caughtUpAt = 0

  /** Due time of the packet last asked for, milliseconds. */
  #due = 0
  #count = 0
  /** Time stamp and due time of the first packet of this pass. */
  #originSeconds: number | undefined
  #originNanoseconds = 0
  #originDue = 0

  constructor(speed: Speed, clock: Clock) {
    this.#speed = speed
    this.#clock = clock
  }

  /**
   * Undefined when the packet of this time stamp may leave now; else a promise
   * that resolves when it may. To be called once for each packet, in order.
   */
  wait(seconds: number, nanoseconds: number): Promise<void> | undefined {
    if (this.#speed.kind === 'max') return undefined
    const before = this.#due
    this.#due = this.#nextDue(this.#speed, seconds, nanoseconds)

    const now = this.#clock.now()
    this.#startedAt ??= now
    const late = now - this.#startedAt - this.#due
    if (late > LAG_MS_MAX) this.#startedAt += late - LAG_MS_MAX
    this.#caughtUpAt = Math.max(this.#caughtUpAt, now) + (this.#due - before) / CATCH_UP
    return this.#mayLeave(now) ? undefined : this.#untilItMayLeave()
  }

  /** The next packet begins another pass over the same packets, right after this one. */
  restart(): void {
    this.#originSeconds = undefined
  }

  #nextDue(speed: Exclude<Speed, { kind: 'max' }>, seconds: number, nanoseconds: number): number {
    if (speed.kind === 'rate') return (this.#count++ * 1000) / speed.packetsPerSecond
    if (this.#originSeconds === undefined) {
      this.#originSeconds = seconds
      this.#originNanoseconds = nanoseconds
      this.#originDue = this.#due
    }
    const passed =
      (seconds - this.#originSeconds) * 1000 + (nanoseconds - this.#originNanoseconds) / 1e6
    // Captures are not always in order of time; packets keep the order of the file.
    return Math.max(this.#due, this.#originDue + passed / speed.factor)
  }

  #mayLeave(now: number): boolean {
    return this.#dueAt() <= now && this.#caughtUpAt - BURST_MS / CATCH_UP <= now
  }

  #dueAt(): number {
    return this.#startedAt! + this.#due
  }

  async #untilItMayLeave(): Promise<void> {
    for (let now = this.#clock.now(); !this.#mayLeave(now); now = this.#clock.now()) {
      // While catching up, a timer would lose more than there is to win.
      if (this.#dueAt() <= now) await this.#clock.turn()
      else await this.#clock.sleep(this.#dueAt() - now)
      if (this.#clock.stopped()) return
    }
  }
}
