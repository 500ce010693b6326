import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** What starts by being loaded. */
const ENTRY = /^(?:bin|.*worker)\.js$/

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' })
}

describe.skipIf(!IS_BUILT)(`the bundled program${NEEDS_BUILD}`, () => {
  test('finds everything that any of its files imports', UNHURRIED, () => {
    const files = readdirSync(dirname(BIN)).filter((name) => /\.js$/.test(name))
    const entries = files.filter((name) => ENTRY.test(name))
    expect(entries.sort()).toEqual(['bin.js', 'spool-worker.js', 'table-worker.js', 'worker.js'])
    const others = files.filter((name) => !ENTRY.test(name))
    expect(others.length).toBeGreaterThan(20)
    const urls = others.map((name) => pathToFileURL(join(dirname(BIN), name)).href)
    const script = `for (const url of ${JSON.stringify(urls)}) await import(url); console.log('all')`
    expect(node('--input-type=module', '-e', script)).toBe('all\n')
  })

  test('finds the parts of the report page', UNHURRIED, () => {
    const page = join(temporaryDirectory(), 'report.html')
    node(BIN, 'analyze', '--report', page, SAMPLE)
    const text = readFileSync(page, 'utf8')
    expect(text).toContain('uPlot')
    expect(text).toMatch(/<script type="application\/json" id="chart-data">\{.*<\/script>\n/)
    expect(text).toMatch(/<\/html>\n$/)
  })
})
