import { API_LIMITS } from '../../api/http/api-server.js'
import type { ColumnOptions } from '../../appliance/column.js'
import { type Connections, fileLimits } from '../../appliance/file-limits.js'
import type { FlowLogOptions } from '../../appliance/flow-logs.js'
import { type Place, parsePlace, placeName } from '../../deliver/delivery-url.js'
import {
  defaultFlowLogId,
  defaultQueue,
  queueDirectory,
} from '../../deliver/flow-log-deliveries.js'
import { OperatorError } from '../../errors.js'
import { FlowLogLayout } from '../../flowlog/layout.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import { type MetadataValues, SessionMetadata } from '../../flowlog/metadata.js'
import { READERS_MAX } from '../../forward/pcap-server.js'
import { type FilterOptions, openSessionFilter } from '../../session/session-filter.js'
import { lifetimeOf } from '../lifetime-options.js'
import { HEALTH_CONNECTIONS } from './open-health.js'
import type { ListenOptions } from './options.js'

/** Where the default flow log is delivered to. Throws OperatorError (exit code 2). */
export function placesOf({ deliver }: ListenOptions): readonly Place[] {
  const places = (deliver || []).map(parsePlace)
  const names = places.map(placeName)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return places
  throw new OperatorError(`--deliver names ${twice} twice: leave one out`, { exitCode: 2 })
}

/** What each receiving thread is told; `flowLogId` of the default flow log. Throws OperatorError. */
export function columnOptions(
  options: ListenOptions,
  metadata: MetadataValues,
  flowLogId: string,
): ColumnOptions {
  const column: ColumnOptions = {
    files: fileLimits(options.workers, connectionsOf(options)),
    sessionKey: options.sessionKey,
    duplicates: options.duplicates,
    unknownSessions: options.unknownSessions,
    maxSessions: options.maxSessions,
    maxFlows: options.maxFlows,
    sessionQuota: options.maxFlowsPerSession ?? options.maxFlows,
    lifetime: lifetimeOf(options),
  }
  const filters: FilterOptions = { filter: options.filter, filters: options.filters }
  // Refused here, before anything is opened, rather than in a thread.
  openSessionFilter(filters, () => undefined)
  column.filters = filters
  if (options.duplicates === 'mark' && options.captureFormat === 'pcap' && options.captureDir) {
    throw new OperatorError(
      'pcap files cannot mark duplicates: give --capture-format pcapng with --duplicates mark',
      { exitCode: 2 },
    )
  }
  if (options.captureDir !== undefined) {
    column.capture = {
      directory: options.captureDir,
      format: options.captureFormat,
      snaplen: options.snaplen ?? 0,
      rotateBytes: options.rotateSize,
      rotateSeconds: options.rotateInterval,
      keepFiles: options.keepFiles ?? Number.POSITIVE_INFINITY,
      keepBytes: options.keepBytes ?? Number.POSITIVE_INFINITY,
      suffix: '',
    }
  }
  if (options.flowLogDir !== undefined) {
    const layout = {
      accountId: metadata['account-id'],
      region: metadata.region,
      flowLogId,
      hiveCompatiblePartitions: options.hiveCompatiblePartitions ?? false,
      perHourPartition: options.perHourPartition ?? false,
      fileFormat: options.fileFormat,
    }
    // Refused here, before anything is opened, rather than in a thread.
    new FlowLogLayout(layout)
    new SessionMetadata(metadata)
    parseLogFormat(options.logFormat)
    column.flowLog = {
      directory: options.flowLogDir,
      layout,
      logFormat: options.logFormat,
      maxAggregationInterval: options.maxAggregationInterval === '60' ? 60 : 600,
      metadata,
      wholeSessions: options.workers === 1 || options.steer === 'vni',
    }
  }
  if (options.eventLogDir !== undefined) {
    const { eventLogFormat: format } = options
    column.eventLog = {
      directory: options.eventLogDir,
      format: format === 'eve-flow' ? 'eve' : format,
      pairs: format === 'eve-flow',
      names: options.names,
      intervalSeconds: options.eventLogInterval,
    }
  }
  return column
}

/**
 * Has a column write what is to be delivered; answers with the id of the default flow log, which stays the
 * same for what takes its files. The directory is there. Throws the file system's error.
 */
export function giveQueues(
  flowLog: FlowLogOptions | undefined,
  deliver: ListenOptions['deliver'],
  places: readonly Place[],
): string | undefined {
  if (flowLog === undefined || deliver === false) return undefined
  const { directory } = flowLog
  const defaultId = places.length === 0 ? undefined : defaultFlowLogId(directory)
  if (defaultId !== undefined) flowLog.layout.flowLogId = defaultId
  flowLog.queues = {
    ofDefault: places
      .map((place) => defaultQueue(directory, place))
      .filter((own) => own !== undefined),
    others: queueDirectory(directory),
  }
  return defaultId
}

export function connectionsOf({ api, health, pcapOverIp }: ListenOptions): Connections {
  return {
    api: api === false ? 0 : API_LIMITS.connections,
    others:
      (health === undefined ? 0 : HEALTH_CONNECTIONS) +
      (pcapOverIp === undefined ? 0 : READERS_MAX),
  }
}
