import { setImmediate as nextTurn } from 'node:timers/promises'
import { build as buildHistogram, type Histogram } from 'hdr-histogram-js'
import type { Change } from '../control/state.js'
import {
  FlowCapture,
  type FlowCaptureRequest,
  type FlowCaptureStatus,
} from '../flow/flow-capture.js'
import { STEP_SECONDS } from '../flow/flow-intake.js'
import type { FlowRecord } from '../flow/flow-record.js'
import { FlowTracker } from '../flow/flow-tracker.js'
import type { Lifetime } from '../flow/lifetime.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import type { WindowReportsOptions } from '../flow/window-reports.js'
import type { NetworkInterface, TransitGateway } from '../mirror/resources.js'
import { type CapturePolicy, RotatingCapture } from '../pcap/rotation.js'
import { Admission, BUSY_SECONDS, hasLasted } from '../session/admission.js'
import type { Demux } from '../session/demux.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { Ledger, LedgerReport } from '../session/ledger.js'
import type { PacketForward, PacketObserver } from '../session/pipeline.js'
import type { Session, SessionCapture } from '../session/session.js'
import type { SessionKey } from '../session/session-directory.js'
import { type FilterOptions, openSessionFilter } from '../session/session-filter.js'
import { Tap } from '../session/tap.js'
import { Tokens } from '../session/tokens.js'
import { BlockPool } from '../sink/block-pool.js'
import type { Disk } from '../sink/disk.js'
import { FileBudget } from '../sink/file-budget.js'
import { type EventLogOptions, EventLogs } from './event-logs.js'
import { type FileLimits, LASTED_SHARE, NEW_SHARE } from './file-limits.js'
import { type FlowLogOptions, FlowLogs } from './flow-logs.js'
import { type OnBatch, walkFlows } from './flow-walk.js'
import { LineLimits } from './line-limit.js'
import { LiveNames } from './live-names.js'
import { LiveTalkers, type TopTalkers } from './live-talkers.js'
import { SessionRegistry } from './session-registry.js'

/** Which flows a flow capture or flush asks a column for. Plain data. */
export interface FlowOperationRequest extends FlowCaptureRequest {
  /** Only flows of sessions with this name; undefined: of all sessions. */
  session?: string | undefined
}

export interface FlowCaptureOutcome {
  status: FlowCaptureStatus
  /** Why flows may be missing; null if none are. */
  reason: string | null
}

/** Plain data, which is sent to a worker thread. */
export interface ColumnOptions {
  sessionKey: SessionKey
  unknownSessions: 'accept' | 'drop'
  maxSessions: number
  maxFlows: number
  /** The most connections that one session may have in the table. */
  sessionQuota: number
  lifetime: Lifetime
  duplicates: DuplicateMode
  /** Which packets of which sessions are kept; for registered sessions, of those that their rules accept. */
  filters?: FilterOptions
  transitGateways?: readonly TransitGateway[]
  capture?: CapturePolicy
  flowLog?: FlowLogOptions
  eventLog?: EventLogOptions
  /** Undefined: no limit on open files. */
  files?: FileLimits
}

/** What can change while packets are received. What is missing stays as it is. Plain data. */
export type Tuning = Partial<
  Pick<ColumnOptions, 'filters' | 'unknownSessions' | 'flowLog'> & {
    /** null: no captures are written. */
    capture: CapturePolicy | null
  }
>

/** Where else packets and records are passed. */
export interface ColumnOutlets {
  readonly forward?: PacketForward
  /** Called with each flow record, of the shortest window if there are flow logs. The record is lent. */
  readonly records?: {
    readonly windowSeconds: number
    onRecord(record: FlowRecord, session: Session): void
  }
}

/** The most registered sessions: AWS's quota, and as many again in the configuration. */
export const REGISTERED_MAX = 20_000
/** Flows looked at before packets get a turn: about a millisecond. */
const WORK_BUDGET = 4096
/** How far the timer is behind the wall clock, because older packets may still wait in the socket. */
const TIMER_LAG_SECONDS = 1
/** How long the file of a short session stays open without packets if other sessions need a file. */
const NEW_PATIENCE_SECONDS = 2
/** New directories for unknown sessions in the long run: two for each session that may be open. */
const DIRECTORIES_PER_SECOND = 10 / 60
/** The least of that. Half of the directories available at once are kept for sessions that have lasted. */
const DIRECTORIES_MIN = 64
/** Blocks for captures: 64 MiB. A session that becomes active begins with a small one. */
const CAPTURE_BLOCKS = 256

const NO_FILE_LIMITS: FileLimits = {
  captures: Number.POSITIVE_INFINITY,
  flowLogs: Number.POSITIVE_INFINITY,
}

/**
 * Everything one receiving thread owns: its sessions, flow table, captures and
 * logs. Fed by `demux`, driven by `tick`; knows neither sockets nor threads.
 */
export class Column {
  readonly #options: ColumnOptions
  #capture: CapturePolicy | undefined
  readonly #onFinished: ((path: string) => void) | undefined
  /** All lines pass through these limits, because senders could cause any number of them. Lines about registered sessions have their own. */
  readonly #lines: LineLimits
  readonly #sayOfRegistered: (line: string) => void
  readonly #sayOfOthers: (line: string) => void
  readonly #sayOfPackets: (line: string) => void
  readonly #sayOfFilters: (line: string) => void
  #noRoomSaid = 0
  #noRoomSaidAt = 0
  readonly #tap: Tap<PacketCounter>
  readonly #registry: SessionRegistry
  /** The interfaces that the control plane knows, by id. */
  readonly #interfaces = new Map<string, NetworkInterface>()
  readonly #tracker: FlowTracker
  readonly #names = new LiveNames()
  readonly #talkers: LiveTalkers
  readonly #flowLogs: FlowLogs | undefined
  readonly #eventLogs: EventLogs | undefined
  readonly #capturePool = new BlockPool(CAPTURE_BLOCKS)
  readonly #captureFiles: FileBudget
  /** Limits new directories for captures of unknown sessions. */
  readonly #newDirectories: Tokens
  readonly #directoriesOfNew: number
  /** How long each `work` occupied the thread, in microseconds. */
  readonly #pauses: Histogram = buildHistogram({ lowestDiscernibleValue: 1 })

  #kernelLost: number | null = 0
  #kernelLostSeen = 0
  #recordsLostSeen = 0
  /** The latest second in which a loss was noticed; -1: never. */
  #lostAt = -1
  #isWorking = false
  #working: Promise<void> | undefined = undefined
  #lastTick = 0
  /** Steps back of the clock so far. */
  #stepsBack = 0

  /** `onFinished` is called with the final path of each finished file. */
  constructor(
    options: ColumnOptions,
    onProblem: (line: string) => void,
    onFinished?: (path: string) => void,
    { forward, records }: ColumnOutlets = {},
  ) {
    this.#options = options
    this.#capture = options.capture
    this.#onFinished = onFinished
    const lines = new LineLimits(onProblem)
    this.#lines = lines
    this.#sayOfRegistered = lines.about('captures of registered sessions')
    this.#sayOfOthers = lines.about('captures of unknown sessions')
    this.#sayOfPackets = lines.about('packets')
    this.#sayOfFilters = lines.about('filters')
    const { captures, flowLogs } = options.files ?? NO_FILE_LIMITS
    this.#captureFiles = new FileBudget(captures)
    this.#directoriesOfNew = Math.max(options.maxSessions, DIRECTORIES_MIN)
    this.#newDirectories = new Tokens({
      perSecond: DIRECTORIES_PER_SECOND,
      atOnce: this.#directoriesOfNew * 2,
    })
    const logFiles = new FileBudget(flowLogs)
    const sessions = options.maxSessions + REGISTERED_MAX + 2
    this.#eventLogs =
      options.eventLog &&
      new EventLogs(options.eventLog, {
        sessions,
        maxFlows: options.maxFlows,
        duplicates: options.duplicates,
        files: logFiles,
        onProblem: lines.about('event logs'),
        onSlice: (began) => this.#notePause(began),
        ...(onFinished && { onFinished }),
      })
    this.#flowLogs =
      options.flowLog &&
      new FlowLogs(options.flowLog, {
        interfaces: this.#interfaces,
        transitGateways: options.transitGateways ?? [],
        files: logFiles,
        sessions: () => this.#tap.sessions.values(),
        sessionAt: (index) => this.#tap.session(index),
        reportSession: (index) => this.#tracker.reportSession(index),
        onProblem: lines.about('flow logs'),
        ...(onFinished && { onFinished }),
      })
    let tracker: FlowTracker | undefined
    const events = this.#eventLogs
    this.#tap = new Tap<PacketCounter>({
      maxSessions: options.maxSessions,
      sessionKey: options.sessionKey,
      admission: new Admission(),
      unknownSessions: options.unknownSessions,
      duplicates: options.duplicates,
      filter: openSessionFilter(options.filters ?? {}, this.#sayOfFilters),
      counter: (complete) => {
        tracker = new FlowTracker({
          capacity: options.maxFlows,
          sessions,
          sessionQuota: options.sessionQuota,
          lifetime: options.lifetime,
          ...this.#windows(records),
          complete,
          ...(events && { onEnd: (flow) => events.ended(flow) }),
        })
        return events?.counterOf(tracker) ?? tracker
      },
      openCapture: (session, linkType) => this.#openCapture(session, linkType),
      ...(forward && { forward }),
      observe: bothObservers(this.#names.observe, events?.observe),
      onOpen: (session) => this.#flowLogs?.follow(session),
      onClose: (session, why) => this.#forget(session, why),
      onProblem: this.#sayOfOthers,
    })
    this.#tracker = tracker!
    this.#talkers = new LiveTalkers({
      tracker: this.#tracker,
      names: this.#names,
      sessionAt: (index) => this.#tap.session(index),
      onSlice: (began) => this.#notePause(began),
    })
    this.#registry = new SessionRegistry({
      sessions: this.#tap.sessions,
      key: options.sessionKey,
      interfaces: this.#interfaces,
      onChange: (session, now, before) => {
        this.#flowLogs?.follow(session, now)
        // Its next packets may come to another column, which then needs the name of this file.
        if (before !== undefined && before.virtualNetworkId !== now.virtualNetworkId) {
          this.#tap.finishCapture(session)
        }
      },
    })
  }

  get demux(): Demux {
    return this.#tap.demux
  }

  get ledger(): Ledger {
    return this.#tap.ledger
  }

  /**
   * Takes effect with the next packet. Resolves when files that this ends have their final names. Must not be
   * called before the last call of this or of `apply` has resolved. Never rejects.
   */
  async retune({ capture, filters, unknownSessions, flowLog }: Tuning): Promise<void> {
    if (unknownSessions !== undefined) this.demux.unknownSessions = unknownSessions
    if (filters !== undefined) this.#tap.filter = openSessionFilter(filters, this.#sayOfFilters)
    if (capture !== undefined) this.#retuneCaptures(capture ?? undefined)
    if (flowLog !== undefined) await this.#flowLogs?.retune(flowLog)
    await this.#tap.capturesFinished()
  }

  #retuneCaptures(next: CapturePolicy | undefined): void {
    const now = this.#capture
    // Limits of a file apply to the next file.
    if (now !== undefined && next !== undefined && isSameKind(now, next)) Object.assign(now, next)
    else {
      this.#capture = next
      this.#tap.restartCaptures()
    }
  }

  /** Where captures and logs are written to. */
  get disks(): {
    readonly captures: Disk
    readonly flowLogs: Disk | undefined
    readonly eventLogs: Disk | undefined
  } {
    return {
      captures: this.#capturePool.disk,
      flowLogs: this.#flowLogs?.disk,
      eventLogs: this.#eventLogs?.disk,
    }
  }

  /**
   * Applies changes of the control plane from the next packet on. Resolves when the capture files and the
   * last records of deleted sessions are written, and so are the files of deleted flow logs. Must not be
   * called before the last call has resolved. Never rejects.
   */
  async apply(changes: readonly Change[], nowSeconds: number): Promise<void> {
    for (const change of changes) {
      const { table, id, after } = change
      if (table === 'flowLogs') await this.#flowLogs?.apply(id, after)
      else if (table === 'interfaces') this.#setInterface(id, after)
      else this.#registry.apply(change, nowSeconds)
    }
    await this.#tap.capturesFinished()
  }

  /** At least this many written records were lost before they were delivered. The current window reports it. */
  noteRecordsLost(records: number, nowSeconds: number): void {
    this.#flowLogs?.noteLoss(records, nowSeconds, nowSeconds)
  }

  /**
   * To be called a few times a second, with the wall clock in seconds and the datagrams that the kernel
   * has lost so far (null: not known). `passedSeconds`: monotonic time since the last call.
   */
  tick(
    nowSeconds: number,
    kernelLost: number | null,
    passedSeconds = Number.POSITIVE_INFINITY,
  ): void {
    this.#noteLoss(nowSeconds, kernelLost)
    this.#tracker.advance(nowSeconds - TIMER_LAG_SECONDS)
    if (this.#tracker.stepsBack !== this.#stepsBack) this.#noteStep(nowSeconds)
    const ran = nowSeconds - this.#lastTick <= passedSeconds + STEP_SECONDS
    this.#flowLogs?.tick(nowSeconds, ran)
    this.#eventLogs?.tick(nowSeconds)
    this.#lines.tick(nowSeconds)
    this.#sayNoRoom(nowSeconds)
    if (this.#lastTick !== nowSeconds) {
      for (const session of this.#tap.sessions.values()) session.capture?.tick(nowSeconds)
      this.#captureFiles.tick()
    }
    this.#lastTick = nowSeconds
    this.#talkers.tick()
    if (!this.#isWorking) this.#working = this.#work()
  }

  /** Ends every session and finishes every file. */
  async close(): Promise<void> {
    await this.#working
    while (this.#tracker.shutdownSome(WORK_BUDGET)) await this.#eventLogs?.room()
    for (const session of this.#tap.sessions.values()) this.#tap.finishCapture(session)
    await this.#tap.capturesFinished()
    await Promise.all([this.#flowLogs?.close(), this.#eventLogs?.close()])
    this.#lines.sayOmitted()
  }

  /**
   * Hands over the open flows in batches, between which packets are received. Returns why flows may be
   * missing, if they may.
   */
  async captureFlows(request: FlowOperationRequest, onBatch: OnBatch): Promise<FlowCaptureOutcome> {
    const capture = await this.#walkFlows(request, false, onBatch)
    const lossCounts = this.#lostAt >= request.atSeconds - this.#tracker.longestTimeout
    const reason = lossCounts ? 'Packets were lost before they could be counted' : capture.doubt
    return reason === undefined
      ? { status: 'COMPLETED', reason: null }
      : { status: 'COMPLETED_WITH_ERRORS', reason }
  }

  /**
   * Ends the connections that `captureFlows` would find, and hands over their rows as it does. A flow that
   * is not in the table has no state to drop, so that none can be missing.
   */
  async flushFlows(request: FlowOperationRequest, onBatch: OnBatch): Promise<FlowCaptureOutcome> {
    await this.#walkFlows(request, true, onBatch)
    return { status: 'COMPLETED', reason: null }
  }

  /** The top talkers since the last call; undefined at the first call. */
  talkers(): Promise<TopTalkers | undefined> {
    return this.#talkers.ask()
  }

  report(): LedgerReport {
    const records = this.#flowLogs?.statistics
    const ended: Record<string, number> = {}
    for (const [reason, count] of Object.entries(this.#tracker.ended)) {
      if (count > 0) ended[reason] = count
    }
    const report = this.#tap.report(this.#kernelLost, {
      live: this.#tracker.table.count,
      capacity: this.#options.maxFlows,
      ended,
      emergencies: this.#tracker.emergencies,
      inEmergency: this.#tracker.inEmergency,
      recordsWritten: records?.written ?? 0,
      recordsLost: records?.lost ?? 0,
      longestPauseMs: this.#pauses.maxValue / 1000,
    })
    const eventLogs = this.#eventLogs?.statistics
    return eventLogs === undefined ? report : { ...report, eventLogs }
  }

  /** Works in slices, with a turn for the receiver between them. */
  async #work(): Promise<void> {
    this.#isWorking = true
    for (;;) {
      const began = performance.now()
      const more = this.#tracker.work(WORK_BUDGET)
      this.#notePause(began)
      if (!more) break
      await nextTurn()
      await this.#eventLogs?.room()
    }
    this.#isWorking = false
  }

  #notePause(began: number): void {
    this.#pauses.recordValue(Math.round((performance.now() - began) * 1000))
  }

  async #walkFlows(
    request: FlowOperationRequest,
    flush: boolean,
    onBatch: OnBatch,
  ): Promise<FlowCapture> {
    const { session: name, ...asked } = request
    const capture = new FlowCapture(this.#tracker, asked, {
      flush,
      ...(name !== undefined && { wants: (index) => this.#tap.session(index).name === name }),
    })
    await walkFlows({
      capture,
      sessionAt: (index) => this.#tap.session(index),
      onBatch,
      onSlice: (began) => this.#notePause(began),
    })
    return capture
  }

  #setInterface(id: string, after: NetworkInterface | undefined): void {
    this.#flowLogs?.endRecordsOf(id)
    if (after === undefined) this.#interfaces.delete(id)
    else this.#interfaces.set(id, after)
    this.#flowLogs?.interfacesChanged()
    this.#registry.interfaceChanged(id)
  }

  #windows(records: ColumnOutlets['records']): WindowReportsOptions | undefined {
    const ofLogs = this.#flowLogs?.windows
    if (records === undefined) return ofLogs
    return {
      windowSeconds: records.windowSeconds,
      ...ofLogs,
      onRecord: (record) => {
        ofLogs?.onRecord?.(record)
        records.onRecord(record, this.#tap.session(record.session))
      },
    }
  }

  #forget(session: Session, why: 'evicted' | 'deleted'): void {
    // Its flows may still have been open.
    if (why === 'evicted') this.#tracker.evictedAt = this.#tracker.now
    this.#flowLogs?.forget(session)
    this.#eventLogs?.forget(session)
  }

  #openCapture(session: Session, linkType: number): SessionCapture | undefined {
    const policy = this.#capture
    if (policy === undefined) return undefined
    const name = session.name!
    return new RotatingCapture(
      policy,
      { name, linkType, comment: `mirror session ${name}` },
      {
        pool: this.#capturePool,
        files: this.#captureFiles,
        share: () => (session.isRegistered ? 1 : hasLasted(session) ? LASTED_SHARE : NEW_SHARE),
        patience: () => patienceOf(session),
        mayMakeDirectory: () => session.isRegistered || this.#mayMakeDirectory(session),
        onProblem: session.isRegistered ? this.#sayOfRegistered : this.#sayOfOthers,
        onFinished: this.#onFinished,
        onTakenBack: (packets) => session.counters.takeBack(packets),
        onLost: (why, packets) => {
          this.ledger.captureLosses[why] += packets
        },
      },
    )
  }

  #mayMakeDirectory(session: Session): boolean {
    return this.#newDirectories.take(
      session.usedAt,
      hasLasted(session) ? 0 : this.#directoriesOfNew,
    )
  }

  /** Reports sessions that were not opened, at most once a minute. */
  #sayNoRoom(nowSeconds: number): void {
    const { noRoom } = this.ledger
    if (noRoom === this.#noRoomSaid || Math.abs(nowSeconds - this.#noRoomSaidAt) < 60) return
    this.#sayOfPackets(
      `packets of sessions that were not opened: ${noRoom - this.#noRoomSaid}; at most ` +
        `${this.#options.maxSessions} are open, and few open in a second: register them, or raise max-sessions`,
    )
    this.#noRoomSaid = noRoom
    this.#noRoomSaidAt = nowSeconds
  }

  #noteStep(nowSeconds: number): void {
    this.#stepsBack = this.#tracker.stepsBack
    this.#lostAt = Math.min(this.#lostAt, nowSeconds)
    const seconds = this.#tracker.lastStepSeconds
    this.#sayOfPackets(`the clock went back by ${seconds} s; flows go on in the new time`)
  }

  #noteLoss(nowSeconds: number, kernelLost: number | null): void {
    const recordsLost = this.#flowLogs?.statistics.lost ?? 0
    // If the counter cannot be read for a while, counting goes on from its last value.
    const known = kernelLost ?? this.#kernelLostSeen
    const lost = known - this.#kernelLostSeen + recordsLost - this.#recordsLostSeen
    this.#kernelLost = kernelLost
    this.#kernelLostSeen = known
    this.#recordsLostSeen = recordsLost
    if (lost === 0) return
    if (lost > 0) this.#lostAt = nowSeconds
    this.#flowLogs?.noteLoss(lost, this.#lastTick === 0 ? nowSeconds : this.#lastTick, nowSeconds)
  }
}

function bothObservers(first: PacketObserver, second: PacketObserver | undefined): PacketObserver {
  if (second === undefined) return first
  return (...observed) => {
    first(...observed)
    second(...observed)
  }
}

/** Whether a file that is open may stay open. */
function isSameKind(a: CapturePolicy, b: CapturePolicy): boolean {
  return a.directory === b.directory && a.format === b.format && a.snaplen === b.snaplen
}

/** Seconds without a packet after which a session's capture file may be closed for another session. */
function patienceOf(session: Session): number {
  if (session.isRegistered) return Number.POSITIVE_INFINITY
  return hasLasted(session) ? BUSY_SECONDS : NEW_PATIENCE_SECONDS
}
