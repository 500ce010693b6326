import type { LifetimeCliOptions } from '../lifetime-options.js'
import type { OfflineCliOptions } from '../offline-options.js'

export interface FlowLogOptions extends OfflineCliOptions, LifetimeCliOptions {
  logFormat?: string
  maxAggregationInterval: '60' | '600'
  format?: 'text' | 'json' | 'parquet'
  output: string
  hiveCompatiblePartitions?: true
  perHourPartition?: true
  maxFlows: number
  fileMode?: number
}
