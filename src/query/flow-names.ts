import { AddressNames, type NamedEnds } from '../application/address-names.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbValues } from './duckdb-values.js'
import { NAMES_TABLE } from './sql-tables.js'

/** Names kept in memory as they are given numbers; ends with others have none. */
const NAMES_MAX = 262_144

/** Names of the ends of flows. A row has their numbers, a table of its own the names. */
export class FlowNames {
  readonly addresses = new AddressNames()

  readonly #rows: DuckDbValues
  readonly #numbers = new Map<string, number>()

  static async open(duckdb: DuckDb, database: Confined): Promise<FlowNames> {
    const types = ['UINTEGER', 'VARCHAR'] as const
    return new FlowNames(await DuckDbValues.open(duckdb, database, NAMES_TABLE, types))
  }

  private constructor(rows: DuckDbValues) {
    this.#rows = rows
  }

  /** Writes the numbers of the names of both ends, 0 where there is none. */
  put(flow: NamedEnds, row: Float64Array, sourceAt: number, destinationAt: number): void {
    const { source, destination } = this.addresses.of(flow)
    row[sourceAt] = this.#numberOf(source)
    row[destinationAt] = this.#numberOf(destination)
  }

  close(): void {
    this.#rows.close()
  }

  #numberOf(name: string | undefined): number {
    if (name === undefined) return 0
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#numbers.size >= NAMES_MAX) return 0
    const number = this.#numbers.size + 1
    this.#numbers.set(name, number)
    this.#rows.add([number, name])
    return number
  }
}
