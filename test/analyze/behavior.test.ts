import { describe, expect, test } from 'vitest'
import type { Finding } from '../../src/analyze/analysis-report.js'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { ethernet, mirrored, tcp4, udp4 } from '../support/frames.js'
import type { Shot } from '../support/pcap-file.js'
import { analyzed } from './analyzed.js'

const A = '10.0.0.1'
const SYN = 0x02
const START = 1_700_000_000

/** A packet of TCP at a second after the start. */
const tcp = (
  src: string,
  sport: number,
  dst: string,
  dport: number,
  flags: number,
  seconds = 0,
  payload = Buffer.alloc(0),
  seq = 0,
): Shot => ({
  frame: ethernet(tcp4({ src, sport, dst, dport, flags, payload, seq, ack: seq })),
  seconds: START + seconds,
})

const range = (count: number) => Array.from({ length: count }, (_, at) => at)

async function findings(shots: readonly Shot[]): Promise<Finding[]> {
  return (await analyzed(shots)).findings
}

const kinds = (found: readonly Finding[]) => found.map(({ kind }) => kind)

/** Nothing wrong with it: an open connection with data both ways. */
const sound = (at: number, seconds = 0): Shot[] => [
  tcp(A, 50_000 + at, '192.0.2.9', 443, SYN, seconds),
  tcp('192.0.2.9', 443, A, 50_000 + at, 0x12, seconds),
  tcp(A, 50_000 + at, '192.0.2.9', 443, 0x18, seconds, Buffer.alloc(50), 1),
  tcp('192.0.2.9', 443, A, 50_000 + at, 0x18, seconds, Buffer.alloc(50), 1),
]

describe('what hosts do', () => {
  test('a port scan is told with its ports, its outcome and its filter, however slow', async () => {
    const scan = range(30).flatMap((at) => [
      tcp(A, 40_000, '192.0.2.1', 100 + at, SYN, at * 600),
      tcp('192.0.2.1', 100 + at, A, 40_000, 0x14, at * 600),
    ])
    const found = await findings(scan)
    const [finding] = found.filter(({ kind }) => kind === 'port-scan')
    expect(finding!.text).toMatch(/tried 30 tcp ports of 192\.0\.2\.1 .*30 refused.* over 4\.83 h/)
    expect(kinds(found)).not.toContain('address-scan')
  })

  test('an address scan is told, and one of fewer hosts is not', async () => {
    const scan = (hosts: number) =>
      range(hosts).map((at) => tcp(A, 40_000 + at, `192.0.2.${at + 1}`, 22, SYN))
    const found = await findings(scan(25))
    expect(found.find(({ kind }) => kind === 'address-scan')!.text).toMatch(
      /10\.0\.0\.1 tried 25 hosts on tcp\/22 \(ssh\).*25 not answered/,
    )
    expect(kinds(await findings(scan(15)))).toEqual(['connections-failed'])
  })

  test('a SYN flood is told, and many connections that are made are none', async () => {
    const flood = range(300).map((at) =>
      tcp(`10.1.${at >> 8}.${at & 255}`, 1024 + at, '192.0.2.1', 80, SYN, Math.floor(at / 100)),
    )
    const found = await findings(flood)
    expect(found.find(({ kind }) => kind === 'syn-flood')!.text).toMatch(/300 of 300 connections/)
    expect(await findings(range(300).flatMap((at) => sound(at)))).toEqual([])
  })

  test('a mirror of one direction is told by session', async () => {
    const shots = range(8).flatMap((at) =>
      sound(at)
        .filter((_, packet) => packet % 2 === 0)
        .map(({ frame }) => ({
          frame: mirrored({ source: '10.9.9.9', target: '10.9.9.8', vni: 7, frame }),
          seconds: START,
        })),
    )
    const found = await findings(shots)
    expect(found.find(({ kind }) => kind === 'one-way')).toMatchObject({
      level: 'problem',
      text: expect.stringMatching(/^vni-7_10\.9\.9\.9: of 8 TCP connections only one direction/),
    })
  })

  test('halves of connections in two sessions are told with both', async () => {
    const shots = range(6).flatMap((at) =>
      sound(at).map(({ frame }, packet) => ({
        frame: mirrored({ source: '10.9.9.9', target: '10.9.9.8', vni: 7 + (packet % 2), frame }),
        seconds: START,
      })),
    )
    const found = await findings(shots)
    expect(found.find(({ kind }) => kind === 'split-halves')).toMatchObject({
      text: expect.stringMatching(/of 6 connections are in two sessions, vni-7_.* and vni-8_/),
      filter: 'tcp and (vni 7 or vni 8)',
    })
  })

  test('a peer that no longer answers is told, and one that ended or answers late is not', async () => {
    const data = Buffer.alloc(50)
    const again = (seconds: number) => tcp(A, 50_001, '192.0.2.9', 443, 0x18, seconds, data, 51)
    const silent = [...sound(1), ...[1, 2, 4, 8, 16].map(again)]
    const found = await findings(silent)
    expect(found.find(({ kind }) => kind === 'peer-timeout')).toMatchObject({
      text: expect.stringMatching(/^192\.0\.2\.9 port 443 no longer answered in 1 TCP connection/),
      filter: 'host 192.0.2.9 and tcp port 443',
    })
    const late = tcp('192.0.2.9', 443, A, 50_001, 0x10, 17, undefined, 51)
    expect(kinds(await findings([...silent, late]))).not.toContain('peer-timeout')
  })

  test('sessions in clear text are told by protocol, and attempts at them are not', async () => {
    const telnet = sound(1).map(({ frame, ...rest }) => {
      const at = frame.indexOf(Buffer.of(0x01, 0xbb), 34)
      frame.writeUInt16BE(23, at)
      return { frame, ...rest }
    })
    expect(await findings(telnet)).toMatchObject([
      { kind: 'cleartext-protocol', filter: 'tcp port 23' },
    ])
    expect(await findings([tcp(A, 50_000, '192.0.2.9', 23, SYN)])).toEqual([])
  })

  test('connections at regular intervals are told, and others are not', async () => {
    const every = (seconds: (at: number) => number) =>
      range(15).flatMap((at) => sound(at, seconds(at)))
    const found = await findings(every((at) => at * 60))
    expect(found).toMatchObject([{ kind: 'beacon', text: expect.stringMatching(/15 times/) }])
    expect(found[0]!.text).toContain('every 1 min')
    expect(await findings(every((at) => at * 60 + (at % 3) * 20))).toEqual([])
  })

  test('DNS that fails is told with the names, and a few failures are not', async () => {
    const responses = (count: number, rcode: number) =>
      range(count).map((at) => {
        const name = Buffer.from('\u0004gone\u0007example\0', 'latin1')
        const head = Buffer.from([at >> 8, at & 255, 0x81, 0x80 | rcode, 0, 1, 0, 0, 0, 0, 0, 0])
        const payload = Buffer.concat([head, name, Buffer.of(0, 1, 0, 1)])
        return {
          frame: ethernet(udp4({ src: '10.0.0.53', dst: A, sport: 53, dport: 40_000, payload })),
        }
      })
    const found = await findings([...responses(12, 3), ...responses(20, 0)])
    expect(found).toMatchObject([{ kind: 'dns-failures' }])
    expect(found[0]!.text).toContain('12 of 32 DNS responses')
    expect(found[0]!.text).toContain('gone.example (12)')
    expect(await findings([...responses(5, 3), ...responses(20, 0)])).toEqual([])
  })

  test('a password without TLS is told, and the filter of every finding is one', async () => {
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n'
    const found = await findings([
      ...sound(1),
      tcp(A, 50_000, '192.0.2.1', 80, 0x18, 0, Buffer.from(request)),
    ])
    expect(kinds(found)).toEqual(['cleartext-password'])
    const all = [
      'dst host 192.0.2.1 and tcp dst port 80 and tcp[tcpflags] & tcp-syn != 0',
      'udp src port 53 and udp[11] & 0xf != 0',
      'dst port 53 and greater 150',
      'tcp and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16',
      'tcp and (vni 7 or vni 8)',
      '(tcp port 22 or tcp port 80) and tcp[tcpflags] & (tcp-syn|tcp-rst) != 0',
      found[0]!.filter!,
    ]
    for (const filter of all) {
      expect(() => new ExpressionFilter(filter, () => undefined), filter).not.toThrow()
    }
  })
})
