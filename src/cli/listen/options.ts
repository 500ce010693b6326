import type { ConfiguredResources } from '../../control/declared-resources.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import type { SteerBy } from '../../receive/steering.js'
import type { DuplicateMode } from '../../session/duplicates.js'
import type { NamedFilter } from '../../session/session-filter.js'
import type { LifetimeCliOptions } from '../lifetime-options.js'
import type { Level } from '../process/console.js'
import type { ApiCliOptions, HealthCliOptions } from './api-options.js'

/** The options of `listen` as commander leaves them. */
export interface ListenOptions extends LifetimeCliOptions, ApiCliOptions, HealthCliOptions {
  bind: string
  port: number
  genevePort?: number
  receiver: 'auto' | 'recvmmsg' | 'dgram'
  workers: number
  steer: SteerBy
  receiveBuffer: number
  sessionKey: 'source+vni' | 'vni'
  duplicates: DuplicateMode
  unknownSessions: 'accept' | 'drop'
  maxSessions: number
  maxFlows: number
  maxFlowsPerSession?: number
  captureDir?: string
  fileMode?: number
  captureFormat: 'pcap' | 'pcapng'
  snaplen?: number
  rotateSize: number
  rotateInterval: number
  keepFiles?: number
  keepBytes?: number
  index?: true
  flowLogDir?: string
  eventLogDir?: string
  eventLogFormat: 'zeek' | 'zeek-json' | 'eve' | 'eve-flow'
  /** Seconds. */
  eventLogInterval: number
  /** false with --no-names. */
  names: boolean
  keepTotal?: number
  keepFree?: number
  logFormat?: string
  maxAggregationInterval: '60' | '600'
  fileFormat: 'plain-text' | 'parquet'
  hiveCompatiblePartitions?: true
  perHourPartition?: true
  /** false with --no-deliver. */
  deliver?: readonly string[] | false
  control?: string
  targets?: readonly string[]
  networkInterfaceId?: readonly string[]
  /** Seconds. */
  controlInterval: number
  /** ADDR:PORT, or ADDR:PORT=EXPRESSION. */
  pcapOverIp?: readonly string[]
  tap?: string
  deliverCaptures?: string
  state?: string
  config?: string
  duration?: number
  stats?: string
  logLevel: Level
  logJson?: true
  /** pcap-filter(7). */
  filter?: string
  /** Of single sessions, from the configuration. */
  filters?: readonly NamedFilter[]
}

/** What the command line and a configuration come to. */
export interface Chosen {
  readonly options: ListenOptions & Record<string, unknown>
  readonly metadata: MetadataValues
  readonly declared: ConfiguredResources | undefined
  /** Where a configuration says it, by attribute. */
  readonly origins: ReadonlyMap<string, string>
}
