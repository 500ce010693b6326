import { OperatorError } from '../../errors.js'
import { FlowCapture } from '../../flow/flow-capture.js'
import { type FlowFilter, parseFlowFilters, passesFilters } from '../../flow/flow-filter.js'
import { ageOf, byFirst, type FlowRow, rowsOf } from '../../flow/flow-row.js'
import type { FlowTracker } from '../../flow/flow-tracker.js'
import { Offline, type PointInTime } from '../../offline/offline.js'
import type { SessionReport } from '../../session/ledger.js'
import type { Session } from '../../session/session.js'
import { Output } from '../../sink/text-output.js'
import { formatFlags, formatProtocol, formatTable } from '../../terminal/format.js'
import { visible } from '../../visible.js'
import { formatIpv4, formatIpv6 } from '../../wire/address.js'
import { lifetimeOf } from '../lifetime-options.js'
import { formatCuts } from '../listen/ledger-text.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import { type Stop, stoppable } from '../process/stop.js'
import type { FlowsOptions } from './options.js'
import { parseShorthand } from './shorthand.js'

/** Rows put out between two looks at how much is waiting. */
const ROWS_AT_A_TIME = 1000

/** Reads the files and prints their flows. */
export async function flows(files: readonly string[], options: FlowsOptions): Promise<void> {
  await stoppable((stop) => listFlows(files, options, stop))
}

async function listFlows(
  files: readonly string[],
  options: FlowsOptions,
  stop: Stop,
): Promise<void> {
  checkNames(files, [])
  const filters = readFilters(options.flowFilters)
  const ended: FlowRow[] = []
  const leftOut: string[] = []
  const offline = new Offline({
    ...(await offlineOptions(options, (line) => leftOut.push(line))),
    ...(options.at && { until: options.at }),
    flows: {
      capacity: options.maxFlows,
      // Open flows have a life; else a flow is all that the files have of it.
      ...(options.open
        ? { lifetime: lifetimeOf(options) }
        : { onEnd: (flow) => ended.push(...rowsOf(offline.tracker!, flow)) }),
    },
  })
  const problems = await readFiles(offline, files, stop)
  const tracker = offline.tracker!
  const at = options.at ?? { seconds: offline.lastSeconds, nanoseconds: offline.lastNanoseconds }
  const rows = options.open
    ? openFlows(tracker, options, filters, at, problems)
    : allFlows(tracker, options, filters, at, ended)
  await stop.interrupts(print(rows.sort(byFirst), offline, options, at))
  failWith([...problems, ...leftOut])
}

function openFlows(
  tracker: FlowTracker,
  options: FlowsOptions,
  filters: readonly FlowFilter[],
  at: PointInTime,
  problems: string[],
): FlowRow[] {
  // As an appliance's timer would have: what waits or is idle by then is judged by the same clock.
  if (options.at !== undefined) tracker.advance(options.at.seconds - 1)
  while (tracker.work(Number.MAX_SAFE_INTEGER));
  const capture = new FlowCapture(tracker, {
    minimumAgeSeconds: options.minimumFlowAgeInSeconds,
    filters,
    atSeconds: at.seconds,
    atNanoseconds: at.nanoseconds,
  })
  const rows = capture.rest()
  if (capture.doubt !== undefined) {
    problems.push(`open flows may be missing: ${capture.doubt}; raise --max-flows`)
  }
  return rows
}

function allFlows(
  tracker: FlowTracker,
  options: FlowsOptions,
  filters: readonly FlowFilter[],
  at: PointInTime,
  rows: FlowRow[],
): FlowRow[] {
  tracker.shutdown()
  return rows.filter(
    (row) =>
      ageOf(row, at.seconds, at.nanoseconds) >= options.minimumFlowAgeInSeconds &&
      passesFilters(row, filters),
  )
}

/** Every option is JSON, as is all of AWS's, or a filter or more in the shorthand of its CLI. */
function readFilters(texts: readonly string[] = []): readonly FlowFilter[] {
  const refuse = (message: string): never => {
    throw new OperatorError(message, { exitCode: 2 })
  }
  const values = texts.flatMap((text): unknown[] => {
    if (/^\s*[A-Za-z]\w*=/.test(text)) {
      const filters = parseShorthand(text)
      return typeof filters === 'string' ? refuse(`--flow-filters: ${filters}`) : filters
    }
    try {
      const value: unknown = JSON.parse(text)
      return Array.isArray(value) ? value : refuse(`${parseFlowFilters(value)}`)
    } catch (error) {
      if (error instanceof OperatorError) throw error
      // It quotes the text, line breaks and all.
      const reason = (error as Error).message.replace(/\s*\n\s*/g, ' ')
      return refuse(`--flow-filters is no JSON: ${reason}; KEY=VALUE,… is understood too`)
    }
  })
  const filters = parseFlowFilters(values)
  return typeof filters === 'string' ? refuse(filters) : filters
}

async function print(
  rows: readonly FlowRow[],
  offline: Offline,
  options: FlowsOptions,
  at: PointInTime,
): Promise<void> {
  const output = new Output('-')
  if (options.json) {
    const reports = new Map(offline.sessions.map((session) => [session.index, session.report()]))
    output.write('[')
    for (const [index, row] of rows.entries()) {
      const object = jsonRow(row, reports.get(row.session)!, at)
      output.write(`${index === 0 ? '\n' : ',\n'}${visible(JSON.stringify(object))}`)
      if (index % ROWS_AT_A_TIME === 0) await output.room()
      if (!output.open) break
    }
    output.write(rows.length === 0 ? ']\n' : '\n]\n')
  } else {
    const lines = formatTable(
      [
        'session',
        'source',
        'destination',
        'protocol',
        'packets',
        'bytes',
        'seconds',
        'flags',
        'state',
      ],
      rows.map((row) => tableRow(row, offline.session(row.session))),
      [4, 5, 6],
    )
    lines.push(...formatCuts(offline.sessions.map((session) => session.report())))
    for (const [index, line] of lines.entries()) {
      output.write(`${visible(line)}\n`)
      if (index % ROWS_AT_A_TIME === 0) await output.room()
      if (!output.open) break
    }
  }
  await output.close()
}

/** Decimal seconds with nine digits, without passing through a floating-point number. */
function formatTime(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

function formatFlowAddress(version: 4 | 6, words: Uint32Array): string {
  return version === 4
    ? formatIpv4(words[0]!)
    : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}

function jsonRow(row: FlowRow, { session, vni, source }: SessionReport, at: PointInTime) {
  return {
    session,
    vni,
    source,
    srcAddr: formatFlowAddress(row.ipVersion, row.packetSource),
    dstAddr: formatFlowAddress(row.ipVersion, row.packetDestination),
    srcPort: row.sourcePort,
    dstPort: row.destinationPort,
    protocol: row.protocol,
    packets: row.packets,
    bytes: row.bytes,
    firstSeen: formatTime(row.firstSeconds, row.firstNanoseconds),
    lastSeen: formatTime(row.lastSeconds, row.lastNanoseconds),
    ageSeconds: ageOf(row, at.seconds, at.nanoseconds),
    tcpFlags: row.tcpFlags,
    state: row.state,
    direction: row.direction ?? null,
  }
}

function tableRow(row: FlowRow, session: Session): string[] {
  const ports = row.sourcePort !== 0 || row.destinationPort !== 0
  const end = (words: Uint32Array, port: number): string => {
    const address = formatFlowAddress(row.ipVersion, words)
    if (!ports) return address
    return row.ipVersion === 6 ? `[${address}]:${port}` : `${address}:${port}`
  }
  const seconds =
    row.lastSeconds - row.firstSeconds + (row.lastNanoseconds - row.firstNanoseconds) / 1e9
  return [
    session.name ?? '-',
    end(row.packetSource, row.sourcePort),
    end(row.packetDestination, row.destinationPort),
    formatProtocol(row.protocol),
    String(row.packets),
    String(row.bytes),
    seconds.toFixed(3),
    formatFlags(row.tcpFlags),
    row.state,
  ]
}
