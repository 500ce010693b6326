import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf } from '../sink/write-error.js'
import type { DeliveryQueue, QueuedFile } from './delivery-queue.js'
import {
  DeliveryError,
  type DeliveryErrorKind,
  type Destination,
  Undeliverable,
} from './destination.js'

/** Waits before a file is tried again: doubled from one failure to the next, up to the last. */
const RETRY_FIRST_MS = 500
const RETRY_LAST_MS = 60_000

const GONE_EVERY_MS = 60_000

/** What an operator, and DescribeFlowLogs, may know of a delivery. Plain data. */
export interface DeliveryStatus {
  readonly name: string
  readonly what: string
  readonly destination: string
  /** Files and bytes that have yet to arrive. */
  readonly waitingFiles: number
  readonly waitingBytes: number
  /** When the oldest of them was finished, in milliseconds since the epoch. */
  readonly oldest: number | undefined
  readonly deliveredFiles: number
  readonly deliveredBytes: number
  /** Records that the destination refused for good. */
  readonly refusedRecords: number
  /** Files that could not be read as what they should be, or were gone before they were delivered. */
  readonly lostFiles: number
  readonly failures: number
  /** Why the last attempt failed; undefined when it did not. */
  readonly error: DeliveryErrorKind | undefined
  readonly errorMessage: string | undefined
}

interface DeliveryOptions {
  readonly name: string
  /** What is delivered, as messages call it. */
  readonly what: string
  /** As messages call it: `s3://bucket/prefix`. */
  readonly destinationName: string
  readonly queue: DeliveryQueue
  readonly destination: Destination
  readonly onProblem: (line: string) => void
  /** For tests: instead of the constants. */
  readonly retryMs?: { readonly first: number; readonly last: number }
}

/**
 * Brings the files of a queue to a destination, for ever: what fails is tried again after a wait
 * that grows and is never the same for two appliances (AWS Architecture Blog, "Exponential Backoff
 * And Jitter"). A failure is reported when it begins and when it is over.
 */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #stopping = new AbortController()
  readonly #workers: Promise<void>[]
  #deliveredFiles = 0
  #deliveredBytes = 0
  #refusedRecords = 0
  #lostFiles = 0
  /** Files that were gone, of which nothing was said yet. */
  #goneUnsaid = 0
  #goneSaidAt = Number.NEGATIVE_INFINITY
  #failures = 0
  /** Failures since a file arrived. */
  #inRow = 0
  /** Failures since anything arrived: a part of a file too. */
  #stuck = 0
  #error: DeliveryError | undefined = undefined
  /** Those who wait until nothing waits. */
  #onIdle: (() => void)[] = []
  /** Those who wait no longer than until the next failure. */
  #onFailure: (() => void)[] = []

  constructor(options: DeliveryOptions) {
    this.#options = options
    const { concurrency } = options.destination
    this.#workers = Array.from({ length: concurrency }, () => this.#work())
  }

  get status(): DeliveryStatus {
    const { name, what, destinationName, queue } = this.#options
    return {
      name,
      what,
      destination: destinationName,
      waitingFiles: queue.files,
      waitingBytes: queue.bytes,
      oldest: queue.oldest,
      deliveredFiles: this.#deliveredFiles,
      deliveredBytes: this.#deliveredBytes,
      refusedRecords: this.#refusedRecords,
      lostFiles: this.#lostFiles,
      failures: this.#failures,
      error: this.#error?.kind,
      errorMessage: this.#error?.message,
    }
  }

  add(path: string): Promise<void> {
    return this.#options.queue.add(path)
  }

  async scan(): Promise<void> {
    await this.#options.queue.scan()
  }

  /** Paths of the files that wait or are under way. */
  get waiting(): readonly string[] {
    return this.#options.queue.paths
  }

  /** Files were removed that had yet to be delivered; whoever did so says it. */
  removed(paths: readonly string[]): void {
    const { queue } = this.#options
    for (const path of paths) if (queue.forget(path)) this.#lostFiles++
    if (queue.files === 0) this.#tellIdle()
  }

  /** Resolves when nothing waits, or when the delivery stops. */
  async drained(): Promise<void> {
    while (this.#options.queue.files > 0 && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    }
  }

  /** Resolves when nothing waits, or when the destination fails: then the rest is not worth waiting for. */
  async settled(): Promise<void> {
    if (this.#error !== undefined) return
    await Promise.race([
      this.drained(),
      new Promise<void>((resolve) => this.#onFailure.push(resolve)),
    ])
  }

  /** Ends what is under way; what waits is left for the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#tellIdle()
    await Promise.all(this.#workers)
    await this.#options.destination.close()
  }

  async #work(): Promise<void> {
    const { queue } = this.#options
    const { signal } = this.#stopping
    for (;;) {
      const file = await queue.take(signal)
      if (file === undefined) return
      await this.#deliver(file, signal)
      if (queue.files === 0) this.#tellIdle()
    }
  }

  async #deliver(file: QueuedFile, signal: AbortSignal): Promise<void> {
    const { queue, destination } = this.#options
    let isConfirmed = false
    while (!signal.aborted) {
      try {
        if (!isConfirmed) {
          const { refused } = await destination.deliver(file, signal, () => {
            this.#stuck = 0
          })
          isConfirmed = true
          this.#refusedRecords += refused
        }
        // Fails when the disk does; the destination need not be asked again for that.
        await queue.confirm(file)
        this.#deliveredFiles++
        this.#deliveredBytes += file.bytes
        this.#worked()
        return
      } catch (error) {
        if (signal.aborted) break
        if (errnoOf(error) === 'ENOENT') return this.#gone(file)
        if (error instanceof Undeliverable && (await this.#setAside(file, error))) return
        this.#failed(error)
        await delay(this.#wait(), undefined, { signal }).catch(() => undefined)
      }
    }
    queue.giveBack(file)
  }

  /** Half of the wait is certain, the other half up to chance. */
  #wait(): number {
    const { first, last } = this.#options.retryMs ?? { first: RETRY_FIRST_MS, last: RETRY_LAST_MS }
    const most = Math.min(last, first * 2 ** Math.min(this.#stuck - 1, 30))
    return most / 2 + (Math.random() * most) / 2
  }

  /** Said at most once a minute: while a destination is away, retention may remove one file after another. */
  #gone(file: QueuedFile): void {
    this.#options.queue.drop(file)
    this.#lostFiles++
    this.#goneUnsaid++
    const now = performance.now()
    if (now - this.#goneSaidAt < GONE_EVERY_MS) return
    const others = this.#goneUnsaid === 1 ? '' : `, as were ${this.#goneUnsaid - 1} others`
    this.#say(`${file.path} was removed before it was delivered${others}`)
    this.#goneSaidAt = now
    this.#goneUnsaid = 0
  }

  async #setAside(file: QueuedFile, error: Undeliverable): Promise<boolean> {
    try {
      const path = await this.#options.queue.setAside(file)
      this.#lostFiles++
      this.#say(`${path} cannot be delivered and is kept under that name: ${error.message}`)
      return true
    } catch {
      // The disk is failing: it is tried again like anything else.
      return false
    }
  }

  #failed(error: unknown): void {
    this.#failures++
    this.#inRow++
    this.#stuck++
    for (const resolve of this.#onFailure.splice(0)) resolve()
    const before = this.#error?.message
    this.#error =
      error instanceof DeliveryError
        ? error
        : new DeliveryError('Unknown error', (error as Error).message, error)
    if (before === undefined) this.#say(`${this.#error.message}; it is tried again until it works`)
    else if (before !== this.#error.message) this.#say(this.#error.message)
  }

  #worked(): void {
    if (this.#error !== undefined) this.#say(`delivering again after ${this.#inRow} failures`)
    this.#error = undefined
    this.#inRow = 0
    this.#stuck = 0
  }

  #say(line: string): void {
    const { what, destinationName, onProblem } = this.#options
    onProblem(`${what} to ${destinationName}: ${line.replaceAll('\n', ' ')}`)
  }

  #tellIdle(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
