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

const FIELDS = [
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
  'tcp.stream',
  'tcp.flags',
  'tcp.flags.reset',
  'tcp.analysis.initial_rtt',
  'tcp.analysis.retransmission',
  'tcp.analysis.fast_retransmission',
  'tcp.analysis.spurious_retransmission',
  'tcp.analysis.out_of_order',
  'tcp.analysis.keep_alive',
  'tcp.analysis.zero_window',
  'tcp.analysis.lost_segment',
  'tcp.analysis.ack_lost_segment',
] as const
type Field = (typeof FIELDS)[number]

/** What tshark says of one packet: each value of each field, in the order of the headers. */
class Dissected {
  readonly #values: readonly string[][]

  constructor(line: string) {
    this.#values = line.split('\t').map((values) => (values === '' ? [] : values.split(';')))
  }

  has(field: Field): boolean {
    return this.outer(field) !== ''
  }

  /** The value in the outermost header that has one; empty where none has. */
  outer(field: Field): string {
    return this.#values[FIELDS.indexOf(field)]![0] ?? ''
  }

  inner(field: Field): string {
    return this.#values[FIELDS.indexOf(field)]!.at(-1) ?? ''
  }
}

const dissections = new Map<string, readonly Dissected[]>()

/** All packets of a file. tshark takes most of a second to start, so it is asked once a file. */
function dissected(path: string): readonly Dissected[] {
  const known = dissections.get(path)
  if (known !== undefined) return known
  const fields = FIELDS.flatMap((name) => ['-e', name])
  const format = ['-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=;', ...fields]
  // Not its exit code: some of these are damaged at their end.
  const { stdout } = spawnSync(
    'tshark',
    ['-n', '-r', path, '-o', 'ip.defragment:FALSE', ...format],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  const packets = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => new Dissected(line))
  dissections.set(path, packets)
  return packets
}

/** Those of TCP. */
function segments(path: string): readonly Dissected[] {
  return dissected(path).filter((packet) => packet.has('tcp.stream'))
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

describe('analyze and tshark', () => {
  test.skipIf(!hasTshark || !hasCaptures).each(CAPTURES)(
    'agree on TCP trouble in %s (needs tshark and the captures)',
    async (name) => {
      const path = pathOf(name)
      const rows = segments(path)
      expect(rows.length).toBeGreaterThan(0)
      const count = (...names: Field[]): number =>
        rows.filter((row) => names.some((name) => row.has(name))).length
      const { tcp } = await analyzedFiles([path])
      const isReset = (row: Dissected): boolean =>
        ['1', 'True'].includes(row.inner('tcp.flags.reset'))
      expect(tcp.resets).toBe(rows.filter(isReset).length)
      // Which of the two a segment is, both guess; that it is one of them, they know.
      expect(tcp.retransmissions + tcp.outOfOrder).toBe(
        count(
          'tcp.analysis.retransmission',
          'tcp.analysis.fast_retransmission',
          'tcp.analysis.spurious_retransmission',
          'tcp.analysis.out_of_order',
        ),
      )
      expect(tcp.keepAlives).toBe(count('tcp.analysis.keep_alive'))
      expect(tcp.zeroWindows).toBe(count('tcp.analysis.zero_window'))
      // tshark names each segment behind a gap, this each gap.
      const lost = count('tcp.analysis.lost_segment') + count('tcp.analysis.ack_lost_segment')
      expect(tcp.gaps).toBeLessThanOrEqual(lost)
      expect(tcp.gaps > 0).toBe(lost > 0)
    },
  )

  test.skipIf(!hasTshark || !hasCaptures).each(CAPTURES.slice(0, 2))(
    'agree on handshakes in %s (needs tshark and the captures)',
    async (name) => {
      const path = pathOf(name)
      const streams = new Map<string, Dissected[]>()
      for (const row of segments(path)) {
        const stream = row.inner('tcp.stream')
        streams.set(stream, [...(streams.get(stream) ?? []), row])
      }
      const times: number[] = []
      for (const stream of streams.values()) {
        const handshake = stream.map((row) => Number(row.inner('tcp.flags')) & 0x12)
        const syn = handshake.filter((flags) => flags === 0x02).length
        const answers = handshake.filter((flags) => flags === 0x12).length
        const time = stream
          .map((row) => row.inner('tcp.analysis.initial_rtt'))
          .find((rtt) => rtt !== '')
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
    const rows = dissected(path)
    const { distributions } = await analyzedFiles([path])
    expectLikeSorted(
      distributions.frameSize,
      rows.map((row) => Number(row.outer('frame.len'))),
    )
    const times = rows.map((row) => nanoseconds(row.outer('frame.time_epoch')))
    const steps = times.slice(1).map((time, index) => Number(time - times[index]!))
    expectLikeSorted(
      distributions.interArrival,
      steps.filter((step) => step >= 0),
    )

    const flows = new Map<string, { bytes: number; packets: number; first: bigint; last: bigint }>()
    for (const [index, row] of rows.entries()) {
      const of = (...names: Field[]): string[] => names.map((name) => row.outer(name))
      const isV4 = row.has('ip.src')
      if (!isV4 && !row.has('ipv6.src')) continue
      const isIcmp = ['1', '58'].includes(row.outer('ip.proto') || row.outer('ipv6.nxt'))
      // An ICMP error shows ports of the packet it is about.
      const ports = isIcmp ? [] : of('tcp.srcport', 'tcp.dstport', 'udp.srcport', 'udp.dstport')
      const ends = of('ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'ip.proto', 'ipv6.nxt')
      const key = [...ends, ...ports].join()
      const bytes = isV4 ? Number(row.outer('ip.len')) : Number(row.outer('ipv6.plen')) + 40
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
