import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { DuckDBConnection } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FUNCTION_MACROS } from '../../src/query/sql-functions.js'
import { parseAddress, parseCidr } from '../../src/wire/address.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../../src/wire/protocol.js'
import { portNames } from '../../src/wire/service-names.js'
import { Random } from '../support/random.js'

const duckdb = await import('@duckdb/node-api').catch(() => undefined)
const SERVICES = '/etc/services'

describe.skipIf(duckdb === undefined)('SQL functions (need @duckdb/node-api)', () => {
  let connection: DuckDBConnection
  beforeAll(async () => {
    const options = { autoinstall_known_extensions: 'false', autoload_known_extensions: 'false' }
    connection = await (await duckdb!.DuckDBInstance.create(':memory:', options)).connect()
    await connection.run('CREATE SCHEMA loaded')
    for (const macro of FUNCTION_MACROS) await connection.run(macro)
  }, 30_000)
  afterAll(() => connection?.closeSync())

  async function column(sql: string): Promise<unknown[]> {
    const read = await connection.runAndReadAll(sql)
    return read.getRows().map(([value]) => value)
  }

  async function ofEach(call: string, values: readonly (string | null)[]): Promise<unknown[]> {
    const rows = values.map((value, at) => `(${at}, ${value === null ? 'NULL' : `'${value}'`})`)
    return await column(`SELECT ${call} FROM (VALUES ${rows.join()}) AS t(place, x) ORDER BY place`)
  }

  test.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['11.0.0.0', '10.0.0.0/8', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.255.0.0/8', true],
    ['255.255.255.255', '0.0.0.0/0', true],
    ['10.0.0.1', '::/0', false],
    ['::1', '0.0.0.0/0', false],
    ['2001:db8::1', '2001:DB8::/32', true],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1/128', true],
    ['2001:db9::', '2001:db8::/32', false],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.0/104', true],
    ['::ffff:10.0.0.1', '10.0.0.0/8', false],
    ['-', '10.0.0.0/8', null],
    ['10.0.0', '10.0.0.0/8', null],
    [':::', '::/0', null],
  ])('in_cidr(%s, %s) is %s', async (address, cidr, expected) => {
    expect(await column(`SELECT in_cidr('${address}', '${cidr}')`)).toEqual([expected])
  })

  test('in_cidr reads what parseAddress reads and nothing else, seed 4291', async () => {
    const random = new Random(4291)
    const pieces = [
      '0',
      '1',
      'ffff',
      'A0',
      '10000',
      ':',
      ':',
      ':',
      '::',
      '.',
      '10.0.0.1',
      '256',
      '',
    ]
    const texts = Array.from({ length: 3000 }, () =>
      Array.from({ length: 1 + random.below(16) }, () => pieces[random.below(pieces.length)]!).join(
        '',
      ),
    )
    const good = ['1:2:3:4:5:6:7:8', '1::8', '::', '1::', '1:2:3:4:5:6:7::', '1:2:3:4:5:6:1.2.3.4']
    const all = [...texts, ...good]
    expect(all.filter((text) => isIP(text) !== 0).length).toBeGreaterThan(50)
    const seen = await ofEach("in_cidr(x, '0.0.0.0/0') OR in_cidr(x, '::/0')", all)
    expect(seen).toEqual(all.map((text) => (parseAddress(text) === undefined ? null : true)))
  })

  test('in_cidr judges as parseCidr does, seed 4632', async () => {
    const random = new Random(4632)
    const pick = (texts: readonly string[]) => texts[random.below(texts.length)]!
    const v4 = ['10.0.0.1', '10.128.3.4', '10.0.0.0', '172.16.1.2', '0.0.0.0', '255.255.255.255']
    const v6 = [
      '2001:db8::1',
      '2001:db8:8000::',
      'fe80::1',
      '::',
      '::1',
      'ffff::ffff',
      '::ffff:1.2.3.4',
    ]
    const asked: { text: string; cidr: string; expected: boolean }[] = []
    for (let round = 0; round < 200; round++) {
      const family = pick(['4', '6']) === '4' ? v4 : v6
      const cidr = `${pick(family)}/${random.below(family === v4 ? 33 : 129)}`
      const { first, mask } = parseCidr(cidr)!
      for (const text of family) {
        const words = parseAddress(text)!
        const expected = first.every((word, at) => (words[at]! & mask[at]!) >>> 0 === word)
        asked.push({ text, cidr, expected })
      }
    }
    // One statement: each takes as long to prepare as all of these to work out.
    const rows = asked.map(({ text, cidr }, at) => `(${at}, '${text}', '${cidr}')`)
    const answers = await column(
      `SELECT in_cidr(text, cidr) FROM (VALUES ${rows}) asked(place, text, cidr) ORDER BY place`,
    )
    expect(asked.map((it, at) => ({ ...it, expected: answers[at] }))).toEqual(asked)
  })

  test('NULL is NULL', async () => {
    const calls = [
      "in_cidr(NULL, '10.0.0.0/8')",
      "in_cidr('10.0.0.1', NULL)",
      'is_private(NULL)',
      'service_name(NULL, 443)',
      'service_name(6, NULL)',
    ]
    for (const call of calls) expect([call, await column(`SELECT ${call}`)]).toEqual([call, [null]])
  })

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/08',
    'web',
    '',
    '10.0.0.0/8/8',
  ])('a block %j is an error that names it', async (cidr) => {
    await expect(
      column(`SELECT in_cidr(x, '${cidr}') FROM (VALUES ('::1'), (NULL)) AS t(x)`),
    ).rejects.toThrow(`in_cidr: '${cidr}' is not a block of addresses such as 10.0.0.0/8`)
  })

  test.each([
    [
      true,
      [
        '10.0.0.0',
        '10.255.255.255',
        '172.16.0.0',
        '172.31.255.255',
        '192.168.0.0',
        '192.168.255.255',
      ],
    ],
    [true, ['127.0.0.1', '169.254.169.254', '::1', 'fe80::1', 'febf::', 'fc00::', 'fdff:ffff::1']],
    [true, ['::ffff:10.0.0.1', '::ffff:127.0.0.1']],
    [
      false,
      ['9.255.255.255', '11.0.0.0', '172.15.0.1', '172.32.0.0', '192.167.0.1', '192.169.0.1'],
    ],
    [
      false,
      [
        '8.8.8.8',
        '100.64.0.1',
        '0.0.0.0',
        '::',
        '::2',
        'fec0::',
        'fe00::1',
        '2001:db8::1',
        '::ffff:8.8.8.8',
      ],
    ],
    [null, ['-', '', 'web']],
  ] as const)('is_private is %s of %s', async (expected, addresses) => {
    expect(await ofEach('is_private(x)', addresses)).toEqual(addresses.map(() => expected))
  })

  test.each([
    ['6, 443', 'https'],
    ['17, 443', 'https'],
    ['17, 53', 'domain'],
    ["'TCP', 22", 'ssh'],
    ['6::UTINYINT, 80::USMALLINT', 'http'],
    ['17, 4789', 'vxlan'],
    ['6, 5432::BIGINT', 'postgresql'],
    ['1, 53', null],
    ['6, 0', null],
    ['6, 49152', null],
    ["6, '443'", 'https'],
    ["6, '-'", null],
    ['6, -1', null],
    ['6, 2::BIGINT ** 40', null],
  ])('service_name(%s) is %s', async (call, expected) => {
    expect(await column(`SELECT service_name(${call})`)).toEqual([expected])
  })
})

test.skipIf(!existsSync(SERVICES))('ports have the names of /etc/services (needs that)', () => {
  const first = new Map<string, string>()
  for (const line of readFileSync(SERVICES, 'utf8').split('\n')) {
    const [name, port] = line.replace(/#.*/, '').split(/\s+/)
    if (name && port && !first.has(port)) first.set(port, name)
  }
  let common = 0
  for (const [protocol, word] of [
    [PROTOCOL_TCP, 'tcp'],
    [PROTOCOL_UDP, 'udp'],
  ] as const) {
    for (const [port, name] of portNames(protocol)) {
      const theirs = first.get(`${port}/${word}`)
      if (theirs === undefined) continue
      common++
      expect([port, name]).toEqual([port, theirs])
    }
  }
  expect(common).toBeGreaterThan(80)
})
