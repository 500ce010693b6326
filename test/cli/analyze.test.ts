import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type AnalysisTextOptions, formatAnalysis } from '../../src/report/analysis-text.js'
import { analyzedFiles } from '../analyze/analyzed.js'
import { pcapFile } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const WEB = join(SAMPLES, 'web-and-dns.pcap')
const MIRRORED = join(SAMPLES, 'vxlan-two-sessions.pcap')

/** One escape sequence that sets colour or weight. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what an escape sequence begins with
const ESCAPE = /\x1b\[\d+m/g

const always: AnalysisTextOptions['styled'] = (style, text) =>
  styleText(style, text, { validateStream: false })
const never: AnalysisTextOptions['styled'] = (_style, text) => text

describe('analyze', () => {
  test.each(BAD_CAPTURES)('names $what in one line and prints nothing', async ({ make, says }) => {
    const directory = temporaryDirectory()
    const page = join(directory, 'report.html')
    for (const options of [[], ['--json'], ['--report', page]]) {
      const { code, out, err } = await runMain('analyze', ...options, make(temporaryDirectory()))
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
      expect(err.trimEnd()).toMatch(says)
    }
    expect(readdirSync(directory)).toEqual([])
  })

  test('says of a file without packets that it has none, in one line', async () => {
    const path = join(temporaryDirectory(), 'header.pcap')
    writeFileSync(path, pcapFile([]))
    const { code, out, err } = await runCommand('analyze', path)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toBe(`${path}: pcap, ETHERNET (1), snaplen 262144, no packets\n`)
  })

  test('uses all before the damage, names its offset and fails', async () => {
    const path = join(temporaryDirectory(), 'cut.pcap')
    writeFileSync(path, readFileSync(WEB).subarray(0, 20_000))
    const { code, out, err } = await runCommand('analyze', '--json', path)
    expect(code).toBe(1)
    const { offset } = JSON.parse(out).files[0].damage
    expect(err).toContain(`${path}: damaged at byte ${offset}: `)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
  })

  test('uses the readable ones of several files', async () => {
    const { code, out, err } = await runCommand('analyze', '--json', WEB, 'nowhere.pcap', MIRRORED)
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: nowhere\.pcap does not exist; check the path\n$/)
    const { files, totals } = JSON.parse(out)
    expect(files.map(({ file }: { file: string }) => file)).toEqual([WEB, MIRRORED])
    expect(totals.packets).toBe(118 + 92)
  })

  test('has the documented shape as JSON', async () => {
    const { code, out, err } = await runCommand('analyze', '--json', '--top', '3', WEB)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const report = JSON.parse(out)
    const page = readFileSync(join(import.meta.dirname, '../../src/analyze/README.md'), 'utf8')
    const members = page.split('\n| kind |')[0]!
    const documented = [...members.matchAll(/^\| `([a-zA-Z]+)` \|/gm)].map((match) => match[1]!)
    expect(Object.keys(report).sort()).toEqual(documented.sort())
    expect(report.version).toBe(1)
    expect(report.flows.topByBytes).toHaveLength(3)
    expect(report.talkers.byPackets).toHaveLength(3)
    expect(report.flows).toMatchObject({ count: 24 })
  })

  test('refuses a page by a name that says something else', async () => {
    const path = join(temporaryDirectory(), 'report.json')
    expect(await runCommand('analyze', '--report', path, WEB)).toEqual({
      code: 2,
      out: '',
      err: `mirrortap: ${path}: no format is called json; give a name that ends in .html, .htm\n`,
    })
    expect(existsSync(path)).toBe(false)
  })

  test('writes the page beside the text, whole', async () => {
    const directory = temporaryDirectory()
    const { code, out, err } = await runCommand(
      'analyze',
      '--report',
      join(directory, 'r.html'),
      WEB,
    )
    const written = `the report was written to ${join(directory, 'r.html')}\n`
    expect({ code, err }).toEqual({ code: 0, err: written })
    expect(out).toContain('118 packets')
    expect(readdirSync(directory)).toEqual(['r.html'])
    const page = readFileSync(join(directory, 'r.html'), 'utf8')
    expect(page).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  })

  test('writes the page alone to standard output', async () => {
    const { code, out } = await runCommand('analyze', '--report', '-', WEB)
    expect(code).toBe(0)
    expect(out).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  })

  test('says before the work that a page cannot be written', async () => {
    const page = join(temporaryDirectory(), 'nowhere', 'r.html')
    const { code, out, err } = await runMain('analyze', '--report', page, WEB)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]*nowhere[^\n]*\n$/)
    expect(existsSync(page)).toBe(false)
  })

  test.each([
    { args: ['--top', '0'], says: 'Give a whole number from 1 to 1000.' },
    { args: ['--max-flows', 'many'], says: 'Give a whole number from 1 to 16777216.' },
    {
      args: ['--json', '--report', '-'],
      says: '--report - and --json cannot both write to standard output',
    },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('analyze', WEB, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test('says what README.md shows', async () => {
    const readme = readFileSync(join(SAMPLES, '../README.md'), 'utf8')
    const section = readme.split('## What is in a capture\n')[1]!.split('\nThe output also')[0]!
    const shown = [...section.matchAll(/^ {4}(.*\S)$/gm)].map((match) => match[1]!)
    expect(shown.length).toBeGreaterThan(10)
    const { out } = await runCommand(
      'analyze',
      '--top',
      '3',
      join(SAMPLES, 'cut-by-packet-length.pcap'),
    )
    const lines = out.replace(`${SAMPLES}/`, 'samples/').split('\n')
    for (const line of shown) expect(lines).toContain(line)
  })

  test('uses no colour where nobody looks', async () => {
    const { out } = await runCommand('analyze', MIRRORED)
    expect(out).not.toMatch(ESCAPE)
  })
})

describe('formatAnalysis', () => {
  test.each([
    { width: 60, colour: false },
    { width: 80, colour: false },
    { width: 80, colour: true },
    { width: 132, colour: false },
  ])('fits $width columns, colour $colour', async ({ width, colour }) => {
    for (const path of [WEB, MIRRORED, join(SAMPLES, 'cut-by-packet-length.pcap')]) {
      const report = await analyzedFiles([path])
      // What does not break, such as a path, may be longer.
      report.files[0]!.file = 'capture.pcap'
      for (const line of formatAnalysis(report, {
        width,
        styled: colour ? always : never,
        top: 10,
      })) {
        expect(line.replace(ESCAPE, '').length, line).toBeLessThanOrEqual(width)
        if (!colour) expect(line).not.toMatch(ESCAPE)
      }
    }
  })

  test('puts what is wrong before all tables', async () => {
    const report = await analyzedFiles([join(SAMPLES, 'cut-by-packet-length.pcap')])
    const lines = formatAnalysis(report, {
      width: Number.POSITIVE_INFINITY,
      styled: never,
      top: 10,
    })
    const problem = lines.findIndex((line) => line.startsWith('! '))
    expect(lines[problem]).toContain('at 96 bytes, as a PacketLength of the session does')
    expect(problem).toBeLessThan(lines.indexOf('sessions'))
  })

  test('colours problems', async () => {
    const report = await analyzedFiles([join(SAMPLES, 'cut-by-packet-length.pcap')])
    const lines = formatAnalysis(report, { width: 100, styled: always, top: 10 })
    expect(lines.filter((line) => line.includes('\x1b[31m!'))).toHaveLength(1)
  })

  test('lists no more than it is asked for', async () => {
    const report = await analyzedFiles([WEB], { top: 2 })
    const lines = formatAnalysis(report, { width: 100, styled: never, top: 2 })
    expect(lines).toContain('… and 22 more flows')
    expect(lines).toContain('… and 7 more addresses')
  })
})
