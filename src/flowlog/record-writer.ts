import type { FlowRecord } from '../flow/flow-record.js'
import { type ByteSink, SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'

/**
 * Records, encoded, into a sink: the header line first, then a line each. Lines are
 * made where they leave from, in the room of the longest that could be; what they
 * leave of it is given back. Does not own the sink.
 */
export class RecordWriter<Row = FlowRecord, About = SessionMetadata> {
  /** Bytes the sink has taken. */
  bytes = 0

  readonly #sink: ByteSink
  readonly #encoder: RecordEncoder<Row, About>
  #hasHeader = false

  constructor(sink: ByteSink, encoder: RecordEncoder<Row, About>) {
    this.#sink = sink
    this.#encoder = encoder
  }

  /** False when the sink took nothing: the record is lost, and the caller counts it. */
  write(record: Row, about: About): boolean {
    if (!this.#hasHeader && !this.writeHeader()) return false
    const sink = this.#sink
    // Of JSON the longest that can be thought of would not fit into a block; no line is like that.
    const longest = Math.min(this.#encoder.maxLineLength(about, record), SINK_BLOCK_LEN)
    const at = sink.reserve(longest)
    if (at === -1) return false
    const length = this.#encoder.encode(record, about, sink.block, at) - at
    sink.giveBack(longest - length)
    this.bytes += length
    return true
  }

  /** Writes the header line unless it has been; for output that may stay without records. False as for `write`. */
  writeHeader(): boolean {
    if (this.#hasHeader) return true
    const header = this.#encoder.headerLine()
    const at = this.#sink.reserve(header.length)
    if (at === -1) return false
    this.#sink.block.write(header, at, 'latin1')
    this.bytes += header.length
    this.#hasHeader = true
    return true
  }
}
