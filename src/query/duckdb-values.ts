import type { DuckDBAppender, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type { Confined, DuckDb } from './duckdb.js'

/** Of a column of what is seen now and then, and has text. */
export type ValueType =
  | 'BOOLEAN'
  | 'INTEGER'
  | 'UINTEGER'
  | 'DOUBLE'
  | 'VARCHAR'
  | 'VARCHAR[]'
  | 'DOUBLE[]'

/** DuckDB's unit of work, and the most rows of a data chunk. */
const ROWS_AT_A_TIME = 2048

/** Fills one table whose rows are values of any type: a row costs objects, as those of DuckDbRows do not. */
export class DuckDbValues {
  readonly #duckdb: DuckDb
  readonly #appender: DuckDBAppender
  readonly #types: readonly ValueType[]
  #rows: DuckDBValue[][] = []

  static async open(
    duckdb: DuckDb,
    { connection, catalog }: Confined,
    table: string,
    types: readonly ValueType[],
  ): Promise<DuckDbValues> {
    const appender = await connection.createAppender(table, 'loaded', catalog)
    return new DuckDbValues(duckdb, appender, types)
  }

  private constructor(duckdb: DuckDb, appender: DuckDBAppender, types: readonly ValueType[]) {
    this.#duckdb = duckdb
    this.#appender = appender
    this.#types = types
  }

  /** Undefined is NULL. Throws when neither memory nor disk has room for it. */
  add(row: readonly (DuckDBValue | readonly string[] | readonly number[] | undefined)[]): void {
    const { listValue } = this.#duckdb
    this.#rows.push(
      row.map((value) => {
        if (value === undefined) return null
        return Array.isArray(value)
          ? listValue(value as readonly DuckDBValue[])
          : (value as DuckDBValue)
      }),
    )
    if (this.#rows.length === ROWS_AT_A_TIME) this.#send()
  }

  close(): void {
    if (this.#rows.length > 0) this.#send()
    this.#appender.closeSync()
  }

  #send(): void {
    const chunk = this.#duckdb.DuckDBDataChunk.create(this.#types.map((type) => this.#typeOf(type)))
    chunk.setRows(this.#rows)
    this.#appender.appendDataChunk(chunk)
    this.#rows = []
  }

  #typeOf(type: ValueType): DuckDBType {
    const { LIST, VARCHAR, DOUBLE } = this.#duckdb
    if (type === 'VARCHAR[]') return LIST(VARCHAR)
    if (type === 'DOUBLE[]') return LIST(DOUBLE)
    return this.#duckdb[type]
  }
}
