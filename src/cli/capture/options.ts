import type { CaptureFormat } from '../../pcap/capture-writer.js'
import type { ReceiverChoice } from '../../receive/open.js'

/** The options of `capture` as commander leaves them. */
export interface CaptureOptions {
  write: string
  count?: number
  snaplen: number
  vni?: number[]
  rotateSize?: number
  rotateInterval?: number
  files?: number
  format?: CaptureFormat
  stats?: string
  fileMode?: number
  bind: string
  port: number
  genevePort?: number
  receiver: ReceiverChoice
  receiveBuffer: number
  duration?: number
  read?: string[]
  decap: 'auto' | 'none'
  vxlanPort: number
  split?: true
  names: boolean
  /** pcap-filter(7): the words after the options; undefined wants every packet. */
  filter?: string
}
