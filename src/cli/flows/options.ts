import type { LogFormat } from '../../export/logs.js'
import type { LifetimeCliOptions } from '../lifetime-options.js'
import type { SortOrder } from '../options.js'
import type { OfflineCliOptions } from '../shared-options.js'

export interface FlowsOptions extends OfflineCliOptions, LifetimeCliOptions {
  open?: true
  minimumFlowAgeInSeconds: number
  flowFilters?: readonly string[]
  at?: { seconds: number; nanoseconds: number }
  json?: true
  format?: LogFormat
  output: string
  vertical?: true
  pairs?: true
  sort?: SortOrder
  top?: number
  maxFlows: number
  names: boolean
  fileMode?: number
}
