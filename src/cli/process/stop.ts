/**
 * Waits for SIGINT or SIGTERM, or for whoever calls `stop` or `fail`.
 *
 * Only the first signal is caught: another ends the process in the way signals
 * do, at once, whatever it waits for.
 */
export class Stop {
  readonly reached: Promise<void>
  failure: Error | undefined = undefined
  isReached = false
  /** What it was that stopped all, if it was a signal. */
  signal: NodeJS.Signals | undefined = undefined
  #resolve: () => void = () => undefined
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.signal = signal
    this.release()
    this.stop()
  }

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#resolve = resolve
    })
    process.once('SIGINT', this.#onSignal).once('SIGTERM', this.#onSignal)
  }

  stop(): void {
    this.isReached = true
    this.#resolve()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.stop()
  }

  /** Signals are no longer caught. */
  release(): void {
    process.removeListener('SIGINT', this.#onSignal).removeListener('SIGTERM', this.#onSignal)
  }
}

/** A signal came, and nothing is left of the work. The process is to end as if it had not been caught. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}
