import { Worker } from 'node:worker_threads'
import { within } from '../sink/within.js'
import type { DeliveryStatus } from './delivery.js'
import type { DeliveryNotice, DeliveryOrder, DeliverySpec } from './messages.js'

const WORKER = new URL('./delivery-worker.js', import.meta.url)

/** How long a stop waits for what has yet to be delivered; the rest is delivered after the next start. */
const PATIENCE_MS = 5000
/** Beyond the patience: how long ending what is under way may take. */
const ENDING_MS = 5000
/** For saying what waits. */
const ANSWER_MS = 5000
/** Before the thread is started again. */
const RESTART_MS = 5000

interface DeliveriesOptions {
  readonly onProblem: (line: string) => void
}

/**
 * The delivering thread as others see it. It is started with the first delivery, and again when it
 * crashes: what has been delivered is on the disk, so nothing is lost with it.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions
  readonly #specs = new Map<string, DeliverySpec>()
  /** What to call when nothing of them is left to deliver. */
  readonly #ending = new Map<string, () => void>()
  #statuses = new Map<string, DeliveryStatus>()
  #worker: Worker | undefined = undefined
  #restart: NodeJS.Timeout | undefined = undefined
  #onStopped: (() => void) | undefined = undefined
  #onUndelivered: ((paths: readonly string[]) => void)[] = []
  #isStopping = false

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** Of each delivery, as of the last second or so. */
  get statuses(): readonly DeliveryStatus[] {
    return [...this.#statuses.values()]
  }

  statusOf(name: string): DeliveryStatus | undefined {
    return this.#statuses.get(name)
  }

  /** One of this name that runs, or is ending, goes on as this spec says. */
  open(spec: DeliverySpec): void {
    this.#ending.delete(spec.name)
    this.#specs.set(spec.name, spec)
    if (this.#worker === undefined && this.#restart === undefined) this.#start()
    else this.#order({ type: 'open', spec })
  }

  /** No more files will come. What waits is delivered first; then `onEnded` is called. */
  end(name: string, onEnded: () => void): void {
    if (!this.#specs.has(name)) return
    this.#ending.set(name, onEnded)
    this.#order({ type: 'end', name })
  }

  /** A file has got its final name. */
  finished(paths: readonly string[]): void {
    if (this.#specs.size > 0) this.#order({ type: 'finished', paths })
  }

  /** Files may have got their final names that nobody announces. */
  scan(): void {
    this.#order({ type: 'scan' })
  }

  /** Paths of files that have yet to be delivered; undefined where the thread does not say. */
  async undelivered(): Promise<ReadonlySet<string> | undefined> {
    if (this.#specs.size === 0) return new Set()
    if (this.#worker === undefined) return undefined
    this.#order({ type: 'undelivered' })
    const answer = new Promise<readonly string[]>((resolve) => this.#onUndelivered.push(resolve))
    const answered = await within(answer, ANSWER_MS)
    return answered && new Set(answered.value)
  }

  /** Files are gone that were not delivered. */
  removed(paths: readonly string[]): void {
    if (this.#specs.size > 0) this.#order({ type: 'removed', paths })
  }

  /** Delivers what can be within a few seconds; the rest waits on the disk for the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === undefined) return
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve
      this.#order({ type: 'stop', patienceMs: PATIENCE_MS })
      setTimeout(resolve, PATIENCE_MS + ENDING_MS).unref()
    })
    await worker.terminate()
    const left = this.statuses.filter(({ waitingFiles }) => waitingFiles > 0)
    for (const { what, destination, waitingFiles, waitingBytes } of left) {
      this.#options.onProblem(
        `${what} to ${destination}: ${waitingFiles} files of ${waitingBytes} bytes wait for the next start`,
      )
    }
  }

  #start(): void {
    this.#restart = undefined
    const worker = new Worker(WORKER)
    this.#worker = worker
    worker.on('message', (notice: DeliveryNotice) => this.#hear(notice))
    let cause = ''
    worker.on('error', (error: Error) => {
      cause = `: ${error.message}`
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
      if (this.#isStopping) {
        this.#onStopped?.()
        return
      }
      this.#options.onProblem(`the delivering thread ended and is started again${cause}`)
      this.#restart = setTimeout(() => this.#start(), RESTART_MS)
      this.#restart.unref()
    })
    for (const spec of this.#specs.values()) this.#order({ type: 'open', spec })
    for (const name of this.#ending.keys()) this.#order({ type: 'end', name })
  }

  #order(order: DeliveryOrder): void {
    this.#worker?.postMessage(order)
  }

  #hear(notice: DeliveryNotice): void {
    if (notice.type === 'problem') this.#options.onProblem(notice.line)
    else if (notice.type === 'ended') {
      const onEnded = this.#ending.get(notice.name)
      // It may have been opened again meanwhile.
      if (onEnded === undefined) return
      this.#specs.delete(notice.name)
      this.#ending.delete(notice.name)
      onEnded()
    } else if (notice.type === 'undelivered') {
      for (const resolve of this.#onUndelivered.splice(0)) resolve(notice.paths)
    } else {
      this.#statuses = new Map(notice.statuses.map((status) => [status.name, status]))
      if (notice.type === 'stopped') this.#onStopped?.()
    }
  }
}
