import { CaptureParser } from '../pcap/capture-parser.js'
import { openDecompression } from '../pcap/decompression.js'
import { type Compression, compressionOf } from '../pcap/decompressor.js'
import { COMMA, CsvEvents, messageColumn, SPACE, TAB, WHOLE_ROW } from './csv-events.js'
import { EventRecords, type RecordPlace } from './event-records.js'
import { JsonEvents } from './log-events.js'
import {
  fieldTwice,
  formatOfHeader,
  formatOfRecord,
  formatOfTable,
  type RecordFormat,
} from './record-format.js'

/** How the records of a flow log are wrapped. */
export type Wrapping =
  /** Lines, after this many words that are no part of the record. */
  | { readonly in: 'lines'; readonly before: number; readonly hasHeader: boolean }
  /** `place`: of the first record; undefined where it is cut. */
  | { readonly in: 'json'; readonly place: RecordPlace | undefined }
  /** `column`: WHOLE_ROW where each row is a record. */
  | { readonly in: 'csv'; readonly column: number; readonly separator: number }

/** What an input is, by its first bytes. */
export type InputForm =
  | { readonly is: 'capture' }
  | { readonly is: 'parquet' }
  | {
      readonly is: 'log'
      readonly compression: Compression
      readonly wrapping: Wrapping
      /** Of the first record. */
      readonly format: RecordFormat
    }
  /** A predicate, to follow the name: what it seems to be, and what to do. */
  | { readonly is: 'unknown'; readonly because: string }

/** Bytes that tell what an input is. */
export const HEAD_LEN = 64 * 1024

const PARQUET = Buffer.from('PAR1')
const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** `name` is what messages call it; `expected` is the format of lines without a header, where the command line says it. */
export async function formOf(
  head: Buffer,
  name: string,
  expected: RecordFormat | undefined,
): Promise<InputForm> {
  if (head.length === 0) return unknown('is empty')
  const compression = compressionOf(head)
  if (compression === 'none') return formOfText(head, 'none', expected)
  const { text, fault } = await decompressedHead(head, name, compression)
  if (text.length === 0) {
    return unknown(`is damaged: nothing of its ${compression} data can be read${fault}`)
  }
  if (compressionOf(text) !== 'none') return unknown('is compressed twice: decompress it once')
  return formOfText(text, compression, expected)
}

function formOfText(
  head: Buffer,
  compression: Compression,
  expected: RecordFormat | undefined,
): InputForm {
  if (head.subarray(0, PARQUET.length).equals(PARQUET)) {
    return compression === 'none'
      ? { is: 'parquet' }
      : unknown(`is Parquet within ${compression}, which cannot be read in place: decompress it`)
  }
  if (!isText(head)) {
    return isUtf16(head)
      ? unknown('is text in UTF-16: convert it (iconv -f UTF-16 -t UTF-8)')
      : // Whether it is a capture or none, the reader of captures knows what to say.
        { is: 'capture' }
  }
  const text = withoutMark(head).toString('latin1')
  const found = /^\s*[[{]/.test(text) ? jsonForm(head, expected) : lineForm(text, expected)
  if (found === undefined || typeof found === 'string') {
    return unknown(found ?? `is neither a capture nor a flow log: it begins ${excerpt(text)}`)
  }
  const twice = fieldTwice(found.format)
  if (twice !== undefined) {
    return unknown(`has the field ${twice} twice, which a table cannot have`)
  }
  return { is: 'log', compression, ...found }
}

interface Found {
  readonly wrapping: Wrapping
  readonly format: RecordFormat
}

/** By the first line; what is wrong with it, where it is nearly a record. */
function lineForm(text: string, expected: RecordFormat | undefined): Found | string | undefined {
  const line = text.split(/\r?\n/).find((one) => one !== '') ?? ''
  const header = formatOfHeader(line)
  if (header !== undefined) {
    return { wrapping: { in: 'lines', before: 0, hasHeader: true }, format: header }
  }
  const column = messageColumn(line)
  if (column !== undefined) {
    const messages: string[] = []
    new CsvEvents(column, (message) => messages.push(message)).write(Buffer.from(text, 'latin1'))
    return eventForm({ in: 'csv', column, separator: COMMA }, messages, expected)
  }
  for (const separator of [COMMA, TAB, SPACE]) {
    const format = formatOfTable(line.split(String.fromCharCode(separator)))
    if (format === undefined) continue
    return { wrapping: { in: 'csv', column: WHOLE_ROW, separator }, format }
  }
  const words = line.split(' ')
  // Exports begin a line with its time, `aws logs tail` with the name of the stream after it.
  for (const before of isTime(words[0]!) ? [1, 2] : [0]) {
    const rest = words.slice(before).join(' ')
    const format = formatOfHeader(rest) ?? formatOfRecord(rest, expected)
    if (format !== undefined) {
      return { wrapping: { in: 'lines', before, hasHeader: false }, format }
    }
  }
  if (/^EVENTS\t/.test(line)) {
    return 'is what aws logs writes with --output text: have it write --output json'
  }
  return nearly(isTime(words[0]!) ? words.slice(1) : words, expected)
}

function isTime(word: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?$/.test(word)
}

/** Lines that look like records, in a format nobody told. */
function nearly(words: readonly string[], expected: RecordFormat | undefined): string | undefined {
  const hasMarks = words.some((word) =>
    /^(?:eni-[0-9a-f]+|ACCEPT|REJECT|NODATA|SKIPDATA)$/.test(word),
  )
  if (!hasMarks) return undefined
  return expected === undefined
    ? `seems to be a flow log without a header, ${words.length} fields a line: name them with --log-format '\${version} …'`
    : `seems to be a flow log without a header whose lines are not of --log-format: they have ${words.length} fields, the format ${expected.names.length}`
}

function jsonForm(head: Buffer, expected: RecordFormat | undefined): Found | string {
  let found: RecordFormat | undefined
  let problem: string | undefined
  const records = new EventRecords(
    expected,
    (line, format) => {
      found ??= format ?? formatOfHeader(line) ?? formatOfRecord(line, expected)
    },
    undefined,
    (text) => {
      problem ??= nearly(text.split(' '), expected)
    },
  )
  const events = new JsonEvents((event) => records.read(event))
  events.write(withoutMark(head))
  const { place } = records
  if (found === undefined) records.readStart(events.openText)
  if (found !== undefined) return { wrapping: { in: 'json', place }, format: found }
  return (
    problem ??
    'is JSON without flow log records: name what aws logs get-log-events, the console, Firehose, another collector of logs or flow-log --format json wrote'
  )
}

/** By the first message that is a record. */
function eventForm(
  wrapping: Wrapping,
  messages: readonly string[],
  expected: RecordFormat | undefined,
): Found | string | undefined {
  for (const message of messages) {
    const format = formatOfHeader(message) ?? formatOfRecord(message, expected)
    if (format !== undefined) return { wrapping, format }
  }
  const problems = messages.map((message) => nearly(message.split(' '), expected))
  return problems.find((problem) => problem !== undefined)
}

/** What can be decompressed of the beginning of compressed data. */
async function decompressedHead(
  head: Buffer,
  name: string,
  compression: 'gzip' | 'zstd',
): Promise<{ text: Buffer; fault: string }> {
  const pieces: Buffer[] = []
  let length = 0
  const decompression = openDecompression(
    compression,
    name,
    (piece) => {
      if (length >= HEAD_LEN) return
      pieces.push(Buffer.from(piece))
      length += piece.length
    },
    () => [],
  )
  try {
    const fault = (await decompression.write(head)) ?? (await decompression.end())
    return {
      text: Buffer.concat(pieces),
      fault: fault === undefined ? '' : ` (${fault.message}); copy or compress it again`,
    }
  } finally {
    decompression.destroy()
  }
}

function isCapture(head: Buffer): boolean {
  const parser = new CaptureParser(() => undefined, false)
  parser.push(head)
  return parser.format !== undefined
}

/** Characters and what lays text out; no capture begins like that. */
function isText(head: Buffer): boolean {
  const bytes = head.subarray(0, 256)
  return (
    !isCapture(bytes) &&
    bytes.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) &&
    withoutMark(bytes)[0]! < 0x7f
  )
}

function isUtf16(head: Buffer): boolean {
  const mark = head.length >= 2 ? head.readUInt16BE(0) : 0
  return mark === 0xfffe || mark === 0xfeff
}

/** The byte order mark of UTF-8, which some editors and spreadsheets write. */
export function withoutMark(head: Buffer): Buffer {
  return head.subarray(0, UTF8_MARK.length).equals(UTF8_MARK)
    ? head.subarray(UTF8_MARK.length)
    : head
}

function excerpt(text: string): string {
  const line = text.trimStart().split(/\r?\n/, 1)[0]!
  return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line)
}

function unknown(because: string): InputForm {
  return { is: 'unknown', because }
}
