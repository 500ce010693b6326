import type { FlowRecord } from '../flow/flow-record.js'
import { BlockView } from '../sink/block-view.js'
import { MAX_ADDRESS_LEN, PUT_SLACK } from './ascii.js'
import type { LogFormat } from './log-format.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'
import { flowWriter, quietWriter, type ValueWriter } from './value-writer.js'

const SPACE = 0x20
const NEWLINE = 0x0a

/**
 * A record as one line of plain text: values in the format's order with one
 * space between, `-` where there is none. Never an empty value: readers such as
 * Athena count columns.
 *
 * `action` is ACCEPT of every flow. What a security group or a network ACL
 * refuses is not mirrored, so REJECT cannot be told from packets.
 */
export class RecordLine implements RecordEncoder {
  readonly #blockView = new BlockView()
  readonly #header: string
  readonly #flow: readonly ValueWriter[]
  readonly #quiet: readonly ValueWriter[]

  constructor(format: LogFormat) {
    this.#header = `${format.fields.map((field) => field.name).join(' ')}\n`
    this.#flow = format.fields.map((field) => flowWriter(field, format, 'text'))
    this.#quiet = format.fields.map((field) => quietWriter(field, format, 'text'))
  }

  headerLine(): string {
    return this.#header
  }

  maxLineLength(metadata: SessionMetadata): number {
    // An address is the longest value that is not configured.
    return this.#flow.length * (Math.max(MAX_ADDRESS_LEN, metadata.textLengthMax) + 1) + PUT_SLACK
  }

  encode(record: FlowRecord, metadata: SessionMetadata, bytes: Buffer, at: number): number {
    const view = this.#blockView.of(bytes)
    const writers = record.status === 'OK' ? this.#flow : this.#quiet
    let to = at
    for (let index = 0; index < writers.length; index++) {
      to = writers[index]!.write(record, metadata, view, to)
      view.setUint8(to++, SPACE)
    }
    view.setUint8(to - 1, NEWLINE)
    return to
  }
}
