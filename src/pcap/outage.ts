/** After a failure of the disk: seconds until the next attempt, and without loss until it counts as over. */
const RETRY_SECONDS = 10

/**
 * The times in which a session's capture loses packets: says one line when one
 * begins and one when it is over, however many packets that concerns, and holds
 * attempts apart when the disk has failed.
 */
export class Outage {
  /** Nothing may be opened until a later `tick`. */
  isBlocked = false

  readonly #session: string
  readonly #onProblem: (line: string) => void
  #retryAt: number | undefined
  #retrySeconds = RETRY_SECONDS
  /** Packets lost before it began; undefined while there is none. */
  #lostBefore: number | undefined
  #hasWritten = false
  #lostAtTick = 0
  #lostAt = 0

  constructor(session: string, onProblem: (line: string) => void) {
    this.#session = session
    this.#onProblem = onProblem
  }

  /** The disk failed, or no file may be opened. `lost` is the session's count so far. */
  block(reason: string, lost: number, retrySeconds = RETRY_SECONDS): void {
    if (this.isBlocked) return
    this.isBlocked = true
    this.#retrySeconds = retrySeconds
    this.#retryAt = undefined
    this.#hasWritten = false
    this.#begin(reason, lost)
  }

  /** Packets have gone out to the disk. */
  wrote(): void {
    this.#hasWritten = true
  }

  /** Once a second, with the session's count of lost packets. */
  tick(nowSeconds: number, lost: number): void {
    if (this.isBlocked) this.#unblock(nowSeconds)
    if (lost !== this.#lostAtTick) {
      this.#lostAtTick = lost
      this.#lostAt = nowSeconds
      this.#begin('the disk does not take them fast enough', lost)
      return
    }
    if (this.#lostBefore === undefined || this.isBlocked || !this.#hasWritten) return
    // A clock that was set back by more than this ends it early, one that was set on does too: no harm.
    if (Math.abs(nowSeconds - this.#lostAt) < RETRY_SECONDS) return
    const missing = lost - this.#lostBefore
    this.#lostBefore = undefined
    this.#onProblem(`packets of ${this.#session} are captured again; ${missing} were lost`)
  }

  #begin(reason: string, lost: number): void {
    if (this.#lostBefore !== undefined) return
    this.#lostBefore = lost
    this.#onProblem(`packets of ${this.#session} are lost to its capture: ${reason}`)
  }

  #unblock(nowSeconds: number): void {
    const seconds = this.#retrySeconds
    this.#retryAt ??= nowSeconds + seconds
    const isEarly = nowSeconds < this.#retryAt && nowSeconds >= this.#retryAt - seconds
    if (!isEarly) this.isBlocked = false
  }
}
