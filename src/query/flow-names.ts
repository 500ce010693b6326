import { AddressNames, type NamedEnds } from '../application/address-names.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbValues } from './duckdb-values.js'
import { NAMES_TABLE } from './sql-tables.js'

/** Names kept in memory as they are given numbers; ends with others have none. */
const NAMES_MAX = 262_144

/** Names of the ends of flows, and other words of rows. A row has their numbers, a table of its own the words. */
export class FlowNames {
  /** Undefined where no names are asked for. */
  readonly addresses: AddressNames | undefined

  readonly #rows: DuckDbValues
  readonly #numbers = new Map<string, number>()

  static async open(duckdb: DuckDb, database: Confined, hasNames: boolean): Promise<FlowNames> {
    const types = ['UINTEGER', 'VARCHAR'] as const
    return new FlowNames(await DuckDbValues.open(duckdb, database, NAMES_TABLE, types), hasNames)
  }

  private constructor(rows: DuckDbValues, hasNames: boolean) {
    if (hasNames) this.addresses = new AddressNames()
    this.#rows = rows
  }

  /** Writes the numbers of the names of both ends, 0 where there is none. */
  put(flow: NamedEnds, row: Float64Array, sourceAt: number, destinationAt: number): void {
    const named = this.addresses?.of(flow)
    row[sourceAt] = this.numberOf(named?.source)
    row[destinationAt] = this.numberOf(named?.destination)
  }

  close(): void {
    this.#rows.close()
  }

  /** 0 where there is no word, or too many were given numbers. */
  numberOf(name: string | undefined): number {
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
