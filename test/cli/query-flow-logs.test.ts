import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { TRANSIT_GATEWAY_FIELDS } from '../../src/flowlog/transit-gateway-fields.js'
import { IS_BUILT, mirrortap, NEEDS_BUILD } from '../e2e/program.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const hasDuckDb = await import('@duckdb/node-api').then(
  () => true,
  () => false,
)

const PLAIN = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'
const FLOW =
  '2 123456789012 eni-0123456789abcdef0 10.0.1.25 198.51.100.8 44321 443 6 10 840 1712700000 1712700060 ACCEPT OK'
const NONE = '2 123456789012 eni-0123456789abcdef0 - - - - - - - 1712700000 1712700060 - NODATA'
const EVENTS = [FLOW, NONE].map((message, id) => ({
  id: `${id}`,
  timestamp: 1_712_700_000_000,
  message,
}))
const STREAM = 'eni-0123456789abcdef0-all'

const SUM_OF = (table: string): string =>
  `SELECT count(*) AS records, count(srcaddr) AS flows, sum(bytes) AS bytes FROM '${table}'`
const SUM = SUM_OF('records')
const BOTH = [{ records: 2, flows: 1, bytes: 840 }]

function fileOf(content: string | Buffer, name = 'no-name'): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

/** Asks, and reads the answer and what was said beside it. */
async function ask(sql: string, ...args: string[]) {
  const { code, out, err } = await runCommand('query', sql, ...args, '--format', 'json')
  return { code, rows: out === '' ? [] : (JSON.parse(out) as unknown), err }
}

const json = (value: unknown, space?: number): string => JSON.stringify(value, null, space)

const subscribed = (messageType: string, logEvents: readonly object[]): Buffer =>
  gzipSync(
    json({
      messageType,
      owner: '123456789012',
      logGroup: 'vpc',
      logStream: STREAM,
      subscriptionFilters: ['all'],
      logEvents,
    }),
  )

const CONTROL = {
  id: '',
  timestamp: 1_712_700_000_000,
  message: 'CWL CONTROL MESSAGE: Checking health of destination Firehose.',
}

/** Whole blocks, and behind them one of the type that there is not. */
function gzipOfWrongBlock(text: string): Buffer {
  const header = Buffer.from('1f8b0800000000000003', 'hex')
  const blocks = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
  return Buffer.concat([header, blocks, Buffer.alloc(1000, 0xff)])
}

/** As a Lambda function is given it. */
const forLambda = (events: readonly object[]): string =>
  json({ awslogs: { data: subscribed('DATA_MESSAGE', events).toString('base64') } })

/** Characters that hardly become fewer when they are compressed. */
const noise = (length: number): string => {
  let state = 1
  return Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647
    return String.fromCharCode(0x28 + ((state >> 8) % 64))
  }).join('')
}

const FORMS: readonly (readonly [what: string, content: string | Buffer])[] = [
  ['a log with a header', `${HEADER}\n${FLOW}\n${NONE}\n`],
  ['records alone', `${FLOW}\n${NONE}`],
  ['lines that end as on Windows', `${HEADER}\r\n${FLOW}\r\n${NONE}\r\n`],
  ['a log behind a byte order mark', `\ufeff${HEADER}\n${FLOW}\n${NONE}\n`],
  ['logs that were joined', `${HEADER}\n${FLOW}\n\n${HEADER}\n${NONE}\n`],
  [
    'compressed logs that were joined',
    Buffer.concat([FLOW, NONE].map((line) => gzipSync(`${HEADER}\n${line}\n`))),
  ],
  [
    'an export of CloudWatch Logs',
    gzipSync([FLOW, NONE].map((line) => `2024-04-09T22:00:00.000Z ${line}\n`).join('')),
  ],
  [
    'what aws logs tail shows',
    [FLOW, NONE].map((line) => `2024-04-09T22:00:00+00:00 ${STREAM} ${line}\n`).join(''),
  ],
  ['what get-log-events answers', json({ events: EVENTS, nextForwardToken: 'f/1' }, 4)],
  ['what filter-log-events answers', json({ events: EVENTS, searchedLogStreams: [] })],
  ['an array of events', json(EVENTS, 2)],
  ['an array of messages', json([FLOW, NONE])],
  [
    'what Logs Insights answers',
    json({ results: EVENTS.map(({ message }) => [{ field: '@message', value: message }]) }),
  ],
  [
    'CSV of the console',
    `timestamp,message\r\n1712700000000,${FLOW}\r\n1712700000000,"${NONE}"\r\n`,
  ],
  ['CSV of Logs Insights', `@timestamp,@message,@logStream\nx,"${FLOW}",s\nx,${NONE},s\n`],
  [
    'CSV of Athena, whose columns have no hyphens',
    [HEADER.replaceAll('-', '_'), FLOW, NONE.replace(/ -(?= )/g, ' ')]
      .map((line) => `${line.split(' ').map((value) => (value === '' ? '' : `"${value}"`))}\n`)
      .join(''),
  ],
  ['a spreadsheet with tabs', `${HEADER}\n${FLOW}\n${NONE}\n`.toUpperCase().replaceAll(' ', '\t')],
  ['underscores in a header', `${HEADER.replaceAll('-', '_')}\n${FLOW}\n${NONE}\n`],
  ['what Firehose delivers', EVENTS.map(({ message }) => json({ message })).join('')],
  [
    'what Firehose delivers line by line',
    EVENTS.map(({ message }) => `${json({ message })}\n`).join(''),
  ],
  ['the input of a Lambda function', forLambda(EVENTS)],
  [
    'the input of a Lambda function, longer than what is read to recognize it',
    forLambda([EVENTS[0]!, { ...EVENTS[1], extra: noise(200_000) }]),
  ],
  [
    'what Fluent Bit writes',
    EVENTS.map(({ message }) => `${json({ date: 1_712_700_000.5, log: `${message}\n` })}\n`).join(
      '',
    ),
  ],
  [
    'JSON within what Fluent Bit writes',
    EVENTS.map((event) => `${json({ date: 1_712_700_000.5, log: json(event) })}\n`).join(''),
  ],
  [
    'what is sent to Splunk',
    EVENTS.map(({ message }) => json({ event: message, time: 1_712_700_000, host: 'a' })).join(''),
  ],
  [
    'objects that are sent to Splunk',
    EVENTS.map((event) => json({ time: 1_712_700_000, event, fields: { version: 2 } })).join('\n'),
  ],
  [
    'what Elasticsearch answers',
    json({ hits: { total: 2, hits: EVENTS.map((_source) => ({ _index: 'a', _source })) } }),
  ],
  [
    'a subscription through Firehose',
    Buffer.concat([
      subscribed('CONTROL_MESSAGE', [CONTROL]),
      subscribed(
        'DATA_MESSAGE',
        EVENTS.map((event) => ({ ...event, extractedFields: { srcaddr: 'x', bytes: '1' } })),
      ),
    ]),
  ],
]

describe.skipIf(!hasDuckDb)('flow logs of a query (need @duckdb/node-api)', () => {
  let formatted = ''
  let asJson = ''
  beforeAll(async () => {
    const format = ['--log-format', '${bytes} ${srcaddr} ${flow-direction} ${tcp-flags}']
    formatted = (await runCommand('flow-log', PLAIN, ...format)).out
    asJson = (await runCommand('flow-log', PLAIN, '--format', 'json')).out
  })

  test('all forms are read whatever their names, in one table and each as one of its own', async () => {
    const directory = temporaryDirectory()
    const paths = FORMS.map(([, content], at) => {
      mkdirSync(join(directory, `${at}`))
      const path = join(directory, `${at}`, ['log.pcap', '000000.gz'][at % 2]!)
      writeFileSync(path, content)
      return path
    })
    const all = { records: 2 * FORMS.length, flows: FORMS.length, bytes: 840 * FORMS.length }
    expect(await ask(SUM, ...paths)).toEqual({ code: 0, rows: [all], err: '' })
    const sums = paths.map((path, at) => `(SELECT sum FROM (${SUM_OF(path)}) sum) AS "${at}"`)
    const { code, rows, err } = await ask(`SELECT ${sums.join(', ')}`, ...paths)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const [at, [what]] of FORMS.entries()) {
      expect((rows as Record<string, unknown>[])[0]![at], what).toEqual(BOTH[0])
    }
  })

  test('what flow-log writes as JSON has the same records as its text', async () => {
    const text = (await runCommand('flow-log', PLAIN)).out
    const sql = 'SELECT * FROM records ORDER BY ALL'
    const { rows } = await ask(sql, fileOf(text))
    expect(await ask(sql, fileOf(asJson))).toEqual({ code: 0, rows, err: '' })
    expect(rows).toHaveLength(24)
  })

  test('fields without a header are those of --log-format', async () => {
    const path = fileOf(formatted.replace(/^.*\n/, ''))
    const sql = 'SELECT count(*) AS n, sum(bytes) AS bytes FROM records'
    const format = '${bytes} ${srcaddr} ${flow-direction} ${tcp-flags}'
    const { rows } = await ask(sql, fileOf(formatted))
    expect(await ask(sql, path, '--log-format', format)).toEqual({ code: 0, rows, err: '' })
    const wrong = await ask(sql, path, '--log-format', '${bytes} ${srcaddr}')
    expect(wrong.code).toBe(1)
    expect(await ask(sql, path, '--log-format', '${bytes} ${bytes}')).toMatchObject({
      code: 2,
      err: expect.stringContaining("names 'bytes' twice"),
    })
  })

  test('flow logs of transit gateways have their fields, with a header and without', async () => {
    const names = TRANSIT_GATEWAY_FIELDS.all.map(({ name }) => name)
    const values: Record<string, string> = {
      version: '6',
      'resource-type': 'TransitGateway',
      'tgw-id': 'tgw-1',
      bytes: '7',
    }
    const line = TRANSIT_GATEWAY_FIELDS.all.map(({ name }) => values[name] ?? '-').join(' ')
    const sql = 'SELECT tgw_id, bytes, action, packets_lost_blackhole AS lost FROM records'
    const rows = [{ tgw_id: 'tgw-1', bytes: 7, action: null, lost: null }]
    for (const content of [`${names.join(' ')}\n${line}\n`, `${line}\n`]) {
      expect(await ask(sql, fileOf(content), fileOf(''))).toMatchObject({ rows })
    }
  })

  test('what is no record is left out, counted, and the exit code 1', async () => {
    const long = `2 ${'x'.repeat(300_000)}`
    const lines = [HEADER, FLOW, 'what is this', NONE, long, FLOW.replace('443', 'https'), '']
    const path = fileOf(lines.join('\n'))
    expect(await ask(SUM, path)).toEqual({
      code: 1,
      rows: BOTH,
      err: `mirrortap: ${path}: 3 entries are not flow log records, line 3 the first; left out\n`,
    })
    expect(await ask('SELECT count(*) AS n FROM records', path)).toMatchObject({
      code: 1,
      rows: [{ n: 2 }],
    })
  })

  test.each([
    ['gzip that is cut', (text: string) => gzipSync(text).subarray(0, -40)],
    ['gzip with wrong bytes', gzipOfWrongBlock],
    [
      'gzip with a wrong checksum',
      (text: string) => Buffer.concat([gzipSync(text).subarray(0, -8), Buffer.alloc(8)]),
    ],
  ])('of %s all whole records are used', async (_, damaged) => {
    const lines = Array.from({ length: 30_000 }, (_, at) => FLOW.replace('44321', `${at}`))
    const path = fileOf(damaged(`${HEADER}\n${lines.join('\n')}\n`), 'a.log.gz')
    const { code, rows, err } = await ask(
      'SELECT count(*) AS n, max(srcport) AS last FROM records',
      path,
    )
    const [{ n, last }] = rows as [{ n: number; last: number }]
    expect({ code, last }).toEqual({ code: 1, last: n - 1 })
    expect(n).toBeGreaterThan(20_000)
    const offset = `${HEADER}\n${lines.slice(0, n).join('\n')}\n`.length
    expect(err).toMatch(
      new RegExp(
        `^mirrortap: [^\\n]*a\\.log\\.gz: damaged at byte ${offset}: the gzip data [^\\n]+\\n$`,
      ),
    )
  })

  test('what follows gzip and is none is ignored, and said', async () => {
    const path = fileOf(Buffer.concat([gzipSync(`${FLOW}\n${NONE}\n`), Buffer.from('junk')]))
    expect(await ask(SUM, path)).toEqual({
      code: 0,
      rows: BOTH,
      err: `mirrortap: ${path}: ignored the bytes after the end of the gzip data\n`,
    })
  })

  test('of JSON that other programs wrap records in, what holds none is counted', async () => {
    const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024, ' ')).toString('base64')
    const lines = [
      { log: FLOW },
      { log: 'what is this' },
      { type: 'heartbeat', version: 1, log: null, a: 1, b: 2, c: 3, d: 4 },
      { other: { log: NONE } },
      { awslogs: { data: 'H4sIrubbish' } },
      { awslogs: { data: bomb } },
      { awslogs: { data: gzipSync(forLambda(EVENTS)).toString('base64') } },
      { message: CONTROL.message },
    ]
    const path = fileOf(lines.map((line) => `${json(line)}\n`).join(''))
    expect(await ask(SUM, path)).toEqual({
      code: 1,
      rows: BOTH,
      err: `mirrortap: ${path}: 5 entries are not flow log records; left out\n`,
    })
  })

  test('JSON that is cut gives the events before', async () => {
    const path = fileOf(json({ events: EVENTS }).slice(0, -20))
    const { code, rows, err } = await ask(SUM, path)
    expect({ code, rows }).toEqual({ code: 1, rows: [{ records: 1, flows: 1, bytes: 840 }] })
    expect(err).toMatch(/damaged at byte \d+: the JSON ends early/)
  })

  test.each([
    ['nothing', '', 'is empty'],
    [
      'other text',
      'what is this\n',
      'is neither a capture nor a flow log: it begins "what is this"',
    ],
    ['other JSON', '{"a":[{"b":1}]}', 'is JSON without flow log records'],
    ['text in UTF-16', Buffer.from(`\ufeff${FLOW}`, 'utf16le'), 'iconv'],
    ['gzip within gzip', gzipSync(gzipSync(FLOW)), 'is compressed twice'],
    [
      'fields nobody told',
      '3 eni-0123456789abcdef0 ACCEPT\n',
      '3 fields a line: name them with --log-format',
    ],
    ['text of the AWS CLI', `EVENTS\t1\t${FLOW}\t2\n`, '--output json'],
    ['a cut Parquet file', 'PAR1 and no more', 'is damaged'],
  ])('of %s one line says what it is, and other files are read', async (_, content, says) => {
    const path = fileOf(content, 'other')
    const alone = await ask(SUM, path)
    expect(alone).toMatchObject({ code: 1, rows: [] })
    expect(alone.err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(alone.err).toContain(`${path} `)
    expect(alone.err).toContain(says)
    const beside = await ask(SUM, path, fileOf(`${FLOW}\n${NONE}\n`))
    expect(beside).toEqual({ code: 1, rows: BOTH, err: alone.err })
    expect((await ask(`FROM '${path}'`, path, PLAIN)).err).toBe(alone.err)
  })

  test('a Parquet file with wrong bytes is named', async () => {
    const path = join(temporaryDirectory(), 'records')
    const { code } = await runCommand('flow-log', PLAIN, '--format', 'parquet', '-o', path)
    expect(code).toBe(0)
    writeFileSync(path, readFileSync(path).fill(0, 300, 600))
    const { code: failed, err } = await ask('FROM records', path)
    expect(failed).toBe(1)
    expect(err).toMatch(new RegExp(`^mirrortap: ${path} is damaged [^\\n]+\\n$`))
  })

  test('records that outgrow --temporary-limit are refused', async () => {
    const path = fileOf(gzipSync(`${FLOW}\n`.repeat(20_000)))
    const { code, err } = await ask(SUM, path, '--temporary-limit', '1MB')
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: [^\n]*--temporary-limit[^\n]*\n$/)
  })

  test.skipIf(!IS_BUILT).each([
    ['a flow log', gzipSync(`${FLOW}\n${NONE}\n`), SUM, 2],
    ['a capture', undefined, 'SELECT count(*) AS records FROM packets', 118],
  ])(`standard input is %s by what comes${NEEDS_BUILD}`, async (_, input, sql, records) => {
    const program = mirrortap(['query', sql, '-', '--format', 'json'], input ?? readFileSync(PLAIN))
    expect(await program.ended()).toBe(0)
    expect(JSON.parse(program.stdout.toString())).toMatchObject([{ records }])
  })
})
