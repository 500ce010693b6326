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
  #resolve: () => void = () => undefined
  readonly #onSignal = (): void => {
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
