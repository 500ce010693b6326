import type { FlowRecord } from '../flow/flow-record.js'
import { BlockView } from '../sink/block-view.js'
import { Ascii, PUT_SLACK, putAscii, putDecimal } from './ascii.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'
import { numberOf, START } from './record-values.js'

const SPACE = 0x20

/** Of what stands for the session, and of a time. */
const SOURCE_LEN_MAX = 64
const TIME_LEN_MAX = 16

/** A line of a queue: what stands for the record's session, the second it begins, and the record as another encoder has it. */
export class QueueLine implements RecordEncoder {
  readonly #line: RecordEncoder
  readonly #sourceOf: (session: number) => string
  readonly #blockView = new BlockView()
  /** The last one: records of a session often come together. */
  #source = new Ascii('')
  #sourceText = ''

  /** `sourceOf`: ASCII without a space, by the index of the session. */
  constructor(line: RecordEncoder, sourceOf: (session: number) => string) {
    this.#line = line
    this.#sourceOf = sourceOf
  }

  headerLine(): string {
    return `session start ${this.#line.headerLine() || '\n'}`
  }

  maxLineLength(metadata: SessionMetadata, record: FlowRecord): number {
    const line = this.#line.maxLineLength(metadata, record)
    return SOURCE_LEN_MAX + TIME_LEN_MAX + PUT_SLACK + line
  }

  encode(record: FlowRecord, metadata: SessionMetadata, bytes: Buffer, at: number): number {
    const view = this.#blockView.of(bytes)
    const text = this.#sourceOf(record.session)
    if (text !== this.#sourceText) {
      this.#sourceText = text
      this.#source = new Ascii(text.slice(0, SOURCE_LEN_MAX))
    }
    let to = putAscii(view, at, this.#source)
    view.setUint8(to++, SPACE)
    to = putDecimal(view, to, Math.max(numberOf(record, START), 0))
    view.setUint8(to++, SPACE)
    return this.#line.encode(record, metadata, bytes, to)
  }
}
