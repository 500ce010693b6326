import { Worker } from 'node:worker_threads'
import { OperatorError } from '../errors.js'
import type { LedgerReport } from '../session/ledger.js'
import type { FlowBatch } from './captured-flows.js'
import type { FlowCaptureOutcome } from './column.js'
import type { FlowOrder, Notice, Order, WorkerOptions } from './messages.js'

type NoticeOf<Type extends Notice['type']> = Extract<Notice, { readonly type: Type }>

interface Operation {
  onBatch: (batch: FlowBatch) => void
  resolve: (outcome: FlowCaptureOutcome) => void
  reject: (error: Error) => void
}

/** How a thread ended that nobody had told to. */
export interface Death {
  readonly error: Error
  /** What it had counted, where it could still say. */
  readonly report: LedgerReport | undefined
  /** Another in its place could not go on either. */
  readonly isFinal: boolean
}

/** One worker from its start to its end, and who waits for which of its notices. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #waiting = new Map<
    Notice['type'],
    { resolve: (notice: never) => void; reject: (error: Error) => void }[]
  >()
  readonly #onDeath: (death: Death) => void
  /** Flow captures and flushes under way, by number. */
  readonly #operations = new Map<number, Operation>()
  #death: Death | undefined = undefined
  /** What it said of its end, which comes when it exits. */
  #last: Death | undefined = undefined

  constructor(
    entry: URL,
    data: WorkerOptions,
    onProblem: (line: string) => void,
    onFinished: (path: string) => void,
    onDeath: (death: Death) => void,
  ) {
    this.#onDeath = onDeath
    this.#worker = new Worker(entry, { workerData: data })
    this.#worker.on('message', (notice: Notice) => {
      if (notice.type === 'problem') onProblem(notice.line)
      else if (notice.type === 'finished') onFinished(notice.path)
      else if (notice.type === 'flows') this.#operations.get(notice.id)?.onBatch(notice.batch)
      else if (notice.type === 'flows-done') {
        this.#operations.get(notice.id)?.resolve(notice.outcome)
        this.#operations.delete(notice.id)
      } else if (notice.type === 'failed') {
        const { message, code, report } = notice
        const error = code === undefined ? new Error(message) : new OperatorError(message, { code })
        this.#die({ error, report, isFinal: true })
      } else if (notice.type === 'crashed') {
        const { message, report } = notice
        this.#last = { error: new Error(message), report, isFinal: false }
      } else
        this.#waiting
          .get(notice.type)
          ?.shift()
          ?.resolve(notice as never)
    })
    this.#worker.on('error', (error: Error) => {
      this.#last = { error, report: undefined, isFinal: false }
    })
    // Only now are its files closed, and is its socket left alone.
    this.#worker.on('exit', (code) => {
      const isMissed =
        this.#operations.size > 0 || [...this.#waiting.values()].some((queue) => queue.length > 0)
      if (this.#last !== undefined) this.#die(this.#last)
      else if (code !== 0 || isMissed) {
        const error = new Error(`a receiving thread ended with code ${code}`)
        this.#die({ error, report: undefined, isFinal: false })
      }
    })
  }

  order(order: Order): void {
    this.#worker.postMessage(order)
  }

  /** The next notice of a type. Rejects when the worker has died. */
  next<Type extends Notice['type']>(type: Type): Promise<NoticeOf<Type>> {
    if (this.#death !== undefined) return Promise.reject(this.#death.error)
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(type) ?? []
      queue.push({ resolve, reject })
      this.#waiting.set(type, queue)
    })
  }

  /** Has the worker walk its flow table. Rejects when it has died. */
  operate(order: FlowOrder, onBatch: (batch: FlowBatch) => void): Promise<FlowCaptureOutcome> {
    if (this.#death !== undefined) return Promise.reject(this.#death.error)
    return new Promise((resolve, reject) => {
      this.#operations.set(order.id, { onBatch, resolve, reject })
      this.order(order)
    })
  }

  async terminate(): Promise<void> {
    this.#worker.removeAllListeners()
    await this.#worker.terminate()
  }

  #die(death: Death): void {
    if (this.#death !== undefined) return
    this.#death = death
    const waiting = [...[...this.#waiting.values()].flat(), ...this.#operations.values()]
    this.#waiting.clear()
    this.#operations.clear()
    this.#onDeath(death)
    for (const { reject } of waiting) reject(death.error)
  }
}
