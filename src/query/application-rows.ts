import type { AddressNames } from '../application/address-names.js'
import { ApplicationReader } from '../application/application-reader.js'
import { joinedSinks } from '../application/application-sink.js'
import { type TransactionSink, Transactions } from '../application/transactions.js'
import { ApplicationPackets } from '../session/application-packets.js'
import type { DuplicateMode } from '../session/duplicates.js'
import {
  type ApplicationTable,
  DNS,
  HTTP,
  KERBEROS,
  NTLM,
  QUIC,
  SMB_MAPPING,
  SMTP,
  SSH,
  TLS,
} from './application-tables.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbValues } from './duckdb-values.js'
import { keptTable } from './sql-tables.js'

/** Fills the tables of what packets say of applications. */
export class ApplicationRows {
  readonly packets: ApplicationPackets

  readonly #transactions: Transactions
  readonly #tables: readonly DuckDbValues[]

  /** `names` are to be had of the same packets. Undefined where nothing is asked for. */
  static async open(
    duckdb: DuckDb,
    database: Confined,
    named: ReadonlySet<string>,
    names: AddressNames | undefined,
    duplicates: DuplicateMode | undefined,
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
      ssh: await filled(SSH),
      smtp: await filled(SMTP),
      kerberos: await filled(KERBEROS),
      ntlm: await filled(NTLM),
      smbMapping: await filled(SMB_MAPPING),
    }
    if (tables.length === 0 && names === undefined) return undefined
    return new ApplicationRows(sink, tables, names, duplicates)
  }

  private constructor(
    sink: TransactionSink,
    tables: readonly DuckDbValues[],
    names: AddressNames | undefined,
    duplicates: DuplicateMode | undefined,
  ) {
    this.#transactions = new Transactions(sink)
    const sinks =
      names === undefined ? this.#transactions : joinedSinks([this.#transactions, names])
    this.packets = new ApplicationPackets(new ApplicationReader(sinks), duplicates)
    this.#tables = tables
  }

  close(): void {
    this.packets.end()
    this.#transactions.end()
    for (const table of this.#tables) table.close()
  }
}
