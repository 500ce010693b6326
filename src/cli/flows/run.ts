import { AddressNames } from '../../application/address-names.js'
import { ApplicationReader } from '../../application/application-reader.js'
import { OperatorError } from '../../errors.js'
import { ConnectionFacts } from '../../flow/connection-facts.js'
import { FlowCapture } from '../../flow/flow-capture.js'
import { SESSION_INDICES } from '../../flow/flow-entry.js'
import { type FlowFilter, parseFlowFilters } from '../../flow/flow-filter.js'
import { FlowTracker } from '../../flow/flow-tracker.js'
import { Offline, type PointInTime } from '../../offline/offline.js'
import { ApplicationPackets } from '../../session/application-packets.js'
import { lifetimeOf } from '../lifetime-options.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import { type Stop, stoppable } from '../process/stop.js'
import { printRows } from './listing.js'
import type { FlowsOptions } from './options.js'
import { needsPairs } from './order.js'
import { parseShorthand } from './shorthand.js'
import { WantedRows } from './wanted-rows.js'

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
  if (options.sort !== undefined && needsPairs(options.sort) && !options.pairs) {
    throw new OperatorError(`--sort ${options.sort.field} needs connections: give --pairs too`, {
      exitCode: 2,
    })
  }
  const filters = readFilters(options.flowFilters)
  if (options.format !== undefined) {
    const { writeLogs } = await import('./logs.js')
    return await writeLogs(files, options.format, options, filters, stop)
  }
  if (options.output !== '-') {
    throw new OperatorError('-o says where to write the logs of --format: give --format too', {
      exitCode: 2,
    })
  }
  checkNames(files, [])
  const leftOut: string[] = []
  const rows = new WantedRows(options, filters)
  const names = options.names ? new AddressNames() : undefined
  const packets = names && new ApplicationPackets(new ApplicationReader(names), options.duplicates)
  let facts: ConnectionFacts | undefined
  const tracker: FlowTracker = new FlowTracker({
    capacity: options.maxFlows,
    sessions: SESSION_INDICES,
    // Open flows have a life; else a flow is all that the files have of it.
    ...(options.open && { lifetime: lifetimeOf(options) }),
    onEnd: (flow) => {
      if (!options.open) rows.addEnded(tracker, flow, facts)
      facts?.forget(flow)
    },
  })
  if (options.pairs) facts = new ConnectionFacts(tracker, options.maxFlows)
  const offline = new Offline({
    ...(packets && { observe: packets.observe }),
    ...(await offlineOptions(options, (line) => leftOut.push(line))),
    ...(options.at && { until: options.at }),
    counter: () => facts ?? tracker,
  })
  const problems = await readFiles(offline, files, stop)
  packets?.end()
  const at = options.at ?? { seconds: offline.lastSeconds, nanoseconds: offline.lastNanoseconds }
  if (options.open) addOpen(tracker, facts, rows, options, filters, at, problems)
  else tracker.shutdown()
  const listing = { sessions: offline.sessions, names, options, at }
  await stop.interrupts(printRows(rows.sorted(at), listing))
  failWith([...problems, ...leftOut])
}

function addOpen(
  tracker: FlowTracker,
  facts: ConnectionFacts | undefined,
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
  capture.step(Number.MAX_SAFE_INTEGER, { room, put: rows.addCaptured(tracker, facts) })
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
      return refuse(`--flow-filters is not JSON: ${reason}; KEY=VALUE,… is accepted too`)
    }
  })
  const filters = parseFlowFilters(values)
  return typeof filters === 'string' ? refuse(filters) : filters
}
