import type { LifetimeCliOptions } from '../lifetime-options.js'
import type { SortOrder } from '../options.js'
import type { OfflineCliOptions } from '../shared-options.js'

export type QueryFormat = 'table' | 'csv' | 'json' | 'parquet'

export interface QueryCliOptions extends OfflineCliOptions, LifetimeCliOptions {
  format?: QueryFormat
  vertical?: true
  sort?: SortOrder
  top?: number
  output: string
  state?: string
  from?: string
  logFormat?: string
  maxAggregationInterval: '60' | '600'
  maxFlows: number
  names: boolean
  fileMode?: number
  memoryLimit: number
  temporaryLimit: number
}
