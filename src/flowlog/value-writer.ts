import type { FlowRecord } from '../flow/flow-record.js'
import { Ascii, putAscii, putDecimal, putIpv4, putIpv6 } from './ascii.js'
import { FIELDS, type Field } from './fields.js'
import type { LogFormat } from './log-format.js'
import type { SessionMetadata } from './metadata.js'

/** Writes one value at `at` and returns the offset just past it; see ascii.ts for the slack behind it. */
export type ValueWriter = (
  record: FlowRecord,
  metadata: SessionMetadata,
  view: DataView,
  at: number,
) => number

/** How a value is spelled: bare with `-` for none, or as JSON with `null` for none. */
export type Spelling = 'text' | 'json'

const QUOTE = 0x22

/** The writer of one column, for records of flows. */
export function flowWriter(field: Field, format: LogFormat, spelling: Spelling): ValueWriter {
  const { filling } = field
  switch (filling.from) {
    case 'format':
      return constant(String(format.version))
    case 'interface':
      return configured(field, spelling)
    case 'traffic':
      return filling.only === 'egress'
        ? whenEgress(configured(field, spelling), nothing(spelling))
        : configured(field, spelling)
    case 'nowhere':
      return nothing(spelling)
    case 'number': {
      const { read } = filling
      return (record, _metadata, view, at) => putDecimal(view, at, read(record))
    }
    case 'address': {
      const write = address(filling.read)
      return spelling === 'text' ? write : inQuotes(write)
    }
    case 'word': {
      const { read } = filling
      const none = nothing(spelling)
      const words = filling.words.map(
        (word) => new Ascii(spelling === 'text' ? word : JSON.stringify(word)),
      )
      return (record, metadata, view, at) => {
        const word = words[read(record)]
        return word === undefined ? none(record, metadata, view, at) : putAscii(view, at, word)
      }
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
  return holds ? flowWriter(field, format, spelling) : nothing(spelling)
}

function constant(text: string): ValueWriter {
  const octets = new Ascii(text)
  return (_record, _metadata, view, at) => putAscii(view, at, octets)
}

function nothing(spelling: Spelling): ValueWriter {
  return constant(spelling === 'text' ? '-' : 'null')
}

function configured(field: Field, spelling: Spelling): ValueWriter {
  const index = FIELDS.indexOf(field)
  return spelling === 'text'
    ? (_record, metadata, view, at) => putAscii(view, at, metadata.text[index]!)
    : (_record, metadata, view, at) => putAscii(view, at, metadata.json[index]!)
}

function whenEgress(write: ValueWriter, otherwise: ValueWriter): ValueWriter {
  return (record, metadata, view, at) =>
    record.direction === 'egress'
      ? write(record, metadata, view, at)
      : otherwise(record, metadata, view, at)
}

function address(read: (record: FlowRecord) => Uint32Array): ValueWriter {
  return (record, _metadata, view, at) => {
    const words = read(record)
    return record.ipVersion === 4 ? putIpv4(view, at, words[0]!) : putIpv6(view, at, words)
  }
}

function inQuotes(write: ValueWriter): ValueWriter {
  return (record, metadata, view, at) => {
    view.setUint8(at, QUOTE)
    const past = write(record, metadata, view, at + 1)
    view.setUint8(past, QUOTE)
    return past + 1
  }
}
