import type { CaptureFormat } from '../../pcap/capture-writer.js'
import type { Moment } from '../../search/index-format.js'

/** The options of `find` as commander leaves them. */
export interface FindOptions {
  dir?: string[]
  since?: Moment
  until?: Moment
  session?: string
  write?: string
  count?: true
  flows?: true
  json?: true
  limit?: number
  snaplen: number
  format?: CaptureFormat
  fileMode?: number
  decap: 'auto' | 'none'
  vxlanPort: number
  genevePort: number
  maxFlows: number
  names: boolean
}
