import type { IpfixRecord } from './ipfix-reader.js'
import type { Queued } from './queue-files.js'

const REASONS = ['idle', 'window', 'closed', 'reset', 'evicted', 'flushed', 'shutdown']
const ENDED: Readonly<Record<string, number>> = {
  idle: 1,
  window: 2,
  closed: 3,
  reset: 3,
  evicted: 5,
  flushed: 4,
  shutdown: 4,
}
const DIRECTIONS = ['ingress', 'egress', '-']

/** Flows as they wait for a collector, of two workers and every kind; no two are the same. */
export function someFlows(count: number, first = 0): Queued[] {
  const now = Date.now() - 60_000
  return Array.from({ length: count }, (_, index) => {
    const n = first + index
    const isIpv6 = n % 5 === 4
    const low = `${Math.floor(n / 250) % 250}.${n % 250}`
    const end = isIpv6
      ? [`2001:db8::${n.toString(16)}`, '2001:db8:1::5']
      : [`10.1.${low}`, '192.0.2.9']
    const start = now + n
    const line = [
      'OK',
      ...end,
      ...[1024 + (n % 60_000), 443, n % 3 === 0 ? 17 : 6, n + 1, n * 100 + 60],
      ...[start, start + 1500, n % 3 === 0 ? 0 : 0x1b],
      ...[REASONS[n % REASONS.length], DIRECTIONS[n % DIRECTIONS.length]],
    ].join(' ')
    return { source: `${n % 2}:${n % 16}`, start: Math.floor(start / 1000), line }
  })
}

/** What a collector is to learn of a line. */
export function recordOf({ source, line }: Queued): IpfixRecord {
  const values = line.split(' ')
  const [worker, vni] = source.split(':')
  const [, from = '', to = ''] = values
  const numbers = values.slice(3, 11).map(Number)
  const direction = DIRECTIONS.indexOf(values[12]!)
  const kind = from.includes(':') ? 'IPv6' : 'IPv4'
  return {
    domain: Number(worker) + 1,
    [`source${kind}Address`]: from,
    [`destination${kind}Address`]: to,
    sourceTransportPort: numbers[0]!,
    destinationTransportPort: numbers[1]!,
    protocolIdentifier: numbers[2]!,
    packetDeltaCount: numbers[3]!,
    octetDeltaCount: numbers[4]!,
    flowStartMilliseconds: numbers[5]!,
    flowEndMilliseconds: numbers[6]!,
    tcpControlBits: numbers[7]!,
    flowEndReason: ENDED[values[11]!]!,
    layer2SegmentId: `1 ${vni}`,
    ...(direction < 2 && { flowDirection: direction }),
  }
}
