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

/** Where packet captures are written, as `directory/<session>/<UTC start>.pcap`, and how long they are kept. */
export interface CaptureOptions {
  directory: string
  /** `pcap` by default. */
  format?: 'pcap' | 'pcapng'
  /** Bytes to keep of each frame; by default all. */
  snaplen?: number
  /** Size in bytes at which a new file begins; by default 100,000,000. */
  rotateBytes?: number
  /** A new file begins when the UTC clock is at a multiple of these seconds; by default 60. */
  rotateSeconds?: number
  /** Finished files to keep of each session; by default all. */
  keepFiles?: number
  /** Bytes of finished files to keep of each session; by default all. */
  keepBytes?: number
}

/** Where flow log files are written, in AWS's key layout. */
export interface FlowLogFileOptions {
  directory: string
  /** `plain-text` by default. */
  fileFormat?: 'plain-text' | 'parquet'
  /** Name directories as Hive does: `year=2026/month=11/…`. */
  hiveCompatiblePartitions?: boolean
  /** Use one directory for each hour. */
  perHourPartition?: boolean
}

/**
 * Mirror sessions, and what they refer to, in the form of the replies of EC2's `Describe…` calls: names,
 * nesting and limits are those of the EC2 API. A filter without rules mirrors nothing.
 */
export interface MirrorResources {
  TrafficMirrorSessions?: readonly object[]
  TrafficMirrorTargets?: readonly object[]
  TrafficMirrorFilters?: readonly object[]
  NetworkInterfaces?: readonly object[]
}

/** What `listen` receives, and what it keeps. */
export interface ListenOptions {
  /** IP address to receive on; by default `0.0.0.0`. `::` receives IPv6 and IPv4. */
  host?: string
  /** UDP port to receive VXLAN on; by default 4789. 0 picks a free one. */
  port?: number
  /** UDP port to receive GENEVE on; by default GENEVE is not received. 0 picks a free one. */
  genevePort?: number
  /** `recvmmsg` needs Linux and koffi, `dgram` works everywhere; `auto`, the default, takes the first that works. */
  receiver?: ReceiverChoice
  /** Receive buffer to request from the kernel, in bytes; by default 64 MiB. */
  receiveBufferBytes?: number
  /** What identifies a session; by default `source+vni`. */
  sessionKey?: SessionKey
  /** What to do with packets of sessions that `resources` does not declare: `accept`, the default, or `drop`. */
  unknownSessions?: 'accept' | 'drop'
  /** The mirror sessions to expect, with their filters, rules and interfaces. */
  resources?: MirrorResources
  /** Keep only packets that match this pcap-filter(7) expression, which may also test `vni` and `session`. */
  filter?: string
  /** Filters of single sessions, used instead of `filter`; the first that names a session applies. */
  filters?: readonly NamedFilter[]
  /** What to do with packets that two sessions mirrored: `keep`, the default, `mark` or `drop`. */
  duplicates?: DuplicateMode
  /** The most undeclared sessions that are open at the same time; by default 1024. */
  maxSessions?: number
  /** Size of the flow table, in connections; by default 262,144. */
  maxFlows?: number
  /** Connections of the flow table that one session may use; by default all. */
  maxFlowsPerSession?: number
  /** Idle timeouts after which a flow ends: `nfw`, the default, `vpc`, `ids`, or your own in seconds. */
  lifetime?: LifetimeName | Lifetime
  /** Longest time that one flow log record covers, in seconds; by default 600. */
  aggregationSeconds?: 60 | 600
  /** The fields of `record.line()` and of flow log files, such as `'${srcaddr} ${dstaddr}'`; by default those of version 2. */
  logFormat?: string
  /** Values of fields that no packet carries, by the field's name, such as `interface-id`. */
  metadata?: MetadataValues
  /** Write packet captures. */
  captures?: CaptureOptions
  /** Write flow log files. */
  flowLogs?: FlowLogFileOptions
  /** Called with one line about what an operator should know: a full disk, too many sessions. */
  onProblem?: (line: string) => void
}

/** Which packets a stream has, and how many may wait in it. */
export interface PacketStreamOptions {
  /** A pcap-filter(7) expression, which may also test `vni` and `session`; by default all packets. */
  filter?: string
  /** Bytes of packets that may wait, rounded up to a power of two; by default 4 MiB. */
  bufferBytes?: number
}

/** How many records may wait in a stream. */
export interface RecordStreamOptions {
  /** Records that may wait; by default 65,536. */
  maxWaiting?: number
}

/**
 * Receives mirrored packets in this process, through the pipeline of the appliance: sessions,
 * flows, captures and flow logs.
 *
 *     await using listener = await listen({ port: 4789, filter: 'tcp' })
 *     for await (const packet of listener.packets()) console.log(packet.session.name, packet.seconds)
 *
 * Rejects with OperatorError. Its code is `ERR_OPTION` or `ERR_FILTER` for a wrong option, else the
 * code of the system's error, such as `EADDRINUSE` or `EACCES`.
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

/** Loads the schemas only if there are resources to check. */
async function declare(
  resources: MirrorResources,
  { sessionKey = 'source+vni', metadata = {} }: ListenOptions,
  onProblem: (line: string) => void,
): Promise<DeclaredMirror> {
  const { declareMirror } = await import('./mirror-resources.js')
  return declareMirror(resources, sessionKey, metadata, onProblem)
}

/** The packets being received; what `listen` resolves with. */
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
    // Before the first packet, so that none is counted for an unknown session.
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

  /** Where VXLAN is received. If port 0 was asked for, this has the real one. */
  get address(): { readonly host: string; readonly port: number } {
    return this.#receivers.opened[0]!.address
  }

  /** Where GENEVE is received; undefined if it is not. */
  get geneveAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#receivers.opened[1]?.address
  }

  /** The receiver in use: `recvmmsg` or `dgram`. */
  get receiver(): Receiver['name'] {
    return this.#receivers.opened[0]!.name
  }

  /**
   * The packets from now on, as captures have them: those that match the filters, cut to the packet
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
   * The flow log records from now on. Each comes at the end of its window, and the last ones come when the
   * listener is closed. Packets that were lost before they could be counted are in `stats()`.
   */
  records({ maxWaiting = 65_536 }: RecordStreamOptions = {}): RecordStream {
    const stream = new RecordStream(maxWaiting, () => {
      this.#records = this.#records.filter((one) => one !== stream)
    })
    if (this.#closed === undefined) this.#records = [...this.#records, stream]
    else stream.end()
    return stream
  }

  /** The flows that are open now, in any order. */
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

  /** What became of every datagram so far. `received` is the sum of the counts after it, in packets. */
  stats(): LedgerReport {
    return this.#column.report()
  }

  /**
   * Stops receiving, hands over the packets that the kernel still holds, ends every flow and finishes
   * every file. Streams end after what waits in them. Resolves with the final counts.
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
