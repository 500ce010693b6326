import { parseLogFormat } from '../../flowlog/log-format.js'

/** Records as they are to be written. */
export class StreamLines {
  readonly header: string
  records = 0
  wrong = 0
  readonly #isText: boolean
  /** Undefined: all that a record has, as it is. */
  readonly #names: readonly string[] | undefined

  constructor(format: 'text' | 'json', logFormat: string | undefined) {
    this.#isText = format === 'text'
    const isWhole = !this.#isText && logFormat === undefined
    this.#names = isWhole ? undefined : parseLogFormat(logFormat).fields.map(({ name }) => name)
    this.header = this.#isText ? `${this.#names!.join(' ')}\n` : ''
  }

  /** Empty for what is no record. */
  of(line: string): string {
    const record = recordOf(line)
    if (record === undefined) {
      this.wrong++
      return ''
    }
    const names = this.#names
    const words = this.#isText ? names!.map((name) => wordOf(record[name])) : []
    if (words.includes(undefined)) {
      this.wrong++
      return ''
    }
    this.records++
    if (names === undefined) return `${line}\n`
    if (this.#isText) return `${words.join(' ')}\n`
    return `${JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name] ?? null])))}\n`
  }
}

function recordOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isRecord ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** A value as it stands in a line of text; undefined where it would be several words, or none. */
function wordOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return '-'
  if (typeof value === 'object') return undefined
  const word = String(value)
  return /^[^\s\p{Cc}]+$/u.test(word) ? word : undefined
}
