import type { Change } from '../control/state.js'
import { addReport, type LedgerReport } from '../session/ledger.js'
import { monotonicMs } from '../sink/disk.js'
import { CapturedFlows } from './captured-flows.js'
import type { FlowCaptureOutcome, FlowOperationRequest, Tuning } from './column.js'
import { joinTalkers, type TopTalkers } from './live-talkers.js'
import type { FlowOrder } from './messages.js'
import { HungThread, Member, type MemberOptions } from './pool-member.js'
import { type PoolProgress, SILENT_MS, silenceText, WRITES, type Written } from './progress.js'

export interface PoolOptions extends Omit<MemberOptions['data'], 'index'> {
  /** What the control plane knows, as changes of nothing; asked whenever a worker starts. */
  mirror?: () => readonly Change[]
  /** One line an operator should read. */
  onProblem: (line: string) => void
  /** Takes the path of each file that has got its final name. */
  onFinished?: (path: string) => void
  /** Finishes files that a worker which died has left, beside those that still write theirs. */
  adopt?: () => Promise<void>
  /** For tests: how long to wait before each restart, in milliseconds. */
  restartDelaysMs?: readonly number[]
  /** For tests: how long a thread that hangs is waited for, in milliseconds. */
  patienceMs?: NonNullable<MemberOptions['patienceMs']>
  /** A worker is gone for good, which may be before `start` has resolved; the others still receive. */
  onFailure: (error: Error) => void
}

/** What came of opening the sockets. */
interface Listening {
  readonly receiver: 'dgram' | 'recvmmsg'
  readonly port: number
  readonly genevePort: number | undefined
  /** As the kernel counts them. */
  readonly receiveBufferBytes: number
}

interface FlowOperationResult extends FlowCaptureOutcome {
  flows: CapturedFlows
}

/** Of all receiving threads together. */
const TALKERS = 25

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
  readonly #adoption: Adopting
  readonly #onProblem: (line: string) => void
  #nextOperation = 0

  private constructor(
    members: readonly Member[],
    listening: Listening,
    adoption: Adopting,
    onProblem: (line: string) => void,
  ) {
    this.#members = members
    this.listening = listening
    this.#adoption = adoption
    this.#onProblem = onProblem
  }

  /** Starts the workers one after another: the order in which they bind is their place in the kernel's group. */
  static async start(options: PoolOptions, entry = WORKER): Promise<Pool> {
    const {
      onProblem,
      onFinished = () => undefined,
      onFailure,
      adopt,
      mirror = () => [],
      restartDelaysMs,
      patienceMs,
      ...data
    } = options
    const adoption = new Adopting(adopt, onProblem)
    const onFilesLeft = (): void => adoption.begin()
    const members: Member[] = []
    try {
      let listening: Listening | undefined
      for (let index = 0; index < options.workers; index++) {
        const receiver = { ...data.receiver }
        if (listening !== undefined) {
          receiver.port = listening.port
          receiver.genevePort = listening.genevePort
        }
        const member = new Member({
          entry,
          data: { ...data, receiver, index },
          mirror,
          onProblem,
          onFinished,
          onFilesLeft,
          onFailure,
          ...(restartDelaysMs !== undefined && { restartDelaysMs }),
          ...(patienceMs !== undefined && { patienceMs }),
        })
        members.push(member)
        const ready = await member.start()
        listening ??= ready
      }
      if (options.workers > 1) await members[0]!.steer()
      for (const member of members) member.mayRestart = true
      return new Pool(members, listening!, adoption, onProblem)
    } catch (error) {
      await Promise.all(members.map((member) => member.terminate()))
      throw error
    }
  }

  /** The ledger of all workers as of now; once they were told to stop, the final one. */
  async report(): Promise<LedgerReport> {
    return this.#stopped ?? this.#gather((member) => member.report())
  }

  /** Who sends and receives most now; undefined while no thread has looked twice. */
  async talkers(): Promise<TopTalkers | undefined> {
    // What they are asked after the order to stop they do not answer.
    if (this.#stopped !== undefined) return undefined
    const tops = await Promise.all(this.#members.map((member) => member.talkers()))
    const known = tops.filter((top) => top !== undefined)
    return known.length === 0 ? undefined : joinTalkers(known, TALKERS)
  }

  /** What is known without asking anybody: a worker that hangs holds nothing up. */
  get progress(): PoolProgress {
    const now = monotonicMs()
    const waitingMs = (what: Written): number | undefined => {
      const since = this.#members.flatMap((member) => member.writingSince(what) ?? [])
      return since.length === 0 ? undefined : Math.max(0, now - Math.min(...since))
    }
    return {
      workers: this.#members.map(({ lastBeat, latency }, index) => ({
        worker: index + 1,
        silentMs: Math.max(0, now - lastBeat),
        latency,
      })),
      waitingMs: Object.fromEntries(
        WRITES.map((what) => [what, waitingMs(what)]),
      ) as PoolProgress['waitingMs'],
    }
  }

  /** Why a flow operation would not have all flows now: a thread hangs. */
  get silence(): string | undefined {
    const silent = this.progress.workers.find(({ silentMs }) => silentMs >= SILENT_MS)
    return silent && silenceText(silent.worker, silent.silentMs)
  }

  /** Has every worker follow the control plane; resolves when all do. Rejects when one has failed. */
  async apply(changes: readonly Change[]): Promise<void> {
    this.#refuseWhenStopped()
    await Promise.all(this.#members.map((member) => member.apply(changes)))
  }

  /** Has flow logs say that written records are lost (SKIPDATA): so many, at least. */
  noteRecordsLost(records: number): void {
    for (const member of this.#members) member.noteRecordsLost(records)
  }

  /**
   * Has every worker, and those started later, go on otherwise. Resolves when the files that this ends
   * have their names.
   */
  async retune(tuning: Tuning): Promise<void> {
    await Promise.all(this.#members.map((member) => member.retune(tuning)))
  }

  /** Has every worker finish what it has, once; resolves with the final ledger. */
  stop(): Promise<LedgerReport> {
    this.#stopped ??= this.#gather((member) => member.stop()).finally(() => this.#adoption.done)
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
    let isOver = false
    const answers = await Promise.allSettled(
      this.#members.map((member) =>
        member.operate({ type, id, request }, (batch) => {
          // One that hung may go on when nobody waits for it.
          if (!isOver) flows.add(batch, member)
        }),
      ),
    )
    isOver = true
    const hung = answers.flatMap((answer) =>
      answer.status === 'rejected' && answer.reason instanceof HungThread ? answer.reason : [],
    )
    for (const { message } of hung)
      this.#onProblem(`a flow operation goes on without it: ${message}`)
    const outcomes = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    if (outcomes.length === 0) throw (answers[0] as PromiseRejectedResult).reason
    let reason = outcomes.find(({ status }) => status !== 'COMPLETED')?.reason ?? null
    if (flows.refused > 0) reason = 'More flows matched than a result may hold'
    if (outcomes.length < answers.length) reason = reasonOf(hung[0])
    return { status: reason === null ? 'COMPLETED' : 'COMPLETED_WITH_ERRORS', reason, flows }
  }

  /** What they are asked after the order to stop they do not answer. */
  #refuseWhenStopped(): void {
    if (this.#stopped !== undefined) throw new Error('the receiving threads were told to stop')
  }

  /** The sum over the workers, those included that have died; rejects when nothing is known of any. */
  async #gather(ask: (member: Member) => Promise<LedgerReport>): Promise<LedgerReport> {
    const answers = await Promise.allSettled(this.#members.map(ask))
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

/** As the API has it: letters, digits and blanks. */
function reasonOf(hung: HungThread | undefined): string {
  if (hung === undefined) return 'A receiving thread has failed'
  return `Receiving thread ${hung.worker} does not answer`
}

/** Has files adopted after each death, one time after the other. */
class Adopting {
  done: Promise<void> = Promise.resolve()
  readonly #adopt: (() => Promise<void>) | undefined
  readonly #onProblem: (line: string) => void

  constructor(adopt: (() => Promise<void>) | undefined, onProblem: (line: string) => void) {
    this.#adopt = adopt
    this.#onProblem = onProblem
  }

  begin(): void {
    this.done = this.done
      .then(this.#adopt)
      .catch((error: Error) => this.#onProblem(`files were left unfinished: ${error.message}`))
  }
}
