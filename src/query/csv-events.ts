const QUOTE = 0x22
const COMMA = 0x2c
const LF = 0x0a
const CR = 0x0d

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

/** Finds the messages in CSV (RFC 4180) given piece by piece, the header first. */
export class CsvEvents {
  /** Bytes up to the end of the last whole row. */
  offset = 0
  readonly #column: number
  readonly #onMessage: (message: string) => void
  readonly #message = Buffer.allocUnsafeSlow(MESSAGE_MAX)
  #messageLen = 0
  #at = 0
  #isQuoted = false
  #rows = 0
  #seen = 0

  constructor(column: number, onMessage: (message: string) => void) {
    this.#column = column
    this.#onMessage = onMessage
  }

  write(piece: Buffer): void {
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at]!
      if (byte === QUOTE) this.#isQuoted = !this.#isQuoted
      else if (this.#isQuoted) this.#put(byte)
      else if (byte === COMMA) this.#at++
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
    if (this.#at === this.#column && this.#messageLen < MESSAGE_MAX) {
      this.#message[this.#messageLen++] = byte
    }
  }

  #endRow(): void {
    if (this.#rows++ > 0 && this.#messageLen > 0) {
      this.#onMessage(this.#message.toString('utf8', 0, this.#messageLen).trimEnd())
    }
    this.#messageLen = 0
    this.#at = 0
  }
}
