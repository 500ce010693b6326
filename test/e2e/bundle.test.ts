import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** What starts by being loaded. */
const ENTRY = /^(?:bin|.*worker)\.js$/

/** A file or a package, in the code as the bundler writes it. */
const ASKED = /\b(?:require|import)\("([^"]+)"\)/g
const COMMENT = /\/\*[\s\S]*?\*\//g

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' })
}

describe.skipIf(!IS_BUILT)(`the bundled program${NEEDS_BUILD}`, () => {
  test('finds everything that any of its files asks for', UNHURRIED, () => {
    const files = readdirSync(dirname(BIN)).filter((name) => /\.js$/.test(name))
    const entries = files.filter((name) => ENTRY.test(name))
    expect(entries.sort()).toEqual([
      'bin.js',
      'delivery-worker.js',
      'forward-worker.js',
      'index-worker.js',
      'spool-worker.js',
      'table-worker.js',
      'worker.js',
    ])
    expect(files.length).toBeGreaterThan(25)
    const { resolve } = createRequire(BIN)
    const texts = files.map((name) => readFileSync(join(dirname(BIN), name), 'utf8'))
    const asked = texts.flatMap((text) =>
      [...text.replace(COMMENT, '').matchAll(ASKED)].map(([, what]) => what!),
    )
    expect(asked).toEqual(expect.arrayContaining(['node:fs', 'yaml', 'hyparquet-writer']))
    for (const what of new Set(asked)) expect(() => resolve(what), what).not.toThrow()
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
