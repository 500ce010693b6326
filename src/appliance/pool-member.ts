import { setTimeout as delay } from 'node:timers/promises'
import type { Change } from '../control/state.js'
import type { Latency } from '../durations.js'
import { OperatorError } from '../errors.js'
import type { LeftSocket } from '../receive/receiver.js'
import { addReport, addTotals, type LedgerReport } from '../session/ledger.js'
import { monotonicMs } from '../sink/disk.js'
import type { FlowBatch } from './captured-flows.js'
import type { FlowCaptureOutcome, Tuning } from './column.js'
import type { TopTalkers } from './live-talkers.js'
import type { FlowOrder, Notice, Order, WorkerOptions } from './messages.js'
import { Progress, silenceText, type Written } from './progress.js'
import { SharedTotals } from './shared-totals.js'
import { type Death, WorkerThread } from './worker-thread.js'

/** How long to wait before a thread is restarted, by the number of recent crashes. More crashes than these end the process. */
const RESTART_DELAYS_MS = [0, 250, 1000, 4000, 15_000]
const OF_LATE_MS = 600_000
/** How long a report of a thread may take before its last totals are used instead. */
const REPORT_MS = 2000
/** How long a thread may show no sign of life before it counts as hung: during a flow operation, and at the end. */
const PATIENCE_MS = { operation: 10_000, stop: 20_000 }
/** If the whole process was stopped, the thread may show one a little later than this is checked. */
const RECOVERY_MS = 1000
/** How long terminating a hung thread may take. A thread that is stuck in the kernel ends with the process. */
const TERMINATE_MS = 2000

/** A thread hangs, and is not waited for any longer. */
export class HungThread extends OperatorError {
  /** Number of the thread, from 1. */
  readonly worker: number

  constructor(worker: number, silentMs: number, outcome: string) {
    super(`${silenceText(worker, silentMs)}${outcome}`)
    this.worker = worker
  }
}

/** Up to this many sessions of crashed threads are listed; of the others only the sum is kept. */
const LISTED_MAX = 65_536

type Ready = Extract<Notice, { readonly type: 'ready' }>

export interface MemberOptions {
  readonly entry: URL
  readonly data: Omit<WorkerOptions, 'totals' | 'progress' | 'takeOver' | 'mirror'>
  /** The state of the control plane when a thread starts. */
  readonly mirror: () => readonly Change[]
  readonly onProblem: (line: string) => void
  /** Called with the final path of a finished file. */
  readonly onFinished: (path: string) => void
  /** Finishes the files of a crashed thread. Never rejects. */
  readonly onFilesLeft: () => void
  /** For tests: instead of RESTART_DELAYS_MS. */
  readonly restartDelaysMs?: readonly number[]
  /** For tests: in place of PATIENCE_MS. */
  readonly patienceMs?: typeof PATIENCE_MS
  /** Called when no thread will be started here again. */
  readonly onFailure: (error: Error) => void
}

/**
 * One worker of the pool. If its thread crashes, its counts stay here, and its socket passes to the
 * thread that replaces it. So the kernel's group of sockets keeps its order, and datagrams that come
 * meanwhile wait in the queue.
 */
export class Member {
  /** Whether a crashed thread is replaced. */
  mayRestart = false
  readonly #options: MemberOptions
  readonly #place: string
  #thread: WorkerThread | undefined = undefined
  #totals = new SharedTotals()
  /** That of the latest thread, from when it receives. */
  #progress = new Progress()
  #reporting: Promise<LedgerReport> | undefined = undefined
  /** The pending question about top talkers, which later callers share. */
  #talking: Promise<TopTalkers | undefined> | undefined = undefined
  #ready: Ready | undefined = undefined
  /** Datagrams that the kernel had dropped at each socket, as counted by crashed threads. */
  readonly #drops: [number, number] = [0, 0]
  /** The counts of crashed threads. */
  #before: LedgerReport | undefined = undefined
  #restarts = 0
  /** Times of recent crashes, in milliseconds. */
  #crashes: number[] = []
  #restarting: Promise<void> | undefined = undefined
  #failure: Error | undefined = undefined
  /** Ends the wait before a restart. */
  readonly #hurry = new AbortController()

  constructor(options: MemberOptions) {
    this.#options = options
    const { index, workers } = options.data
    this.#place = workers === 1 ? 'the receiving thread' : `receiving thread ${index + 1}`
  }

  /** Starts a thread. Rejects when it cannot receive. */
  async start(): Promise<Ready> {
    const { entry, data, mirror, onProblem, onFinished } = this.#options
    const takeOver = (this.#ready?.sockets ?? []).map((fd, index): LeftSocket | undefined =>
      fd === undefined ? undefined : { fd, drops: this.#drops[index]! },
    )
    const { port = data.receiver.port, genevePort = data.receiver.genevePort } = this.#ready ?? {}
    const receiver = { ...data.receiver, port, genevePort }
    const totals = new SharedTotals()
    this.#totals = totals
    const progress = new Progress()
    let isReady = false
    const thread = new WorkerThread(
      entry,
      {
        ...data,
        receiver,
        mirror: mirror(),
        totals: totals.memory,
        progress: progress.memory,
        takeOver,
      },
      onProblem,
      onFinished,
      (death) => this.#died(death, isReady),
    )
    this.#thread = thread
    const ready = await thread.next('ready')
    isReady = true
    this.#ready = ready
    this.#progress = progress
    return ready
  }

  /** Distributes the datagrams among the sockets of all workers. */
  async steer(): Promise<void> {
    this.#thread!.order({ type: 'steer' })
    await this.#thread!.next('steered')
  }

  /** Resolves when a thread that has applied `changes` receives. Rejects if there will be none. */
  async apply(changes: readonly Change[]): Promise<void> {
    if (await this.#changed({ type: 'change', changes })) return
    // A new thread starts with everything that was saved, including this.
    await this.#restarting
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Whether the current thread has carried out the order. If not, there is none, or it has crashed. */
  async #changed(order: Extract<Order, { type: 'change' | 'retune' }>): Promise<boolean> {
    const thread = this.#thread
    if (thread === undefined) return false
    thread.order(order)
    return thread.next('changed').then(
      () => true,
      () => false,
    )
  }

  noteRecordsLost(records: number): void {
    this.#thread?.order({ type: 'records-lost', records })
  }

  /** Changes the tuning of this thread and of those started later. Resolves when it has taken effect, or a new thread will have it. */
  async retune(tuning: Tuning): Promise<void> {
    const { capture, ...others } = tuning
    const { column } = this.#options.data
    Object.assign(column, others)
    if (capture === null) delete column.capture
    else if (capture !== undefined) column.capture = capture
    await this.#changed({ type: 'retune', tuning })
  }

  operate(order: FlowOrder, onBatch: (batch: FlowBatch) => void): Promise<FlowCaptureOutcome> {
    if (this.#thread !== undefined) {
      return this.#whileItRuns(this.#thread.operate(order, onBatch), 'operation', '')
    }
    return Promise.reject(this.#failure ?? new Error(`${this.#place} is being started again`))
  }

  /** When the thread last showed that it runs. */
  get lastBeat(): number {
    return this.#progress.lastBeat
  }

  get latency(): Latency {
    return this.#progress.latency
  }

  /** When its oldest pending disk operation began, as far as it could report. */
  writingSince(what: Written): number | undefined {
    return this.#thread === undefined ? undefined : this.#progress.writingSince(what)
  }

  /**
   * The counts of all threads of this worker. If the thread does not answer in time, these are its last
   * totals, without its sessions.
   */
  async report(): Promise<LedgerReport> {
    // One question at a time, so that thousands do not wait for a hung thread.
    this.#reporting ??= this.#ask('report').finally(() => {
      this.#reporting = undefined
    })
    const late = new AbortController()
    const totals = delay(REPORT_MS, undefined, { signal: late.signal }).then(() =>
      this.#sum(this.#totals.report()),
    )
    totals.catch(() => undefined)
    return Promise.race([this.#reporting, totals]).finally(() => late.abort())
  }

  /** The top talkers of this thread; undefined if it cannot tell. */
  talkers(): Promise<TopTalkers | undefined> {
    this.#talking ??= this.#askTalkers().finally(() => {
      this.#talking = undefined
    })
    return this.#talking
  }

  async #askTalkers(): Promise<TopTalkers | undefined> {
    const thread = this.#thread
    if (thread === undefined) return undefined
    thread.order({ type: 'talkers' })
    return (await thread.next('talkers').catch(() => undefined))?.talkers
  }

  /** Lets the thread, once it receives, finish its work. Resolves with all counts. */
  async stop(): Promise<LedgerReport> {
    this.#hurry.abort()
    // Datagrams that wait at its socket are still to be received.
    while (this.#restarting !== undefined) await this.#restarting
    this.mayRestart = false
    const outcome = '; the files it was writing stay .part until the next start finishes them'
    try {
      return await this.#whileItRuns(this.#ask('stop'), 'stop', outcome)
    } catch (error) {
      if (!(error instanceof HungThread)) throw error
      const thread = this.#thread
      this.#thread = undefined
      this.#keep(this.#totals.report())
      await Promise.race([thread?.terminate(), delay(TERMINATE_MS, undefined, { ref: false })])
      this.#fail(error)
      return this.#sum(undefined)
    }
  }

  async terminate(): Promise<void> {
    this.mayRestart = false
    this.#hurry.abort()
    await this.#restarting
    await this.#thread?.terminate()
  }

  /** Resolves with the answer of the thread. Rejects with HungThread if it shows no sign of life for too long. */
  async #whileItRuns<T>(
    answer: Promise<T>,
    what: keyof typeof PATIENCE_MS,
    outcome: string,
  ): Promise<T> {
    const ended = new AbortController()
    const patienceMs = (this.#options.patienceMs ?? PATIENCE_MS)[what]
    const silence = this.#silence(patienceMs, outcome, ended.signal)
    silence.catch(() => undefined)
    answer.catch(() => undefined)
    return Promise.race([answer, silence]).finally(() => ended.abort())
  }

  async #silence(patienceMs: number, outcome: string, signal: AbortSignal): Promise<never> {
    const silentMs = (): number => monotonicMs() - this.lastBeat
    for (;;) {
      await delay(Math.max(patienceMs - silentMs(), RECOVERY_MS), undefined, { signal })
      if (silentMs() < patienceMs) continue
      await delay(RECOVERY_MS, undefined, { signal })
      if (silentMs() >= patienceMs) {
        throw new HungThread(this.#options.data.index + 1, silentMs(), outcome)
      }
    }
  }

  async #ask(type: 'report' | 'stop'): Promise<LedgerReport> {
    let now: LedgerReport | undefined
    const thread = this.#thread
    if (thread !== undefined) {
      thread.order({ type })
      const answer = thread.next(type === 'stop' ? 'done' : 'report')
      // If it crashes instead, its counts are among those that are kept.
      now = (await answer.catch(() => undefined))?.report
    }
    if (now === undefined && this.#before === undefined) throw this.#failure!
    return this.#sum(now)
  }

  /** Adds the counts of the threads before. */
  #sum(now: LedgerReport | undefined): LedgerReport {
    const sum = structuredClone(this.#before ?? now!)
    if (this.#before !== undefined && now !== undefined) addReport(sum, now)
    sum.workerRestarts = this.#restarts
    return sum
  }

  #died(death: Death, wasReady: boolean): void {
    this.#thread = undefined
    this.#keep(death.report ?? this.#totals.report())
    this.#options.onFilesLeft()
    // Otherwise the error goes to those who wait for it to be ready.
    if (wasReady) {
      if (this.mayRestart && !death.isFinal) this.#restart(death.error)
      else this.#fail(death.error)
    } else if (!this.mayRestart) this.#fail(death.error)
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#options.onFailure(error)
  }

  /** Adds the counts of a crashed thread to those of the threads before it. */
  #keep(report: LedgerReport): void {
    for (const index of [0, 1] as const) this.#drops[index] += this.#totals.drops(index) || 0
    // The next thread goes on from there.
    report.kernelLost = this.#totals.kernelLost
    const { received, accepted, filtered, unknownSession, duplicate, malformed } = report
    let known = accepted + filtered + unknownSession + duplicate
    for (const count of Object.values(malformed)) known += count
    report.crashLost = Math.max(0, received - known)
    Object.assign(report.flows, { live: 0, capacity: 0, inEmergency: false })
    if (this.#before === undefined) this.#before = report
    else addReport(this.#before, report)
    const { deletedSessions, sessions } = this.#before
    for (const session of sessions.splice(LISTED_MAX)) {
      deletedSessions.sessions++
      addTotals(deletedSessions, session)
    }
  }

  #restart(error: Error): void {
    const restarting = this.#startAgain(error)
      .catch((reason: Error) => this.#fail(reason))
      .finally(() => {
        if (this.#restarting === restarting) this.#restarting = undefined
      })
    this.#restarting = restarting
  }

  async #startAgain(crash: Error): Promise<void> {
    let error = crash
    for (;;) {
      const now = performance.now()
      this.#crashes = this.#crashes.filter((time) => now - time < OF_LATE_MS)
      const { restartDelaysMs = RESTART_DELAYS_MS } = this.#options
      const wait = restartDelaysMs[this.#crashes.length]
      this.#crashes.push(now)
      const what = inOneLine(error)
      if (wait === undefined) {
        const minutes = OF_LATE_MS / 60_000
        throw new Error(
          `${this.#place} crashed ${this.#crashes.length} times within ${minutes} minutes, and is not started again: ${what}`,
        )
      }
      this.#options.onProblem(`${this.#place} crashed and is started again: ${what}`)
      await delay(wait, undefined, { signal: this.#hurry.signal }).catch(() => undefined)
      try {
        await this.start()
        this.#restarts++
        this.#options.onProblem(`${this.#place} receives again`)
        return
      } catch (reason) {
        error = reason as Error
      }
    }
  }
}

/** The message, and the place where it was thrown. */
function inOneLine({ message, stack }: Error): string {
  const text = message.includes('\n    at ') ? message : (stack ?? message)
  const [first, ...frames] = text.split(/\s*\n\s*/)
  return [first, ...frames.filter((line) => line.startsWith('at ')).slice(0, 3)].join(' ')
}
