import { Worker } from 'node:worker_threads'
import type { Lifetime } from '../flow/lifetime.js'
import { FlowRings } from './flow-rings.js'

/** Of the flow table. */
export interface TableOptions {
  capacity: number
  sessions: number
  lifetime: Lifetime
  windowSeconds: number
}

/** What the thread is given. */
export interface TableThreadData {
  readonly memory: SharedArrayBuffer
  readonly table: TableOptions
}

/**
 * A thread that holds a flow table, and the memory shared with it. It takes as long to
 * start as a command takes to load the rest of what it needs: so this is apart from
 * FlowThread, which is what is done with it, and is made first.
 */
export class TableThread {
  readonly rings = new FlowRings()
  readonly options: TableOptions
  /** Rejects when the thread fails. */
  readonly failure: Promise<never>
  readonly #worker: Worker

  constructor(options: TableOptions) {
    this.options = options
    const workerData: TableThreadData = { memory: this.rings.memory, table: options }
    this.#worker = new Worker(new URL('./table-worker.js', import.meta.url), { workerData })
    this.failure = new Promise((_resolve, reject) => this.#worker.once('error', reject))
    // Those who await it get the error; this avoids an unhandled rejection.
    this.failure.catch(() => undefined)
  }

  /** To be awaited in any case: one that was given nothing to end waits for ever. */
  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }
}
