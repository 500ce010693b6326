import type { Dialect } from '../../flowlog/ddl.js'
import type { LifetimeCliOptions } from '../lifetime-options.js'
import type { OfflineCliOptions } from '../shared-options.js'

/** What the ending of a file's name says. */
export const FORMATS = {
  byEnding: {
    log: 'text',
    txt: 'text',
    json: 'json',
    jsonl: 'json',
    ndjson: 'json',
    parquet: 'parquet',
  },
  usual: 'text',
} as const

export interface FlowLogOptions extends OfflineCliOptions, LifetimeCliOptions {
  logFormat?: string
  maxAggregationInterval: '60' | '600'
  format?: 'text' | 'json' | 'parquet'
  output: string
  hiveCompatiblePartitions?: true
  perHourPartition?: true
  maxFlows: number
  fileMode?: number
  /** A stream instead of capture files. */
  from?: string
  printDdl?: Dialect
  follow?: true
}
