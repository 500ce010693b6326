import { formatInName } from '../../pcap/capture-name.js'
import type { JointCaptureOptions } from '../../pcap/joint-capture.js'
import type { CaptureOptions } from './options.js'

type Written = Omit<JointCaptureOptions, 'limitBytes' | 'linkType' | 'onFile' | 'onOtherLinkType'>

/** What the command line says of the file to write, or the series. */
export function jointOptions(options: CaptureOptions): Written {
  const { write, snaplen } = options
  const never = Number.POSITIVE_INFINITY
  return {
    path: write,
    format: options.format ?? (options.split ? undefined : formatInName(write)) ?? 'pcap',
    snaplen,
    count: options.count ?? never,
    rotateBytes: options.rotateSize ?? never,
    rotateSeconds: options.rotateInterval ?? never,
    files: options.files ?? never,
  }
}
