/**
 * Where lists of events stand in JSON, so that one is held at a time:
 *
 * - `{"events":[{"timestamp":…,"message":"2 …"}]}` of get-log-events and filter-log-events;
 * - `{"messageType":"DATA_MESSAGE","logEvents":[{"message":"2 …"}]}` of subscriptions;
 * - `{"results":[[{"field":"@message","value":"2 …"}]]}` of Logs Insights;
 * - arrays of such events, or of messages;
 * - `{"message":"2 …"}` and other objects, one after the other with or without anything between them.
 */
const LISTS = new Set(['events', 'logEvents', 'results'])

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const SPACE = 0x20
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** Of one event: one of CloudWatch Logs has at most 1 MiB before it is escaped, the input of a Lambda function 6 MB. */
const EVENT_MAX = 8 * 1024 * 1024
/** Longer than any name of a list. */
const KEY_MAX = 16

/**
 * Finds the events in JSON given piece by piece; holds one at a time. What it does not understand is
 * no event: `wrong` counts it.
 */
export class JsonEvents {
  wrong = 0
  /** Bytes up to the end of the last whole event. */
  offset = 0
  readonly #onEvent: (event: unknown) => void
  #depth = 0
  /** The items at this depth are events; -1: whole values are; infinite: the list is over, the object not. */
  #listDepth = -1
  /** Depth of the event under way; -1: none. */
  #eventDepth = -1
  #isInString = false
  #isEscaped = false
  /** The last string within an object that may hold a list, as far as it may be the list's name. */
  #key = ''
  #isKeyNext = false
  #isStray = false
  #kept: Buffer[] = []
  #keptLen = 0
  #seen = 0

  constructor(onEvent: (event: unknown) => void) {
    this.#onEvent = onEvent
  }

  /** Whether a value has begun and not ended. */
  get isOpen(): boolean {
    return this.#depth > 0 || this.#isInString
  }

  /** What there is of the event under way. */
  get openText(): string {
    return this.#eventDepth < 0 ? '' : Buffer.concat(this.#kept).toString('latin1')
  }

  write(piece: Buffer): void {
    let from = 0
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at]!
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (byte === BACKSLASH) this.#isEscaped = true
        else if (byte === QUOTE) {
          this.#isInString = false
          if (this.#eventDepth === this.#depth && this.#depth === this.#listDepth) {
            this.#endEvent(piece, from, at + 1)
          }
        } else if (this.#isKeyNext && this.#key.length < KEY_MAX) {
          this.#key += String.fromCharCode(byte)
        }
        continue
      }
      switch (byte) {
        case QUOTE:
          this.#isInString = true
          this.#isKeyNext = this.#depth === 1 && this.#listDepth < 0
          if (this.#isKeyNext) this.#key = ''
          else if (this.#depth === this.#listDepth && this.#eventDepth < 0) {
            this.#eventDepth = this.#depth
            from = at
          }
          break
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.#depth === 0 && byte === OPEN_BRACKET) this.#listDepth = 1
          else if (this.#beginsList(byte)) {
            this.#listDepth = 2
            this.#drop()
          } else if (this.#eventDepth < 0 && this.#mayBegin) {
            this.#eventDepth = this.#depth
            from = at
          }
          this.#depth++
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          if (this.#depth === 0) this.wrong++
          else this.#depth--
          if (this.#eventDepth === this.#depth) this.#endEvent(piece, from, at + 1)
          if (this.#depth < this.#listDepth) {
            // An object with a list in it is no event, whatever follows.
            this.#listDepth = this.#depth === 0 ? -1 : Number.POSITIVE_INFINITY
          }
          if (this.#depth === 0) this.#listDepth = -1
          break
        default:
          // Between values there is nothing but white space and commas.
          if (this.#depth > 0 || byte <= SPACE || byte === COMMA) break
          if (!this.#isStray) this.wrong++
          this.#isStray = true
      }
    }
    if (this.#eventDepth >= 0) this.#keep(piece, from, piece.length)
    this.#seen += piece.length
  }

  get #mayBegin(): boolean {
    return this.#listDepth < 0 ? this.#depth === 0 : this.#depth === this.#listDepth
  }

  #beginsList(byte: number): boolean {
    return byte === OPEN_BRACKET && this.#depth === 1 && this.#isKeyNext && LISTS.has(this.#key)
  }

  #keep(piece: Buffer, start: number, end: number): void {
    this.#keptLen += end - start
    if (this.#keptLen > EVENT_MAX) this.#kept = []
    else this.#kept.push(Buffer.from(piece.subarray(start, end)))
  }

  #drop(): void {
    this.#eventDepth = -1
    this.#kept = []
    this.#keptLen = 0
  }

  #endEvent(piece: Buffer, start: number, end: number): void {
    const isLong = this.#keptLen + end - start > EVENT_MAX
    const text = Buffer.concat([...this.#kept, piece.subarray(start, end)])
    this.#drop()
    this.#isStray = false
    this.offset = this.#seen + end
    let event: unknown
    try {
      if (!isLong) event = JSON.parse(text.toString())
    } catch {
      // Not JSON: it is counted below.
    }
    if (event === undefined) this.wrong++
    else this.#onEvent(event)
  }
}
