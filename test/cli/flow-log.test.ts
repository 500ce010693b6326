import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const SAMPLE = join(SAMPLES, 'web-and-dns.pcap')
const MIRRORED = join(SAMPLES, 'vxlan-two-sessions.pcap')

async function recordsOf(...args: string[]): Promise<string[]> {
  const path = join(temporaryDirectory(), 'flows.log')
  expect(await runMain('flow-log', '-o', path, ...args)).toEqual({ code: 0, out: '', err: '' })
  return readFileSync(path, 'utf8').trimEnd().split('\n')
}

describe('flow-log', () => {
  test('begins with the names of the fields asked for', async () => {
    const [header, ...records] = await recordsOf(SAMPLE, '--log-format', '${dstport} ${srcaddr}')
    expect(header).toBe('dstport srcaddr')
    expect(records).toHaveLength(24)
    expect(records).toContain('53 10.0.1.20')
  })

  test('writes an object a line', async () => {
    const format = ['--format', 'json', '--log-format', '${srcaddr} ${packets} ${vpc-id}']
    const records = await recordsOf(SAMPLE, ...format)
    expect(records).toHaveLength(24)
    for (const record of records) {
      expect(Object.keys(JSON.parse(record))).toEqual(['srcaddr', 'packets', 'vpc-id'])
    }
  })

  test('cuts flows at the ends of shorter windows', async () => {
    expect(await recordsOf(SAMPLE)).toHaveLength(1 + 24)
    const cut = await recordsOf(SAMPLE, '--max-aggregation-interval', '60')
    expect(cut.length).toBeGreaterThan(1 + 24)
  })

  test('writes what only an operator knows', async () => {
    const values = ['--interface-id', 'eni-1', '--account-id', '123456789012']
    const format = ['--log-format', '${account-id} ${interface-id} ${vpc-id}']
    const [, ...records] = await recordsOf(SAMPLE, ...values, ...format)
    expect(new Set(records)).toEqual(new Set(['123456789012 eni-1 -']))
  })

  test('takes the sessions asked for', async () => {
    expect(await recordsOf(MIRRORED, '--vni', '42')).toHaveLength(1 + 4)
    expect(await recordsOf(MIRRORED, '--vni', '42', '5569041')).toHaveLength(1 + 12)
    expect(await recordsOf(MIRRORED, '--decap', 'none', '--log-format', '${dstport}')).toContain(
      '4789',
    )
  })

  test('uses what is before the damage and what is after a missing file, and names both', async () => {
    const dir = temporaryDirectory()
    const whole = readFileSync(SAMPLE)
    const cut = join(dir, 'cut.pcap')
    writeFileSync(cut, whole.subarray(0, whole.length - 10))
    const missing = join(dir, 'missing.pcap')
    const path = join(dir, 'flows.log.gz')
    const { code, err } = await runMain('flow-log', missing, cut, MIRRORED, '-o', path)
    expect(code).toBe(1)
    expect(err).toMatch(
      /^mirrortap: .*missing\.pcap does not exist; check the path\nmirrortap: .*cut\.pcap: damaged at octet \d+: [^\n]*; all before it was used\n$/,
    )
    expect(gunzipSync(readFileSync(path)).toString().trimEnd().split('\n')).toHaveLength(1 + 36)
    expect(readdirSync(dir).sort()).toEqual(['cut.pcap', 'flows.log.gz'])
  })

  test.each(BAD_CAPTURES)('names $what in one line and leaves no file', async ({ make, says }) => {
    const input = make(temporaryDirectory())
    for (const name of ['flows.log', 'flows.log.gz']) {
      const dir = temporaryDirectory()
      const { code, out, err } = await runMain('flow-log', input, '-o', join(dir, name))
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
      expect(err.trimEnd()).toMatch(says)
      expect(readdirSync(dir)).toEqual([])
    }
  })

  test('leaves the old file when there is nothing to replace it', async () => {
    const path = join(temporaryDirectory(), 'flows.log')
    writeFileSync(path, 'of yesterday')
    expect((await runMain('flow-log', '/no/such.pcap', '-o', path)).code).toBe(1)
    expect(readFileSync(path, 'utf8')).toBe('of yesterday')
  })

  test.each([
    {
      what: 'in no directory',
      output: (dir: string) => join(dir, 'none/flows.log'),
      says: 'the directory does not exist; create it first (ENOENT)',
    },
    {
      what: 'that is a directory',
      output: (dir: string) => {
        mkdirSync(join(dir, 'flows.log'))
        return join(dir, 'flows.log')
      },
      says: 'that is a directory; name a file in it (EISDIR)',
    },
  ])('refuses an output $what', async ({ output, says }) => {
    const path = output(temporaryDirectory())
    expect(await runMain('flow-log', SAMPLE, '-o', path)).toEqual({
      code: 1,
      out: '',
      err: `mirrortap: cannot write ${path}: ${says}\n`,
    })
  })

  test.each([
    {
      args: ['--log-format', '${srcadr}'],
      says: /unknown field 'srcadr'.* did you mean 'srcaddr'/,
    },
    { args: ['--log-format', 'srcaddr'], says: /expected \$\{field\}, found "srcaddr"/ },
    { args: ['--log-format', ''], says: /empty: name at least one field/ },
    { args: ['--max-aggregation-interval', '61'], says: /Allowed choices are 60, 600\./ },
    { args: ['--format', 'xml'], says: /Allowed choices are text, json/ },
    { args: ['--vni', '-1'], says: /whole number from 0 to 16777215/ },
    { args: ['--vxlan-port', '0'], says: /whole number from 1 to 65535/ },
    { args: ['--account-id', 'a b'], says: /account-id: "a b" holds a space/ },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('flow-log', SAMPLE, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
  })
})
