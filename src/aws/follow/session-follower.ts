import { OperatorError } from '../../errors.js'
import { sleep } from '../../sleep.js'
import { CallFailure } from './ec2-client.js'

interface SessionFollowerOptions<R> {
  /** Rejects with CallFailure or OperatorError. */
  readonly read: (signal: AbortSignal) => Promise<R>
  /**
   * Called with the first resources and with those that differ from the last ones. When it
   * rejects with an OperatorError, they are not known, and it is called again.
   */
  readonly onChange: (resources: R) => Promise<void> | void
  /** A line for the operator. */
  readonly say: (line: string) => void
  /** Between two readings, in milliseconds. */
  readonly intervalMs: number
  /** When sessions were last known, in milliseconds since the epoch, where an earlier run has kept them. */
  readonly knownSince?: number | undefined
  /** All is to stop. */
  readonly signal: AbortSignal
  /** For tests. */
  readonly sleep?: (ms: number) => Promise<void>
  readonly random?: () => number
}

/** So much of a pause is left to chance, either way: sources started together ask apart. */
const JITTER = 0.1

/** Longest pause after failures, unless the interval is longer. */
const PAUSE_MAX_MS = 30_000

/**
 * Follows mirror sessions by asking for them again and again. While they cannot be had,
 * those last known stay; that is reported once, and so is the end of it. Pauses get longer
 * with each failure.
 */
export class SessionFollower<R> {
  readonly #options: SessionFollowerOptions<R>
  readonly #sleep: (ms: number) => Promise<void>
  #known: string | undefined
  #failures = 0

  constructor(options: SessionFollowerOptions<R>) {
    const { signal } = options
    this.#options = options
    this.#sleep = options.sleep ?? ((ms) => sleep(ms, signal))
  }

  /**
   * Resolves when the first sessions are known, or all is to stop. Rejects with an
   * OperatorError where asking again would not help: a refusal, wrong keys.
   */
  async start(): Promise<void> {
    const { signal } = this.#options
    for (;;) {
      await this.#read((error) => {
        if (error instanceof CallFailure && !error.isRefusal) return
        throw error instanceof OperatorError
          ? error
          : new OperatorError(error.message, { cause: error })
      })
      if (this.#known !== undefined || signal.aborted) return
      await this.#pause()
    }
  }

  /** Follows the sessions until all is to stop; asks at once where nobody has called `start`. */
  async run(): Promise<void> {
    const { signal } = this.#options
    if (this.#known === undefined) await this.#read()
    while (!signal.aborted) {
      await this.#pause()
      if (!signal.aborted) await this.#read()
    }
  }

  async #read(onFailure: (error: Error) => void = () => undefined): Promise<void> {
    const { read, onChange, say, signal } = this.#options
    try {
      const resources = await read(signal)
      const text = JSON.stringify(resources)
      if (text !== this.#known) await onChange(resources)
      this.#known = text
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof CallFailure || error instanceof OperatorError)) throw error
      onFailure(error)
      if (this.#failures++ === 0) say(`${error.message}; ${this.#untilThen}`)
      return
    }
    if (this.#failures > 0) say('the mirror sessions can be had again')
    this.#failures = 0
  }

  get #untilThen(): string {
    const { knownSince } = this.#options
    if (this.#known !== undefined) return 'going on with the sessions last known'
    if (knownSince === undefined) return 'waiting for it'
    return `going on with the sessions as they were at ${new Date(knownSince).toISOString()}`
  }

  #pause(): Promise<void> {
    const { intervalMs, random = Math.random } = this.#options
    const longest = Math.max(intervalMs, PAUSE_MAX_MS)
    // 2 ** 40 intervals are longer than any pause.
    const pause = Math.min(intervalMs * 2 ** Math.min(this.#failures, 40), longest)
    return this.#sleep(pause * (1 + JITTER * (2 * random() - 1)))
  }
}
