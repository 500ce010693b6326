import { isDeepStrictEqual } from 'node:util'
import type { Tuning } from '../../appliance/column.js'
import type { DiskBound } from '../../appliance/disk-bound.js'
import type { Pool } from '../../appliance/pool.js'
import { captureDelivery, parseCapturePlace } from '../../deliver/capture-delivery.js'
import type { Deliveries } from '../../deliver/deliveries.js'
import type { FlowLogDeliveries } from '../../deliver/flow-log-deliveries.js'
import type { DeliverySpec } from '../../deliver/messages.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import { CAPTURE_NAME } from '../../pcap/capture-name.js'
import { within } from '../../sink/within.js'
import { setLines } from '../process/console.js'
import { checkStats } from '../process/stats-file.js'
import { columnOptions, giveQueues, placesOf } from './column-options.js'
import { regionAndAccount } from './open-api.js'
import type { ListenOptions } from './options.js'

/** What of a running appliance can be told to go on otherwise. */
export interface Running {
  readonly pool: Pool
  readonly deliveries: Deliveries
  readonly flowLogDeliveries: FlowLogDeliveries | undefined
  readonly bound: DiskBound | undefined
  readonly metadata: MetadataValues
  /** Of the default flow log. */
  readonly flowLogId: string
  /** Answers health checks as the options say from now on. Rejects with OperatorError, and then goes on as before. */
  reopenChecks(options: ListenOptions): Promise<void>
}

/** How long threads may take to go on otherwise: a disk that hangs is not waited for. */
const RETUNING_MS = 10_000

const OF_CAPTURES = [
  ...['captureDir', 'captureFormat', 'snaplen', 'rotateSize', 'rotateInterval'],
  ...['keepFiles', 'keepBytes'],
]
const OF_FILTERS = ['filter', 'filters']
const OF_FLOW_LOGS = [
  ...['logFormat', 'maxAggregationInterval', 'fileFormat', 'hiveCompatiblePartitions'],
  ...['perHourPartition', 'deliver'],
]
const OF_CHECKS = ['health', 'tcpCheck']
const OTHERS = [
  ...['unknownSessions', 'deliverCaptures', 'keepTotal', 'keepFree', 'stats'],
  ...['logLevel', 'logJson'],
]
const CHANGEABLE = new Set([
  ...OF_CAPTURES,
  ...OF_FILTERS,
  ...OF_FLOW_LOGS,
  ...OF_CHECKS,
  ...OTHERS,
])

/**
 * Whether an option can change at run time. `start` are those of the start: directories are taken, and
 * what is counted for flow logs is decided, once.
 */
export function mayChange(name: string, start: ListenOptions, next: ListenOptions): boolean {
  if (name === 'captureDir') return start.captureDir !== undefined && next.captureDir === undefined
  if (OF_CAPTURES.includes(name) || name === 'deliverCaptures') {
    return start.captureDir !== undefined
  }
  if (OF_FLOW_LOGS.includes(name)) {
    if (start.flowLogDir === undefined || start.flowLogDir !== next.flowLogDir) return false
    if (name === 'deliver') return start.deliver !== false && next.deliver !== false
    return name !== 'maxAggregationInterval' || start.api !== false
  }
  return CHANGEABLE.has(name)
}

/** All that `after` changes. Rejects with OperatorError for what is wrong in it, and then changes nothing. */
export async function retune(
  running: Running,
  before: ListenOptions,
  after: ListenOptions,
): Promise<void> {
  const { pool, deliveries, flowLogDeliveries, bound, metadata, flowLogId } = running
  const isChanged = (names: readonly string[]): boolean =>
    names.some((name) => !isDeepStrictEqual(settingOf(before, name), settingOf(after, name)))
  // What is wrong is found before anything is changed.
  const column = columnOptions(after, metadata, flowLogId)
  const places = placesOf(after)
  const captures = [before, after].map((options) => capturesOf(options, metadata))
  if (after.stats !== undefined && isChanged(['stats'])) checkStats(after.stats)
  if (isChanged(OF_CHECKS)) await running.reopenChecks(after)

  setLines(after.logLevel, after.logJson === true)
  bound?.setBounds({ keepTotal: after.keepTotal, keepFree: after.keepFree })
  const tuning: Tuning = {}
  if (isChanged(['unknownSessions'])) tuning.unknownSessions = after.unknownSessions
  if (isChanged(OF_FILTERS)) tuning.filters = column.filters ?? {}
  if (isChanged(OF_CAPTURES)) tuning.capture = column.capture ?? null
  let endOtherPlaces: (() => void) | undefined
  if (column.flowLog !== undefined && isChanged(OF_FLOW_LOGS)) {
    const defaultId = giveQueues(column.flowLog, after.deliver, places)
    tuning.flowLog = column.flowLog
    endOtherPlaces = flowLogDeliveries?.setPlaces({ places, defaultId })
  }
  const [old, wanted] = captures
  const isElsewhere = old?.name !== wanted?.name
  if (wanted !== undefined && isElsewhere) deliveries.open(wanted)
  // The last files that go to a place have their names before it is ended.
  if (Object.keys(tuning).length > 0) await within(pool.retune(tuning), RETUNING_MS)
  endOtherPlaces?.()
  if (old !== undefined && isElsewhere) deliveries.end(old.name, () => undefined)
}

/** How captures are delivered. Throws OperatorError (exit code 2). */
export function capturesOf(
  { captureDir, deliverCaptures }: ListenOptions,
  metadata: MetadataValues,
): DeliverySpec | undefined {
  if (captureDir === undefined || deliverCaptures === undefined) return undefined
  const { region } = regionAndAccount(metadata)
  const place = parseCapturePlace(deliverCaptures)
  return captureDelivery(captureDir, { place, region, names: CAPTURE_NAME })
}

function settingOf(options: ListenOptions, name: string): unknown {
  return (options as ListenOptions & Record<string, unknown>)[name]
}
