/**
 * What the package offers to other programs: reading and writing capture files,
 * taking mirrored packets apart, tracking flows, writing flow log records.
 *
 *     const sink = openSink('out.pcap', { limitBytes: Number.POSITIVE_INFINITY })
 *     const writer = new CaptureWriter(sink, { format: 'pcap', linkType: 1, snaplen: 262144 })
 *     writer.write(frame, 0, frame.length, seconds, nanoseconds, frame.length)
 *     await sink.close()
 */
export type { ByteSink } from './deliver/byte-sink.js'
export { type OpenSinkOptions, openSink } from './deliver/open.js'
export { OperatorError } from './errors.js'
export {
  FlowCapture,
  type FlowCaptureOptions,
  type FlowCaptureRequest,
} from './flow/flow-capture.js'
export { type FlowFilter, parseFlowFilters, passesFilters } from './flow/flow-filter.js'
export { type EndReason, FlowRecord, type OnFlowRecord } from './flow/flow-record.js'
export { ageOf, byFirst, type FlowRow, rowsOf } from './flow/flow-row.js'
export { FlowTracker, type FlowTrackerOptions } from './flow/flow-tracker.js'
export { LIFETIMES, type Lifetime } from './flow/lifetime.js'
export { ROW_BYTES, RowBlock, type RowSink } from './flow/row-block.js'
export { JsonLine } from './flowlog/json.js'
export { type LogFormat, parseLogFormat } from './flowlog/log-format.js'
export { type MetadataValues, SessionMetadata } from './flowlog/metadata.js'
export { RecordWriter } from './flowlog/record-writer.js'
export { RecordLine } from './flowlog/text.js'
export {
  type CaptureFormat,
  CaptureWriter,
  type CaptureWriterOptions,
} from './pcap/capture-writer.js'
export { type CaptureSummary, type ReadOptions, readCapture } from './pcap/reader.js'
export type { Fault } from './wire/fault.js'
export { Frame } from './wire/frame.js'
export { emitGeneve, Geneve, parseGeneve } from './wire/geneve.js'
export { Packet } from './wire/packet.js'
export { parseFrame } from './wire/parse-frame.js'
export { emitVxlan, parseVxlan, type Vxlan } from './wire/vxlan.js'
