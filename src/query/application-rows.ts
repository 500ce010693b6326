import { ApplicationReader } from '../application/application-reader.js'
import { type TransactionSink, Transactions } from '../application/transactions.js'
import type { PacketObserver } from '../session/pipeline.js'
import { type ApplicationTable, DNS, HTTP, QUIC, TLS } from './application-tables.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbValues } from './duckdb-values.js'
import { keptTable } from './sql-tables.js'

/** Fills the tables of what packets say of applications. */
export class ApplicationRows {
  readonly #transactions: Transactions
  readonly #reader: ApplicationReader
  readonly #tables: readonly DuckDbValues[]

  /** Undefined where none of them is named. */
  static async open(
    duckdb: DuckDb,
    database: Confined,
    named: ReadonlySet<string>,
  ): Promise<ApplicationRows | undefined> {
    const tables: DuckDbValues[] = []
    const filled = async <Row>(
      table: ApplicationTable<Row>,
    ): Promise<((row: Row) => void) | undefined> => {
      if (!named.has(table.name)) return undefined
      const types = table.kept.map(([, type]) => type)
      const rows = await DuckDbValues.open(duckdb, database, keptTable(table), types)
      tables.push(rows)
      return (row) => rows.add(table.values(row))
    }
    const sink = {
      dns: await filled(DNS),
      tls: await filled(TLS),
      quic: await filled(QUIC),
      http: await filled(HTTP),
    }
    return tables.length === 0 ? undefined : new ApplicationRows(sink, tables)
  }

  private constructor(sink: TransactionSink, tables: readonly DuckDbValues[]) {
    this.#transactions = new Transactions(sink)
    this.#reader = new ApplicationReader(this.#transactions)
    this.#tables = tables
  }

  /** `leavesCopies`: packets that another session has brought count for nothing. */
  observer(leavesCopies: boolean): PacketObserver {
    return (session, packet, frame, fault, isCopy) => {
      if (fault !== undefined || (isCopy && leavesCopies)) return
      this.#reader.read(frame, session.index, packet)
    }
  }

  close(): void {
    this.#reader.end()
    this.#transactions.end()
    for (const table of this.#tables) table.close()
  }
}
