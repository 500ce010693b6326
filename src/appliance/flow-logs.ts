import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { flowLogCovers, isOfTransitGateway } from '../control/flow-logs.js'
import type { FlowRecord } from '../flow/flow-record.js'
import type { AggregationWindow } from '../flow/summed-reports.js'
import type { WindowReportsOptions } from '../flow/window-reports.js'
import {
  deliveryNameOf,
  QUEUE_SECONDS,
  type QueueContent,
  queueFormatOf,
} from '../flowlog/delivery-queue-format.js'
import { FLOW_FORMAT, flowSourceOf } from '../flowlog/flow-line.js'
import {
  type FlowLogDestination,
  type FlowLogStatistics,
  JointDestination,
} from '../flowlog/flow-log-destination.js'
import { FlowLogDirectory } from '../flowlog/flow-log-directory.js'
import { JsonLine } from '../flowlog/json.js'
import { FlowLogLayout, type LayoutOptions } from '../flowlog/layout.js'
import { type LogFormat, parseLogFormat } from '../flowlog/log-format.js'
import { type MetadataValues, SessionMetadata } from '../flowlog/metadata.js'
import { QueueLine } from '../flowlog/queue-line.js'
import type { RecordEncoder } from '../flowlog/record-encoder.js'
import { RecordLine } from '../flowlog/text.js'
import { fieldsOfResource } from '../flowlog/transit-gateway-fields.js'
import type { SessionWindow } from '../flowlog/window-status.js'
import { takesRecords } from '../mirror/flow-log-destination.js'
import type {
  FlowLog,
  MirrorSession,
  NetworkInterface,
  TransitGateway,
} from '../mirror/resources.js'
import type { Session } from '../session/session.js'
import { Disk } from '../sink/disk.js'
import type { FileBudget } from '../sink/file-budget.js'
import { registeredMetadata } from './registered-metadata.js'
import { TransitGatewayLogs } from './transit-gateway-logs.js'
import { TransitGateways } from './transit-gateways.js'
import { type SessionLog, WindowLogs } from './window-logs.js'

/** Plain data. */
export interface FlowLogOptions {
  /** Of all flow logs. */
  directory: string
  /** Of the default flow log, which has the sessions that no other has. */
  layout: LayoutOptions
  logFormat: string | undefined
  maxAggregationInterval: 60 | 600
  metadata: MetadataValues
  /** Whether this column sees all of a session, and so can say that it was quiet. */
  wholeSessions: boolean
  /** Whose flow logs the control plane may make, at any time and with either interval. Undefined: it makes none. */
  owner?: { accountId: string; region: string }
  /** Directories in which records wait for what takes records rather than files. */
  queues?: {
    /** Those of the default flow log. */
    ofDefault: readonly Queue[]
    /** Below it, by id, those of flow logs to such a destination. */
    others: string
  }
  /** Which of the workers this is; 0 where there is one. */
  worker?: number
  /** Where sessions are spread by VNI: this column has those whose VNI modulo `of` is `index`. */
  share?: { index: number; of: number }
}

/** Plain data. */
export interface Queue {
  readonly directory: string
  readonly content: QueueContent
}

/** What flow logs need to know of the column. */
interface FlowLogsSurroundings {
  /** As they are; `interfacesChanged` says that they have changed. */
  readonly interfaces: ReadonlyMap<string, NetworkInterface>
  readonly transitGateways: readonly TransitGateway[]
  /** Files that all flow logs together may hold open. */
  readonly files: FileBudget
  sessions(): Iterable<Session>
  sessionAt(index: number): Session
  /** Hands over a record of what each flow of a session did so far in its windows. */
  reportSession(index: number): void
  onProblem(line: string): void
  /** A file has got its final name. */
  onFinished?(path: string): void
}

/** Intervals that flow logs may ask for, each a multiple of the one before: the table counts in the first where it has to serve all. */
const INTERVALS = [60, 600] as const

/** How long after a bucket's end its file waits for stragglers: the timer's lag twice, and a second. */
const GRACE_SECONDS = 3
/** Bytes of text that may wait for the compressor. */
const DEFAULT_PENDING_MAX = 64 * 1024 * 1024
const RESOURCE_PENDING_MAX = 16 * 1024 * 1024

/** How long sessions are reported in one go before packets have their turn. */
const SLICE_MS = 1

/** The session of packets that were not mirrored. */
const UNNAMED = '-'

interface RunningLog {
  readonly resource: FlowLog
  readonly destination: FlowLogDestination
}

/** A registered session, and its metadata for flow logs without tag fields. */
interface Registered {
  readonly resource: MirrorSession
  readonly metadata: SessionMetadata
}

/**
 * The flow logs of a column. Each that the control plane has made holds the records of the
 * sessions its resource covers, from then on until it is deleted; the default one
 * holds those of all sessions that none of these covers, registered or not. A flow log of a
 * transit gateway covers no session: it has what of their records crosses the gateway.
 *
 * There are no records of rejected traffic: what is rejected is not mirrored. So a flow log
 * of that alone is nothing at all here, and covers no session.
 */
export class FlowLogs {
  /** Of all its files. */
  readonly disk = new Disk()
  #options: FlowLogOptions
  readonly #of: FlowLogsSurroundings
  #default: FlowLogDestination
  readonly #defaultMetadata: SessionMetadata
  readonly #running = new Map<string, RunningLog>()
  readonly #registered = new Map<Session, Registered>()
  readonly #gateways: TransitGateways
  readonly #gatewayLogs: TransitGatewayLogs
  /** By ascending length; the table counts in the first. */
  readonly #windows: readonly WindowLogs[]
  /** Of deleted flow logs, whose files are on their way to their names. */
  readonly #closing = new Set<FlowLogDestination>()
  /** Counts of those that are closed. */
  #written = 0
  #lost = 0

  constructor(options: FlowLogOptions, of: FlowLogsSurroundings) {
    this.#options = options
    this.#of = of
    this.#defaultMetadata = new SessionMetadata(options.metadata)
    this.#default = this.#openDefault()
    const { owner, metadata } = options
    this.#gateways = new TransitGateways(of.transitGateways, of.interfaces, {
      region: metadata.region ?? owner?.region,
      'account-id': owner?.accountId,
    })
    this.#gatewayLogs = new TransitGatewayLogs(this.#gateways, of.interfaces)
    const intervals = owner === undefined ? [options.maxAggregationInterval] : INTERVALS
    this.#windows = intervals.map(
      (seconds) => new WindowLogs(seconds, (record, window) => this.#write(record, window)),
    )
  }

  /** What the flow table is to count in, and to whom it gives the records. */
  get windows(): WindowReportsOptions {
    const [first, longer] = this.#windows.map(
      (window): AggregationWindow => ({
        windowSeconds: window.seconds,
        onRecord: (record) => {
          window.noteRecord(record.session, record.windowEnd)
          this.#write(record, window)
        },
        onWindow: (_start, end) => this.#onWindow(end, window),
      }),
    )
    return { ...first, ...(longer && { longer }) }
  }

  get statistics(): Pick<FlowLogStatistics, 'written' | 'lost'> {
    let [written, lost] = [this.#written, this.#lost]
    for (const { statistics } of this.#destinations()) {
      written += statistics.written
      lost += statistics.lost
    }
    return { written, lost }
  }

  /** A session is open. `resource`: what it is registered as, now. */
  follow(session: Session, resource?: MirrorSession): void {
    if (resource !== undefined) {
      const metadata = this.#metadataOf(resource, undefined)
      this.#registered.set(session, { resource, metadata })
      this.#gatewayLogs.follow(session, resource)
    }
    this.#setLogs(session)
  }

  /** A session is closed. */
  forget(session: Session): void {
    const registered = this.#registered.get(session)
    if (registered !== undefined) this.#gatewayLogs.forget(session, registered.resource)
    this.#registered.delete(session)
    const interfaceId = registered?.resource.networkInterfaceId
    for (const window of this.#windows) window.forget(session, interfaceId)
  }

  /**
   * A flow log is made, changed or deleted. It holds what its sessions' flows do from now on
   * or until now: at this moment their records are split. Resolves when a deleted one's files
   * have their names.
   */
  async apply(id: string, after: FlowLog | undefined): Promise<void> {
    const running = this.#running.get(id)
    const { owner } = this.#options
    if (after?.trafficType === 'REJECT' || owner === undefined) return
    if (after === undefined) {
      if (running === undefined) return
      const { resource, destination } = running
      await this.#split(resource, () => {
        this.#running.delete(id)
        this.#gatewayLogs.remove(id)
        this.#closing.add(destination)
      })
      await this.#end(destination)
    } else if (running === undefined) {
      const layout = { ...owner, ...after.destinationOptions, flowLogId: id }
      const logFormat = parseLogFormat(after.logFormat, fieldsOfResource(after.resourceType))
      const others = this.#options.queues?.others
      const waiting: Queue[] =
        others !== undefined && takesRecords(after)
          ? [{ directory: join(others, deliveryNameOf(id)), content: 'lines' }]
          : []
      const destination = this.#open(layout, logFormat, RESOURCE_PENDING_MAX, waiting)
      const log = { resource: after, destination }
      await this.#split(after, () => {
        this.#running.set(id, log)
        if (isOfTransitGateway(after)) this.#gatewayLogs.add(log)
      })
    }
  }

  /**
   * The default flow log is as `next` says from now on: what its sessions did so far has its records in the
   * files there were. Resolves when those have their names. An interval that was not counted before changes nothing.
   */
  async retune(next: FlowLogOptions): Promise<void> {
    const { layout, logFormat, maxAggregationInterval, queues } = next
    const before = this.#default
    await this.#report([...this.#of.sessions()])
    const given = { layout, logFormat, maxAggregationInterval, ...(queues && { queues }) }
    this.#options = { ...this.#options, ...given }
    this.#default = this.#openDefault()
    this.#closing.add(before)
    for (const session of this.#of.sessions()) this.#setLogs(session)
    await this.#end(before)
  }

  /** What sessions of this interface did so far has its records as the interface is; another is about to be told of. */
  endRecordsOf(interfaceId: string): void {
    for (const [session, { resource }] of this.#registered) {
      if (resource.networkInterfaceId === interfaceId) this.#of.reportSession(session.index)
    }
  }

  interfacesChanged(): void {
    this.#gateways.interfacesChanged()
  }

  /** Packets and records were lost between two seconds. */
  noteLoss(lost: number, since: number, until: number): void {
    for (const window of this.#windows) window.noteLoss(lost, since, until)
  }

  /** The clock shows `nowSeconds`; unless it `ran`, it was set ahead. */
  tick(nowSeconds: number, ran: boolean): void {
    for (const window of this.#windows) window.tick(nowSeconds, ran)
    for (const destination of this.#destinations()) destination.tick(nowSeconds)
  }

  /** Publishes what there is. Errors are reported, not thrown. */
  async close(): Promise<void> {
    await Promise.all([...this.#destinations()].map((destination) => this.#close(destination)))
  }

  *#destinations(): Iterable<FlowLogDestination> {
    yield this.#default
    for (const { destination } of this.#running.values()) yield destination
    yield* this.#closing
  }

  /** Whatever a flow log names as its destination, its files are below the one directory there is. */
  #open(
    layout: LayoutOptions,
    logFormat: LogFormat,
    pendingMax: number,
    queues: readonly Queue[] = [],
  ): FlowLogDestination {
    const common = {
      graceSeconds: GRACE_SECONDS,
      pendingBytesMax: pendingMax,
      disk: this.disk,
      files: this.#of.files,
      onProblem: this.#of.onProblem,
      onPublished: this.#of.onFinished,
    }
    const files = new FlowLogDirectory({
      ...common,
      directory: this.#options.directory,
      layout: new FlowLogLayout(layout),
      encoder: new RecordLine(logFormat),
    })
    if (queues.length === 0) return files
    const { accountId, region } = layout
    const waiting = queues.map(
      ({ directory, content }) =>
        new FlowLogDirectory({
          ...common,
          directory,
          layout: new FlowLogLayout({ accountId, region, fileFormat: 'queue' }),
          encoder: this.#queueEncoder(content, logFormat),
          bucketSeconds: QUEUE_SECONDS,
        }),
    )
    return new JointDestination(files, waiting)
  }

  #queueEncoder(content: QueueContent, logFormat: LogFormat): RecordEncoder {
    if (content === 'lines') return new RecordLine(queueFormatOf(logFormat))
    if (content === 'json') {
      return new QueueLine(
        new JsonLine(logFormat),
        (index) => this.#of.sessionAt(index).name ?? UNNAMED,
      )
    }
    const { worker = 0 } = this.#options
    return new QueueLine(new RecordLine(FLOW_FORMAT), (index) =>
      flowSourceOf(worker, this.#of.sessionAt(index).vni ?? 0),
    )
  }

  #openDefault(): FlowLogDestination {
    const { layout, logFormat, queues } = this.#options
    return this.#open(layout, parseLogFormat(logFormat), DEFAULT_PENDING_MAX, queues?.ofDefault)
  }

  /** Of one in `#closing`. */
  async #end(destination: FlowLogDestination): Promise<void> {
    await this.#close(destination)
    this.#closing.delete(destination)
    this.#written += destination.statistics.written
    this.#lost += destination.statistics.lost
  }

  async #close(destination: FlowLogDestination): Promise<void> {
    try {
      await destination.close()
    } catch (error) {
      this.#of.onProblem((error as Error).message)
    }
  }

  /** Reports the sessions that a flow log may have records of up to now, then changes which flow logs there are. */
  async #split(flowLog: FlowLog, change: () => void): Promise<void> {
    const isOfAll = isOfTransitGateway(flowLog)
    const sessions = [...this.#registered].filter(
      ([, { resource }]) => isOfAll || this.#covers(flowLog, resource),
    )
    await this.#report(sessions.map(([session]) => session))
    change()
    for (const [session] of sessions) this.#setLogs(session)
  }

  /** What their flows did so far has its records. */
  async #report(sessions: readonly Session[]): Promise<void> {
    let began = performance.now()
    for (const session of sessions) {
      this.#of.reportSession(session.index)
      if (performance.now() - began < SLICE_MS) continue
      await nextTurn()
      began = performance.now()
    }
  }

  #covers(flowLog: FlowLog, { networkInterfaceId }: MirrorSession): boolean {
    const inventory = this.#of.interfaces.get(networkInterfaceId)
    return flowLogCovers(flowLog, networkInterfaceId, inventory)
  }

  #setLogs(session: Session): void {
    const registered = this.#registered.get(session)
    const logs: { log: SessionLog; seconds: number }[] = []
    for (const { resource: flowLog, destination } of this.#running.values()) {
      if (registered === undefined || !this.#covers(flowLog, registered.resource)) continue
      const metadata =
        flowLog.tagFields.length === 0
          ? registered.metadata
          : this.#metadataOf(registered.resource, flowLog)
      logs.push({ log: { destination, metadata }, seconds: flowLog.maxAggregationSeconds })
    }
    if (logs.length === 0) {
      const metadata = registered?.metadata ?? this.#defaultMetadata
      const log = { destination: this.#default, metadata }
      logs.push({ log, seconds: this.#options.maxAggregationInterval })
    }
    for (const window of this.#windows) {
      const its = logs.filter(({ seconds }) => seconds === window.seconds)
      window.setLogs(
        session,
        registered?.resource.networkInterfaceId,
        its.map(({ log }) => log),
      )
    }
  }

  #metadataOf(resource: MirrorSession, flowLog: FlowLog | undefined): SessionMetadata {
    const { metadata, owner } = this.#options
    const base = owner === undefined ? metadata : { region: owner.region, ...metadata }
    const inventory = this.#of.interfaces.get(resource.networkInterfaceId)
    return registeredMetadata(base, resource, inventory, flowLog?.tagFields ?? [])
  }

  #write(record: FlowRecord, window: WindowLogs): void {
    const logs = window.logsOf(record.session)
    for (const { destination, metadata } of logs) destination.write(record, metadata)
    // Those of transit gateways have the shortest interval.
    if (window !== this.#windows[0] || this.#gatewayLogs.isEmpty || record.status !== 'OK') return
    const registered = this.#registered.get(this.#of.sessionAt(record.session))
    if (registered === undefined) return
    this.#gatewayLogs.write(record, registered.resource.networkInterfaceId)
  }

  #onWindow(closedEnd: number, window: WindowLogs): void {
    const { wholeSessions, share } = this.#options
    for (const [end, lost] of window.take(closedEnd)) {
      const start = end - window.seconds
      // A flow's two ends may be sessions of several columns.
      if (window === this.#windows[0]) {
        this.#gatewayLogs.end(start, end, lost, wholeSessions && share === undefined)
      }
      if (lost === 0 && !wholeSessions) continue
      window.status.end(start, end, this.#sessionsIn(end, lost, window))
    }
  }

  /** Of each interface at most one session, for nothing is reported of a window twice. */
  *#sessionsIn(end: number, lost: number, window: WindowLogs): Iterable<SessionWindow> {
    for (const session of this.#of.sessions()) {
      const windows = window.windowsOf(session)
      if (windows === undefined || windows.since >= end || this.#isElsewhere(session)) continue
      const { seen, skipped, sessions } = windows
      if ((lost > 0 ? skipped : seen).has(end)) continue
      // What comes to other columns may have been there.
      if (lost === 0 && [...sessions].some((other) => this.#isElsewhere(other))) continue
      if (lost > 0) skipped.note(end)
      const records = seen.has(end) ? 1 : 0
      seen.note(end)
      yield { session: session.index, records, lost }
    }
  }

  /** A registered session is known to every column, and its packets come to one. */
  #isElsewhere({ isRegistered, vni }: Session): boolean {
    const { share } = this.#options
    return isRegistered && share !== undefined && vni! % share.of !== share.index
  }
}
