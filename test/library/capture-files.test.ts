import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { analyze, type Flow, flowLog, flows } from '../../src/library/capture-files.js'
import { compileFilter } from '../../src/library/packet-filter.js'
import { readCapture } from '../../src/pcap/reader.js'
import { temporaryDirectory } from '../support/temporary.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const sample = (name: string): string => join(SAMPLES, name)

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

/** What `flows --json` has of it. */
function asJson(flow: Flow) {
  const moment = (seconds: number, nanoseconds: number) =>
    `${seconds}.${String(nanoseconds).padStart(9, '0')}`
  const { firstSeconds, firstNanoseconds, lastSeconds, lastNanoseconds, timed: _, ...rest } = flow
  return {
    ...rest,
    ageSeconds: undefined,
    firstSeen: moment(firstSeconds, firstNanoseconds),
    lastSeen: moment(lastSeconds, lastNanoseconds),
  }
}

/** Rows in an order that the order of their keys and of their making does not change. */
function inOrder(rows: readonly object[]): object[] {
  const keyOf = (row: object) => JSON.stringify(Object.entries(row).sort())
  return [...rows].sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
}

/** A copy of a sample without its last bytes. */
function cutSample(): string {
  const path = join(temporaryDirectory(), 'cut.pcap')
  writeFileSync(path, readFileSync(sample('web-and-dns.pcap')).subarray(0, -5))
  return path
}

describe('flows', () => {
  test.each(['web-and-dns', 'vxlan-two-sessions', 'geneve-gwlb', 'fragments'])(
    'has of %s what the command prints',
    async (name) => {
      const golden = JSON.parse(readFileSync(sample(`${name}.flows.json`), 'utf8')) as object[]
      const expected = golden.map((row) => {
        // What others call a flow is the command's.
        const {
          srcName: _s,
          dstName: _d,
          communityId: _c,
          ...flow
        } = row as Record<string, unknown>
        return { ...flow, ageSeconds: undefined }
      })
      const found = (await all(flows(sample(`${name}.pcap`)))).map(asJson)
      expect(inOrder(found)).toEqual(inOrder(expected))
    },
  )

  test('takes a filter and VNIs', async () => {
    const found = await all(
      flows(sample('vxlan-two-sessions.pcap'), { filter: 'tcp port 5432', vnis: [42] }),
    )
    expect(found.map(({ vni, bytes }) => [vni, bytes]).sort()).toEqual([
      [42, 6688],
      [42, 848],
    ])
  })

  test('reads no further when the loop is left', async () => {
    let seen = 0
    for await (const flow of flows(sample('web-and-dns.pcap'))) {
      seen += flow.packets > 0 ? 1 : 0
      break
    }
    expect(seen).toBe(1)
  })

  test('throws what is wrong with a file after the last flow, or tells it to who listens', async () => {
    const path = cutSample()
    const found: Flow[] = []
    const reading = async (): Promise<void> => {
      for await (const flow of flows(path)) found.push(flow)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_CAPTURE_DAMAGED' })
    expect(found.length).toBeGreaterThan(20)

    const problems: OperatorError[] = []
    const again = await all(flows(path, { onProblem: (problem) => problems.push(problem) }))
    expect(again).toHaveLength(found.length)
    expect(problems.map(({ code }) => code)).toEqual(['ERR_CAPTURE_DAMAGED'])
  })

  test.each([
    ['a file that is not there', () => flows('missing.pcap'), 'ENOENT'],
    ['a file that is no capture', () => flows(sample('README.md')), 'ERR_CAPTURE_FORMAT'],
    ['a filter', () => flows('missing.pcap', { filter: 'tcp prot 1' }), 'ERR_FILTER'],
    ['a log format', () => flowLog('missing.pcap', { logFormat: '${nope}' }), 'ERR_LOG_FORMAT'],
    [
      'a value of a field',
      () => flowLog('missing.pcap', { metadata: { 'account-id': 'a b' } }),
      'ERR_OPTION',
    ],
  ])('refuses %s by a code, and without words of the command line', async (_what, start, code) => {
    const failure = await (async () => all<unknown>(start()))().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(OperatorError)
    expect(failure).toMatchObject({ code })
    expect((failure as Error).message).not.toMatch(/--|mirrortap/)
  })
})

describe('flowLog', () => {
  test('has the lines that the command writes, in its order', async () => {
    const [header, ...lines] = readFileSync(sample('vxlan-two-sessions.flow-log.txt'), 'utf8')
      .trim()
      .split('\n')
    expect(header).toMatch(/^version account-id/)
    const records = await all(flowLog(sample('vxlan-two-sessions.pcap')))
    expect(records.map((record) => record.line())).toEqual(lines)
    expect(records.map(({ bytes }) => bytes)).toEqual(
      lines.map((line) => Number(line.split(' ')[9])),
    )
  })

  test('keeps each record as it was when others follow', async () => {
    const logFormat = '${pkt-srcaddr} ${srcport} ${packets} ${start} ${flow-direction}'
    const records = await all(
      flowLog(sample('vxlan-two-sessions.pcap'), { aggregationSeconds: 60, logFormat }),
    )
    for (const record of records) {
      const { pktSrcAddr, srcPort, packets, startSeconds, direction } = record
      expect(record.line()).toBe(
        [pktSrcAddr, srcPort, packets, startSeconds, direction ?? '-'].join(' '),
      )
      expect(record.windowEndSeconds - record.windowStartSeconds).toBe(60)
    }
    expect(new Set(records.map((record) => record.line())).size).toBe(records.length)
  })
})

test('analyze sums up, and says what was wrong', async () => {
  const problems: OperatorError[] = []
  const path = cutSample()
  const { totals, files } = await analyze(path, { onProblem: (problem) => problems.push(problem) })
  expect(totals.packets).toBe(117)
  expect(files[0]!.damage).not.toBeNull()
  expect(problems.map(({ code }) => code)).toEqual(['ERR_CAPTURE_DAMAGED'])
})

test('a compiled filter is asked about packets', async () => {
  const isWanted = compileFilter('tcp port 443 and vni 7')
  let wanted = 0
  let others = 0
  await readCapture(sample('web-and-dns.pcap'), (packet) => {
    if (isWanted(packet, { vni: 7, name: null })) wanted++
    if (isWanted(packet)) others++
  })
  expect([wanted, others]).toEqual([12 + 14 + 10 + 11 + 4 + 4, 0])
})
