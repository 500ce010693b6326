/**
 * Capture files: pcap and pcapng, plain, gzip or zstd.
 *
 * A packet that is handed over is lent: it and its bytes are overwritten when the call returns.
 * `packet.copy()` is yours to keep.
 *
 * @module mirrortap/pcap
 */

export { CaptureFile } from '../library/capture-file.js'
export {
  type CaptureOutcome,
  type ReadCapturesOptions,
  readCaptures,
} from '../pcap/capture-merge.js'
export {
  type CaptureFormat,
  CaptureWriter,
  type CaptureWriterOptions,
} from '../pcap/capture-writer.js'
export {
  type CaptureInterface,
  type CaptureSummary,
  type Damage,
  type ReadOptions,
  readCapture,
} from '../pcap/reader.js'
export type { ByteSink } from '../sink/byte-sink.js'
export { type OpenSinkOptions, openSink } from '../sink/open.js'
export { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../wire/link-type.js'
export { Packet } from '../wire/packet.js'
