/**
 * What the package offers to other programs: reading and writing capture files,
 * taking mirrored packets apart, filters and mirror rules, tracking flows, writing
 * flow log records, summing captures up. The same code that the commands run.
 *
 *     const filter = new ExpressionFilter('tcp port 443')
 *     const offline = new Offline({
 *       decap: 'auto', vxlanPort: 4789, genevePort: 6081, filter,
 *       flows: { capacity: 65_536, onRecord: (record) => console.log(record.packets) },
 *     })
 *     await offline.read('mirrored.pcap')
 *     offline.tracker?.shutdown()
 *
 * Packets, frames and records are lent for the length of a call: copy what is to
 * outlive it. What an operator can mend is thrown as OperatorError.
 */

// Capture files summed up.
export { Analysis, type AnalysisOptions } from './analyze/analysis.js'
export type { AnalysisReport } from './analyze/analysis-report.js'
export { OperatorError } from './errors.js'
// pcap-filter(7) on mirrored frames.
export type { FilterSubject } from './filter/decision.js'
export { ExpressionFilter } from './filter/expression-filter.js'
// Flows: the table, its records, and the open flows of a moment.
export {
  FlowCapture,
  type FlowCaptureOptions,
  type FlowCaptureRequest,
} from './flow/flow-capture.js'
export { type FlowFilter, parseFlowFilters, passesFilters } from './flow/flow-filter.js'
export type { FlowTrackerOptions } from './flow/flow-lives.js'
export { type EndReason, FlowRecord, type OnFlowRecord } from './flow/flow-record.js'
export { ageOf, byFirst, type FlowRow, rowsOf } from './flow/flow-row.js'
export { FlowTracker } from './flow/flow-tracker.js'
export { LIFETIMES, type Lifetime } from './flow/lifetime.js'
export { ROW_BYTES, RowBlock, type RowSink } from './flow/row-block.js'
// VPC flow log records as AWS writes them.
export { JsonLine } from './flowlog/json.js'
export { type LogFormat, parseLogFormat } from './flowlog/log-format.js'
export { type MetadataValues, SessionMetadata } from './flowlog/metadata.js'
export { RecordWriter } from './flowlog/record-writer.js'
export { RecordLine } from './flowlog/text.js'
// Which session of an interface mirrors a packet, as AWS decides it.
export {
  type EvaluatorOptions,
  MirrorEvaluator,
  NOT_MIRRORED,
  type SessionParts,
} from './mirror/evaluator.js'
export type { PortRange } from './mirror/fields.js'
export { InterfaceMatcher } from './mirror/packet-direction.js'
export type {
  FilterRule,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
  NetworkService,
  Tag,
  TrafficDirection,
} from './mirror/resources.js'
export { RuleSet } from './mirror/rule-set.js'
export { Offline, type OfflineOptions, type PointInTime } from './offline/offline.js'
// Capture files.
export {
  type CaptureOutcome,
  type ReadCapturesOptions,
  readCaptures,
} from './pcap/capture-merge.js'
export {
  type CaptureFormat,
  CaptureWriter,
  type CaptureWriterOptions,
} from './pcap/capture-writer.js'
export { type CaptureSummary, type ReadOptions, readCapture } from './pcap/reader.js'
// Capture files through the pipeline of the appliance: sessions, flows, the ledger.
export type { LedgerReport } from './session/ledger.js'
export type { Session } from './session/session.js'
// Where octets go: files that appear when they are whole, pipes, compression.
export type { ByteSink } from './sink/byte-sink.js'
export { type OpenSinkOptions, openSink } from './sink/open.js'
// Octets: parsers that fill views, emitters that are their inverse.
export type { Fault } from './wire/fault.js'
export {
  DIRECTION_UNKNOWN,
  EGRESS,
  Frame,
  INGRESS,
  PASSING,
  type PacketDirection,
} from './wire/frame.js'
export { emitGeneve, Geneve, parseGeneve } from './wire/geneve.js'
export { Packet } from './wire/packet.js'
export { parseFrame } from './wire/parse-frame.js'
export { emitVxlan, parseVxlan, type Vxlan } from './wire/vxlan.js'
