import { describe, expect, test } from 'vitest'
import { identifier, loadDuckDb, quoted } from '../../src/analyze/duckdb.js'
import { OperatorError } from '../../src/errors.js'

describe('loadDuckDb', () => {
  test('says how to install what is not there', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package '@duckdb/node-api'"))
    const loading = loadDuckDb(missing)
    await expect(loading).rejects.toThrow(OperatorError)
    await expect(loading).rejects.toThrow(/^[^\n]*npm install @duckdb\/node-api[^\n]*$/)
  })
})

describe('quoted', () => {
  test('makes a literal of any text', () => {
    expect(quoted("it's")).toBe("'it''s'")
    expect(identifier('a "b"')).toBe('"a ""b"""')
  })
})
