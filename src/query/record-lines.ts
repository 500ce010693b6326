import { isUtf8 } from 'node:buffer'
import { fieldTwice, formatKey, formatOfHeader, type RecordFormat } from './record-format.js'

/** Takes lines that are records of one format. */
export interface RecordOutput {
  /** The lines that follow are of this format. False: no more formats are taken. */
  begin(format: RecordFormat): boolean
  /** Bytes of whole lines, each with its line feed. */
  write(bytes: Buffer, start: number, end: number): void
}

/** Takes records and keeps nothing: to learn whether they are sound. */
export const NO_OUTPUT: RecordOutput = { begin: () => true, write: () => undefined }

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const HYPHEN = 0x2d
const ZERO = 0x30

/** Characters of a line; a record with every field there is, and all of them long, has some 6000. */
export const LINE_MAX = 64 * 1024
const INT32_MAX = 2 ** 31 - 1
/** Digits that 64 bits hold in any case. */
const INT64_DIGITS = 18

const NUMBER_KINDS = { string: 0, int32: 1, int64: 2 } as const
const LINE_FEED = Buffer.from('\n')

/**
 * Takes the records out of the text of a flow log, given piece by piece, and leaves out what is none: DuckDB
 * would give up at the first. A header may stand anywhere, as where logs were joined, and holds for what
 * follows. Sound lines that lie side by side are passed on as one.
 */
export class RecordLines {
  /** Lines that are neither records nor headers nor empty. */
  wrong = 0
  /** The first of them, counted from 1. */
  firstWrong = 0
  lines = 0
  /** Bytes up to the end of the last whole line. */
  offset = 0
  /** Whether the text is what DuckDB itself reads: one format, a header at most at the beginning. */
  isPlain = true
  #format: RecordFormat
  #kinds: Uint8Array
  /** False: a header could be taken for a record. */
  #hasNumber = false
  /** Bytes before the piece. */
  #seen = 0
  /** The format has been refused; its lines are wrong. */
  #isRefused = false
  /** Words before the record, such as the time of a log event. */
  readonly #before: number
  readonly #output: RecordOutput
  /** The line that began in an earlier piece. */
  readonly #kept = Buffer.allocUnsafeSlow(LINE_MAX)
  #keptLen = 0
  /** State within a line. */
  #column = 0
  #wordAt = 0
  #recordAt = 0
  #value = 0
  #isWrong = false
  #isWide = false
  #returns = 0
  /** Sound lines of the piece that are still to be passed on. */
  #runFrom = 0
  #runTo = 0

  constructor(format: RecordFormat, before: number, output: RecordOutput) {
    this.#format = format
    this.#kinds = kindsOf(format)
    this.#before = before
    this.#output = output
    this.#use(format)
    this.#beginLine()
    if (before > 0) this.isPlain = false
  }

  /** What follows is of this format, without a header. */
  use(format: RecordFormat): void {
    if (formatKey(format) !== formatKey(this.#format)) this.#use(format)
  }

  write(piece: Buffer): void {
    const { length } = piece
    let start = 0
    this.#runFrom = this.#runTo = 0
    let kinds = this.#kinds
    let column = this.#column
    let kind = column < 0 ? 0 : kinds[column]!
    let wordAt = this.#wordAt
    let value = this.#value
    let isWrong = this.#isWrong
    // Offsets are those of the line.
    let shift = this.#keptLen
    for (let at = 0; at < length; at++) {
      const byte = piece[at]!
      if (byte > SPACE) {
        if (byte > 0x7e) this.#isWide = true
        if (kind === 0) continue
        const digit = byte - ZERO
        if (digit >= 0 && digit <= 9) value = value * 10 + digit
        else if (byte !== HYPHEN || at + shift !== wordAt) isWrong = true
        else value = Number.NaN
      } else if (byte === SPACE || byte === LF) {
        const end = at + shift - (byte === LF ? this.#returns : 0)
        isWrong ||= !isWord(kind, value, end - wordAt)
        if (byte === SPACE) {
          wordAt = at + shift + 1
          value = 0
          column++
          kind = column < 0 || column >= kinds.length ? 0 : kinds[column]!
          if (column === 0) this.#recordAt = wordAt
          continue
        }
        this.#isWrong = isWrong
        this.#column = column
        this.#endLine(piece, start, at)
        start = at + 1
        shift = -start
        kinds = this.#kinds
        column = this.#column
        kind = column < 0 ? 0 : kinds[column]!
        wordAt = 0
        value = 0
        isWrong = false
      } else if (byte === CR && this.#returns === 0) {
        this.#returns = 1
      } else {
        isWrong = true
      }
    }
    this.#flush(piece)
    this.#column = column
    this.#wordAt = wordAt
    this.#value = value
    this.#isWrong = isWrong
    this.#keep(piece, start, length)
    this.#seen += length
  }

  /** The text is over; `isCut`: a last line without an end is no whole one. */
  end(isCut: boolean): void {
    if (this.#keptLen > 0 && !isCut) this.write(LINE_FEED)
  }

  #keep(piece: Buffer, start: number, end: number): void {
    if (this.#keptLen + end - start > LINE_MAX) {
      this.#isWrong = true
      // Its bytes are of no use, but that there are some.
      this.#keptLen = LINE_MAX
      return
    }
    piece.copy(this.#kept, this.#keptLen, start, end)
    this.#keptLen += end - start
  }

  #endLine(piece: Buffer, start: number, end: number): void {
    const isKept = this.#keptLen > 0
    const isLong = this.#keptLen + end - start > LINE_MAX
    let bytes = piece
    let from = start
    let to = end
    if (isKept) {
      this.#keep(piece, start, end)
      bytes = this.#kept
      from = 0
      to = this.#keptLen
    }
    if (this.#returns > 0) {
      to--
      this.#isWrong ||= bytes[to] !== CR
    }
    this.lines++
    this.offset = this.#seen + end + 1
    const record = from + this.#recordAt
    if (isLong) this.#countWrong()
    else if (this.#isRecord(bytes, record, to)) {
      if (isKept || this.#before > 0 || this.#returns > 0) this.#passOn(piece, bytes, record, to)
      else {
        if (this.#runTo !== start) {
          this.#flush(piece)
          this.#runFrom = start
        }
        this.#runTo = end + 1
      }
    } else {
      this.#flush(piece)
      this.#odd(bytes.toString('utf8', record, to))
    }
    if (this.#returns > 0) this.isPlain = false
    this.#keptLen = 0
    this.#beginLine()
  }

  #isRecord(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isWrong || this.#isRefused || this.#column !== this.#kinds.length - 1) return false
    if (this.#isWide && !isUtf8(bytes.subarray(from, to))) return false
    return this.#hasNumber || formatOfHeader(bytes.toString('latin1', from, to)) === undefined
  }

  #odd(line: string): void {
    if (line === '') {
      this.isPlain = false
      return
    }
    const format = formatOfHeader(line)
    if (format === undefined || fieldTwice(format) !== undefined) this.#countWrong()
    else if (this.lines > 1) this.isPlain = false
    if (format !== undefined) this.use(format)
  }

  #countWrong(): void {
    this.isPlain = false
    this.wrong++
    if (this.firstWrong === 0) this.firstWrong = this.lines
  }

  #use(format: RecordFormat): void {
    this.#format = format
    this.#kinds = kindsOf(format)
    this.#hasNumber = format.types.some((type) => type !== 'string')
    this.#isRefused = fieldTwice(format) !== undefined || !this.#output.begin(format)
  }

  #beginLine(): void {
    this.#column = -this.#before
    this.#wordAt = 0
    this.#recordAt = 0
    this.#value = 0
    this.#isWrong = false
    this.#isWide = false
    this.#returns = 0
  }

  #passOn(piece: Buffer, bytes: Buffer, start: number, end: number): void {
    this.#flush(piece)
    this.#output.write(bytes, start, end)
    this.#output.write(LINE_FEED, 0, 1)
  }

  #flush(piece: Buffer): void {
    if (this.#runTo > this.#runFrom) this.#output.write(piece, this.#runFrom, this.#runTo)
    this.#runFrom = this.#runTo = 0
  }
}

function isWord(kind: number, value: number, length: number): boolean {
  if (kind === 0 || length === 0) return length > 0
  if (Number.isNaN(value)) return length === 1
  return kind === 1 ? value <= INT32_MAX : length <= INT64_DIGITS
}

function kindsOf({ types }: RecordFormat): Uint8Array {
  return Uint8Array.from(types, (type) => NUMBER_KINDS[type])
}
