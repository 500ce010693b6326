import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EXAMPLES } from '../../src/cli/query/command.js'
import { CLIENT, clientHello, records, segments } from '../application/application-run.js'
import { UNHURRIED } from '../e2e/program.js'
import { readParquet } from '../flowlog/parquet-file.js'
import { ethernet, mirrored, udp4 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { pcapFile } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool, tshark } from '../support/tools.js'

const hasDuckDb = await import('@duckdb/node-api').then(
  () => true,
  () => false,
)

const SAMPLES = join(import.meta.dirname, '../../samples')
const PLAIN = join(SAMPLES, 'web-and-dns.pcap')
const MIRRORED = join(SAMPLES, 'vxlan-two-sessions.pcap')
const FRAGMENTS = join(SAMPLES, 'fragments.pcap')

/** Of a hello. */
const SERVER_NAME = hex`000e 00 000b 6578616d706c652e636f6d`

type Row = Record<string, unknown>

/** Asks, and reads the answer as JSON. */
async function ask(sql: string, ...args: string[]): Promise<Row[]> {
  const { code, out, err } = await runCommand('query', sql, ...args, '--format', 'json')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out) as Row[]
}

async function flowsOf(file: string): Promise<Row[]> {
  return JSON.parse((await runCommand('flows', '--json', file)).out) as Row[]
}

/** Plain text flow log lines of a capture, header first. */
async function logOf(...args: string[]): Promise<string> {
  return (await runCommand('flow-log', ...args)).out
}

const session = (id: string, vni: number, more: object = {}) => ({
  id: `tms-${id}`,
  ownerId: '123456789012',
  networkInterfaceId: `eni-${id}`,
  targetId: 'tmt-0123456789abcdef0',
  filterId: 'tmf-0123456789abcdef0',
  sessionNumber: 1,
  virtualNetworkId: vni,
  tags: [{ key: 'Name', value: 'web' }],
  ...more,
})

function stateFile(): string {
  const sessions = [
    session('0000000000000001a', 42, { description: 'the first', packetLength: 128 }),
    session('0000000000000002b', 7),
  ]
  const path = join(temporaryDirectory(), 'state.json')
  const rest = { targets: [], filters: [], flowLogs: [], tokens: [] }
  writeFileSync(path, JSON.stringify({ version: 1, ...rest, sessions }))
  return path
}

describe.skipIf(!hasDuckDb)('query (needs @duckdb/node-api)', () => {
  // DuckDB takes its time to load on a busy machine.
  beforeAll(async () => {
    await import('@duckdb/node-api')
  }, 30_000)

  test('says once that the clock of a capture was set back, whatever tables are filled', async () => {
    const path = join(temporaryDirectory(), 'steps.pcap')
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 5000, dport: 53 }))
    const seconds = [1_700_000_000, 1_699_996_400, 1_700_000_001]
    writeFileSync(path, pcapFile(seconds.map((at) => ({ seconds: at, frame }))))
    const both = 'select (select count(*) from packets), (select sum(packets) from records)'
    const { code, out, err } = await runCommand('query', both, path, '--format', 'csv')
    expect(code).toBe(0)
    expect(out.split('\n')[1]).toBe('3,3')
    expect(err).toBe(
      'mirrortap: times go backwards, by up to 3600 s; each packet is counted at its own time\n',
    )
  })

  test.each([
    'web-and-dns',
    'vxlan-two-sessions',
    'fragments',
    'geneve-gwlb',
    'cut-by-packet-length',
  ])('has the flows of %s that flows has', async (name) => {
    const file = join(SAMPLES, `${name}.pcap`)
    const rows = await ask('SELECT * FROM flows ORDER BY first_seen, src_addr, src_port', file)
    const asFlows = rows.map((row) => {
      const { first_seen, last_seen, ...others } = row
      return { ...others, firstSeen: epochOf(first_seen), lastSeen: epochOf(last_seen) }
    })
    const expected = (await flowsOf(file)).map(
      ({
        srcAddr,
        dstAddr,
        srcName,
        dstName,
        srcPort,
        dstPort,
        tcpFlags,
        communityId,
        ageSeconds: _,
        ...others
      }) => ({
        ...others,
        src_name: srcName,
        dst_name: dstName,
        community_id: communityId,
        src_addr: srcAddr,
        dst_addr: dstAddr,
        src_port: srcPort,
        dst_port: dstPort,
        tcp_flags: tcpFlags,
      }),
    )
    expect(asFlows).toHaveLength(expected.length)
    expect(asFlows).toEqual(expect.arrayContaining(expected))
  })

  test.each(['web-and-dns', 'vxlan-two-sessions', 'fragments'])(
    'has the pairs of %s that flows has',
    async (name) => {
      const file = join(SAMPLES, `${name}.pcap`)
      const { out } = await runCommand('flows', '--pairs', '--json', file)
      const expected = (JSON.parse(out) as Row[]).map(({ ageSeconds: _, ...pair }) =>
        Object.fromEntries(
          Object.entries(pair).map(([key, value]) => [
            key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
            value,
          ]),
        ),
      )
      const rows = await ask('FROM pairs', file)
      expect(Object.keys(rows[0]!)).toEqual(Object.keys(expected[0]!))
      const asPairs = rows.map(
        ({ first_seen, last_seen, duration, handshake_seconds: handshake, ...others }) => ({
          ...others,
          first_seen: epochOf(first_seen),
          last_seen: epochOf(last_seen),
          duration: Number(duration).toFixed(9),
          handshake_seconds: handshake === null ? null : Number(handshake).toFixed(9),
        }),
      )
      expect(asPairs).toHaveLength(expected.length)
      expect(asPairs).toEqual(expect.arrayContaining(expected))
    },
  )

  test('has the questions of DNS with their answers, the hellos of TLS and the requests of HTTP', async () => {
    const dns = await ask(
      'SELECT query, qtype_name, rcode_name, answers, TTLs, vni FROM dns',
      PLAIN,
    )
    expect(dns).toEqual([
      {
        query: 'www.example.com',
        qtype_name: 'A',
        rcode_name: 'NOERROR',
        answers: ['198.51.100.80'],
        TTLs: [300],
        vni: null,
      },
      expect.objectContaining({ qtype_name: 'AAAA', answers: ['2001:db8:2::80'] }),
    ])
    const path = join(temporaryDirectory(), 'named.pcap')
    const hello = records(clientHello({ ciphers: [0x1301], extensions: [[0, SERVER_NAME]] }))
    const request = Buffer.from('GET /a HTTP/1.1\r\nHost: www.example.com\r\n\r\n')
    const greeting = Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')
    const inner = [
      ...segments(hello, 40),
      ...segments(request, 500, { ...CLIENT, dport: 80 }),
      ...segments(greeting, 500, { ...CLIENT, dport: 22 }),
    ]
    const frames = inner.map((frame) =>
      mirrored({ source: '10.9.9.9', target: '10.9.9.8', vni: 7, frame }),
    )
    writeFileSync(path, pcapFile(frames.map((frame) => ({ frame }))))
    const both =
      'SELECT t.orig_h, t.resp_p, server_name, ja4, h.host, h.uri, status_code, s.client, s.server, ' +
      '(SELECT count(*) FROM packets) AS packets, h.vni FROM tls AS t, http AS h, ssh AS s'
    expect(await ask(both, path)).toEqual([
      {
        orig_h: '10.0.0.1',
        resp_p: 443,
        server_name: 'example.com',
        ja4: 't12d010100_0f2cb44170f4_000000000000',
        host: 'www.example.com',
        uri: '/a',
        status_code: null,
        client: 'SSH-2.0-OpenSSH_9.6',
        server: null,
        packets: frames.length,
        vni: 7,
      },
    ])
  })

  test('names the ends of flows and has the Community IDs that flows has, unless that is not wanted', async () => {
    const sql = `SELECT src_addr AS "srcAddr", src_port AS "srcPort", protocol,
      src_name AS "srcName", dst_name AS "dstName", community_id AS "communityId" FROM flows ORDER BY ALL`
    const rows = await ask(sql, FRAGMENTS, PLAIN)
    const flows = JSON.parse((await runCommand('flows', '--json', FRAGMENTS, PLAIN)).out) as Row[]
    const columns = Object.keys(rows[0]!)
    const wanted = flows.map((flow) =>
      Object.fromEntries(columns.map((name) => [name, flow[name]])),
    )
    expect(new Set(rows.map((row) => JSON.stringify(row)))).toEqual(
      new Set(wanted.map((row) => JSON.stringify(row))),
    )
    expect(rows.filter(({ dstName }) => dstName === 'www.example.com').length).toBeGreaterThan(3)
    expect(rows.filter(({ communityId }) => communityId !== null).length).toBeGreaterThan(10)
    const named = 'SELECT count(src_name) + count(dst_name) AS names FROM flows'
    expect(await ask(named, '--no-names', PLAIN)).toEqual([{ names: 0 }])
    const pairs = await ask(
      "SELECT resp_name FROM pairs WHERE resp_name = 'www.example.com'",
      PLAIN,
    )
    expect(pairs.length).toBeGreaterThan(3)
  })

  describe('--sort and --top', () => {
    const sorted = (...args: string[]) => ask('SELECT bytes, src_addr FROM flows;', PLAIN, ...args)

    test('order and bound the rows of an answer, numbers from the largest', async () => {
      const all = (await sorted()).map(({ bytes }) => Number(bytes))
      const descending = [...all].sort((left, right) => right - left)
      const bytesOf = (rows: Row[]) => rows.map(({ bytes }) => Number(bytes))
      expect(bytesOf(await sorted('--sort', 'bytes'))).toEqual(descending)
      expect(bytesOf(await sorted('--sort', 'BYTES:asc'))).toEqual([...descending].reverse())
      expect(bytesOf(await sorted('--sort', 'bytes', '--top', '3'))).toEqual(descending.slice(0, 3))
      expect(bytesOf(await sorted('--top', '2'))).toEqual(all.slice(0, 2))
      const addresses = (await sorted('--sort', 'src_addr')).map(({ src_addr }) => src_addr)
      expect(addresses).toEqual([...addresses].sort())
    })

    test.each([
      { sql: 'SELECT 1 AS one', args: ['--sort', 'two'], says: 'has no column two; it has one' },
      { sql: 'EXPLAIN SELECT 1', args: ['--top', '2'], says: 'cannot be used with EXPLAIN' },
      {
        sql: 'SELECT 1',
        args: ['--vertical', '--format', 'csv'],
        says: '--vertical prints a table',
      },
    ])('refuses $args of $sql', async ({ sql, args, says }) => {
      const { code, err } = await runCommand('query', sql, ...args)
      expect(code).toBe(2)
      expect(err).toContain(says)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
    })
  })

  test('--vertical has a line for each column', async () => {
    const { out } = await runCommand(
      'query',
      "SELECT 1 AS one, NULL AS none, '日本' AS text",
      '--vertical',
    )
    expect(out).toBe('-[ 1 ]\none   1\nnone  -\ntext  日本\n')
  })

  test('has the records that flow-log writes, by AWS names and types', async () => {
    const rows = await ask('SELECT * FROM records', MIRRORED)
    const names = Object.keys(rows[0]!)
    const format = names.map((name) => `\${${name.replaceAll('_', '-')}}`).join(' ')
    const [header, ...lines] = (await logOf(MIRRORED, '--log-format', format)).trimEnd().split('\n')
    expect(names).toHaveLength(29)
    expect(header!.replaceAll('-', '_')).toBe(names.join(' '))
    const spelled = rows.map((row) => names.map((name) => String(row[name] ?? '-')).join(' '))
    expect(spelled.sort()).toEqual(lines.sort())
    const types = await ask('DESCRIBE records')
    const typeOf = Object.fromEntries(types.map((row) => [row['column_name'], row['column_type']]))
    expect(typeOf).toMatchObject({
      protocol: 'INTEGER',
      bytes: 'BIGINT',
      end: 'BIGINT',
      action: 'VARCHAR',
    })
  })

  test.skipIf(!hasTool('tshark'))('has the packets that tshark sees (needs tshark)', async () => {
    const rows = await ask('SELECT * FROM packets', PLAIN)
    const fields = ['frame.time_epoch', 'ip.src', 'ipv6.src', 'ip.dst', 'ipv6.dst', 'frame.len']
    const ports = ['tcp.srcport', 'udp.srcport', 'tcp.flags']
    const options = [...fields, ...ports].flatMap((field) => ['-e', field])
    const lines = tshark(readFileSync(PLAIN), ['-T', 'fields', ...options]).map((line) => {
      const [time, src4, src6, dst4, dst6, length, tcp, udp, flags] = line.split('\t')
      // Of an ICMP error tshark gives what that quotes as well.
      const first = (text: string | undefined) => text!.split(',')[0]!
      const quotes = src4!.includes(',')
      return [
        time,
        first(src4) || first(src6) || null,
        first(dst4) || first(dst6) || null,
        Number(length),
        quotes ? 0 : Number(tcp || udp || 0),
        Number(flags || 0) & 0xff,
      ]
    })
    const seen = rows.map((row) => [
      epochOf(row['time']),
      row['src_addr'],
      row['dst_addr'],
      row['length'],
      row['src_port'],
      row['tcp_flags'],
    ])
    expect(seen).toEqual(lines)
  })

  test('keeps mirrored packets apart by session, with their directions', async () => {
    const rows = await ask(
      'SELECT vni, source, direction, count(*) AS packets, sum(bytes) AS bytes FROM packets GROUP BY ALL',
      MIRRORED,
    )
    const flows = await flowsOf(MIRRORED)
    for (const row of rows) {
      const same = flows.filter(
        ({ vni, direction }) => vni === row['vni'] && direction === row['direction'],
      )
      const sum = (what: string) => same.reduce((total, flow) => total + Number(flow[what]), 0)
      expect({ packets: row['packets'], bytes: row['bytes'] }).toEqual({
        packets: sum('packets'),
        bytes: sum('bytes'),
      })
    }
    expect(rows.map(({ direction }) => direction).sort()).toEqual([
      'egress',
      'egress',
      'ingress',
      'ingress',
    ])
  })

  test('reads a capture once for all tables, and heeds the options of captures', async () => {
    const sql =
      'SELECT (SELECT count(*) FROM packets) AS packets, (SELECT sum(packets) FROM flows) AS of_flows, ' +
      '(SELECT sum(packets) FROM records) AS of_records'
    const all = (await ask(sql, MIRRORED))[0]!
    expect(all['of_flows']).toBe(all['packets'])
    expect(all['of_records']).toBe(all['packets'])
    const one = (await ask(sql, MIRRORED, '--vni', '42'))[0]!
    expect(Number(one['packets'])).toBeLessThan(Number(all['packets']))
    expect(one['of_flows']).toBe(one['packets'])
  })

  test('fills each table alone as it does together with the others', UNHURRIED, async () => {
    const files = ['fragments.pcap', 'vxlan-two-sessions.pcap', 'geneve-gwlb.pcap']
    const paths = files.map((file) => join(SAMPLES, file))
    const tables = ['packets', 'flows', 'pairs', 'records']
    const all = (table: string): string =>
      `SELECT list(CAST(one AS VARCHAR)) AS rows FROM (FROM ${table} ORDER BY ALL) AS one`
    const together = tables.map((table) => `(${all(table)}) AS ${table}`)
    const [row] = await ask(`SELECT ${together.join(', ')}`, ...paths)
    for (const table of tables) {
      const [alone] = await ask(all(table), ...paths)
      expect((alone!['rows'] as string[]).length).toBeGreaterThan(0)
      expect(row![table], table).toEqual(alone!['rows'])
    }
  })

  test('reads flow logs by their names, with different columns, beside captures', async () => {
    const dir = temporaryDirectory()
    const plain = join(dir, 'a.log')
    const gzip = join(dir, 'b.log.gz')
    const parquet = join(dir, 'year=2026.parquet')
    writeFileSync(plain, await logOf(PLAIN))
    const other = await logOf(MIRRORED, '--log-format', '${srcaddr} ${packets} ${flow-direction}')
    writeFileSync(gzip, gzipSync(other))
    expect((await runCommand('flow-log', FRAGMENTS, '-o', parquet)).code).toBe(0)
    const sql =
      'SELECT count(*) AS records, sum(packets) AS packets, count(flow_direction) AS directed FROM records'
    const each: Row[][] = []
    for (const of of [[plain], [gzip], [parquet], [PLAIN]]) each.push(await ask(sql, ...of))
    const sum = (what: string) => each.reduce((total, [row]) => total + Number(row![what]), 0)
    expect(each.map(([row]) => row!['records'])).toEqual([
      24,
      other.split('\n').length - 2,
      expect.any(Number),
      24,
    ])
    expect(await ask(sql, parquet, plain, PLAIN, gzip)).toEqual([
      { records: sum('records'), packets: sum('packets'), directed: sum('directed') },
    ])
    const columns = await ask('SELECT * FROM records LIMIT 1', parquet)
    expect(columns[0]).not.toHaveProperty('year')
  })

  test('knows single flow logs by their names as tables, and no others', async () => {
    const dir = temporaryDirectory()
    const [plain, gzip, parquet] = ['a.log', 'b.log.gz', 'c.parquet'].map((name) => join(dir, name))
    writeFileSync(plain!, await logOf(PLAIN))
    writeFileSync(gzip!, gzipSync((await logOf(PLAIN)).split('\n').slice(0, 6).join('\n')))
    expect((await runCommand('flow-log', PLAIN, '-o', parquet!)).code).toBe(0)
    const here = relative(process.cwd(), gzip!)
    const counts = [plain, parquet, gzip, here].map((name) => `(SELECT count(*) FROM '${name}')`)
    const sql = `SELECT [${counts.join(', ')}] AS counts, count(*) AS records FROM records`
    expect(await ask(sql, plain!, here, parquet!)).toEqual([
      { counts: [24, 24, 5, 5], records: 24 + 5 + 24 },
    ])
    const { code, err } = await runCommand('query', `SELECT * FROM '${gzip}'`, plain!)
    expect({ code, lines: err.split('\n').length }).toEqual({ code: 1, lines: 2 })
  })

  test('tells flow logs apart whose names differ in capitals alone', async () => {
    const dir = temporaryDirectory()
    const [upper, lower] = ['A.log', 'a.log'].map((name) => join(dir, name))
    const lines = (await logOf(PLAIN)).split('\n')
    writeFileSync(upper!, lines.slice(0, 5).join('\n'))
    writeFileSync(lower!, lines.slice(0, 8).join('\n'))
    const rows = await ask(
      `/* ü */ SELECT (SELECT count(*) FROM '${upper}') AS upper, "${lower}".bytes > 0 AS has,
        (SELECT count(*) FROM "${lower}" AS x WHERE '${lower}' <> '${upper}') AS lower
        FROM '${lower}' LIMIT 1`,
      upper!,
      lower!,
    )
    expect(rows).toEqual([{ upper: 4, has: true, lower: 7 }])
    const shown = await runCommand('query', `DESCRIBE '${upper}'`, upper!, lower!)
    expect(shown.code).toBe(0)
    const sql = `FROM query('FROM "${upper}", "${lower}"')`
    const { code, err } = await runCommand('query', sql, upper!, lower!)
    expect({ code, err }).toEqual({
      code: 2,
      err: `mirrortap: ${upper} and ${lower} differ only in upper and lower case: query one of them at a time, or rename one\n`,
    })
  })

  test.each(['a "b".log', "it's.log"])('knows %s in either kind of quotes', async (name) => {
    const path = join(temporaryDirectory(), name)
    writeFileSync(path, await logOf(PLAIN))
    const literal = `'${path.replaceAll("'", "''")}'`
    const inner = `"${path.replaceAll('"', '""')}"`
    const sql = `SELECT (SELECT count(*) FROM ${literal}) + (SELECT count(*) FROM ${inner}) AS n`
    expect(await ask(sql, path)).toEqual([{ n: 48 }])
    expect((await ask(`DESCRIBE ${inner}`, path)).length).toBeGreaterThan(10)
  })

  test.each([
    'SELECT count(*) AS n FROM "Flows"',
    'WITH f AS (FROM mirrortap.main.flows) SELECT count(*) AS n FROM f',
    "SELECT count(*) AS n FROM query_table('flows')",
    "SELECT count(*) AS n FROM query('FROM flows')",
    'SELECT (SELECT count(*) FROM flows) AS n',
    'SELECT count(*) AS n FROM flows WHERE 0 <= (SELECT count(*) FROM records)',
    `SELECT count(*) AS n FROM flows, (SELECT 1 FROM read_text('${PLAIN}.log'))`,
  ])('fills the tables of %s', async (sql) => {
    const log = join(temporaryDirectory(), 'web-and-dns.pcap.log')
    writeFileSync(log, await logOf(PLAIN))
    const named = sql.replace(`${PLAIN}.log`, log)
    expect(await ask(named, PLAIN, log)).toEqual([{ n: 24 }])
  })

  test.each([
    'SHOW TABLES',
    'SELECT table_name AS name FROM information_schema.tables',
    'SELECT view_name AS name FROM duckdb_views() WHERE NOT internal',
    'FROM (SHOW ALL TABLES)',
  ])('shows every table there is to %s, also those that no SQL named', async (sql) => {
    const names = (await ask(sql)).map(({ name }) => name)
    for (const name of ['flows', 'dns', 'records', 'traffic_mirror_sessions']) {
      expect(names).toContain(name)
    }
  })

  test.each(['count.log', 'flow-log.txt'])('says that %s stands in quotes', async (name) => {
    const path = join(temporaryDirectory(), name)
    writeFileSync(path, await logOf(PLAIN))
    const { err } = await runCommand('query', `SELECT count(*) FROM ${path}`, path)
    expect(err).toMatch(/^[^\n]*Error[^\n]*; the name of a file stands in quotes: '[^\n]*'\n$/)
    expect(err).toContain(`'${path}'`)
  })

  test('says nothing of quotes where the SQL is wrong elsewhere', async () => {
    const path = join(temporaryDirectory(), 'count.log')
    writeFileSync(path, await logOf(PLAIN))
    for (const sql of [`SELECT count(*) FROM '${path}' WHER 1`, `SELECT 1 - FROM flows`]) {
      const { err } = await runCommand('query', sql, path)
      expect(err).toMatch(/^mirrortap: Parser Error: [^;\n]*\n$/)
    }
  })

  test('knows what an unknown table may have been meant to be', async () => {
    const { err } = await runCommand('query', 'SELECT * FROM packets, flowz')
    expect(err).toContain('Table with name flowz does not exist! Did you mean "flows"?')
  })

  test('takes records without a header for the default format', async () => {
    const path = join(temporaryDirectory(), 'cloudwatch.log')
    writeFileSync(path, (await logOf(PLAIN)).replace(/^.*\n/, ''))
    expect(
      await ask('SELECT count(*) AS records, max("end") > 0 AS ended FROM records', path),
    ).toEqual([{ records: 24, ended: true }])
  })

  test("has the sessions of a state file, by StackQL's names", async () => {
    const rows = await ask(
      'FROM traffic_mirror_sessions ORDER BY virtual_network_id DESC',
      '--state',
      stateFile(),
    )
    expect(rows[0]).toEqual({
      description: 'the first',
      network_interface_id: 'eni-0000000000000001a',
      owner_id: '123456789012',
      packet_length: 128,
      session_number: 1,
      tags: '[{"Key":"Name","Value":"web"}]',
      traffic_mirror_filter_id: 'tmf-0123456789abcdef0',
      traffic_mirror_session_id: 'tms-0000000000000001a',
      traffic_mirror_target_id: 'tmt-0123456789abcdef0',
      virtual_network_id: 42,
    })
    expect(rows[1]).toMatchObject({ description: null, packet_length: null })
  })

  test('names the version of a state file that a later mirrortap wrote', async () => {
    const path = join(temporaryDirectory(), 'state.json')
    writeFileSync(path, JSON.stringify({ version: 99 }))
    const sql = 'FROM traffic_mirror_sessions'
    expect(await runCommand('query', sql, '--state', path)).toEqual({
      code: 1,
      out: '',
      err: `mirrortap: ${path} was written by a later mirrortap (version 99): use that one, or name another file\n`,
    })
  })

  test.each([
    ["SELECT '10.0.0.1'::INET", 'inet', 'use in_cidr(address, cidr) and is_private(address)'],
    ["SELECT host('10.0.0.1')", 'inet', 'use in_cidr(address, cidr) and is_private(address)'],
    ["SELECT * FROM read_xlsx('a.xlsx')", 'excel', 'use what is in DuckDB itself'],
    ['SELECT st_point(1, 2)', 'spatial', 'use what is in DuckDB itself'],
  ])(
    'of %s says that query loads no extensions, and none to install',
    async (sql, name, advice) => {
      const { code, err } = await runCommand('query', sql)
      expect(code).toBe(1)
      expect(err).toContain(`in the ${name} extension, and query loads no extensions: ${advice}`)
      expect(err).not.toMatch(/INSTALL|LOAD|SET /)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
    },
  )

  describe('help', () => {
    const [most, perMinute, refused, services, ports, names, unseen] = EXAMPLES.map(
      ([, sql]) => sql,
    )

    test('shows seven queries', async () => {
      const { out } = await runCommand('query', '--help')
      expect(EXAMPLES).toHaveLength(7)
      for (const [what, sql] of EXAMPLES) {
        expect(out).toContain(`# ${what}`)
        expect(out.replaceAll(/\n {4}/g, ' ')).toContain(sql)
      }
    })

    test('knows who sends the most', async () => {
      const sums = new Map<unknown, number>()
      for (const { srcAddr, bytes } of await flowsOf(PLAIN)) {
        sums.set(srcAddr, (sums.get(srcAddr) ?? 0) + Number(bytes))
      }
      const expected = [...sums].sort(([, a], [, b]) => b - a).slice(0, 10)
      const rows = await ask(most!, PLAIN)
      expect(rows.map(({ src_addr, bytes }) => [src_addr, bytes])).toEqual(expected)
    })

    test('knows what private addresses ask of the Internet', async () => {
      const rows = await ask(services!, PLAIN)
      expect(rows.map(({ service }) => service)).toEqual(
        expect.arrayContaining(['domain', 'http', 'https', 'ntp', '33434']),
      )
      const sum = rows.reduce((total, { bytes }) => total + Number(bytes), 0)
      const isOurs = (address: unknown) => /^(?:10\.|fd)/.test(String(address))
      const asked = (await flowsOf(PLAIN)).filter(
        ({ srcAddr, dstAddr }) => isOurs(srcAddr) && !isOurs(dstAddr),
      )
      expect(sum).toBe(asked.reduce((total, { bytes }) => total + Number(bytes), 0))
    })

    test('knows how much a minute, by session', async () => {
      const rows = await ask(perMinute!, MIRRORED)
      expect(rows.map(({ minute, session }) => [minute, session])).toEqual([
        ['2026-03-01 12:00:00', 'vni-42_10.0.2.30'],
        ['2026-03-01 12:00:00', 'vni-5569041_10.0.1.20'],
        ['2026-03-01 12:01:00', 'vni-5569041_10.0.1.20'],
      ])
      const [all] = await ask('SELECT count(*) AS packets FROM packets', MIRRORED)
      expect(rows.reduce((sum, { packets }) => sum + Number(packets), 0)).toBe(all!['packets'])
    })

    test('knows who was refused or never answered', async () => {
      const rows = await ask(refused!, PLAIN)
      const flows = (await flowsOf(PLAIN)).filter(
        ({ protocol, tcpFlags }) => protocol === 6 && (Number(tcpFlags) & 0x12) === 2,
      )
      expect(flows.length).toBeGreaterThan(0)
      expect(rows.reduce((sum, { attempts }) => sum + Number(attempts), 0)).toBe(flows.length)
    })

    test('knows which ports are in flow logs', async () => {
      const path = join(temporaryDirectory(), 'x.log')
      writeFileSync(path, await logOf(PLAIN))
      const rows = await ask(ports!, path)
      expect(rows.slice(0, 3).map(({ dstport }) => dstport)).toContain(443)
      expect(rows.length).toBeLessThanOrEqual(20)
    })

    test('knows which names clients ask for', async () => {
      const rows = await ask(names!, PLAIN)
      expect(rows).toEqual([{ query: 'www.example.com', asked: 2, failed: 0 }])
    })

    test('knows which sessions nobody sees traffic of', async () => {
      expect(await ask(unseen!, '--state', stateFile(), MIRRORED)).toEqual([
        {
          traffic_mirror_session_id: 'tms-0000000000000002b',
          network_interface_id: 'eni-0000000000000002b',
        },
      ])
    })
  })

  describe('answers', () => {
    const SQL = `SELECT 1 AS one, 'a,"b"' AS text, NULL AS none, 9007199254740993::HUGEINT AS large,
      1.50::DECIMAL(4,2) AS exact, [1, NULL] AS list, {'x': 'y'} AS struct, 'inf'::DOUBLE AS endless`

    test.each([
      {
        format: 'json',
        text:
          '[\n{"one":1,"text":"a,\\"b\\"","none":null,"large":9007199254740993,"exact":1.50,' +
          '"list":[1,null],"struct":{"x":"y"},"endless":null}\n]\n',
      },
      {
        format: 'csv',
        text:
          'one,text,none,large,exact,list,struct,endless\n' +
          '1,"a,""b""",,9007199254740993,1.50,"[1, NULL]",{\'x\': \'y\'},Infinity\n',
      },
      {
        format: 'table',
        text:
          'one  text   none             large  exact  list       struct       endless\n' +
          "  1  a,\"b\"     -  9007199254740993   1.50  [1, NULL]  {'x': 'y'}  Infinity\n",
      },
    ])('as $format', async ({ format, text }) => {
      expect(await runCommand('query', SQL, '--format', format)).toEqual({
        code: 0,
        out: text,
        err: '',
      })
    })

    test('as Parquet, and as the name of the output says', async () => {
      const dir = temporaryDirectory()
      const sql = 'SELECT range AS n, range * 2 AS double FROM range(5000)'
      for (const name of ['a.parquet', 'a.csv.gz', 'a.json']) {
        expect(await runCommand('query', sql, '-o', join(dir, name))).toEqual({
          code: 0,
          out: '',
          err: `5000 rows written to ${join(dir, name)}\n`,
        })
      }
      const rows = await readParquet(join(dir, 'a.parquet'))
      expect(rows).toHaveLength(5000)
      expect(rows[4999]).toEqual({ n: 4999n, double: 9998n })
      const lines = gunzipSync(readFileSync(join(dir, 'a.csv.gz')))
        .toString()
        .trimEnd()
        .split('\n')
      expect(lines).toHaveLength(5001)
      expect(lines[5000]).toBe('4999,9998')
      expect(JSON.parse(readFileSync(join(dir, 'a.json'), 'utf8'))).toHaveLength(5000)
      expect(readdirSync(dir).sort()).toEqual(['a.csv.gz', 'a.json', 'a.parquet'])
    })

    test('as Parquet, with columns whose names differ in capitals alone', async () => {
      const path = join(temporaryDirectory(), 'a.parquet')
      const sql = 'SELECT 1 AS a, 2 AS "A", 3 AS a_1, 4 AS a'
      expect((await runCommand('query', sql, '-o', path)).code).toBe(0)
      const [row] = await readParquet(path)
      expect(Object.values(row!)).toEqual([1, 2, 3, 4])
    })

    test('as a table of many rows in the same columns, without what a terminal obeys', async () => {
      const { out } = await runCommand(
        'query',
        "SELECT range AS n, chr(27) || '[2J' AS text FROM range(2500)",
      )
      const lines = out.trimEnd().split('\n')
      expect(lines).toHaveLength(2501)
      expect(new Set(lines.slice(1).map((line) => line.indexOf('\\u001b[2J')))).toEqual(
        new Set([5, 6]),
      )
    })

    test('with nothing in it', async () => {
      const sql = 'SELECT 1 AS one WHERE false'
      expect((await runCommand('query', sql)).out).toBe('one\n')
      expect((await runCommand('query', sql, '--format', 'json')).out).toBe('[]\n')
      expect((await runCommand('query', sql, '--format', 'csv')).out).toBe('one\n')
    })
  })

  test('uses what is before the damage, and names it', async () => {
    const cut = join(temporaryDirectory(), 'cut.pcap')
    writeFileSync(cut, readFileSync(PLAIN).subarray(0, -10))
    const { code, out, err } = await runCommand(
      'query',
      'SELECT count(*) AS n FROM packets',
      cut,
      '--format',
      'csv',
    )
    expect(code).toBe(1)
    expect(Number(out.split('\n')[1])).toBeGreaterThan(100)
    expect(err).toMatch(/^mirrortap: [^\n]*cut\.pcap: damaged at byte \d+: [^\n]+\n$/)
  })

  describe('reaches nothing that was not named', () => {
    test.each([
      "SELECT * FROM read_csv('/etc/passwd')",
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM read_blob('/etc/passwd')",
      "SELECT * FROM read_json('/etc/passwd')",
      "SELECT * FROM read_parquet('/etc/passwd')",
      "SELECT * FROM '/etc/passwd'",
      "SELECT * FROM sniff_csv('/etc/passwd')",
      "SELECT * FROM glob('/etc/*')",
      "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
      "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
      "COPY (SELECT 1) TO 'DIR/copied'",
      "EXPLAIN ANALYZE COPY (SELECT 1) TO 'DIR/copied'",
      "EXPORT DATABASE 'DIR/copied'",
      "IMPORT DATABASE 'DIR'",
      "ATTACH 'DIR/copied' AS x",
      "ATTACH ':memory:' AS x",
      'INSTALL httpfs',
      'LOAD httpfs',
      "SET memory_limit = '100GB'",
      'RESET memory_limit',
      'PRAGMA threads = 1',
      'SET lock_configuration = false',
      'SET enable_external_access = true',
      "SET allowed_paths = ['/etc/passwd']",
      'CREATE TABLE x AS SELECT 1',
      'DROP VIEW flows',
      'INSERT INTO loaded.sessions VALUES (1, 2, 3, 4)',
      'CALL enable_logging()',
      'SELECT * FROM enable_logging()',
      "SELECT * FROM enable_profiling(save_location = 'DIR/x.txt')",
      "SELECT * FROM query('FROM enable' || '_logging()')",
      'SELECT * FROM checkpoint()',
      'SELECT 1; SELECT 2',
      'CHECKPOINT',
      '',
      '/* nothing */',
    ])('%s', async (sql) => {
      const dir = temporaryDirectory()
      const { code, out, err } = await runCommand('query', sql.replace('DIR', dir))
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
      expect(err).not.toMatch(/root:|bug/)
      expect(readdirSync(dir)).toEqual([])
    })

    test('not even beside a file that was, nor writes to that', async () => {
      const files = temporaryDirectory()
      const named = join(files, 'a.log')
      const beside = join(files, 'b.log')
      const log = await logOf(PLAIN)
      writeFileSync(named, log)
      writeFileSync(beside, log)
      expect(await ask(`SELECT count(*) AS n FROM read_text('${named}')`, named)).toEqual([
        { n: 1 },
      ])
      for (const sql of [
        `SELECT * FROM read_text('${beside}')`,
        `SELECT * FROM read_text('${files}/x/../b.log')`,
        `SELECT * FROM read_text('${named}/../b.log')`,
        `SELECT * FROM read_text('${files}/*')`,
        `EXPLAIN ANALYZE COPY (SELECT 1) TO '${named}' (USE_TMP_FILE false)`,
      ]) {
        expect((await runCommand('query', sql, named)).code).toBe(1)
      }
      expect(readFileSync(named, 'utf8')).toBe(log)
      const link = join(files, 'link.log')
      symlinkSync(beside, link)
      expect(await ask('SELECT count(*) AS n FROM records', link)).toEqual([{ n: 24 }])
    })
  })

  test.each([
    { sql: 'SELECT foo FROM flows', says: /^Binder Error: .*"foo" not found/ },
    { sql: 'SELEC 1', says: /^Parser Error: syntax error at or near "SELEC"/ },
    { sql: 'SELECT * FROM nope', says: /^Catalog Error: Table with name nope does not exist/ },
    { sql: "SELECT 'x'::INTEGER", says: /^Conversion Error: / },
  ])('says what is wrong with $sql in one line', async ({ sql, says }) => {
    const { code, out, err } = await runCommand('query', sql, '/no/such.pcap')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err.slice('mirrortap: '.length)).toMatch(says)
  })

  test('says what to raise when memory is not enough, and leaves nothing behind', async () => {
    // Others that run at the same time have theirs elsewhere.
    vi.stubEnv('TMPDIR', temporaryDirectory())
    onTestFinished(() => void vi.unstubAllEnvs())
    const limits = ['--memory-limit', '30MB', '--temporary-limit', '1MB']
    const sql = 'SELECT count(*) FROM (SELECT DISTINCT range, random() FROM range(3000000))'
    const { code, err } = await runCommand('query', sql, ...limits)
    expect(code).toBe(1)
    expect(err).toMatch(
      /^mirrortap: Out of Memory[^\n]*--memory-limit or --temporary-limit[^\n]*\n$/,
    )
    expect(temporaryQueries()).toEqual([])
  })

  test.each([
    { args: ['SELECT * FROM packets'], says: 'the table packets is made of captures: name one' },
    { args: ['SELECT * FROM records'], says: 'made of captures or flow logs: name one' },
    { args: ['FROM traffic_mirror_sessions'], says: 'name one with --state FILE' },
    {
      args: ['SELECT 1', '--format', 'xml'],
      says: 'Allowed choices are table, csv, json, parquet',
    },
    { args: ['SELECT 1', '-o', 'x.parquet.gz'], says: 'leave .gz and .zst off the name' },
    { args: [], says: "missing required argument 'sql'" },
  ])('refuses $args in one line, exit 2', async ({ args, says }) => {
    const { code, out, err } = await runCommand('query', ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test.each([
    {
      what: 'a missing flow log',
      name: 'no.log',
      content: undefined,
      says: 'does not exist; check the path',
    },
    { what: 'an empty flow log', name: 'a.log', content: '', says: 'is empty' },
    {
      what: 'no flow log',
      name: 'a.log',
      content: 'what is this\n',
      says: 'is neither a capture nor a flow log: it begins "what is this"',
    },
    { what: 'no gzip', name: 'a.log.gz', content: '\u001f\u008b??', says: 'is damaged' },
    { what: 'no Parquet', name: 'a.parquet', content: 'what is this', says: 'a.parquet' },
    { what: 'no capture', name: 'a.pcap', content: 'what is this?', says: 'a.pcap' },
    { what: 'no state', name: 'state', content: '{}', says: 'is not a state file of this version' },
  ])('says in one line that $name is $what', async ({ name, content, says }) => {
    const path = join(temporaryDirectory(), name)
    if (content !== undefined) writeFileSync(path, content, 'latin1')
    const table = name.endsWith('pcap') ? 'packets' : 'records'
    const args = name === 'state' ? ['SELECT 1', '--state', path] : [`FROM ${table}`, path]
    const { code, out, err } = await runCommand('query', ...args)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })
})

/** `2026-03-01 12:00:30.001209994` → decimal seconds with nine digits. */
function epochOf(timestamp: unknown): string {
  const [time, fraction = ''] = String(timestamp).split('.')
  const seconds = Date.parse(`${time!.replace(' ', 'T')}Z`) / 1000
  return `${seconds}.${fraction.padEnd(9, '0')}`
}

function temporaryQueries(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('mirrortap-query-'))
}
