import { createRequire } from 'node:module'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { OperatorError } from '../errors.js'

export type DuckDb = typeof import('@duckdb/node-api')

/** DuckDB, where it is installed. Throws OperatorError that says how to install it where it is not. */
export function loadDuckDb(load = requireDuckDb): DuckDb {
  try {
    return load()
  } catch (error) {
    throw new OperatorError(
      'query needs DuckDB, an optional package: npm install @duckdb/node-api (for all users: npm install --global)',
      { cause: error },
    )
  }
}

/** It is CommonJS. As a module, Node would look through all its text for what it exports, which takes 80 ms. */
function requireDuckDb(): DuckDb {
  return createRequire(import.meta.url)('@duckdb/node-api') as DuckDb
}

interface ConfinedOptions {
  /** The only files of the machine that SQL can reach, and the directory of what is made of them. Absolute. */
  files: readonly string[]
  directory: string
  /** Where what does not fit in memory goes; the caller makes and removes it. */
  temporaryDirectory: string
  memoryBytes: number
}

/** A database of its own in this process, whose SQL comes from a stranger. */
export interface Confined {
  readonly instance: DuckDBInstance
  readonly connection: DuckDBConnection
  /** The catalog that tables are made in. */
  readonly catalog: string
}

const CATALOG = 'mirrortap'

/**
 * Opens a database in memory that reaches no file but those named, no network and
 * no extension. What SQL could talk out of it is for `lock` to prevent, before any runs.
 */
export async function openConfined(duckdb: DuckDb, options: ConfinedOptions): Promise<Confined> {
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    memory_limit: `${options.memoryBytes}B`,
    temp_directory: options.temporaryDirectory,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_persistent_secrets: 'false',
  })
  const connection = await instance.connect()
  // Half the memory of a table that is not compressed.
  await connection.run(`ATTACH ':memory:' AS ${CATALOG} (COMPRESS); USE ${CATALOG}`)
  const files = options.files.map(quoted).join(', ')
  await connection.run(`SET allowed_paths = [${files}]`)
  await connection.run(`SET allowed_directories = [${quoted(`${options.directory}/`)}]`)
  await connection.run('SET enable_external_access = false')
  return { instance, connection, catalog: CATALOG }
}

/** Whether a type is one of numbers. */
export function isNumeric({ DuckDBTypeId }: DuckDb, typeId: number): boolean {
  const { DECIMAL, HUGEINT, UHUGEINT, TINYINT, DOUBLE } = DuckDBTypeId
  // TINYINT … DOUBLE: all whole numbers and floats of up to 64 bits.
  return (typeId >= TINYINT && typeId <= DOUBLE) || [DECIMAL, HUGEINT, UHUGEINT].includes(typeId)
}

/** From now on at most this many bytes go to the temporary directory, and nothing of the configuration changes. */
export async function lock({ connection }: Confined, temporaryBytes: number): Promise<void> {
  await connection.run(`SET max_temp_directory_size = '${temporaryBytes}B'`)
  await connection.run('SET lock_configuration = true')
}

/** A string literal. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name of a column or table. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
