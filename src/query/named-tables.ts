import type { DuckDBConnection } from '@duckdb/node-api'
import { OperatorError } from '../errors.js'
import { identifier, quoted } from './duckdb.js'

/** What is explained may be a statement that writes, and ANALYZE runs it. */
export const EXPLAIN = /^\s*EXPLAIN\b(?:\s+ANALYZE\b)?/i

/** A place in the SQL that names a table. */
interface NamedTable {
  /** Without its quotes. */
  readonly name: string
  /** In bytes of the SQL as UTF-8. */
  readonly at: number
  /** The SQL gives it another name. */
  readonly hasAlias: boolean
}

interface TableNode {
  readonly type?: unknown
  readonly table_name?: unknown
  readonly alias?: unknown
  readonly query_location?: unknown
}

/**
 * Where the SQL names tables. Undefined where that cannot be told, as of the strings
 * that `query('…')` takes.
 */
export async function tablesNamed(
  connection: DuckDBConnection,
  sql: string,
): Promise<readonly NamedTable[] | undefined> {
  const asked = sql.replace(EXPLAIN, '')
  const before = Buffer.byteLength(sql) - Buffer.byteLength(asked)
  const read = await connection.runAndReadAll(`SELECT json_serialize_sql(${quoted(asked)})`)
  const tree = JSON.parse(String(read.getRows()[0]![0])) as { error: boolean }
  if (tree.error || /\bquery(?:_table)?"?\s*\(/i.test(asked)) return undefined
  const named: NamedTable[] = []
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, table_name: name, alias, query_location: at } = node as TableNode
    if (type === 'BASE_TABLE' && typeof name === 'string') {
      named.push({ name, at: before + Number(at), hasAlias: alias !== '' })
    }
    Object.values(node).forEach(walk)
  }
  walk(tree)
  return named
}

/** Whether the SQL may name this table: spelled alike, or in any quotes where the places are not known. */
export function mayName(
  sql: string,
  tables: readonly NamedTable[] | undefined,
  name: string,
): boolean {
  if (tables !== undefined) return tables.some((table) => table.name === name)
  return [name, quoted(name).slice(1, -1), identifier(name).slice(1, -1)].some((text) =>
    sql.includes(text),
  )
}

/**
 * DuckDB knows a name in capitals and in small letters as one; names of files differ. Gives names that
 * DuckDB tells apart to those that differ in case alone. Throws OperatorError where the SQL does not show
 * its places.
 */
export function apart(
  sql: string,
  tables: readonly NamedTable[] | undefined,
  names: readonly string[],
): { sql: string; nameOf: ReadonlyMap<string, string> } {
  const nameOf = new Map<string, string>()
  const renamed = new Set<string>()
  const firsts = new Map<string, string>()
  for (const name of names) {
    const first = firsts.get(name.toLowerCase())
    if (first !== undefined && tables === undefined) {
      throw new OperatorError(
        `${first} and ${name} differ only in upper and lower case: query one of them at a time, or rename one`,
        { exitCode: 2 },
      )
    }
    if (first === undefined) firsts.set(name.toLowerCase(), name)
    else renamed.add(name)
    nameOf.set(name, first === undefined ? name : `${name} (${nameOf.size + 1})`)
  }
  const bytes = Buffer.from(sql)
  const pieces: string[] = []
  let done = 0
  for (const { name, at, hasAlias } of [...(tables ?? [])].sort((a, b) => a.at - b.at)) {
    if (!renamed.has(name)) continue
    const token = [quoted(name), identifier(name)].find((text) =>
      bytes.subarray(at).toString().startsWith(text),
    )
    if (token === undefined) continue
    pieces.push(bytes.subarray(done, at).toString(), identifier(nameOf.get(name)!))
    // Its columns go by the name of the file.
    if (!hasAlias) pieces.push(` AS ${identifier(name)}`)
    done = at + Buffer.byteLength(token)
  }
  pieces.push(bytes.subarray(done).toString())
  return { sql: pieces.join(''), nameOf }
}
