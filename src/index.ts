/**
 * Mirrored packets in your own program: `listen` receives them, and capture files go through the
 * same pipeline and give the same answers.
 *
 *     import { flows, listen } from 'mirrortap'
 *
 *     await using listener = await listen({ port: 4789 })
 *     for await (const packet of listener.packets({ filter: 'udp port 53' })) keep(packet.copy())
 *
 *     for await (const flow of flows('mirrored.pcap', { filter: 'tcp port 443' })) {
 *       console.log(flow.srcAddr, flow.dstAddr, flow.bytes)
 *     }
 *
 * The parts it is made of are in `mirrortap/pcap`, `/filter`, `/wire`, `/mirror` and `/flow-log`.
 * What is wrong outside of the program is thrown as OperatorError, which has a code.
 *
 * @module mirrortap
 */

export type { AnalysisReport } from './analyze/analysis-report.js'
export type { MirroredPacket, PacketSession } from './appliance/packet-ring.js'
export { type ErrorCode, OperatorError } from './errors.js'
export type { LifetimeName } from './flow/lifetime.js'
export type { MetadataValues } from './flowlog/metadata.js'
export {
  analyze,
  type CaptureReadingOptions,
  type Flow,
  type FlowLogOptions,
  flowLog,
  flows,
} from './library/capture-files.js'
export type { FlowLogRecord } from './library/flow-log-record.js'
export {
  type CaptureOptions,
  type FlowLogFileOptions,
  type Listener,
  type ListenOptions,
  listen,
  type MirrorResources,
  type PacketStreamOptions,
  type RecordStreamOptions,
} from './library/listen.js'
export type { Lent, PacketStream, RecordStream } from './library/streams.js'
export { type CaptureSummary, type ReadOptions, readCapture } from './pcap/reader.js'
export type { LedgerReport } from './session/ledger.js'
export type { Packet } from './wire/packet.js'
