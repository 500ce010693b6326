import { AddressNames } from '../../application/address-names.js'
import { ApplicationReader } from '../../application/application-reader.js'
import { OperatorError } from '../../errors.js'
import { FlowCapture } from '../../flow/flow-capture.js'
import { type FlowFilter, parseFlowFilters } from '../../flow/flow-filter.js'
import type { FlowPair } from '../../flow/flow-pair.js'
import type { FlowRow } from '../../flow/flow-row.js'
import type { FlowTracker } from '../../flow/flow-tracker.js'
import { applicationObserver } from '../../offline/application-observer.js'
import { Offline, type PointInTime } from '../../offline/offline.js'
import type { SessionReport } from '../../session/ledger.js'
import { Output } from '../../sink/text-output.js'
import { type Column, FittedTable, verticalLines } from '../../terminal/fitted-table.js'
import { terminalWidth } from '../../terminal/terminal-width.js'
import { wrapped } from '../../terminal/text-width.js'
import { visible } from '../../visible.js'
import { lifetimeOf } from '../lifetime-options.js'
import { formatCuts } from '../listen/ledger-text.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import { type Stop, stoppable } from '../process/stop.js'
import type { FlowsOptions } from './options.js'
import {
  flowColumns,
  flowJson,
  type Names,
  nameColumns,
  pairColumns,
  pairJson,
  type Sessions,
} from './rows.js'
import { parseShorthand } from './shorthand.js'
import { WantedRows } from './wanted-rows.js'

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
  if (options.at !== undefined && options.until !== undefined) {
    throw new OperatorError('--at and --until both say when to stop: leave one out', {
      exitCode: 2,
    })
  }
  const filters = readFilters(options.flowFilters)
  if (options.format !== undefined) {
    const { writeLogs } = await import('./logs.js')
    return await writeLogs(files, options.format, options, filters, stop)
  }
  if (options.output !== '-') {
    throw new OperatorError('-o is where the logs of --format go: give --format too', {
      exitCode: 2,
    })
  }
  checkNames(files, [])
  const leftOut: string[] = []
  const rows = new WantedRows(options, filters)
  const names = options.names ? new AddressNames() : undefined
  const reader = names && new ApplicationReader(names)
  const offline = new Offline({
    ...(reader && { observe: applicationObserver(reader, options.duplicates) }),
    ...(await offlineOptions(options, (line) => leftOut.push(line))),
    ...(options.at && { until: options.at }),
    flows: {
      capacity: options.maxFlows,
      // Open flows have a life; else a flow is all that the files have of it.
      ...(options.open
        ? { lifetime: lifetimeOf(options) }
        : { onEnd: (flow) => rows.addEnded(offline.tracker!, flow) }),
    },
  })
  const problems = await readFiles(offline, files, stop)
  reader?.end()
  const tracker = offline.tracker!
  const at = options.at ?? { seconds: offline.lastSeconds, nanoseconds: offline.lastNanoseconds }
  if (options.open) addOpen(tracker, rows, options, filters, at, problems)
  else tracker.shutdown()
  await stop.interrupts(print(rows.sorted(at), offline, names, options, at))
  failWith([...problems, ...leftOut])
}

function addOpen(
  tracker: FlowTracker,
  rows: WantedRows,
  options: FlowsOptions,
  filters: readonly FlowFilter[],
  at: PointInTime,
  problems: string[],
): void {
  // As an appliance's timer would have: what waits or is idle by then is judged by the same clock.
  if (options.at !== undefined) tracker.advance(options.at.seconds - 1)
  while (tracker.work(Number.MAX_SAFE_INTEGER));
  const capture = new FlowCapture(tracker, {
    minimumAgeSeconds: options.minimumFlowAgeInSeconds,
    filters,
    atSeconds: at.seconds,
    atNanoseconds: at.nanoseconds,
  })
  const room = Number.POSITIVE_INFINITY
  capture.step(Number.MAX_SAFE_INTEGER, { room, put: rows.addCaptured(tracker) })
  if (capture.doubt !== undefined) {
    problems.push(`open flows may be missing: ${capture.doubt}; raise --max-flows`)
  }
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
  addresses: AddressNames | undefined,
  options: FlowsOptions,
  at: PointInTime,
): Promise<void> {
  const output = new Output('-')
  const reports = new Map(offline.sessions.map((session) => [session.index, session.report()]))
  const sessions: Sessions = (session) => reports.get(session)!
  const names: Names | undefined = addresses && ((row) => addresses.of(row))
  const lines = options.json
    ? jsonLines(rows, sessions, names, options, at)
    : textLines(rows, sessions, names, [...reports.values()], options)
  let written = 0
  for (const line of lines) {
    output.write(`${line}\n`)
    if (written++ % ROWS_AT_A_TIME === 0) await output.room()
    if (!output.open) break
  }
  await output.close()
}

function* jsonLines(
  rows: readonly FlowRow[],
  sessions: Sessions,
  names: Names | undefined,
  options: FlowsOptions,
  at: PointInTime,
): Generator<string> {
  if (rows.length === 0) yield '[]'
  for (const [index, row] of rows.entries()) {
    const object = options.pairs
      ? pairJson(row as FlowPair, sessions, names, at)
      : flowJson(row, sessions, names, at)
    if (index === 0) yield '['
    yield visible(JSON.stringify(object)) + (index < rows.length - 1 ? ',' : '')
  }
  if (rows.length > 0) yield ']'
}

function* textLines(
  rows: readonly FlowRow[],
  sessions: Sessions,
  names: Names | undefined,
  reports: readonly SessionReport[],
  { pairs, vertical }: FlowsOptions,
): Generator<string> {
  const hasSessions = reports.some(({ session }) => session !== null)
  const make = (pairs ? pairColumns : flowColumns) as typeof flowColumns
  const columns: readonly Column<FlowRow>[] = [
    ...make(sessions, hasSessions, vertical ?? false),
    ...(names ? nameColumns(rows, names, pairs ?? false) : []),
  ]
  const width = terminalWidth(process.stdout)
  if (vertical) {
    for (const [at, row] of rows.entries()) yield* verticalLines(columns, row, at + 1, width)
  } else {
    const table = new FittedTable(columns, rows, width)
    yield table.heading
    for (const row of rows) yield table.line(row)
  }
  for (const line of formatCuts(reports)) yield* wrapped(visible(line), width)
}
