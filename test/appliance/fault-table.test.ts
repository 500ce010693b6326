import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { METRIC_ROWS } from '../../src/metrics/rows.js'

const ROOT = join(import.meta.dirname, '../..')

test('the table of faults names tests and metrics that there are', () => {
  const rows = readFileSync(join(ROOT, 'src/appliance/README.md'), 'utf8')
    .split('## What an operator sees when something fails')[1]!
    .split('\n')
    .filter((line) => /^\| [a-z`A-Z]/.test(line) && !line.startsWith('| fault '))
    .map((line) => line.split('|').slice(1, -1))
  expect(rows.length).toBeGreaterThan(15)
  const metrics = METRIC_ROWS.flatMap(({ name }) => [name, `${name}_total`])
  for (const row of rows) {
    expect(row).toHaveLength(6)
    const files = [...row[5]!.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file!)
    expect(files.length).toBeGreaterThan(0)
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
    const named = [...row[2]!.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => name!)
    expect(metrics).toEqual(expect.arrayContaining(named))
  }
})
