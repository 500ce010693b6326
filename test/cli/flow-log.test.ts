import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DirectoryLock } from '../../src/sink/directory-lock.js'
import { filesBelow } from '../e2e/program.js'
import { asText, readParquet, rowsOfText } from '../flowlog/parquet-file.js'
import { ethernet, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const SAMPLE = join(SAMPLES, 'web-and-dns.pcap')
const MIRRORED = join(SAMPLES, 'vxlan-two-sessions.pcap')

const T = 1_700_000_000

async function recordsOf(...args: string[]): Promise<string[]> {
  const path = join(temporaryDirectory(), 'flows.log')
  const { code, out, err } = await runMain('flow-log', '-o', path, ...args)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect({ code, out }).toEqual({ code: 0, out: '' })
  expect(err).toMatch(/^\d+ records? written to [^\n]+\n$/)
  return lines
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

  test('counts each packet at its own time when the clock was set back, and says so once', async () => {
    const directory = temporaryDirectory()
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 5000, dport: 53 }))
    const times = [0, 100, 200, -3600, -3500, -3400, 86_400, -3300, -3200]
    const path = join(directory, 'steps.pcap')
    writeFileSync(path, pcapFile(times.map((time) => ({ seconds: T + time, frame }))))
    const format = ['--log-format', '${start} ${end} ${packets}']
    const log = join(directory, 'flows.log')
    const { code, err } = await runMain('flow-log', '-o', log, path, ...format)
    expect(code).toBe(0)
    expect(err.split('\n').filter((line) => line.startsWith('mirrortap: '))).toEqual([
      'mirrortap: times go backwards, by up to 89700 s; each packet is counted at its own time',
    ])
    expect(readFileSync(log, 'utf8').trimEnd().split('\n').slice(1)).toEqual([
      `${T} ${T} 1`,
      `${T + 100} ${T + 100} 1`,
      `${T + 200} ${T + 200} 1`,
      `${T - 3600} ${T - 3400} 3`,
      `${T + 86_400} ${T + 86_400} 1`,
      `${T - 3300} ${T - 3300} 1`,
      `${T - 3200} ${T - 3200} 1`,
    ])
  })

  test('writes what only an operator knows', async () => {
    const values = ['--interface-id', 'eni-1', '--account-id', '123456789012']
    const format = ['--log-format', '${account-id} ${interface-id} ${vpc-id}']
    const [, ...records] = await recordsOf(SAMPLE, ...values, ...format)
    expect(new Set(records)).toEqual(new Set(['123456789012 eni-1 -']))
  })

  test('takes the sessions asked for', async () => {
    expect(await recordsOf(MIRRORED, '--vni', '42')).toHaveLength(1 + 4)
    expect(await recordsOf(MIRRORED, '--vni', '42,5569041')).toHaveLength(1 + 12)
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
      /^36 records written to .*flows\.log\.gz\nmirrortap: .*missing\.pcap does not exist; check the path\nmirrortap: .*cut\.pcap: damaged at byte \d+: [^\n]*; all before it was used\n$/,
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

  test.each([
    { how: 'by format', args: ['--format', 'parquet', '-o', 'flows'] },
    { how: 'by name', args: ['-o', 'flows.parquet'] },
  ])('writes what text says as Parquet, $how', async ({ args }) => {
    const path = join(temporaryDirectory(), args.at(-1)!)
    const format = ['--log-format', '${srcaddr} ${dstport} ${bytes} ${start} ${log-status} ${type}']
    const command = ['flow-log', SAMPLE, ...format, ...args.slice(0, -1), path]
    const err = `24 records written to ${path}\n`
    expect(await runMain(...command)).toEqual({ code: 0, out: '', err })
    const text = await recordsOf(SAMPLE, ...format)
    expect(asText(await readParquet(path))).toEqual(rowsOfText(text.join('\n')))
  })

  test.each([
    { format: 'text', extension: 'log.gz' },
    { format: 'parquet', extension: 'log.parquet' },
  ])("writes $format in AWS's layout below a directory", async ({ format, extension }) => {
    const dir = join(temporaryDirectory(), 'logs')
    const parts = ['--hive-compatible-partitions', '--per-hour-partition', '-o', dir]
    const values = ['--account-id', '123456789012', '--region', 'eu-west-1']
    const command = ['flow-log', SAMPLE, MIRRORED, '--format', format, ...parts, ...values]
    const { code, out, err } = await runMain(...command)
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toMatch(new RegExp(`^\\d+ records written to ${dir}\\n$`))
    const files = filesBelow(dir)
    const key = new RegExp(
      '^AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/' +
        'year=2026/month=03/day=01/hour=12/123456789012_vpcflowlogs_eu-west-1_fl-[0-9a-f]{17}_' +
        `20260301T12\\d\\dZ_[0-9a-f]{8}\\.${extension}$`,
    )
    for (const file of files) expect(file).toMatch(key)
    // A file for every five minutes in which records end.
    expect(new Set(files.map((file) => /T\d{4}Z/.exec(file)![0])).size).toBe(files.length)
    const rows = await Promise.all(
      files.map(async (file) => {
        const path = join(dir, file)
        if (format === 'parquet') return asText(await readParquet(path))
        return rowsOfText(gunzipSync(readFileSync(path)).toString())
      }),
    )
    const all = rowsOfText((await recordsOf(SAMPLE, MIRRORED, ...values)).join('\n'))
    expect(rows.flat()).toHaveLength(all.length)
    expect(rows.flat()).toEqual(expect.arrayContaining(all))
  })

  test('writes every record of months with a packet an hour below a directory', async () => {
    const dir = temporaryDirectory()
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 }))
    const hours = Array.from({ length: 500 }, (_, hour) => ({ frame, seconds: T + hour * 3600 }))
    writeFileSync(join(dir, 'in.pcap'), pcapFile(hours))
    const command = ['flow-log', join(dir, 'in.pcap'), '-o', `${join(dir, 'logs')}/`]
    const err = `500 records written to ${join(dir, 'logs')}/\n`
    expect(await runMain(...command)).toEqual({ code: 0, out: '', err })
    const files = filesBelow(join(dir, 'logs'))
    expect(files).toHaveLength(500)
    expect(new Set(files.map((file) => /\d{8}T\d{4}Z/.exec(file)![0])).size).toBe(500)
  })

  test('says whose directory it is and writes nothing', async () => {
    const dir = temporaryDirectory()
    const lock = new DirectoryLock(dir)
    const { code, err } = await runMain('flow-log', SAMPLE, '-o', `${dir}/`)
    lock.release()
    expect(code).toBe(1)
    expect(err).toMatch(/is in use by process \d+/)
    expect(readdirSync(dir)).toEqual([])
  })

  test('says the same of files in whatever order they are given', async () => {
    const dir = temporaryDirectory()
    const packet = (sport: number) =>
      ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }))
    // Interleaved: each window has packets of both files.
    const shots = Array.from({ length: 300 }, (_, at) => ({
      frame: packet(at % 3),
      seconds: T + at * 7,
    }))
    const write = (name: string, which: typeof shots): string => {
      writeFileSync(join(dir, name), pcapFile(which))
      return join(dir, name)
    }
    const one = write('one.pcap', shots)
    const odd = write(
      'odd.pcap',
      shots.filter((_, at) => at % 2 === 1),
    )
    const even = write(
      'even.pcap',
      shots.filter((_, at) => at % 2 === 0),
    )
    const interval = ['--max-aggregation-interval', '60']
    const expected = await recordsOf(one, ...interval)
    expect(expected.length).toBeGreaterThan(1 + 3 * 30)
    expect(await recordsOf(odd, even, ...interval)).toEqual(expected)
    expect(await recordsOf(even, odd, ...interval)).toEqual(expected)
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
    { args: ['--format', 'xml'], says: /Allowed choices are text, json, parquet/ },
    { args: ['--format', 'parquet', '-o', 'x.gz'], says: /compressed inside/ },
    { args: ['--format', 'json', '-o', 'x/'], says: /name a file for JSON/ },
    {
      args: ['--per-hour-partition'],
      says: /name the directory that is to have them with -o DIR\//,
    },
    { args: ['-o', 'x/', '--account-id', 'a_b'], says: /account id 'a_b' names a directory/ },
    { args: ['--vni', '-1'], says: /whole number from 0 to 16777215/ },
    { args: ['--vxlan-port', '0'], says: /whole number from 1 to 65535/ },
    { args: ['--account-id', 'a b'], says: /account-id: "a b" has a space/ },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('flow-log', SAMPLE, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
  })
})
