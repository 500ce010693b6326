import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { TcpCollector, UdpCollector } from '../support/ipfix-collector.js'
import type { IpfixRecord } from '../support/ipfix-reader.js'
import { temporaryDirectory } from '../support/temporary.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  UNHURRIED,
  until,
} from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

/** What a flow log and IPFIX both say of a flow. */
const FIELDS = 'pkt-srcaddr pkt-dstaddr srcport dstport protocol packets bytes start end'
const FORMAT = `\${log-status} ${FIELDS.split(' ')
  .map((name) => `\${${name}}`)
  .join(' ')}`

/** The flows in the flow log's own files, sorted, each once. */
function flowsBelow(directory: string): string[] {
  const lines = filesBelow(directory)
    .filter((name) => name.startsWith('AWSLogs/') && name.endsWith('.log.gz'))
    .flatMap((name) =>
      gunzipSync(readFileSync(join(directory, name)))
        .toString()
        .split('\n')
        .slice(1, -1),
    )
  return unique(lines.filter((line) => line.startsWith('OK ')).map((line) => line.slice(3)))
}

function collected(records: readonly IpfixRecord[]): string[] {
  const seconds = (name: string) => (record: IpfixRecord) => Math.floor(Number(record[name]) / 1000)
  const [start, end] = [seconds('flowStartMilliseconds'), seconds('flowEndMilliseconds')]
  return unique(
    records.map((record) =>
      [
        record['sourceIPv4Address'] ?? record['sourceIPv6Address'],
        record['destinationIPv4Address'] ?? record['destinationIPv6Address'],
        ...[record['sourceTransportPort'], record['destinationTransportPort']],
        record['protocolIdentifier'],
        ...[record['packetDeltaCount'], record['octetDeltaCount']],
        ...[start(record), end(record)],
      ].join(' '),
    ),
  )
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)].sort()
}

test.skipIf(!IS_BUILT)(
  `collectors get each flow when the appliance is killed amid a delivery${NEEDS_BUILD}`,
  UNHURRIED,
  async () => {
    const tcp = new TcpCollector()
    const udp = new UdpCollector()
    await tcp.open()
    await udp.open()
    tcp.fault = 'stall'
    const logs = join(temporaryDirectory(), 'logs')
    const places = [`ipfix+tcp://127.0.0.1:${tcp.port}`, `ipfix+udp://127.0.0.1:${udp.port}`]
    const args = ['--flow-log-dir', logs, '--log-format', FORMAT]
    args.push(...places.flatMap((place) => ['--deliver', place]), '--max-aggregation-interval=60')
    const before = new Appliance(args)
    const sender = mirrortap([
      ...['mirror', '--read', SAMPLE, '--to', `127.0.0.1:${await before.port()}`],
      ...['--vni', '7', '--speed', 'max'],
    ])
    expect(await sender.ended()).toBe(0)
    before.signal('SIGTERM')
    await until(() => tcp.connections > 0)
    before.signal('SIGKILL')
    await before.ended()
    tcp.fault = 'none'
    const after = new Appliance(args)
    await after.port()
    const [ofTcp, ofUdp] = [() => collected(tcp.records()), () => collected(udp.records())]
    await until(() => ofTcp().length > 0 && isDeepStrictEqual(ofTcp(), flowsBelow(logs)))
    await until(() => isDeepStrictEqual(ofUdp(), flowsBelow(logs)))
    expect(await after.stop()).toBe(0)
    const all = [...tcp.records(), ...udp.records()]
    expect(new Set(all.map((record) => record['layer2SegmentId']))).toEqual(new Set(['1 7']))
    expect(all.some((record) => Number(record['flowStartMilliseconds']) % 1000 > 0)).toBe(true)
    expect(filesBelow(logs).filter((name) => name.endsWith('.queue.gz'))).toEqual([])
    await tcp.close()
    await udp.close()
  },
)
