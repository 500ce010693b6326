import type { EndReason, FlowRecord } from '../flow/flow-record.js'
import type { LogFormat } from '../flowlog/log-format.js'
import type { SessionMetadata } from '../flowlog/metadata.js'
import {
  addressOf,
  DESTINATION,
  END,
  numberOf,
  PACKET_DESTINATION,
  PACKET_SOURCE,
  SOURCE,
  START,
  TCP_FLAGS,
} from '../flowlog/record-values.js'
import { RecordLine } from '../flowlog/text.js'
import type { Session } from '../session/session.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'

/** Writes records as the lines of one flow log. */
export class LineWriter {
  readonly #encoder: RecordLine
  readonly #metadata: SessionMetadata
  readonly #line: Buffer

  constructor(format: LogFormat, metadata: SessionMetadata) {
    this.#encoder = new RecordLine(format)
    this.#metadata = metadata
    this.#line = Buffer.alloc(this.#encoder.maxLineLength(metadata))
  }

  /** Without the line's end. */
  lineOf(record: FlowRecord): string {
    const end = this.#encoder.encode(record, this.#metadata, this.#line, 0)
    return this.#line.toString('latin1', 0, end - 1)
  }
}

/**
 * What one flow, one direction of a connection, did in one aggregation window: one line of a flow
 * log. It is yours to keep.
 *
 * https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
 */
export class FlowLogRecord {
  /** `OK`: a flow. `NODATA`, `SKIPDATA`: of its session as a whole, and there are no addresses. */
  readonly status: 'OK' | 'NODATA' | 'SKIPDATA'
  /** Name of the mirror session; null for packets that were not mirrored. */
  readonly session: string | null
  /** VXLAN network identifier of the session, 24 bits. */
  readonly vni: number | null
  /** Outer source address of the session: the mirrored interface. */
  readonly source: string | null
  /** As VPC flow logs have it: of an egress flow the interface's primary address. */
  readonly srcAddr: string | null
  /** As VPC flow logs have it: of an ingress flow the interface's primary address. */
  readonly dstAddr: string | null
  /** As the packets carried it. */
  readonly pktSrcAddr: string | null
  /** As the packets carried it. */
  readonly pktDstAddr: string | null
  /** 0 for protocols without ports. */
  readonly srcPort: number
  /** 0 for protocols without ports. */
  readonly dstPort: number
  /** IANA number: 6 is TCP, 17 is UDP. */
  readonly protocol: number
  readonly packets: number
  /** Bytes of IP on the wire, which may be more than was mirrored. */
  readonly bytes: number
  /** False where the capture gives no packet a time; `startSeconds` and `endSeconds` are then 0. */
  readonly timed: boolean
  /** Time of the first packet in the window, in whole seconds since the epoch. */
  readonly startSeconds: number
  /** Time of the last packet in the window, in whole seconds since the epoch. */
  readonly endSeconds: number
  /** The window, in whole seconds since the epoch. */
  readonly windowStartSeconds: number
  /** The first second after the window. */
  readonly windowEndSeconds: number
  /** FIN 1, SYN 2, RST 4, SYN with ACK 18, of all packets or'ed. */
  readonly tcpFlags: number
  /** Which way the flow ran, seen from the mirrored interface; null where that is not known. */
  readonly direction: 'ingress' | 'egress' | null
  /** Why the record was made now. */
  readonly reason: EndReason
  readonly #record: FlowRecord
  readonly #writer: LineWriter

  /** @internal */
  constructor(record: FlowRecord, session: Session, writer: LineWriter) {
    const isFlow = record.status === 'OK'
    const address = (which: number): string | null =>
      isFlow ? addressText(record.ipVersion, addressOf(record, which)) : null
    this.status = record.status
    this.session = session.name
    this.vni = session.vni
    this.source = session.sourceText
    this.srcAddr = address(SOURCE)
    this.dstAddr = address(DESTINATION)
    this.pktSrcAddr = address(PACKET_SOURCE)
    this.pktDstAddr = address(PACKET_DESTINATION)
    this.srcPort = isFlow ? record.sourcePort : 0
    this.dstPort = isFlow ? record.destinationPort : 0
    this.protocol = isFlow ? record.protocol : 0
    this.packets = isFlow ? record.packets : 0
    this.bytes = isFlow ? record.bytes : 0
    this.timed = record.timed
    this.startSeconds = record.timed ? numberOf(record, START) : 0
    this.endSeconds = record.timed ? numberOf(record, END) : 0
    this.windowStartSeconds = record.windowStart
    this.windowEndSeconds = record.windowEnd
    this.tcpFlags = isFlow ? numberOf(record, TCP_FLAGS) : 0
    this.direction = record.direction ?? null
    this.reason = record.reason
    this.#record = record.copy()
    this.#writer = writer
  }

  /** The record as a line of text, in the flow log's format and without the end of the line. */
  line(): string {
    return this.#writer.lineOf(this.#record)
  }
}

/** Four words, of which IPv4 has the first. */
export function addressText(version: 4 | 6, words: Uint32Array): string {
  return version === 4
    ? formatIpv4(words[0]!)
    : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}
