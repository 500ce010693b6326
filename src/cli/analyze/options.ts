import type { OfflineCliOptions } from '../shared-options.js'

export interface AnalyzeOptions extends OfflineCliOptions {
  json?: true
  report?: string
  api?: string
  top: number
  maxFlows: number
  names: boolean
  fileMode?: number
}
