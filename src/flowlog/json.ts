import type { FlowRecord } from '../flow/flow-record.js'
import { BlockView } from '../sink/block-view.js'
import { Ascii, MAX_ADDRESS_LEN, PUT_SLACK, putAscii } from './ascii.js'
import type { LogFormat } from './log-format.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'
import { flowWriter, quietWriter, type ValueWriter } from './value-writer.js'

const CLOSE = 0x7d
const NEWLINE = 0x0a

/**
 * A record as one JSON object on a line of its own: keys are the field names,
 * counts and times are numbers, what plain text writes as `-` is null. A field
 * that the format names twice appears once: JSON readers disagree on repeated keys.
 */
export class JsonLine implements RecordEncoder {
  readonly #blockView = new BlockView()
  /** `{"version":`, `,"account-id":`, … */
  readonly #keys: readonly Ascii[]
  readonly #keysLen: number
  readonly #flow: readonly ValueWriter[]
  readonly #quiet: readonly ValueWriter[]

  constructor(format: LogFormat) {
    const fields = [...new Set(format.fields)]
    this.#keys = fields.map(
      (field, index) => new Ascii(`${index === 0 ? '{' : ','}"${field.name}":`),
    )
    this.#keysLen = this.#keys.reduce((length, key) => length + key.length, 0)
    this.#flow = fields.map((field) => flowWriter(field, format, 'json'))
    this.#quiet = fields.map((field) => quietWriter(field, format, 'json'))
  }

  headerLine(): string {
    return ''
  }

  maxLineLength(metadata: SessionMetadata): number {
    const value = Math.max(MAX_ADDRESS_LEN + 2, metadata.jsonLengthMax)
    return this.#keysLen + this.#flow.length * value + 2 + PUT_SLACK
  }

  encode(record: FlowRecord, metadata: SessionMetadata, bytes: Buffer, at: number): number {
    const view = this.#blockView.of(bytes)
    const writers = record.status === 'OK' ? this.#flow : this.#quiet
    let to = at
    for (let index = 0; index < writers.length; index++) {
      to = putAscii(view, to, this.#keys[index]!)
      to = writers[index]!.write(record, metadata, view, to)
    }
    view.setUint8(to, CLOSE)
    view.setUint8(to + 1, NEWLINE)
    return to + 2
  }
}
