import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

test.each([
  { name: 'f.json', begins: '{"version":2,' },
  { name: 'f.jsonl', begins: '{"version":2,' },
  { name: 'f.parquet', begins: 'PAR1' },
  { name: 'f.log', begins: 'version account-id' },
  { name: 'f', begins: 'version account-id' },
])('flow-log -o $name goes by the name', async ({ name, begins }) => {
  const path = join(temporaryDirectory(), name)
  expect((await runCommand('flow-log', SAMPLE, '-o', path)).code).toBe(0)
  expect(readFileSync(path, 'latin1').startsWith(begins)).toBe(true)
})

test.each([
  { name: 'f.json', begins: '[\n{"packets":' },
  { name: 'f.csv', begins: 'packets\n' },
  { name: 'f.parquet', begins: 'PAR1' },
  { name: 'f.txt', begins: 'packets\n' },
])('query -o $name goes by the name', async ({ name, begins }) => {
  const path = join(temporaryDirectory(), name)
  expect((await runCommand('query', 'SELECT 1 AS packets', '-o', path)).code).toBe(0)
  expect(readFileSync(path, 'latin1').startsWith(begins)).toBe(true)
})

test.each([
  ['flow-log', SAMPLE, '-o', 'f.csv'],
  ['flow-log', SAMPLE, '-o', 'f.toString'],
  ['query', 'SELECT 1', '-o', 'f.xlsx.gz'],
  ['flow-log', SAMPLE, '--format', 'json', '-o', 'f.parquet'],
])('%s refuses a name that says something else (%s %s %s)', async (...line) => {
  const path = join(temporaryDirectory(), line.at(-1)!)
  const { code, err } = await runCommand(...line.slice(0, -1), path)
  expect(code).toBe(2)
  expect(err).toMatch(/^mirrortap: [^\n]+(--format|another)[^\n]*\n$/)
  expect(existsSync(path)).toBe(false)
})

test('a name that says nothing is taken when the format is asked for', async () => {
  const path = join(temporaryDirectory(), 'f.2026')
  expect((await runCommand('flow-log', SAMPLE, '--format', 'json', '-o', path)).code).toBe(0)
  expect(readFileSync(path, 'utf8').startsWith('{')).toBe(true)
})
