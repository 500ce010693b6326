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

/** How long to wait before a thread is started again: by the crashes of late, which may be no more than these. */
const RESTART_DELAYS_MS = [0, 250, 1000, 4000, 15_000]
const OF_LATE_MS = 600_000
/** How long a report of what a thread counts now may take, before what it last noted is all there is. */
const REPORT_MS = 2000
/** How long a thread may show no sign of life before nobody waits for it any more: with a flow operation, and at the end. */
const PATIENCE_MS = { operation: 10_000, stop: 20_000 }
/** Where all was held up, the thread may show one a little later than this is found. */
const RECOVERY_MS = 1000
/** How long ending a thread that hangs may take: one held by the kernel ends with the process. */
const TERMINATE_MS = 2000

/** A thread hangs: nobody waits for it any more. */
export class HungThread extends OperatorError {
  /** From 1 on. */
  readonly worker: number

  constructor(worker: number, silentMs: number, outcome: string) {
    super(`${silenceText(worker, silentMs)}${outcome}`)
    this.worker = worker
  }
}

/** Sessions of threads that died are listed up to this many; of others only the sum is kept. */
const LISTED_MAX = 65_536

type Ready = Extract<Notice, { readonly type: 'ready' }>

export interface MemberOptions {
  readonly entry: URL
  readonly data: Omit<WorkerOptions, 'totals' | 'progress' | 'takeOver' | 'mirror'>
  /** What the control plane knows, whenever a thread starts. */
  readonly mirror: () => readonly Change[]
  readonly onProblem: (line: string) => void
  /** Takes the path of a file that has got its final name. */
  readonly onFinished: (path: string) => void
  /** Finishes files that a thread which died has left. Never rejects. */
  readonly onFilesLeft: () => void
  /** For tests: instead of RESTART_DELAYS_MS. */
  readonly restartDelaysMs?: readonly number[]
  /** For tests: in place of PATIENCE_MS. */
  readonly patienceMs?: typeof PATIENCE_MS
  /** No thread will take this place again. */
  readonly onFailure: (error: Error) => void
}

/**
 * A worker's place among the others. A thread that crashes leaves its counts here, and its socket
 * to the thread that takes its place: so the order of the kernel's group stays, and what comes
 * meanwhile waits in the queue.
 */
export class Member {
  /** Whether a thread that crashes is followed by another. */
  mayRestart = false
  readonly #options: MemberOptions
  readonly #place: string
  #thread: WorkerThread | undefined = undefined
  #totals = new SharedTotals()
  /** Of the latest thread; a new one is heard of when it receives. */
  #progress = new Progress()
  #reporting: Promise<LedgerReport> | undefined = undefined
  /** As one question about talkers. */
  #talking: Promise<TopTalkers | undefined> | undefined = undefined
  #ready: Ready | undefined = undefined
  /** What the kernel had dropped at each socket, as far as threads that died had counted it. */
  readonly #drops: [number, number] = [0, 0]
  /** What threads had counted that died. */
  #before: LedgerReport | undefined = undefined
  #restarts = 0
  /** When threads crashed of late, in milliseconds. */
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

  /** Places the datagrams among the sockets of all. */
  async steer(): Promise<void> {
    this.#thread!.order({ type: 'steer' })
    await this.#thread!.next('steered')
  }

  /** Resolves when a thread that knows of `changes` receives. Rejects when there will be none. */
  async apply(changes: readonly Change[]): Promise<void> {
    if (await this.#changed({ type: 'change', changes })) return
    // The thread that follows is started with all that was saved, and this was.
    await this.#restarting
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Whether the thread there is has followed the order; otherwise it is none, or has died. */
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

  /** A thread that is started later begins with it. Resolves when the thread goes on so, or another is to. */
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

  /** When a thread in this place last showed that it runs. */
  get lastBeat(): number {
    return this.#progress.lastBeat
  }

  get latency(): Latency {
    return this.#progress.latency
  }

  /** Since when its oldest operation at the disk has been under way, as far as it could say. */
  writingSince(what: Written): number | undefined {
    return this.#thread === undefined ? undefined : this.#progress.writingSince(what)
  }

  /**
   * What all threads in this place have counted. Of one that does not answer in time these are its
   * totals, and nothing of its sessions.
   */
  async report(): Promise<LedgerReport> {
    // One question at a time: a thread that hangs is not to find thousands.
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

  /** Who sends and receives most in this thread now; undefined where it cannot say. */
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

  /** Has the thread finish what it has, once one receives; answers with all that was counted. */
  async stop(): Promise<LedgerReport> {
    this.#hurry.abort()
    // What waits at its socket is still to be received.
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

  /** What the thread answers. Rejects with HungThread when it shows no sign of life for too long meanwhile. */
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
      // When it dies instead, what it had counted is among what is kept.
      now = (await answer.catch(() => undefined))?.report
    }
    if (now === undefined && this.#before === undefined) throw this.#failure!
    return this.#sum(now)
  }

  /** With what the threads before had counted. */
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
    // Otherwise those who wait for it to be ready get the error.
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

  /** Adds what a thread had counted to what those before it had. */
  #keep(report: LedgerReport): void {
    for (const index of [0, 1] as const) this.#drops[index] += this.#totals.drops(index) || 0
    // As its successor goes on from there.
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

/** The message, and where it was thrown. */
function inOneLine({ message, stack }: Error): string {
  const text = message.includes('\n    at ') ? message : (stack ?? message)
  const [first, ...frames] = text.split(/\s*\n\s*/)
  return [first, ...frames.filter((line) => line.startsWith('at ')).slice(0, 3)].join(' ')
}
