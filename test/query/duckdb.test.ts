import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { identifier, loadDuckDb, lock, openConfined, quoted } from '../../src/query/duckdb.js'
import { temporaryDirectory } from '../support/temporary.js'

const duckdb = await import('@duckdb/node-api').catch(() => undefined)

describe('loadDuckDb', () => {
  test('says how to install what is not there', () => {
    const missing = () => {
      throw new Error("Cannot find package '@duckdb/node-api'")
    }
    const load = () => loadDuckDb(missing)
    expect(load).toThrow(OperatorError)
    expect(load).toThrow(/^[^\n]*npm install @duckdb\/node-api[^\n]*$/)
  })
})

/** The wall behind that of `query`, which lets no statement pass but a SELECT. */
describe.skipIf(duckdb === undefined)('openConfined (needs @duckdb/node-api)', () => {
  test('reaches the files named and nothing else, whatever is run', async () => {
    const dir = temporaryDirectory()
    for (const name of ['named.csv', 'other.csv']) writeFileSync(join(dir, name), 'a\n1\n')
    const database = await openConfined(duckdb!, {
      files: [join(dir, 'named.csv')],
      directory: join(dir, 'records'),
      temporaryDirectory: join(dir, 'temporary'),
      memoryBytes: 256e6,
    })
    await lock(database, 1e6)
    const { connection } = database
    const read = await connection.runAndReadAll(`FROM read_csv('${dir}/named.csv')`)
    expect(read.getRows()).toEqual([[1n]])
    for (const sql of [
      `FROM read_csv('${dir}/other.csv')`,
      `FROM read_text('${dir}/other.csv')`,
      `FROM glob('${dir}/*')`,
      `FROM read_text('${dir}/records/../other.csv')`,
      `COPY (SELECT 1) TO '${dir}/copied.csv'`,
      `COPY (SELECT 1) TO '${dir}/named.csv'`,
      `EXPORT DATABASE '${dir}/copied'`,
      `ATTACH '${dir}/attached.db' AS attached`,
      'INSTALL httpfs',
      'LOAD httpfs',
      'SET enable_external_access = true',
      `SET allowed_paths = ['${dir}/other.csv']`,
      "SET memory_limit = '100GB'",
      "SET max_temp_directory_size = '100GB'",
      `SET temp_directory = '${dir}'`,
      'SET lock_configuration = false',
      'PRAGMA threads = 1',
      'RESET memory_limit',
    ]) {
      await expect(connection.run(sql), sql).rejects.toThrow(
        /disabled|locked|[Cc]annot|configuration/,
      )
    }
    expect(readdirSync(dir).sort()).toEqual(['named.csv', 'other.csv'])
    connection.closeSync()
  })
})

describe('quoted', () => {
  test('makes a literal of any text', () => {
    expect(quoted("it's")).toBe("'it''s'")
    expect(identifier('a "b"')).toBe('"a ""b"""')
  })
})
