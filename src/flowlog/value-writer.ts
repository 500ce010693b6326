import type { FlowRecord } from '../flow/flow-record.js'
import { Ascii, putAscii, putDecimal, putIpv4, putIpv6 } from './ascii.js'
import type { Field } from './fields.js'
import type { LogFormat } from './log-format.js'
import type { SessionMetadata } from './metadata.js'
import { addressOf, numberOf, wordOf } from './record-values.js'

/** How a value is spelled: bare with `-` for none, or as JSON with `null` for none. */
type Spelling = 'text' | 'json'

const QUOTE = 0x22

/** Where the values of a column come from. */
const CONSTANT = 0
const NUMBER = 1
const ADDRESS = 2
const QUOTED_ADDRESS = 3
const WORD = 4
const TEXT_METADATA = 5
const JSON_METADATA = 6

/** The writer of one column, for records of flows. */
export function flowWriter(field: Field, format: LogFormat, spelling: Spelling): ValueWriter {
  const { filling } = field
  const isText = spelling === 'text'
  const none = isText ? '-' : 'null'
  const metadata = isText ? TEXT_METADATA : JSON_METADATA
  switch (filling.from) {
    case 'format':
      return new ValueWriter(CONSTANT, 0, [String(format.version)])
    case 'interface':
      return new ValueWriter(metadata, format.of.all.indexOf(field), [none])
    case 'traffic':
      return new ValueWriter(
        metadata,
        format.of.all.indexOf(field),
        [none],
        filling.only === 'egress',
      )
    case 'nowhere':
      return new ValueWriter(CONSTANT, 0, [none])
    case 'number':
      return new ValueWriter(NUMBER, filling.value, [none])
    case 'address':
      return new ValueWriter(isText ? ADDRESS : QUOTED_ADDRESS, filling.value, [none])
    case 'word': {
      const words = isText ? filling.words : filling.words.map((word) => JSON.stringify(word))
      return new ValueWriter(WORD, filling.value, [none, ...words])
    }
  }
}

/** The writer of one column, for NODATA and SKIPDATA: no packets, so nothing that packets would tell. */
export function quietWriter(field: Field, format: LogFormat, spelling: Spelling): ValueWriter {
  const { filling } = field
  const holds =
    filling.from === 'format' ||
    filling.from === 'interface' ||
    ((filling.from === 'number' || filling.from === 'word') && filling.quiet === true)
  if (holds) return flowWriter(field, format, spelling)
  return new ValueWriter(CONSTANT, 0, [spelling === 'text' ? '-' : 'null'])
}

/** Writes the values of one column. */
export class ValueWriter {
  readonly #from: number
  /** Which number, address or word of the record, or the field whose metadata it is. */
  readonly #value: number
  /** The constant or what is written for none, then the words. */
  readonly #words: readonly Ascii[]
  readonly #onlyEgress: boolean

  constructor(from: number, value: number, words: readonly string[], onlyEgress = false) {
    this.#from = from
    this.#value = value
    this.#words = words.map((word) => new Ascii(word))
    this.#onlyEgress = onlyEgress
  }

  /** Writes one value at `at` and returns the offset just past it; see ascii.ts for the slack after it. */
  write(record: FlowRecord, metadata: SessionMetadata, view: DataView, at: number): number {
    switch (this.#from) {
      case NUMBER: {
        const value = numberOf(record, this.#value)
        if (value < 0) break
        return putDecimal(view, at, value)
      }
      case ADDRESS:
        return putAddress(view, at, record, this.#value)
      case QUOTED_ADDRESS: {
        view.setUint8(at, QUOTE)
        const past = putAddress(view, at + 1, record, this.#value)
        view.setUint8(past, QUOTE)
        return past + 1
      }
      case WORD:
        return putAscii(view, at, this.#words[wordOf(record, this.#value)]!)
      case TEXT_METADATA:
        if (this.#onlyEgress && record.direction !== 'egress') break
        return putAscii(view, at, metadata.text[this.#value]!)
      case JSON_METADATA:
        if (this.#onlyEgress && record.direction !== 'egress') break
        return putAscii(view, at, metadata.json[this.#value]!)
    }
    return putAscii(view, at, this.#words[0]!)
  }
}

function putAddress(view: DataView, at: number, record: FlowRecord, value: number): number {
  const address = addressOf(record, value)
  return record.ipVersion === 4 ? putIpv4(view, at, address[0]!) : putIpv6(view, at, address)
}
