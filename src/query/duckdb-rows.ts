import type { DuckDBAppender, DuckDBDataChunk, DuckDBType } from '@duckdb/node-api'
import type { Confined, DuckDb } from './duckdb.js'

/**
 * How a number is kept in a table that is being filled: always as a number and
 * never null, so that a row costs no objects. Views make of them what people read.
 */
export type NumberType = 'UTINYINT' | 'USMALLINT' | 'UINTEGER' | 'DOUBLE'

/** DuckDB's unit of work, and the most rows of a data chunk. */
const ROWS_AT_A_TIME = 2048

/**
 * Fills one table, chunk by chunk. A row is written value by value into `row`, in
 * the order of the columns, and taken by `end`.
 */
export class DuckDbRows {
  /** The row being written. */
  readonly row: Float64Array
  /** Rows taken. */
  count = 0
  readonly #appender: DuckDBAppender
  readonly #chunk: DuckDBDataChunk
  readonly #columns: readonly Float64Array[]
  #filled = 0

  static async open(
    duckdb: DuckDb,
    database: Confined,
    table: string,
    types: readonly NumberType[],
  ): Promise<DuckDbRows> {
    const { connection, catalog } = database
    const appender = await connection.createAppender(table, 'loaded', catalog)
    const chunk = duckdb.DuckDBDataChunk.create(types.map((type): DuckDBType => duckdb[type]))
    return new DuckDbRows(appender, chunk, types.length)
  }

  private constructor(appender: DuckDBAppender, chunk: DuckDBDataChunk, columns: number) {
    this.#appender = appender
    this.#chunk = chunk
    this.row = new Float64Array(columns)
    this.#columns = Array.from({ length: columns }, () => new Float64Array(ROWS_AT_A_TIME))
  }

  /** The row is complete; the next begins with its values. Throws when neither memory nor disk has room for it. */
  end(): void {
    const row = this.row
    const at = this.#filled
    for (let column = 0; column < row.length; column++) this.#columns[column]![at] = row[column]!
    this.count++
    if (++this.#filled === ROWS_AT_A_TIME) this.#send()
  }

  close(): void {
    if (this.#filled > 0) this.#send()
    this.#appender.closeSync()
  }

  #send(): void {
    const rows = this.#filled
    const chunk = this.#chunk
    chunk.reset()
    chunk.rowCount = rows
    for (const [index, values] of this.#columns.entries()) {
      const vector = chunk.getColumnVector(index)
      for (let at = 0; at < rows; at++) vector.setItem(at, values[at]!)
      vector.flush()
    }
    this.#appender.appendDataChunk(chunk)
    this.#filled = 0
  }
}
