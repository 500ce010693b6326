import { Analysis } from '../analyze/analysis.js'
import type { AnalysisReport } from '../analyze/analysis-report.js'
import { OperatorError } from '../errors.js'
import { ExpressionFilter } from '../filter/expression-filter.js'
import { type FlowRow, rowsOf } from '../flow/flow-row.js'
import { LIFETIMES, type Lifetime, type LifetimeName } from '../flow/lifetime.js'
import { parseLogFormat } from '../flowlog/log-format.js'
import { type MetadataValues, SessionMetadata } from '../flowlog/metadata.js'
import { Offline, type OfflineOptions } from '../offline/offline.js'
import { readingProblems } from '../offline/problems.js'
import type { CaptureOutcome } from '../pcap/capture-merge.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { Session } from '../session/session.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { addressText, FlowLogRecord, LineWriter } from './flow-log-record.js'
import { pulled, type Room } from './pulled.js'

/** Connections held at most, unless the program says another number. */
export const MAX_FLOWS = 262_144

/** How capture files are read. */
export interface CaptureReadingOptions {
  /** `auto`, the default, unwraps one layer of VXLAN or GENEVE; `none` leaves packets as they are. */
  decap?: 'auto' | 'none'
  /** UDP port that carries VXLAN; 4789. */
  vxlanPort?: number
  /** UDP port that carries GENEVE; 6081. */
  genevePort?: number
  /** Read only packets with these VXLAN network identifiers; all. */
  vnis?: Iterable<number>
  /** A pcap-filter(7) expression on the mirrored frames; `vni` and `session` work too. */
  filter?: string
  /** What to do with packets that two sessions mirrored: `keep`, the default, `mark` or `drop`. */
  duplicates?: DuplicateMode
  /** Connections held at most, 262,144; beyond, the least valuable end early. */
  maxFlows?: number
  /**
   * Is told what was wrong with a file once everything readable in it has been used. Without it the
   * first problem is thrown after the last item.
   */
  onProblem?: (problem: OperatorError) => void
}

/** How flow log records are made of capture files. */
export interface FlowLogOptions extends CaptureReadingOptions {
  /** Length of an aggregation window, in seconds; 600. Windows begin at multiples of it since the epoch. */
  aggregationSeconds?: number
  /** What `record.line()` shows, as `'${srcaddr} ${dstaddr}'`; the fields of version 2, as AWS has them. */
  logFormat?: string
  /** Values of fields that no packet carries, by the field's name, such as `interface-id`. */
  metadata?: MetadataValues
  /** Idle time-outs that end a flow: `nfw`, the default, `vpc`, `ids`, or your own in seconds. */
  lifetime?: LifetimeName | Lifetime
}

/** What one flow, one direction of a connection, did. Times are of its packets, since the epoch. */
export interface Flow {
  /** Name of the mirror session; null for packets that were not mirrored, as `vni` and `source` are. */
  readonly session: string | null
  /** VXLAN network identifier of the session, 24 bits. */
  readonly vni: number | null
  /** Outer source address of the session: the mirrored interface. */
  readonly source: string | null
  readonly srcAddr: string
  readonly dstAddr: string
  /** 0 for protocols without ports, as `dstPort` is. */
  readonly srcPort: number
  readonly dstPort: number
  /** IANA number: 6 is TCP, 17 is UDP. */
  readonly protocol: number
  readonly packets: number
  /** Bytes of IP on the wire, which may be more than was captured. */
  readonly bytes: number
  /** False where the capture gives no packet a time; the four below are then 0. */
  readonly timed: boolean
  readonly firstSeconds: number
  readonly firstNanoseconds: number
  readonly lastSeconds: number
  readonly lastNanoseconds: number
  /** All eight TCP flags of all packets, FIN lowest. */
  readonly tcpFlags: number
  /** Of its connection. */
  readonly state: 'new' | 'established' | 'closing' | 'closed'
  /** Which way it ran, seen from the mirrored interface; null where that is not known. */
  readonly direction: 'ingress' | 'egress' | null
}

/**
 * The flows of capture files, each as its connection ends; what is open at the end of the files
 * comes then. Files are read as one, in the order of time, no faster than the flows are taken.
 *
 * Throws OperatorError for options that are wrong, when no file can be read, and after the last
 * flow for what was wrong with a file.
 */
export function flows(
  files: string | readonly string[],
  options: CaptureReadingOptions = {},
): AsyncGenerator<Flow, void, undefined> {
  const common = readingOptions(options)
  return pulled(async (put, room) => {
    const offline: Offline = new Offline({
      ...common,
      flows: {
        capacity: options.maxFlows ?? MAX_FLOWS,
        onEnd: (flow) => {
          for (const row of rowsOf(offline.tracker!, flow)) {
            put(flowOf(row, offline.session(row.session)))
          }
        },
      },
    })
    const problems = await readAll(offline, files, room)
    offline.tracker!.shutdown()
    report(problems, options)
  })
}

/**
 * The VPC flow log records of capture files, in the order in which their windows end. Files are
 * read as one, in the order of time, no faster than the records are taken.
 *
 * Throws OperatorError for options that are wrong, when no file can be read, and after the last
 * record for what was wrong with a file.
 */
export function flowLog(
  files: string | readonly string[],
  options: FlowLogOptions = {},
): AsyncGenerator<FlowLogRecord, void, undefined> {
  const common = readingOptions(options)
  const { lifetime = 'nfw' } = options
  const writer = lineWriter(options)
  return pulled(async (put, room) => {
    const offline: Offline = new Offline({
      ...common,
      flows: {
        capacity: options.maxFlows ?? MAX_FLOWS,
        lifetime: typeof lifetime === 'string' ? LIFETIMES[lifetime] : lifetime,
        windowSeconds: options.aggregationSeconds ?? 600,
        onRecord: (record) => {
          put(new FlowLogRecord(record, offline.session(record.session), writer))
        },
      },
    })
    const problems = await readAll(offline, files, room)
    offline.tracker!.shutdown()
    report(problems, options)
  })
}

/**
 * Sums capture files up in one pass and bounded memory: sessions, protocols, who talks to whom,
 * TCP health, distributions. Rejects with OperatorError when no file can be read; what is wrong
 * within a file is in `report.files` and `report.findings`, and told to `onProblem`.
 */
export async function analyze(
  files: string | readonly string[],
  options: CaptureReadingOptions & {
    /** Rows of each list of the heaviest; 10. */
    top?: number
  } = {},
): Promise<AnalysisReport> {
  const analysis = new Analysis({
    ...readingOptions(options),
    maxFlows: options.maxFlows ?? MAX_FLOWS,
    top: options.top ?? 10,
  })
  const problems = await readAll(analysis, files, () => true)
  for (const problem of problems) options.onProblem?.(problem)
  return analysis.report()
}

/** Writes the lines of a flow log of these options. Throws OperatorError. */
export function lineWriter(options: Pick<FlowLogOptions, 'logFormat' | 'metadata'>): LineWriter {
  return new LineWriter(parseLogFormat(options.logFormat), new SessionMetadata(options.metadata))
}

function readingOptions({ onProblem, ...options }: CaptureReadingOptions): OfflineOptions {
  const { decap = 'auto', vxlanPort = VXLAN_PORT, genevePort = GENEVE_PORT } = options
  const { filter, duplicates, vnis } = options
  return {
    decap,
    vxlanPort,
    genevePort,
    ...(vnis && { vnis: new Set(vnis) }),
    ...(duplicates && { duplicates }),
    ...(filter !== undefined && {
      filter: new ExpressionFilter(filter, (line) => onProblem?.(new OperatorError(line))),
    }),
  }
}

/** Resolves with what was wrong; rejects when nothing could be read at all. */
async function readAll(
  offline: Pick<Offline, 'ledger' | 'clampedTimes'> & {
    readAll(
      paths: readonly string[],
      afterBlock: () => boolean | Promise<boolean>,
    ): Promise<CaptureOutcome[]>
  },
  files: string | readonly string[],
  room: Room,
): Promise<OperatorError[]> {
  const outcomes = await offline.readAll(typeof files === 'string' ? [files] : files, room)
  const { ledger, clampedTimes } = offline
  const problems = readingProblems(outcomes, ledger.malformed['link-type'], clampedTimes)
  const [first] = problems
  if (first !== undefined && outcomes.every(({ summary }) => summary === undefined)) throw first
  return problems
}

function report(
  problems: readonly OperatorError[],
  { onProblem }: Pick<CaptureReadingOptions, 'onProblem'>,
): void {
  if (onProblem !== undefined) for (const problem of problems) onProblem(problem)
  else if (problems[0] !== undefined) throw problems[0]
}

/** A row with the names of its session. */
export function flowOf(row: FlowRow, session: Pick<Session, 'name' | 'vni' | 'sourceText'>): Flow {
  return {
    session: session.name,
    vni: session.vni,
    source: session.sourceText,
    srcAddr: addressText(row.ipVersion, row.packetSource),
    dstAddr: addressText(row.ipVersion, row.packetDestination),
    srcPort: row.sourcePort,
    dstPort: row.destinationPort,
    protocol: row.protocol,
    packets: row.packets,
    bytes: row.bytes,
    timed: row.timed,
    firstSeconds: row.firstSeconds,
    firstNanoseconds: row.firstNanoseconds,
    lastSeconds: row.lastSeconds,
    lastNanoseconds: row.lastNanoseconds,
    tcpFlags: row.tcpFlags,
    state: row.state,
    direction: row.direction ?? null,
  }
}
