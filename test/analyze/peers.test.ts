import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DistributionReport } from '../../src/analyze/distribution.js'
import { CAPTURES_DIR } from '../support/captures.js'
import { hasTool } from '../support/tools.js'
import { analyzedFiles } from './analyzed.js'
import { nearestRank } from './nearest-rank.js'

/**
 * What `analyze` says against what tshark says of each packet. README.md in
 * src/analyze explains where they differ, and why.
 */

const hasTshark = hasTool('tshark')
const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** Captures made by others, among them much that is lost, late, twice or out of order. */
const CAPTURES = [
  'nfstream-skype.pcap',
  'nfstream-ethereum.pcap',
  'iti-melsoft_129_clean.pcap',
  'ndpi-gnutella.pcap',
  'arkime-wireshark-retrans.pcap',
  'arkime_synthetic.pcap',
  'wireshark-tcp-badsegments.pcap',
  'zeek-ipv6-http-atomic-frag.pcap',
  'zeek-vlan-collisions.pcap',
  'zeek-retransmit-fast009.pcap',
]
const pathOf = (name: string): string => join(CAPTURES_DIR, name)
const hasCaptures = CAPTURES.every((name) => existsSync(pathOf(name)))

/** Fields of each packet that the filter lets pass. */
function fields(
  path: string,
  names: readonly string[],
  options: readonly string[] = [],
): string[][] {
  const fieldOptions = names.flatMap((name) => ['-e', name])
  // Not its exit code: some of these are damaged at their end.
  const { stdout } = spawnSync(
    'tshark',
    ['-n', '-r', path, '-o', 'ip.defragment:FALSE', '-T', 'fields', ...fieldOptions, ...options],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'))
}

/** Decimal seconds as nanoseconds: more than a number holds exactly. */
function nanoseconds(text: string): bigint {
  const [seconds, fraction = ''] = text.split('.')
  return BigInt(seconds!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
}

/** Holds a report to the values themselves, put through a plain sort. */
function expectLikeSorted(report: DistributionReport, values: readonly number[]): void {
  const sorted = [...values].sort((left, right) => left - right)
  expect(report).toMatchObject({ count: values.length, min: sorted[0], max: sorted.at(-1) })
  for (const [key, percentile] of PERCENTILES) {
    const exact = nearestRank(sorted, percentile)
    expect(report[key], key).toBeGreaterThanOrEqual(exact)
    expect(report[key], key).toBeLessThanOrEqual(exact * 1.001)
  }
}

const PERCENTILES = [
  ['p50', 50],
  ['p90', 90],
  ['p99', 99],
  ['p999', 99.9],
] as const

const ANALYSIS = [
  'tcp.flags.reset',
  'tcp.analysis.retransmission',
  'tcp.analysis.fast_retransmission',
  'tcp.analysis.spurious_retransmission',
  'tcp.analysis.out_of_order',
  'tcp.analysis.keep_alive',
  'tcp.analysis.zero_window',
  'tcp.analysis.lost_segment',
  'tcp.analysis.ack_lost_segment',
]

describe('analyze and tshark', () => {
  test.skipIf(!hasTshark || !hasCaptures).each(CAPTURES)(
    'agree on TCP trouble in %s (needs tshark and the captures)',
    async (name) => {
      const path = pathOf(name)
      const rows = fields(path, ANALYSIS, ['-Y', 'tcp', '-E', 'occurrence=l'])
      const count = (...columns: number[]): number =>
        rows.filter((row) => columns.some((column) => row[column] !== '')).length
      const { tcp } = await analyzedFiles([path])
      expect(tcp.resets).toBe(rows.filter(([reset]) => reset === '1' || reset === 'True').length)
      // Which of the two a segment is, both guess; that it is one of them, they know.
      expect(tcp.retransmissions + tcp.outOfOrder).toBe(count(1, 2, 3, 4))
      expect(tcp.keepAlives).toBe(count(5))
      expect(tcp.zeroWindows).toBe(count(6))
      // tshark names each segment behind a gap, this each gap.
      const lost = count(7) + count(8)
      expect(tcp.gaps).toBeLessThanOrEqual(lost)
      expect(tcp.gaps > 0).toBe(lost > 0)
    },
  )

  test.skipIf(!hasTshark || !hasCaptures).each(CAPTURES.slice(0, 2))(
    'agree on handshakes in %s (needs tshark and the captures)',
    async (name) => {
      const path = pathOf(name)
      const rows = fields(
        path,
        ['tcp.stream', 'tcp.flags', 'tcp.analysis.initial_rtt'],
        ['-Y', 'tcp'],
      )
      const streams = new Map<string, string[][]>()
      for (const row of rows) streams.set(row[0]!, [...(streams.get(row[0]!) ?? []), row])
      const times: number[] = []
      for (const stream of streams.values()) {
        const syn = stream.filter(([, flags]) => (Number(flags) & 0x12) === 0x02).length
        const answers = stream.filter(([, flags]) => (Number(flags) & 0x12) === 0x12).length
        const time = stream.find(([, , rtt]) => rtt !== '')?.[2]
        // Where a SYN came twice, nobody knows which one was answered.
        if (syn === 1 && answers === 1 && time !== undefined) times.push(Number(nanoseconds(time)))
      }
      expect(times.length).toBeGreaterThan(10)
      const { handshake } = (await analyzedFiles([path])).distributions
      expectLikeSorted(handshake, times)
    },
  )

  test
    .skipIf(!hasTshark)
    .each([
      { name: 'a sample', path: SAMPLE },
      ...(hasCaptures ? CAPTURES.slice(0, 2).map((name) => ({ name, path: pathOf(name) })) : []),
    ])('agree on all distributions of $name (needs tshark)', async ({ path }) => {
    const rows = fields(
      path,
      [
        'frame.time_epoch',
        'frame.len',
        'ip.src',
        'ip.dst',
        'ipv6.src',
        'ipv6.dst',
        'ip.proto',
        'ipv6.nxt',
        'tcp.srcport',
        'tcp.dstport',
        'udp.srcport',
        'udp.dstport',
        'ip.len',
        'ipv6.plen',
      ],
      ['-E', 'occurrence=f'],
    )
    const { distributions } = await analyzedFiles([path])
    expectLikeSorted(
      distributions.frameSize,
      rows.map(([, length]) => Number(length)),
    )
    const times = rows.map(([time]) => nanoseconds(time!))
    const steps = times.slice(1).map((time, index) => Number(time - times[index]!))
    expectLikeSorted(
      distributions.interArrival,
      steps.filter((step) => step >= 0),
    )

    const flows = new Map<string, { bytes: number; packets: number; first: bigint; last: bigint }>()
    for (const [index, row] of rows.entries()) {
      const [, , v4, , v6, , , next] = row
      if (v4 === '' && v6 === '') continue
      const isIcmp = ['1', '58'].includes((row[6] || next)!)
      // An ICMP error shows ports of the packet it is about.
      const ports = isIcmp ? [] : row.slice(8, 12)
      const key = [...row.slice(2, 8), ...ports].join()
      const bytes = v4 === '' ? Number(row[13]) + 40 : Number(row[12])
      const time = times[index]!
      const flow = flows.get(key) ?? { bytes: 0, packets: 0, first: time, last: time }
      flow.bytes += bytes
      flow.packets++
      if (time < flow.first) flow.first = time
      if (time > flow.last) flow.last = time
      flows.set(key, flow)
    }
    const each = [...flows.values()]
    expectLikeSorted(
      distributions.flowBytes,
      each.map(({ bytes }) => bytes),
    )
    expectLikeSorted(
      distributions.flowPackets,
      each.map(({ packets }) => packets),
    )
    expectLikeSorted(
      distributions.flowDuration,
      each.map(({ first, last }) => Number(last - first)),
    )
  })
})
