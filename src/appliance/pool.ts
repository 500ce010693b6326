import { Worker } from 'node:worker_threads'
import type { Change } from '../control/state.js'
import { OperatorError } from '../errors.js'
import { addReport, type LedgerReport } from '../session/ledger.js'
import { CapturedFlows, type FlowBatch } from './captured-flows.js'
import type { FlowCaptureOutcome, FlowOperationRequest } from './column.js'
import type { FlowOrder, Notice, Order, WorkerOptions } from './messages.js'

export interface PoolOptions extends Omit<WorkerOptions, 'index'> {
  /** One line an operator should read. */
  onProblem: (line: string) => void
  /** A worker is gone, which may be before `start` has resolved; the others still receive. */
  onFailure: (error: Error) => void
}

/** What came of opening the sockets. */
export interface Listening {
  readonly receiver: 'dgram' | 'recvmmsg'
  readonly port: number
  readonly genevePort: number | undefined
  /** As the kernel counts them. */
  readonly receiveBufferBytes: number
}

export interface FlowOperationResult extends FlowCaptureOutcome {
  flows: CapturedFlows
}

/** What a receiving thread runs; tests give another. */
const WORKER = new URL('./worker.js', import.meta.url)

/**
 * The receiving threads. They share nothing but the ports: the kernel spreads the
 * datagrams, and only reports come back.
 */
export class Pool {
  readonly listening: Listening
  readonly #members: readonly Member[]
  #stopped: Promise<LedgerReport> | undefined
  #nextOperation = 0

  private constructor(members: readonly Member[], listening: Listening) {
    this.#members = members
    this.listening = listening
  }

  /** Starts the workers one after another: the order in which they bind is their place in the kernel's group. */
  static async start(options: PoolOptions, entry = WORKER): Promise<Pool> {
    const members: Member[] = []
    try {
      let listening: Listening | undefined
      for (let index = 0; index < options.workers; index++) {
        const { onProblem, onFailure, ...data } = options
        const receiver = { ...data.receiver }
        if (listening !== undefined) {
          receiver.port = listening.port
          receiver.genevePort = listening.genevePort
        }
        const member = new Member(entry, { ...data, receiver, index }, onProblem, onFailure)
        members.push(member)
        const ready = await member.next('ready')
        listening ??= ready
      }
      if (options.workers > 1) {
        members[0]!.order({ type: 'steer' })
        await members[0]!.next('steered')
      }
      return new Pool(members, listening!)
    } catch (error) {
      await Promise.all(members.map((member) => member.terminate()))
      throw error
    }
  }

  /** The ledger of all workers as of now; once they were told to stop, the final one. */
  async report(): Promise<LedgerReport> {
    return this.#stopped ?? this.#gather('report', { type: 'report' })
  }

  /** Has every worker follow the control plane; resolves when all do. Rejects when one has failed. */
  async apply(changes: readonly Change[]): Promise<void> {
    this.#refuseWhenStopped()
    await Promise.all(
      this.#members.map((member) => {
        member.order({ type: 'change', changes })
        return member.next('changed')
      }),
    )
  }

  /** Has every worker finish what it has, once; resolves with the final ledger. */
  stop(): Promise<LedgerReport> {
    this.#stopped ??= this.#gather('done', { type: 'stop' })
    return this.#stopped
  }

  /**
   * The open flows of all workers while they go on receiving, at most `limit` of
   * them. Rejects when no worker answers; those that do not are a reason for
   * COMPLETED_WITH_ERRORS.
   */
  captureFlows(request: FlowOperationRequest, limit?: number): Promise<FlowOperationResult> {
    return this.#operate('capture-flows', request, limit)
  }

  /** Ends the connections that `captureFlows` would find, and answers with their rows. */
  flushFlows(request: FlowOperationRequest, limit?: number): Promise<FlowOperationResult> {
    return this.#operate('flush-flows', request, limit)
  }

  /** Names of the sessions that any worker has. */
  async sessions(): Promise<string[]> {
    const { sessions } = await this.report()
    return [...new Set(sessions.flatMap(({ session }) => (session === null ? [] : [session])))]
  }

  async #operate(
    type: FlowOrder['type'],
    request: FlowOperationRequest,
    limit: number | undefined,
  ): Promise<FlowOperationResult> {
    this.#refuseWhenStopped()
    const id = this.#nextOperation++
    const flows = new CapturedFlows(limit)
    const answers = await Promise.allSettled(
      this.#members.map((member) =>
        member.operate({ type, id, request }, (batch) => flows.add(batch, member)),
      ),
    )
    const outcomes = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    if (outcomes.length === 0) throw (answers[0] as PromiseRejectedResult).reason
    let reason = outcomes.find(({ status }) => status !== 'COMPLETED')?.reason ?? null
    if (flows.refused > 0) reason = 'More flows matched than a result may hold'
    if (outcomes.length < answers.length) reason = 'A receiving thread has failed'
    return { status: reason === null ? 'COMPLETED' : 'COMPLETED_WITH_ERRORS', reason, flows }
  }

  /** What they are asked behind the order to stop they do not answer. */
  #refuseWhenStopped(): void {
    if (this.#stopped !== undefined) throw new Error('the receiving threads were told to stop')
  }

  /** The sum over the workers that still answer; rejects when none does. */
  async #gather(type: 'report' | 'done', order: Order): Promise<LedgerReport> {
    const answers = await Promise.allSettled(
      this.#members.map(async (member) => {
        member.order(order)
        return (await member.next(type)).report
      }),
    )
    let sum: LedgerReport | undefined
    for (const answer of answers) {
      if (answer.status === 'rejected') continue
      if (sum === undefined) sum = answer.value
      else addReport(sum, answer.value)
    }
    if (sum === undefined) throw (answers[0] as PromiseRejectedResult).reason
    return sum
  }
}

type NoticeOf<Type extends Notice['type']> = Extract<Notice, { readonly type: Type }>

interface Operation {
  onBatch: (batch: FlowBatch) => void
  resolve: (outcome: FlowCaptureOutcome) => void
  reject: (error: Error) => void
}

/** One worker thread, and who waits for which of its notices. */
class Member {
  readonly #worker: Worker
  readonly #waiting = new Map<
    Notice['type'],
    { resolve: (notice: never) => void; reject: (error: Error) => void }[]
  >()
  #failure: Error | undefined = undefined
  /** Flow captures and flushes under way, by number. */
  readonly #operations = new Map<number, Operation>()

  constructor(
    entry: URL,
    data: WorkerOptions,
    onProblem: (line: string) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#worker = new Worker(entry, { workerData: data })
    this.#worker.on('message', (notice: Notice) => {
      if (notice.type === 'problem') onProblem(notice.line)
      else if (notice.type === 'flows') this.#operations.get(notice.id)?.onBatch(notice.batch)
      else if (notice.type === 'flows-done') {
        this.#operations.get(notice.id)?.resolve(notice.outcome)
        this.#operations.delete(notice.id)
      } else if (notice.type === 'failed') {
        const { message, operator } = notice
        this.#fail(operator ? new OperatorError(message) : new Error(message), onFailure)
      } else
        this.#waiting
          .get(notice.type)
          ?.shift()
          ?.resolve(notice as never)
    })
    this.#worker.on('error', (error: Error) => this.#fail(error, onFailure))
    this.#worker.on('exit', (code) => {
      const isMissed =
        this.#operations.size > 0 || [...this.#waiting.values()].some((queue) => queue.length > 0)
      if (code === 0 && !isMissed) return
      this.#fail(new Error(`a receiving thread ended with code ${code}`), onFailure)
    })
  }

  order(order: Order): void {
    this.#worker.postMessage(order)
  }

  /** The next notice of a type. Rejects when the worker has failed. */
  next<Type extends Notice['type']>(type: Type): Promise<NoticeOf<Type>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(type) ?? []
      queue.push({ resolve, reject })
      this.#waiting.set(type, queue)
    })
  }

  /** Has the worker walk its flow table. Rejects when it has failed. */
  operate(order: FlowOrder, onBatch: (batch: FlowBatch) => void): Promise<FlowCaptureOutcome> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#operations.set(order.id, { onBatch, resolve, reject })
      this.order(order)
    })
  }

  async terminate(): Promise<void> {
    this.#worker.removeAllListeners()
    await this.#worker.terminate()
  }

  #fail(error: Error, onFailure: (error: Error) => void): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    const waiting = [...[...this.#waiting.values()].flat(), ...this.#operations.values()]
    this.#waiting.clear()
    this.#operations.clear()
    onFailure(error)
    for (const { reject } of waiting) reject(error)
  }
}
