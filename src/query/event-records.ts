import { constants, gunzipSync } from 'node:zlib'
import { JsonEvents } from './log-events.js'
import {
  fieldOfKey,
  formatOf,
  formatOfHeader,
  formatOfRecord,
  type RecordFormat,
} from './record-format.js'
import { LINE_MAX } from './record-lines.js'

/**
 * Finds the records in events, which are JSON of whatever collected them: CloudWatch Logs, Firehose, a
 * Lambda function's input, Fluent Bit, Splunk's HEC. A record is either text, somewhere in the event, or an
 * object that has fields as its keys. Where it stands is found in the first event that has one and holds for
 * those that follow, as long as they have something there.
 */

/** The keys that lead to a record. Arrays, and JSON within a string, take none. */
export interface RecordPlace {
  readonly keys: readonly string[]
  readonly is: 'text' | 'fields'
}

/** `format` undefined: what headers, or the first record, say. */
export type OnRecord = (line: string, format: RecordFormat | undefined) => void

/** Keys on the way to a record. */
const DEPTH_MAX = 8
/** Values of one event that are looked at to find a record. */
const VALUES_MAX = 1000
/** An object with as many fields of flow logs is a record, whatever else it has. */
const FIELDS_ENOUGH = 4
/** The JSON that is packed in one string; the input of a Lambda function has at most 6 MB. */
const UNPACKED_MAX = 32 * 1024 * 1024
/** What the base64 of gzip begins with. */
const PACKED = 'H4sI'
/** What CloudWatch Logs itself sends through a subscription, to see whether somebody takes it. */
const CONTROL = 'CWL CONTROL MESSAGE'

export class EventRecords {
  /** Where the records stand, once one has been found. */
  place: RecordPlace | undefined
  readonly #expected: RecordFormat | undefined
  readonly #onRecord: OnRecord
  readonly #onOther: (text: string) => void
  readonly #isPacked: boolean
  #wrong = 0
  #found = 0
  #isControl = false
  #valuesLeft = 0
  #unpacked: EventRecords | undefined

  /**
   * `expected` is the format of records without a header, where it is known. `onOther` has text that is no
   * record, while their place is not known. `isPacked`: the events were packed in one themselves.
   */
  constructor(
    expected: RecordFormat | undefined,
    onRecord: OnRecord,
    place?: RecordPlace,
    onOther: (text: string) => void = () => undefined,
    isPacked = false,
  ) {
    this.#expected = expected
    this.#onRecord = onRecord
    this.#onOther = onOther
    this.#isPacked = isPacked
    this.place = place
  }

  /** Events without a record. */
  get wrong(): number {
    return this.#wrong + (this.#unpacked?.wrong ?? 0)
  }

  read(given: unknown): void {
    const event = rowOf(given) ?? given
    this.#found = 0
    this.#isControl = false
    if (this.place !== undefined) this.#take(event, 0, this.place)
    if (this.#found > 0 || this.#isControl) return
    const place = this.#search(event, 'text') ?? this.#search(event, 'fields')
    if (place === undefined) {
      if (!this.#isControl) this.#wrong++
      return
    }
    this.place = place
    this.#take(event, 0, place)
  }

  /** Reads what there is in the beginning of an event whose JSON is packed in one long string. */
  readStart(text: string): void {
    const at = text.indexOf(`"${PACKED}`)
    if (at !== -1) this.#unpack(text.slice(at + 1).split('"', 1)[0]!, true)
  }

  /** Gives the records at the place to `onRecord`. */
  #take(value: unknown, depth: number, place: RecordPlace): void {
    if (depth === place.keys.length) this.#takeHere(value, depth, place)
    else if (isList(value)) for (const one of value) this.#take(one, depth, place)
    else {
      const object = objectOf(value)
      if (object !== undefined) this.#take(object[place.keys[depth]!], depth + 1, place)
    }
  }

  #takeHere(value: unknown, depth: number, place: RecordPlace): void {
    if (place.is === 'fields') {
      const record = isList(value) ? undefined : fieldRecord(objectOf(value))
      if (record !== undefined) {
        this.#found++
        this.#onRecord(record.line, record.format)
        return
      }
    }
    if (isList(value)) for (const one of value) this.#take(one, depth, place)
    else if (place.is === 'text' && typeof value === 'string') {
      this.#found++
      if (value.startsWith(PACKED)) this.#unpack(value)
      else this.#onRecord(value.startsWith(CONTROL) ? '' : value.trimEnd(), undefined)
    }
  }

  #unpack(text: string, isCut = false): void {
    if (this.#isPacked) {
      this.#wrong++
      return
    }
    this.#unpacked ??= new EventRecords(
      this.#expected,
      this.#onRecord,
      undefined,
      this.#onOther,
      true,
    )
    this.#unpacked.#readPacked(text, isCut)
  }

  #search(event: unknown, is: RecordPlace['is']): RecordPlace | undefined {
    this.#valuesLeft = VALUES_MAX
    const keys = this.#keysTo(event, is, [])
    return keys && { keys, is }
  }

  /** The keys to the first record in a value. */
  #keysTo(
    value: unknown,
    is: RecordPlace['is'],
    keys: readonly string[],
  ): readonly string[] | undefined {
    if (this.#valuesLeft-- <= 0) return undefined
    if (typeof value === 'string' && !value.startsWith('{')) {
      return is === 'text' && this.#isRecord(value) ? keys : undefined
    }
    if (isList(value)) {
      for (const one of value) {
        const found = this.#keysTo(one, is, keys)
        if (found !== undefined || this.#valuesLeft <= 0) return found
      }
      return undefined
    }
    const object = objectOf(value)
    if (object === undefined) return undefined
    if (is === 'fields' && fieldRecord(object) !== undefined) return keys
    if (keys.length === DEPTH_MAX) return undefined
    for (const [key, one] of Object.entries(object)) {
      const found = this.#keysTo(one, is, [...keys, key])
      if (found !== undefined || this.#valuesLeft <= 0) return found
    }
    return undefined
  }

  #isRecord(text: string): boolean {
    if (text.startsWith(PACKED)) return !this.#isPacked && this.#hasRecord(text)
    this.#isControl ||= text.startsWith(CONTROL)
    const line = text.split('\n', 1)[0]!.trimEnd()
    if (line.length > LINE_MAX) return false
    if ((formatOfHeader(line) ?? formatOfRecord(line, this.#expected)) !== undefined) return true
    this.#onOther(line)
    return false
  }

  #hasRecord(packed: string): boolean {
    let has = false
    const onRecord = () => {
      has = true
    }
    new EventRecords(this.#expected, onRecord, undefined, this.#onOther, true).#readPacked(packed)
    return has
  }

  #readPacked(text: string, isCut = false): void {
    let json: Buffer
    try {
      json = gunzipSync(Buffer.from(text, 'base64'), {
        maxOutputLength: UNPACKED_MAX,
        ...(isCut && { finishFlush: constants.Z_SYNC_FLUSH }),
      })
    } catch {
      // Not gzip, or more of it than is read: the event is counted as one without a record.
      this.#wrong++
      return
    }
    const events = new JsonEvents((event) => this.read(event))
    events.write(json)
    this.#wrong += events.wrong + (events.isOpen ? 1 : 0)
  }
}

/** A row of Logs Insights, `[{"field":"@message","value":"2 …"}]`, as an object. */
function rowOf(event: unknown): Record<string, unknown> | undefined {
  if (!isList(event) || event.length === 0) return undefined
  const pairs = event.map((one) => {
    const { field, value } = (one ?? {}) as { field?: unknown; value?: unknown }
    return [field, value] as const
  })
  return pairs.every(([field]) => typeof field === 'string') ? Object.fromEntries(pairs) : undefined
}

/** Undefined where few of the values are fields: other JSON has a `type` or a `version`, too. */
function fieldRecord(
  object: Readonly<Record<string, unknown>> | undefined,
): { line: string; format: RecordFormat } | undefined {
  const names: string[] = []
  const words: string[] = []
  let others = 0
  for (const [key, value] of Object.entries(object ?? {})) {
    const name = typeof value === 'object' && value !== null ? undefined : fieldOfKey(key)
    if (name === undefined) others++
    else {
      names.push(name)
      words.push(value === null || value === '' ? '-' : String(value))
    }
  }
  if (names.length === 0 || (names.length < FIELDS_ENOUGH && names.length < others))
    return undefined
  return { line: words.join(' '), format: formatOf(names) }
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  if (typeof value !== 'string' || !value.startsWith('{')) return undefined
  try {
    return JSON.parse(value) as Record<string, unknown>
  } catch {
    return undefined
  }
}
