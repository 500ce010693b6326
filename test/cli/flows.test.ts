import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { comparison, FirstRows } from '../../src/cli/flows/order.js'
import type { flowJson, pairJson } from '../../src/cli/flows/rows.js'
import { emptyRow, type FlowRow } from '../../src/flow/flow-row.js'
import { Random } from '../support/random.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BAD_CAPTURES } from './bad-captures.js'
import { runMain } from './run-main.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const SAMPLE = join(SAMPLES, 'web-and-dns.pcap')

type Row = ReturnType<typeof flowJson>
type Pair = ReturnType<typeof pairJson>

async function flowsOf(...args: string[]): Promise<Row[]> {
  const { code, out, err } = await runCommand('flows', '--json', ...args)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out) as Row[]
}

const text = (value: unknown): string => JSON.stringify(value)

describe('flows', () => {
  test.each(BAD_CAPTURES)('names $what in one line and prints nothing', async ({ make, says }) => {
    for (const options of [[], ['--json']]) {
      const { code, out, err } = await runMain('flows', ...options, make(temporaryDirectory()))
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
      expect(err.trimEnd()).toMatch(says)
    }
  })

  test('names each of several that cannot be read', async () => {
    const files = BAD_CAPTURES.map(({ make }) => make(temporaryDirectory()))
    const { code, err } = await runMain('flows', ...files)
    expect(code).toBe(1)
    const lines = err.trimEnd().split('\n')
    expect(lines).toHaveLength(BAD_CAPTURES.length)
    for (const [index, { says }] of BAD_CAPTURES.entries()) expect(lines[index]).toMatch(says)
  })

  test.each([
    { args: ['--vni', '16777216'], says: 'Give a whole number from 0 to 16777215.' },
    { args: ['--vni', 'seven'], says: 'Give a whole number from 0 to 16777215.' },
    { args: ['--vxlan-port', '65536'], says: 'Give a whole number from 1 to 65535.' },
    { args: ['--geneve-port', '0'], says: 'Give a whole number from 1 to 65535.' },
    { args: ['--max-flows', '0'], says: 'Give a whole number from 1 to 16777216.' },
    { args: ['--decap', 'some'], says: 'Allowed choices are auto, none.' },
  ])('refuses $args in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('flows', SAMPLE, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+ \(see mirrortap flows --help\)\n$/)
    expect(err).toContain(says)
  })

  describe('in an order', () => {
    test.each([
      ['bytes', (row: Row) => -row.bytes],
      ['bytes:asc', (row: Row) => row.bytes],
      ['packets', (row: Row) => -row.packets],
      ['first:desc', (row: Row) => -Number(row.firstSeen)],
      ['last', (row: Row) => Number(row.lastSeen)],
      ['duration', (row: Row) => Number(row.firstSeen) - Number(row.lastSeen)],
      ['protocol', (row: Row) => row.protocol],
    ] as const)('--sort %s has all rows of flows, sorted', async (sort, key) => {
      const all = await flowsOf(SAMPLE)
      const rows = await flowsOf('--sort', sort, SAMPLE)
      expect(new Set(rows.map(text))).toEqual(new Set(all.map(text)))
      const keys = rows.map(key)
      expect(keys).toEqual([...keys].sort((left, right) => left - right))
      expect(await flowsOf('--sort', sort, '--top', '5', SAMPLE)).toEqual(rows.slice(0, 5))
    })

    test('--top alone has those of the most bytes', async () => {
      const rows = await flowsOf('--sort', 'bytes', SAMPLE)
      expect(await flowsOf('--top', '3', SAMPLE)).toEqual(rows.slice(0, 3))
      const { out } = await runCommand('flows', '--top', '3', SAMPLE)
      expect(out.trimEnd().split('\n')).toHaveLength(4)
    })

    test('--top and --sort look at open and at old flows alone, where these are asked for', async () => {
      const old = ['--minimum-flow-age-in-seconds', '60', SAMPLE]
      for (const more of [old, ['--open', ...old]]) {
        const rows = await flowsOf('--sort', 'packets', ...more)
        expect(rows.length).toBeGreaterThan(2)
        expect(rows.every(({ ageSeconds }) => ageSeconds! >= 60)).toBe(true)
        expect(await flowsOf('--sort', 'packets', '--top', '2', ...more)).toEqual(rows.slice(0, 2))
      }
    })

    test('FirstRows keeps few rows of many, and the right ones, seed 9', () => {
      const random = new Random(9)
      const rows = Array.from({ length: 20_000 }, (_, at) => ({
        ...emptyRow(),
        bytes: random.below(1000),
        firstSeconds: at,
      }))
      const compare = comparison({ field: 'bytes', way: undefined })
      const first = new FirstRows<FlowRow>(compare, 10)
      for (const row of rows) first.add(row)
      expect(first.sorted()).toEqual([...rows].sort(compare).slice(0, 10))
    })
  })

  describe('--pairs', () => {
    test.each(['web-and-dns', 'vxlan-two-sessions', 'fragments', 'cut-by-packet-length'])(
      'of %s has every flow once, with who sent first as the originator',
      async (name) => {
        const file = join(SAMPLES, `${name}.pcap`)
        const flows = await flowsOf(file)
        const pairs = (await flowsOf('--pairs', file)) as unknown as Pair[]
        const asFlows = pairs.flatMap((pair) => {
          const { session, protocol, state } = pair
          const both = { session, protocol, state }
          const there = {
            ...both,
            srcAddr: pair.origAddr,
            dstAddr: pair.respAddr,
            srcPort: pair.origPort,
            dstPort: pair.respPort,
            packets: pair.origPackets,
            bytes: pair.origBytes,
            tcpFlags: pair.origTcpFlags,
          }
          const back = {
            ...both,
            srcAddr: pair.respAddr,
            dstAddr: pair.origAddr,
            srcPort: pair.respPort,
            dstPort: pair.origPort,
            packets: pair.respPackets,
            bytes: pair.respBytes,
            tcpFlags: pair.respTcpFlags,
          }
          return pair.respPackets > 0 ? [there, back] : [there]
        })
        const expected = flows.map(
          ({
            session,
            protocol,
            state,
            srcAddr,
            dstAddr,
            srcPort,
            dstPort,
            packets,
            bytes,
            tcpFlags,
          }) => ({
            session,
            protocol,
            state,
            srcAddr,
            dstAddr,
            srcPort,
            dstPort,
            packets,
            bytes,
            tcpFlags,
          }),
        )
        expect(asFlows.map(text).sort()).toEqual(expected.map(text).sort())
        for (const pair of pairs) {
          const first = flows.find(
            (flow) =>
              flow.session === pair.session &&
              flow.firstSeen === pair.firstSeen &&
              [pair.origAddr, pair.respAddr].includes(flow.srcAddr),
          )!
          expect([first.srcAddr, first.srcPort]).toEqual([pair.origAddr, pair.origPort])
          const span =
            BigInt(pair.lastSeen!.replace('.', '')) - BigInt(pair.firstSeen!.replace('.', ''))
          expect(BigInt(pair.duration!.replace('.', ''))).toBe(span)
        }
      },
    )

    test('has a connection of which a filter wants either direction, whole', async () => {
      const filter = ['--flow-filters', 'SourcePort=22', SAMPLE]
      for (const open of [[], ['--open']]) {
        const flows = await flowsOf(...open, ...filter)
        const pairs = (await flowsOf(...open, '--pairs', ...filter)) as unknown as Pair[]
        expect(flows.length).toBeGreaterThan(0)
        expect(pairs.map(({ respPackets }) => respPackets)).toEqual(
          flows.map(({ packets }) => packets),
        )
        expect(pairs.every(({ origPackets }) => origPackets > 0)).toBe(true)
      }
    })
  })

  test('--vertical has a line for each field, and the times', async () => {
    const { out } = await runCommand('flows', '--vertical', '--top', '2', SAMPLE)
    const records = out.split(/^-\[ \d+ \]-+\n/m).slice(1)
    expect(records).toHaveLength(2)
    for (const record of records) {
      const names = record
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)[0])
      expect(names).toContain('destination')
      expect(record).toMatch(/^first seen +2026-03-01 12:0\d:[\d.]+ UTC$/m)
    }
  })

  test.each([
    { args: ['--sort', 'size'], says: 'Give one of bytes, packets, duration, first' },
    { args: ['--sort', 'bytes:up'], says: 'Give one of bytes, packets, duration, first' },
    { args: ['--top', '0'], says: 'Give a whole number from 1 to' },
    { args: ['--vertical', '--json'], says: "'--vertical' cannot be used with option '--json'" },
  ])('refuses $args', async ({ args, says }) => {
    const { code, out, err } = await runMain('flows', SAMPLE, ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })
})
