const QUOTE = 0x22
export const COMMA = 0x2c
const LF = 0x0a
const CR = 0x0d
export const SPACE = 0x20
const HYPHEN = 0x2d
export const TAB = 0x09

/** Of a message; more is cut, and is then no record. */
const MESSAGE_MAX = 64 * 1024

const MESSAGE_COLUMNS = ['message', '@message']

/**
 * Where the messages of log events are in CSV that begins with this line, as the console exports it
 * (`timestamp,message`, of Logs Insights `@timestamp,@message`). Undefined for other CSV.
 */
export function messageColumn(header: string): number | undefined {
  const columns = header.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
  const at = columns.findIndex((name) => MESSAGE_COLUMNS.includes(name))
  return at === -1 || columns.length < 2 ? undefined : at
}

/** Where each row is a record, as Athena's results are: its values, with spaces between. */
export const WHOLE_ROW = -1

/**
 * Finds the messages in CSV (RFC 4180) given piece by piece, the header first: those of one column, or
 * with WHOLE_ROW all columns, `-` for one that is empty. The separator is
 * a comma, a tab or a space.
 */
export class CsvEvents {
  /** Bytes up to the end of the last whole row. */
  offset = 0
  readonly #column: number
  readonly #separator: number
  readonly #onMessage: (message: string) => void
  readonly #message = Buffer.allocUnsafeSlow(MESSAGE_MAX)
  #messageLen = 0
  #valueAt = 0
  #at = 0
  #isQuoted = false
  #rows = 0
  #seen = 0

  constructor(column: number, onMessage: (message: string) => void, separator = COMMA) {
    this.#column = column
    this.#separator = separator
    this.#onMessage = onMessage
  }

  write(piece: Buffer): void {
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at]!
      if (byte === QUOTE) this.#isQuoted = !this.#isQuoted
      else if (this.#isQuoted) this.#put(byte)
      else if (byte === this.#separator) this.#endValue()
      else if (byte === LF) {
        this.#endRow()
        this.offset = this.#seen + at + 1
      } else if (byte !== CR) this.#put(byte)
    }
    this.#seen += piece.length
  }

  end(isCut: boolean): void {
    if (this.#messageLen > 0 && !isCut) this.#endRow()
  }

  #put(byte: number): void {
    if (this.#column !== WHOLE_ROW && this.#at !== this.#column) return
    if (this.#messageLen < MESSAGE_MAX) this.#message[this.#messageLen++] = byte
  }

  #endValue(): void {
    if (this.#column === WHOLE_ROW) {
      if (this.#messageLen === this.#valueAt) this.#put(HYPHEN)
      this.#put(SPACE)
      this.#valueAt = this.#messageLen
    }
    this.#at++
  }

  #endRow(): void {
    if (this.#column === WHOLE_ROW && this.#at > 0 && this.#messageLen === this.#valueAt) {
      this.#put(HYPHEN)
    }
    this.#valueAt = 0
    if (this.#rows++ > 0 && this.#messageLen > 0) {
      this.#onMessage(this.#message.toString('utf8', 0, this.#messageLen).trimEnd())
    }
    this.#messageLen = 0
    this.#at = 0
  }
}
