import { isHangUpIgnored } from './hang-up.js'

/** Signals that are sent together are heard within this time. */
const TOGETHER_MS = 25

/** Asks a command to stop. */
const ASKING = ['SIGINT', 'SIGTERM'] as const

/**
 * Waits for SIGINT, SIGTERM or SIGHUP, or for whoever calls `stop` or `fail`.
 *
 * The first SIGINT or SIGTERM is caught. A second one ends the process at once, as an uncaught
 * signal does, whatever the process waits for. SIGHUP asks once: a terminal that closes may send
 * it several times, and service managers send it right after SIGTERM.
 */
export class Stop {
  failure: Error | undefined = undefined
  /** The signal that stopped all, if it was one. */
  by: NodeJS.Signals | undefined = undefined
  #controller = new AbortController()
  #reached: Promise<void> = Promise.resolve()
  #isAsked = false
  readonly #onHangUp: () => void
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#isAsked) this.#leave(signal)
    this.#isAsked = true
    // One that has come together with the first, perhaps in another thread, is heard meanwhile; later
    // ones need nobody to hear them.
    setTimeout(() => {
      if (this.#isAsked) this.#letGo()
    }, TOGETHER_MS).unref()
    this.#stopBy(signal)
  }
  /** `onHangUp`: what SIGHUP does instead of stopping. */
  constructor(onHangUp?: () => void) {
    // Asked at once: the parent that tells it may go away.
    const isIgnored = onHangUp === undefined && isHangUpIgnored()
    this.#onHangUp = onHangUp ?? (isIgnored ? () => undefined : () => this.#stopBy('SIGHUP'))
    this.rearm()
    process.on('SIGHUP', this.#onHangUp)
  }

  get isReached(): boolean {
    return this.#controller.signal.aborted
  }

  get reached(): Promise<void> {
    return this.#reached
  }

  get abortSignal(): AbortSignal {
    return this.#controller.signal
  }

  stop(): void {
    this.#controller.abort()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.stop()
  }

  /** What was asked has been done, and there is more to do: the next signal is the first again. */
  rearm(): void {
    this.by = undefined
    const controller = new AbortController()
    this.#controller = controller
    this.#reached = new Promise((resolve) => {
      controller.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#isAsked = false
    this.#letGo()
    for (const name of ASKING) process.once(name, this.#onSignal)
  }

  /** What `work` gives. Rejects with Interrupted as soon as a signal comes; the work is then left to itself. */
  async interrupts<T>(work: Promise<T>): Promise<T> {
    // Nobody asks any more how it ends.
    work.catch(() => undefined)
    const result = await Promise.race([work, this.#reached.then(() => STOPPED)])
    if (this.by !== undefined) throw new Interrupted(this.by)
    return result === STOPPED ? work : (result as T)
  }

  /** Signals are no longer caught. */
  release(): void {
    this.#letGo()
    process.removeListener('SIGHUP', this.#onHangUp)
  }

  /** Signals do what they do by default: they end the process. */
  #letGo(): void {
    for (const name of ASKING) process.removeListener(name, this.#onSignal)
  }

  #leave(signal: NodeJS.Signals): void {
    this.#letGo()
    process.kill(process.pid, signal)
  }

  #stopBy(signal: NodeJS.Signals): void {
    // What has been told to stop already is not stopped by it.
    if (!this.isReached) this.by = signal
    this.stop()
  }
}

const STOPPED = Symbol('stopped')

/** Does the work with a Stop that catches signals for as long as it takes. */
export async function stoppable(
  work: (stop: Stop) => Promise<void>,
  onHangUp?: () => void,
): Promise<void> {
  const stop = new Stop(onHangUp)
  try {
    await work(stop)
  } finally {
    stop.release()
  }
}

/** A signal came, and nothing is left of the work. The process is to end as if it had not been caught. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}: what was not finished has been removed`)
    this.signal = signal
  }
}
