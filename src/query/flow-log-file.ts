import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CaptureInput } from '../pcap/capture-input.js'
import { type Decompression, openDecompression } from '../pcap/decompression.js'
import type { Compression } from '../pcap/decompressor.js'
import { CsvEvents } from './csv-events.js'
import { EventRecords, type RecordPlace } from './event-records.js'
import { type Wrapping, withoutMark } from './input-form.js'
import { JsonEvents } from './log-events.js'
import type { RecordFormat } from './record-format.js'
import { RecordLines, type RecordOutput } from './record-lines.js'

/** What there was in a flow log. */
export interface FlowLogSummary {
  /** Lines, or events, that are no records. */
  readonly wrong: number
  /** The first of them, counted from 1; undefined where it cannot be told. */
  readonly firstWrong: number | undefined
  /** DuckDB can read the file as it is; it never can what is compressed. */
  readonly isPlain: boolean
  readonly compression: Compression
  readonly hasTrailing: boolean
  /** Where it stops making sense, in bytes of it decompressed. */
  readonly damage: { readonly offset: number; readonly message: string } | undefined
}

/** What is read, and how. */
interface FlowLogReading {
  readonly input: CaptureInput
  readonly compression: Compression
  readonly wrapping: Wrapping
  /** Of the first record. */
  readonly format: RecordFormat
  readonly output: RecordOutput
  /** Called between blocks with the bytes read so far, as the file is stored. */
  readonly afterBlock?: (bytesRead: number) => void
}

/** The text of flow logs as it comes, whatever it is wrapped in. */
interface TextReader {
  write(piece: Buffer): void
  /** `isCut`: the text goes on, but nobody knows how. */
  end(isCut: boolean): void
  /** Bytes up to the end of the last whole line or event. */
  readonly offset: number
  readonly wrong: number
  readonly firstWrong: number | undefined
  readonly isPlain: boolean
  /** Why the text is no whole one. */
  readonly cut: string | undefined
}

const BLOCK_LEN = 256 * 1024
/** Bytes of a file between two turns of the event loop. */
const TURN_LEN = 16 * 1024 * 1024
/** Characters of records that events are gathered to. */
const GATHERED_LEN = 64 * 1024

/**
 * Gives the records of a flow log to `output`. Wrong bytes and lines are no reason to stop before they must:
 * the summary has them. Rejects with OperatorError when the input cannot be read, and with what `output` throws.
 */
export async function readFlowLog(reading: FlowLogReading): Promise<FlowLogSummary> {
  const { input, compression, afterBlock } = reading
  const text = textReader(reading)
  const marked = new MarkRemover(text)
  let fault: Error | undefined
  let decompression: Decompression | undefined
  if (compression !== 'none') {
    decompression = openDecompression(
      compression,
      input.name,
      (piece) => marked.write(piece),
      input.isFile ? (length) => blocksOf(input, length) : undefined,
    )
  }
  let bytesRead = 0
  let turnAt = TURN_LEN
  try {
    for await (const piece of input.isFile ? blocksOf(input) : input.pieces()) {
      if (decompression === undefined) marked.write(piece)
      else fault = await decompression.write(piece)
      if (fault !== undefined) break
      bytesRead += piece.length
      afterBlock?.(bytesRead)
      if (bytesRead < turnAt) continue
      turnAt += TURN_LEN
      await nextTurn()
    }
    if (fault === undefined) fault = await decompression?.end()
  } finally {
    decompression?.destroy()
  }
  text.end(fault !== undefined)
  const message =
    fault === undefined
      ? text.cut
      : `the ${compression} data ends early or is damaged (${fault.message})`
  return {
    wrong: text.wrong,
    firstWrong: text.firstWrong,
    isPlain: text.isPlain && !marked.hasMark && compression === 'none',
    compression,
    hasTrailing: decompression?.hasTrailing ?? false,
    damage: message === undefined ? undefined : { offset: text.offset, message },
  }
}

/** The first `length` bytes of a file, or all. */
function* blocksOf(
  input: CaptureInput,
  length = Number.POSITIVE_INFINITY,
): Generator<Buffer, void, undefined> {
  const block = Buffer.allocUnsafeSlow(BLOCK_LEN)
  for (let at = 0; at < length; ) {
    const read = input.readAt(block.subarray(0, Math.min(BLOCK_LEN, length - at)), at)
    if (read === 0) return
    at += read
    yield block.subarray(0, read)
  }
}

/** Passes text on without the byte order mark it may begin with. */
class MarkRemover {
  hasMark = false
  readonly #text: TextReader
  #isBegun = false

  constructor(text: TextReader) {
    this.#text = text
  }

  write(piece: Buffer): void {
    const rest = this.#isBegun ? piece : withoutMark(piece)
    this.hasMark ||= rest.length < piece.length
    this.#isBegun = true
    this.#text.write(rest)
  }
}

function textReader({ wrapping, format, output }: FlowLogReading): TextReader {
  switch (wrapping.in) {
    case 'lines':
      return new LineReader(new RecordLines(format, wrapping.before, output))
    case 'csv':
      return new CsvReader(wrapping, new GatheredLines(format, output))
    case 'json':
      return new JsonReader(wrapping.place, format, new GatheredLines(format, output))
  }
}

class LineReader implements TextReader {
  readonly cut = undefined
  readonly #lines: RecordLines

  constructor(lines: RecordLines) {
    this.#lines = lines
  }

  write(piece: Buffer): void {
    this.#lines.write(piece)
  }

  end(isCut: boolean): void {
    this.#lines.end(isCut)
  }

  get offset(): number {
    return this.#lines.offset
  }

  get wrong(): number {
    return this.#lines.wrong
  }

  get firstWrong(): number | undefined {
    return this.#lines.firstWrong
  }

  get isPlain(): boolean {
    return this.#lines.isPlain
  }
}

/** The lines of events, some at a time. */
class GatheredLines {
  readonly #lines: RecordLines
  readonly #format: RecordFormat
  #isOfEvent = false
  #text = ''

  constructor(format: RecordFormat, output: RecordOutput) {
    this.#lines = new RecordLines(format, 0, output)
    this.#format = format
  }

  get wrong(): number {
    return this.#lines.wrong
  }

  /** `format` undefined: what headers, or the first record, say. */
  add(line: string, format: RecordFormat | undefined): void {
    if (format !== undefined || this.#isOfEvent) {
      this.flush()
      this.#lines.use(format ?? this.#format)
      this.#isOfEvent = format !== undefined
    }
    this.#text += `${line}\n`
    if (this.#text.length >= GATHERED_LEN) this.flush()
  }

  flush(): void {
    if (this.#text !== '') this.#lines.write(Buffer.from(this.#text))
    this.#text = ''
  }
}

class CsvReader implements TextReader {
  readonly firstWrong = undefined
  readonly isPlain = false
  readonly cut = undefined
  readonly #lines: GatheredLines
  readonly #events: CsvEvents

  constructor({ column, separator }: Wrapping & { in: 'csv' }, lines: GatheredLines) {
    this.#lines = lines
    this.#events = new CsvEvents(column, (message) => lines.add(message, undefined), separator)
  }

  write(piece: Buffer): void {
    this.#events.write(piece)
  }

  end(isCut: boolean): void {
    this.#events.end(isCut)
    this.#lines.flush()
  }

  get offset(): number {
    return this.#events.offset
  }

  get wrong(): number {
    return this.#lines.wrong
  }
}

class JsonReader implements TextReader {
  readonly firstWrong = undefined
  readonly isPlain = false
  readonly #lines: GatheredLines
  readonly #events: JsonEvents
  readonly #records: EventRecords

  constructor(place: RecordPlace | undefined, format: RecordFormat, lines: GatheredLines) {
    this.#lines = lines
    this.#records = new EventRecords(format, (line, own) => lines.add(line, own), place)
    this.#events = new JsonEvents((event) => this.#records.read(event))
  }

  write(piece: Buffer): void {
    this.#events.write(piece)
  }

  end(): void {
    this.#lines.flush()
  }

  get offset(): number {
    return this.#events.offset
  }

  get wrong(): number {
    return this.#events.wrong + this.#records.wrong + this.#lines.wrong
  }

  get cut(): string | undefined {
    return this.#events.isOpen ? 'the JSON ends early' : undefined
  }
}
