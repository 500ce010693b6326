import { CapturedFlows } from '../appliance/captured-flows.js'
import { Column, type ColumnOptions } from '../appliance/column.js'
import { fileLimits } from '../appliance/file-limits.js'
import { OperatorError } from '../errors.js'
import type { FlowRecord } from '../flow/flow-record.js'
import { LIFETIMES, type Lifetime, type LifetimeName } from '../flow/lifetime.js'
import { makeFlowLogId } from '../flowlog/layout.js'
import type { MetadataValues } from '../flowlog/metadata.js'
import type { ReceiverChoice } from '../receive/open.js'
import type { OnDatagram, Receiver } from '../receive/receiver.js'
import { Receivers } from '../receive/receivers.js'
import { TakenDirectories } from '../recover/taken-directories.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { LedgerReport } from '../session/ledger.js'
import type { PacketForward } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import type { SessionKey } from '../session/session-directory.js'
import { type NamedFilter, openSessionFilter } from '../session/session-filter.js'
import type { Packet } from '../wire/packet.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { type Flow, flowOf, lineWriter, MAX_FLOWS } from './capture-files.js'
import { FlowLogRecord, type LineWriter } from './flow-log-record.js'
import type { DeclaredMirror } from './mirror-resources.js'
import { compileFilter } from './packet-filter.js'
import { PacketStream, RecordStream } from './streams.js'

const TICK_MS = 250
const MIB = 1024 * 1024

/** Where packet captures go, and how long they are kept: `directory/<session>/<UTC start>.pcap`. */
export interface CaptureOptions {
  directory: string
  /** `pcap` by default. */
  format?: 'pcap' | 'pcapng'
  /** Bytes kept of each frame; all by default. */
  snaplen?: number
  /** Bytes after which the next file begins; 100,000,000. */
  rotateBytes?: number
  /** Seconds after which the next file begins, at multiples of them on the clock, UTC; 60. */
  rotateSeconds?: number
  /** Finished files that are kept of each session; all. */
  keepFiles?: number
  /** Bytes of finished files that are kept of each session; all. */
  keepBytes?: number
}

/** Where flow log files go, in AWS's own key layout. */
export interface FlowLogFileOptions {
  directory: string
  /** `plain-text` by default. */
  fileFormat?: 'plain-text' | 'parquet'
  /** `year=2026/month=11/…` in paths. */
  hiveCompatiblePartitions?: boolean
  /** A directory for each hour. */
  perHourPartition?: boolean
}

/**
 * Mirror sessions, and what they refer to, as EC2's `Describe…` calls answer: names, nesting and
 * bounds are those of the EC2 API. Without rules a filter mirrors nothing.
 */
export interface MirrorResources {
  TrafficMirrorSessions?: readonly object[]
  TrafficMirrorTargets?: readonly object[]
  TrafficMirrorFilters?: readonly object[]
  NetworkInterfaces?: readonly object[]
}

/** How `listen` receives, and what it keeps. */
export interface ListenOptions {
  /** IP address to receive on; `0.0.0.0`. `::` takes IPv4 as well. */
  host?: string
  /** UDP port of VXLAN; 4789. 0 picks one. */
  port?: number
  /** UDP port of GENEVE; without it there is none. 0 picks one. */
  genevePort?: number
  /** `recvmmsg` on Linux where koffi is installed, `dgram` anywhere; `auto`, the default, takes the first that works. */
  receiver?: ReceiverChoice
  /** Receive buffer to request from the kernel, in bytes; 64 MiB. */
  receiveBufferBytes?: number
  /** What tells sessions apart; `source+vni`. */
  sessionKey?: SessionKey
  /** What to do with packets of sessions that `resources` does not declare: `accept`, the default, or `drop`. */
  unknownSessions?: 'accept' | 'drop'
  /** Mirror sessions, filters, rules and interfaces that are known. */
  resources?: MirrorResources
  /** A pcap-filter(7) expression: keep only packets that match; `vni` and `session` work too. */
  filter?: string
  /** Filters of single sessions, instead of `filter`; the first that names a session is its. */
  filters?: readonly NamedFilter[]
  /** What to do with packets that two sessions mirrored: `keep`, the default, `mark` or `drop`. */
  duplicates?: DuplicateMode
  /** Sessions that packets may open, at a time; 1024. */
  maxSessions?: number
  /** Connections in the flow table; 262,144. */
  maxFlows?: number
  /** Connections that one session may hold; all. */
  maxFlowsPerSession?: number
  /** Idle time-outs that end a flow: `nfw`, the default, `vpc`, `ids`, or your own in seconds. */
  lifetime?: LifetimeName | Lifetime
  /** Length of an aggregation window of flow log records, in seconds; 600. */
  aggregationSeconds?: 60 | 600
  /** What `record.line()` and flow log files have, as `'${srcaddr} ${dstaddr}'`; the fields of version 2, as AWS has them. */
  logFormat?: string
  /** Values of fields that no packet carries, by the field's name, such as `interface-id`. */
  metadata?: MetadataValues
  /** Write packet captures. */
  captures?: CaptureOptions
  /** Write flow log files. */
  flowLogs?: FlowLogFileOptions
  /** Hears, in one line, what an operator should know: a full disk, sessions that find no room. */
  onProblem?: (line: string) => void
}

/** Which packets a stream has, and how many may wait. */
export interface PacketStreamOptions {
  /** A pcap-filter(7) expression; `vni` and `session` work too. */
  filter?: string
  /** Bytes of packets that may wait, rounded up to a power of two; 4 MiB. */
  bufferBytes?: number
}

/** How many records may wait. */
export interface RecordStreamOptions {
  /** 65,536. */
  maxWaiting?: number
}

/**
 * Receives mirrored packets in this process, through the pipeline of the appliance: sessions,
 * flows, captures and flow logs.
 *
 *     await using listener = await listen({ port: 4789, filter: 'tcp' })
 *     for await (const packet of listener.packets()) console.log(packet.session.name, packet.seconds)
 *
 * Rejects with OperatorError: `ERR_OPTION` or `ERR_FILTER` for options that are wrong, else the
 * code of the system, such as `EADDRINUSE` or `EACCES`.
 */
export async function listen(options: ListenOptions = {}): Promise<Listener> {
  const { captures, flowLogs, onProblem = () => undefined } = options
  const writer = lineWriter(options)
  const column = columnOptions(options)
  const mirror = options.resources && (await declare(options.resources, options, onProblem))
  const directories = await TakenDirectories.take(
    [captures?.directory, flowLogs?.directory],
    onProblem,
  )
  try {
    const listener = new Listener({
      column: { ...column, ...(mirror && { interfaces: mirror.interfaces }) },
      aggregationSeconds: options.aggregationSeconds ?? 600,
      writer,
      onProblem,
      directories,
    })
    await listener.open(options, mirror?.changes ?? [])
    return listener
  } catch (error) {
    directories.abandon()
    throw error
  }
}

/** The schemas are loaded where there is something to check. */
async function declare(
  resources: MirrorResources,
  { sessionKey = 'source+vni', metadata = {} }: ListenOptions,
  onProblem: (line: string) => void,
): Promise<DeclaredMirror> {
  const { declareMirror } = await import('./mirror-resources.js')
  return declareMirror(resources, sessionKey, metadata, onProblem)
}

/** Mirrored packets being received; what `listen` resolves with. */
export class Listener {
  readonly #column: Column
  readonly #receivers = new Receivers()
  readonly #directories: TakenDirectories
  #packets: readonly PacketStream[] = []
  #records: readonly RecordStream[] = []
  readonly #writer: LineWriter
  readonly #onProblem: (line: string) => void
  #timer: NodeJS.Timeout | undefined = undefined
  #closed: Promise<LedgerReport> | undefined = undefined

  /** @internal */
  constructor(parts: {
    column: ColumnOptions
    aggregationSeconds: number
    writer: LineWriter
    onProblem: (line: string) => void
    directories: TakenDirectories
  }) {
    this.#directories = parts.directories
    this.#writer = parts.writer
    this.#onProblem = parts.onProblem
    const forward: PacketForward = {
      take: (session, packet, kept, originalLength) =>
        this.#forward(session, packet, kept, originalLength),
    }
    const records = {
      windowSeconds: parts.aggregationSeconds,
      onRecord: (record: FlowRecord, session: Session) => this.#record(record, session),
    }
    this.#column = new Column(parts.column, parts.onProblem, undefined, { forward, records })
  }

  /** @internal */
  async open(options: ListenOptions, changes: Parameters<Column['apply']>[0]): Promise<void> {
    // Before the first packet, so that none is taken for one of a session that is not known.
    await this.#column.apply(changes, nowSeconds())
    const { demux } = this.#column
    try {
      await this.#open(options, options.port ?? VXLAN_PORT, (datagram) => {
        demux.acceptVxlan(datagram)
      })
      if (options.genevePort !== undefined) {
        await this.#open(options, options.genevePort, (datagram) => demux.acceptGeneve(datagram))
      }
    } catch (error) {
      await this.#receivers.close()
      await this.#column.close()
      throw error
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Where VXLAN is received; the port is the real one where 0 was asked for. */
  get address(): { readonly host: string; readonly port: number } {
    return this.#receivers.opened[0]!.address
  }

  /** Where GENEVE is received; undefined where it is not. */
  get geneveAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#receivers.opened[1]?.address
  }

  /** What receives: `recvmmsg` or `dgram`. */
  get receiver(): Receiver['name'] {
    return this.#receivers.opened[0]!.name
  }

  /**
   * Packets from now on, as captures hold them: those that the filters want, cut to the packet
   * length of their session. Throws OperatorError (`ERR_FILTER`).
   */
  packets({ filter, bufferBytes = 4 * MIB }: PacketStreamOptions = {}): PacketStream {
    const isWanted = filter === undefined ? undefined : compileFilter(filter, this.#onProblem)
    const stream = new PacketStream(bufferBytes, isWanted, () => {
      this.#packets = this.#packets.filter((one) => one !== stream)
    })
    if (this.#closed === undefined) this.#packets = [...this.#packets, stream]
    else stream.end()
    return stream
  }

  /**
   * Flow log records from now on, each when its window is over and the last ones when the listener
   * is closed. What was lost before it could be counted is in `stats()`.
   */
  records({ maxWaiting = 65_536 }: RecordStreamOptions = {}): RecordStream {
    const stream = new RecordStream(maxWaiting, () => {
      this.#records = this.#records.filter((one) => one !== stream)
    })
    if (this.#closed === undefined) this.#records = [...this.#records, stream]
    else stream.end()
    return stream
  }

  /** The flows that are open now, in no order. */
  async flows(): Promise<Flow[]> {
    const flows = new CapturedFlows()
    const now = Date.now()
    await this.#column.captureFlows(
      {
        minimumAgeSeconds: 0,
        filters: [],
        atSeconds: Math.floor(now / 1000),
        atNanoseconds: (now % 1000) * 1e6,
      },
      (batch) => flows.add(batch),
    )
    return Array.from(flows, (row) =>
      flowOf(row, { name: row.sessionName, vni: row.vni, sourceText: row.source }),
    )
  }

  /** Where every datagram went, as of now: `received` is the sum of what follows it. In packets. */
  stats(): LedgerReport {
    return this.#column.report()
  }

  /**
   * Stops receiving, hands over what the kernel still holds, ends every flow and finishes every
   * file. Streams end once what waits in them is taken. Resolves with the final counts.
   */
  close(): Promise<LedgerReport> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #open(options: ListenOptions, port: number, onDatagram: OnDatagram): Promise<void> {
    await this.#receivers.open(options.receiver ?? 'auto', {
      host: options.host ?? '0.0.0.0',
      port,
      receiveBufferBytes: options.receiveBufferBytes ?? 64 * MIB,
      reusePort: false,
      onDatagram,
      onError: (error) => {
        this.#onProblem(`the socket failed: ${error.message}`)
        this.#endStreams(error)
      },
    })
  }

  #tick(): void {
    this.#column.tick(nowSeconds(), this.#receivers.kernelLost())
  }

  async #close(): Promise<LedgerReport> {
    clearInterval(this.#timer)
    await this.#receivers.close()
    this.#tick()
    await this.#column.close()
    this.#directories.release()
    this.#endStreams()
    return this.#column.report()
  }

  #endStreams(failure?: Error): void {
    for (const stream of [...this.#packets, ...this.#records]) stream.end(failure)
  }

  #forward(session: Session, packet: Packet, kept: number, originalLength: number): void {
    const streams = this.#packets
    for (let index = 0; index < streams.length; index++) {
      streams[index]!.take(session, packet, kept, originalLength)
    }
  }

  #record(record: FlowRecord, session: Session): void {
    for (const stream of this.#records) {
      if (stream.hasRoom) stream.put(new FlowLogRecord(record, session, this.#writer))
      else stream.lost++
    }
  }
}

function columnOptions(options: ListenOptions): ColumnOptions {
  const { captures, flowLogs, metadata = {}, lifetime = 'nfw', duplicates = 'keep' } = options
  const { maxFlows = MAX_FLOWS, filter, filters } = options
  const filterOptions = { filter, filters }
  // Refused before anything is opened.
  openSessionFilter(filterOptions, () => undefined)
  if (duplicates === 'mark' && captures !== undefined && captures.format !== 'pcapng') {
    throw new OperatorError('pcap files cannot mark duplicates: use pcapng', {
      exitCode: 2,
    })
  }
  return {
    files: fileLimits(1, { api: 0, others: 0 }),
    sessionKey: options.sessionKey ?? 'source+vni',
    unknownSessions: options.unknownSessions ?? 'accept',
    maxSessions: options.maxSessions ?? 1024,
    maxFlows,
    sessionQuota: options.maxFlowsPerSession ?? maxFlows,
    lifetime: typeof lifetime === 'string' ? LIFETIMES[lifetime] : lifetime,
    duplicates,
    filters: filterOptions,
    ...(captures && {
      capture: {
        directory: captures.directory,
        format: captures.format ?? 'pcap',
        snaplen: captures.snaplen ?? 0,
        rotateBytes: captures.rotateBytes ?? 100_000_000,
        rotateSeconds: captures.rotateSeconds ?? 60,
        keepFiles: captures.keepFiles ?? Number.POSITIVE_INFINITY,
        keepBytes: captures.keepBytes ?? Number.POSITIVE_INFINITY,
        suffix: '',
      },
    }),
    ...(flowLogs && {
      flowLog: {
        directory: flowLogs.directory,
        layout: {
          accountId: metadata['account-id'],
          region: metadata.region,
          flowLogId: makeFlowLogId(),
          hiveCompatiblePartitions: flowLogs.hiveCompatiblePartitions ?? false,
          perHourPartition: flowLogs.perHourPartition ?? false,
          fileFormat: flowLogs.fileFormat ?? 'plain-text',
        },
        logFormat: options.logFormat,
        maxAggregationInterval: options.aggregationSeconds ?? 600,
        metadata,
        wholeSessions: true,
      },
    }),
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
