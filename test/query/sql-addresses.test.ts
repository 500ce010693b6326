import type { DuckDBConnection } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADDRESS_MACROS } from '../../src/query/sql-addresses.js'
import { formatIpv4, formatIpv6, parseAddress } from '../../src/wire/address.js'
import { randomAddress } from '../flowlog/sample-records.js'
import { Random } from '../support/random.js'

const duckdb = await import('@duckdb/node-api').catch(() => undefined)

describe.skipIf(duckdb === undefined)('ADDRESS_MACROS (needs @duckdb/node-api)', () => {
  let connection: DuckDBConnection
  beforeAll(async () => {
    connection = await (await duckdb!.DuckDBInstance.create()).connect()
    await connection.run('CREATE SCHEMA loaded')
    for (const macro of ADDRESS_MACROS) await connection.run(macro)
  })
  afterAll(() => connection?.closeSync())

  async function spelled(version: number, addresses: readonly Uint32Array[]): Promise<unknown[]> {
    const rows = addresses.map((words) => `(${[...words].map((word) => `${word}::UINTEGER`)})`)
    const read = await connection.runAndReadAll(
      `SELECT loaded.address_text(${version}, a, b, c, d) FROM (VALUES ${rows.join()}) AS t(a, b, c, d)`,
    )
    return read.getRows().map(([text]) => text)
  }

  test('spell IPv4 as formatIpv4 does', async () => {
    const words = [0, 1, 0x0a00_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
    const addresses = words.map((word) => Uint32Array.of(word, 0, 0, 0))
    expect(await spelled(4, addresses)).toEqual(words.map(formatIpv4))
  })

  test.each([
    '::',
    '::1',
    '1::',
    '2001:db8::1',
    '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1::1',
    '1:0:0:2::',
    '0:1::',
    '::2:0:0:0',
    '::ffff:10.0.0.1',
    'fe80::abcd:0:0:1',
  ])('spell %s as formatIpv6 does', async (text) => {
    const words = parseAddress(text)!
    expect(await spelled(6, [words])).toEqual([
      formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!),
    ])
  })

  test('spell 2000 IPv6 addresses as formatIpv6 does, seed 5952', async () => {
    const random = new Random(5952)
    const addresses = Array.from({ length: 2000 }, () => {
      const address = new Uint32Array(4)
      randomAddress(random, 6, address)
      return address
    })
    const expected = addresses.map(([a, b, c, d]) => formatIpv6(a!, b!, c!, d!))
    expect(await spelled(6, addresses)).toEqual(expected)
  })

  test('are null where there is no IP', async () => {
    expect(await spelled(0, [new Uint32Array(4)])).toEqual([null])
  })
})
