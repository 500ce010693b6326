import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { loadDuckDb } from '../../src/query/duckdb.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const FORMAT =
  '${version} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${log-status} ${tcp-flags} ${flow-direction}'

async function ddl(engine: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await runCommand('flow-log', '--print-ddl', engine, ...args)
  expect(err).toBe('')
  expect(code).toBe(0)
  return out
}

describe('--print-ddl', () => {
  test('athena: the columns in the order of the format, AWS layout by projection', async () => {
    const out = await ddl(
      'athena',
      ...['--log-format', '${srcaddr} ${start} ${bytes} ${tcp-flags}', '--region', 'eu-west-1'],
      ...['--account-id', '123456789012', '--per-hour-partition', 's3://bucket/p'],
    )
    expect(out).toBe(`CREATE EXTERNAL TABLE IF NOT EXISTS flow_logs (
  \`srcaddr\` string,
  \`start\` bigint,
  \`bytes\` bigint,
  \`tcp_flags\` int
)
PARTITIONED BY (\`day\` string, \`hour\` string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY ' '
STORED AS TEXTFILE
LOCATION 's3://bucket/p/AWSLogs/123456789012/vpcflowlogs/eu-west-1/'
TBLPROPERTIES (
  'skip.header.line.count' = '1',
  'projection.enabled' = 'true',
  'projection.day.type' = 'date',
  'projection.day.range' = '2026/01/01,NOW',
  'projection.day.format' = 'yyyy/MM/dd',
  'projection.hour.type' = 'integer',
  'projection.hour.range' = '0,23',
  'projection.hour.digits' = '2',
  'storage.location.template' = 's3://bucket/p/AWSLogs/123456789012/vpcflowlogs/eu-west-1/\${day}/\${hour}'
);

CREATE OR REPLACE VIEW flow_logs_merged AS
SELECT
  "srcaddr",
  min("start") AS "start",
  sum("bytes") AS "bytes",
  bitwise_or_agg("tcp_flags") AS "tcp_flags",
  "start" - "start" % 600 AS "window_start"
FROM flow_logs
GROUP BY "srcaddr", "start" - "start" % 600;
`)
  })

  test('trino: Parquet with Hive partitions', async () => {
    const out = await ddl(
      'trino',
      ...['--log-format', '${srcaddr} ${start} ${log-status}', '--format', 'parquet'],
      ...['--hive-compatible-partitions', 's3://bucket'],
    )
    expect(out).toContain(`WITH (
  format = 'PARQUET',
  external_location = 's3://bucket/AWSLogs/',
  partitioned_by = ARRAY['aws-account-id', 'aws-service', 'aws-region', 'year', 'month', 'day']
)`)
    expect(out).toContain('  "srcaddr" varchar,\n  "start" bigint,\n  "log_status" varchar,\n')
    expect(out).toContain(`WHERE "log_status" <> 'NODATA'`)
  })

  test.each<{ args: string[]; says: string }>([
    { args: ['athena', 'logs/'], says: 'name where athena finds the flow logs, such as s3://' },
    { args: ['trino'], says: 'name where trino finds the flow logs' },
    { args: ['clickhouse', 's3://b/'], says: 'leave the place of the files out' },
    { args: ['duckdb', "it's/"], says: 'cannot be in a statement' },
    { args: ['duckdb', 'a/', 'b/'], says: 'takes one location' },
    { args: ['duckdb', '--format', 'json'], says: 'is for text and Parquet' },
    { args: ['duckdb', '--log-format', '${srcaddr}'], says: 'add ${start}' },
  ])('refuses $args', async ({ args, says }) => {
    const { code, err } = await runCommand('flow-log', '--print-ddl', ...args)
    expect(err).toContain(says)
    expect(code).toBe(2)
  })
})

/** Two captures that have each packet once, by the IP header's identification: those of one flow are in both. */
async function halves(directory: string): Promise<string[]> {
  const files: string[] = []
  for (const [index, filter] of ['ip[5] & 1 = 0', 'not (ip[5] & 1 = 0)'].entries()) {
    const half = join(directory, `${index}.pcap`)
    await ran('capture', '--read', SAMPLE, '-w', half, filter)
    files.push(half)
  }
  return files
}

async function ran(...args: string[]): Promise<string> {
  const { code, out, err } = await runCommand(...args)
  expect(code, err).toBe(0)
  return out
}

const OPTIONS = ['--log-format', FORMAT, '--max-aggregation-interval', '60']

describe('two appliances that each see a half of the packets, by DuckDB', () => {
  /** The rows of the merged view over what is below a directory. */
  async function merged(directory: string, args: readonly string[]): Promise<unknown[]> {
    const { DuckDBInstance } = loadDuckDb()
    const instance = await DuckDBInstance.create()
    const connection = await instance.connect()
    try {
      await connection.run(await ddl('duckdb', ...args, directory))
      const result = await connection.runAndReadAll('SELECT * FROM flow_logs_merged ORDER BY ALL')
      return result.getRowsJson()
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  }

  test.each<{ layout: string[] }>([
    { layout: ['--format', 'text'] },
    { layout: ['--format', 'parquet', '--hive-compatible-partitions', '--per-hour-partition'] },
  ])('have the totals of one that sees everything: $layout', async ({ layout }) => {
    const directory = temporaryDirectory()
    const [one, both] = [`${join(directory, 'one')}/`, `${join(directory, 'both')}/`]
    const args = [...OPTIONS, ...layout]
    await ran('flow-log', SAMPLE, ...args, '-o', one)
    for (const [index, half] of (await halves(directory)).entries()) {
      await ran('flow-log', half, ...args, '-o', `${both}${index}/`)
    }
    const expected = await merged(one, args)
    expect(expected.length).toBeGreaterThan(5)
    // Several appliances deliver to one bucket: one directory above both.
    expect(await merged(`${both}*/`, args)).toEqual(expected)
  })
})

const servers: ChildProcess[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.kill('SIGKILL')
})

/** A server of its own; resolves with what asks it. */
async function clickhouse(directory: string): Promise<(sql: string, input?: string) => string> {
  const port = await freePort()
  const config = join(directory, 'config.xml')
  writeFileSync(
    config,
    `<yandex><logger><level>none</level></logger><listen_host>127.0.0.1</listen_host>
    <tcp_port>${port}</tcp_port><path>${directory}/data/</path><tmp_path>${directory}/tmp/</tmp_path>
    <users_config>users.xml</users_config><default_profile>default</default_profile>
    <default_database>default</default_database><mark_cache_size>5368709120</mark_cache_size></yandex>`,
  )
  writeFileSync(
    join(directory, 'users.xml'),
    `<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>
    <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
    </default></users></yandex>`,
  )
  servers.push(spawn('clickhouse-server', ['--config-file', config], { stdio: 'ignore' }))
  const ask = (sql: string, input = ''): string =>
    execFileSync(
      'clickhouse-client',
      ['--host', '127.0.0.1', '--port', `${port}`, '--multiquery', '-q', sql],
      { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'ignore'] },
    )
  await expect.poll(() => ask('SELECT 1')).toBe('1\n')
  return ask
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test.skipIf(!hasTool('clickhouse-server') || !hasTool('clickhouse-client'))(
  'ClickHouse makes of two halves what it makes of the whole',
  async () => {
    const directory = temporaryDirectory()
    const ask = await clickhouse(directory)
    const statements = await ddl('clickhouse', ...OPTIONS)
    const names = FORMAT.replace(/\$\{([^}]*)\}/g, (_, name: string) => name.replaceAll('-', '_'))
    const columns = names.split(' ').map((name) => `"${name}"`)
    const rows: string[] = []
    for (const [name, files] of Object.entries({ one: [SAMPLE], both: await halves(directory) })) {
      ask(`CREATE DATABASE ${name}`)
      ask(`USE ${name}; ${statements}`)
      for (const file of files) {
        const log = join(directory, `${name}.log`)
        await ran('flow-log', file, ...OPTIONS, '-o', log)
        const sql = `SELECT ${columns.join(', ')} FROM records`
        const csv = await ran('query', sql, log, '--format', 'csv')
        ask(`INSERT INTO ${name}.flow_logs FORMAT CSVWithNames`, csv)
      }
      const order = 'srcaddr, dstaddr, srcport, dstport, protocol, window_start'
      rows.push(ask(`USE ${name}; SELECT * FROM flow_logs_merged ORDER BY ${order}`))
    }
    expect(rows[0]!.split('\n').length).toBeGreaterThan(5)
    expect(rows[1]).toBe(rows[0])
  },
)
