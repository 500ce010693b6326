import { type Field, fieldNamed } from './fields.js'
import { TRANSIT_GATEWAY_FIELDS } from './transit-gateway-fields.js'

/** A value as Parquet has it; null where the text has a hyphen. */
type Value = string | number | bigint | null

interface LogColumn {
  readonly field: Field
  /** Where its value stands in a line. */
  readonly index: number
  values: Value[]
}

/**
 * The records of a flow log's lines, column by column.
 *
 * What a field holds is decided where the line is written; what type it has is
 * the field's row in fields.ts or transit-gateway-fields.ts. So Parquet says what the text says, by way of it.
 */
export class ParquetColumns {
  /** A field that the format names twice is one column: names in Parquet are unique. */
  readonly columns: readonly LogColumn[]
  rows = 0
  /** Length of the lines in the columns. */
  octets = 0
  readonly #fieldsPerLine: number

  /** `header` is a flow log's first line, without its newline. Throws for a field that does not exist. */
  constructor(header: string) {
    const names = header.split(' ')
    this.#fieldsPerLine = names.length
    this.columns = [...new Set(names)].map((name) => {
      const field = fieldNamed(name) ?? TRANSIT_GATEWAY_FIELDS.all.find((one) => one.name === name)
      if (field === undefined) throw new Error(`there is no flow log field '${name}'`)
      return { field, index: names.indexOf(name), values: [] }
    })
  }

  /** Adds a record's line, without its newline. Throws where it has too many values or too few, or one that is no number. */
  add(line: string): void {
    const values = line.split(' ')
    if (values.length !== this.#fieldsPerLine) {
      throw new Error(
        `a flow log record has ${values.length} values, its header ${this.#fieldsPerLine}`,
      )
    }
    for (const { field, index, values: column } of this.columns) {
      column.push(typed(field, values[index]!))
    }
    this.rows++
    this.octets += line.length + 1
  }

  clear(): void {
    for (const column of this.columns) column.values = []
    this.rows = 0
    this.octets = 0
  }
}

function typed(field: Field, text: string): Value {
  if (text === '-') return null
  if (field.type === 'string') return text
  if (field.type === 'int64') return BigInt(text)
  const number = Number(text)
  if ((number | 0) !== number) throw new Error(`'${text}' cannot be the ${field.name} of a record`)
  return number
}
