import { describe, expect, test } from 'vitest'
import {
  exclusionProgram,
  type FilterTarget,
} from '../../../src/source/interface/packet-socket-filter.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../../../src/wire/link-type.js'
import { runCbpf } from '../../support/cbpf.js'
import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  icmp6,
  ip4,
  mpls,
  type Tag,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../../support/frames.js'
import { Random } from '../../support/random.js'

const TARGETS: readonly FilterTarget[] = [
  { host: '10.0.0.9', port: 4789 },
  { host: 'fd00::9%eth0', port: 6081 },
  { host: '10.0.0.8', port: 4790 },
  { host: 'fd00::8', port: 4789 },
]
const HOME = { src: '10.0.0.1', sport: 65_500 }
const HOME6 = { src: 'fd00::1', sport: 65_500 }
const COPY = udp4({ ...HOME, dst: '10.0.0.9', dport: 4789, payload: Buffer.alloc(100) })
const COPY6 = udp6({ ...HOME6, dst: 'fd00::8', dport: 4789, payload: Buffer.alloc(100) })
const LONG = { payload: Buffer.alloc(4000, 7) }
const PARTS = fragments4(udp4({ ...HOME, dst: '10.0.0.8', dport: 4790, ...LONG }), 1500)
const PARTS6 = fragments6(udp6({ ...HOME6, dst: 'fd00::9', dport: 6081, ...LONG }), 1500, 1)

/** An error about `packet`, whose first bytes it quotes. */
const error4 = (type: number, packet: Buffer, quoted = 28): Buffer =>
  icmp4({ src: '10.0.0.9', dst: '10.0.0.1', type, payload: packet.subarray(0, quoted) })
const error6 = (type: number, packet: Buffer, quoted = 56): Buffer =>
  icmp6({ src: 'fd00::8', dst: 'fd00::1', type, payload: packet.subarray(0, quoted) })

const OURS: readonly [string, Buffer][] = [
  ['a copy', COPY],
  [
    'a copy behind IPv4 options',
    udp4({ ...HOME, dst: '10.0.0.9', dport: 4789, options: Buffer.alloc(40, 1) }),
  ],
  [
    'a copy of another mirror source',
    udp4({ src: '10.0.0.2', sport: 9, dst: '10.0.0.9', dport: 4789 }),
  ],
  ['a copy to the second target', udp4({ ...HOME, dst: '10.0.0.8', dport: 4790 })],
  ['a copy over IPv6', COPY6],
  ['a copy through a gateway over IPv6', udp6({ ...HOME6, dst: 'fd00::9', dport: 6081 })],
  ...PARTS.map((part, index): [string, Buffer] => [`fragment ${index}`, part]),
  ...PARTS6.map((part, index): [string, Buffer] => [`IPv6 fragment ${index}`, part]),
  ...[3, 4, 5, 11, 12].map((type): [string, Buffer] => [`ICMP ${type}`, error4(type, COPY)]),
  ['ICMP about a fragment', error4(3, PARTS[2]!)],
  ...[1, 2, 3, 4].map((type): [string, Buffer] => [`ICMPv6 ${type}`, error6(type, COPY6)]),
  ['ICMPv6 about a fragment', error6(1, PARTS6[1]!)],
]

const OTHERS: readonly [string, Buffer][] = [
  ['another port', udp4({ ...HOME, dst: '10.0.0.9', dport: 4790 })],
  ['another address', udp4({ ...HOME, dst: '10.0.0.7', dport: 4789 })],
  ['the port of the other target', udp4({ ...HOME, dst: '10.0.0.8', dport: 4789 })],
  ['from the target', udp4({ src: '10.0.0.9', sport: 4789, dst: '10.0.0.1', dport: 4789 })],
  ['TCP', tcp4({ ...HOME, dst: '10.0.0.9', dport: 4789 })],
  ['a fragment of TCP', ip4({ ...HOME, dst: '10.0.0.9', protocol: 6, fragmentOffset: 1480 })],
  ['a fragment to another', ip4({ ...HOME, dst: '10.0.0.7', protocol: 17, fragmentOffset: 1480 })],
  ['an echo request', icmp4({ src: '10.0.0.1', dst: '10.0.0.9', type: 8, payload: COPY })],
  ['ICMP about another', error4(3, udp4({ ...HOME, dst: '10.0.0.7', dport: 4789 }))],
  ['ICMP about TCP', error4(3, tcp4({ ...HOME, dst: '10.0.0.9', dport: 4789 }))],
  ['ICMP that quotes nothing', error4(3, COPY, 0)],
  ['another port over IPv6', udp6({ ...HOME6, dst: 'fd00::9', dport: 4789 })],
  ['another address over IPv6', udp6({ ...HOME6, dst: 'fd00::7', dport: 4789 })],
  ['an address that differs in its first word', udp6({ ...HOME6, dst: 'fd01::9', dport: 6081 })],
  ['TCP over IPv6', tcp6({ ...HOME6, dst: 'fd00::8', dport: 4789 })],
  [
    'a fragment of TCP over IPv6',
    fragments6(tcp6({ ...HOME6, dst: 'fd00::8', dport: 4789, ...LONG }), 1500, 2)[1]!,
  ],
  ['ICMPv6 that is no error', icmp6({ src: 'fd00::1', dst: 'fd00::8', type: 128, payload: COPY6 })],
  ['ICMPv6 about another', error6(1, udp6({ ...HOME6, dst: 'fd00::7', dport: 4789 }))],
  ['an IP version there is not', Buffer.alloc(60, 0x99)],
  ['nothing', Buffer.alloc(0)],
]

const TAGS: readonly (readonly Tag[])[] = [
  [],
  [7],
  [{ vlan: 7, type: 0x88a8 }, 8],
  [{ vlan: 1, type: 0x9100 }],
]
const ALL = 0xffff_ffff
const ethernetProgram = exclusionProgram(TARGETS, LINKTYPE_ETHERNET)
const rawProgram = exclusionProgram(TARGETS, LINKTYPE_RAW)

/** The plain model: whether the packet is a copy on its way to a target, or an error about one. */
function isOurs(packet: Buffer, v6: boolean, quoted = false): boolean {
  const headerLen = v6 ? 40 : 4 * ((packet[0] ?? 0) & 0x0f)
  if (packet.length < (v6 ? 44 : 20)) return false
  let protocol = packet[v6 ? 6 : 9]
  let offset = v6 ? 0 : packet.readUInt16BE(6) & 0x1fff
  let rest = packet.subarray(headerLen)
  if (protocol === (v6 ? 58 : 1)) {
    if (quoted || (!v6 && rest.length < 28)) return false
    const isError = v6 ? rest[0]! < 128 : [3, 4, 5, 11, 12].includes(rest[0]!)
    return isError && isOurs(rest.subarray(8), v6, true)
  }
  if (v6 && protocol === 44) {
    protocol = rest[0]
    offset = rest.readUInt16BE(2) & 0xfff8
    rest = rest.subarray(8)
  }
  if (protocol !== 17 || (offset === 0 && rest.length < 4)) return false
  const address = packet.subarray(v6 ? 24 : 16, v6 ? 40 : 20).toString('hex')
  const ports = TARGET_PORTS.get(address) ?? []
  return ports.length > 0 && (offset !== 0 || ports.includes(rest.readUInt16BE(2)))
}

const TARGET_PORTS = new Map([
  ['0a000009', [4789]],
  ['0a000008', [4790]],
  ['fd000000000000000000000000000009', [6081]],
  ['fd000000000000000000000000000008', [4789]],
])

describe('exclusionProgram', () => {
  test.each(OURS)('leaves out %s', (_name, packet) => {
    expect(runCbpf(rawProgram, packet)).toBe(0)
    for (const tags of TAGS) {
      expect(runCbpf(ethernetProgram, vlan(tags, ethernet(packet))), `${tags.length} tags`).toBe(0)
    }
  })

  test.each(OTHERS)('accepts %s', (_name, packet) => {
    expect(runCbpf(rawProgram, packet)).toBe(ALL)
    for (const tags of TAGS) {
      expect(runCbpf(ethernetProgram, vlan(tags, ethernet(packet))), `${tags.length} tags`).toBe(
        ALL,
      )
    }
  })

  test('accepts what is not IP', () => {
    const frames = [
      ethernet(Buffer.alloc(28), { type: 0x0806 }),
      mpls([16], COPY),
      vlan([1, 2, 3], ethernet(COPY)),
    ]
    for (const frame of frames) expect(runCbpf(ethernetProgram, frame)).toBe(ALL)
  })

  test('accepts everything without targets', () => {
    for (const [, packet] of OURS) {
      expect(runCbpf(exclusionProgram([], LINKTYPE_ETHERNET), ethernet(packet))).toBe(ALL)
      expect(runCbpf(exclusionProgram([], LINKTYPE_RAW), packet)).toBe(ALL)
    }
  })

  test('accepts every prefix too short to say whose it is', () => {
    for (const [name, packet] of [...OURS, ...OTHERS]) {
      const frame = vlan([5], ethernet(packet))
      // All that is known of a short one is what a longer one would say as well.
      const known = runCbpf(ethernetProgram, frame)
      let rejected = 0
      for (let length = 0; length < frame.length; length++) {
        const answer = runCbpf(ethernetProgram, frame.subarray(0, length))
        expect([ALL, known], `${name}, ${length} bytes`).toContain(answer)
        if (answer === 0) rejected++
        else expect(rejected, `${name}, ${length} bytes`).toBe(0)
      }
    }
  })

  test('says of changed and cut frames what the plain model says (seed 1)', () => {
    const random = new Random(1)
    const counts = { ours: 0, others: 0 }
    for (let round = 0; round < 30_000; round++) {
      const [name, packet] = random.pick(random.below(2) === 0 ? OURS : OTHERS)
      const tags = random.pick(TAGS)
      const frame = Buffer.from(vlan(tags, ethernet(packet)))
      const ip = 14 + 4 * tags.length
      for (let changes = random.below(3); changes > 0; changes--) {
        // Where headers are, not in what they carry.
        const at = ip + random.below(Math.min(100, packet.length + 1))
        if (at < frame.length)
          frame[at] = random.pick([random.next() & 0xff, 0, 17, frame[at]! ^ 1])
      }
      const cut = frame.subarray(0, random.below(2) === 0 ? frame.length : random.below(150))
      if (cut.length < ip) continue
      const expected = isOurs(cut.subarray(ip), packet[0]! >>> 4 === 6)
      counts[expected ? 'ours' : 'others']++
      const seen = `${name}: ${cut.toString('hex')}`
      expect(runCbpf(ethernetProgram, cut), seen).toBe(expected ? 0 : ALL)
    }
    expect(Math.min(counts.ours, counts.others)).toBeGreaterThan(5000)
  })

  test('takes a hundred targets', () => {
    const many = Array.from({ length: 100 }, (_, n) => [
      { host: `10.1.0.${n}`, port: 4789 },
      { host: `fd01::${n + 1}`, port: 4789 },
    ]).flat()
    const program = exclusionProgram([...many, ...TARGETS], LINKTYPE_ETHERNET)
    expect(program.length / 8).toBeLessThan(4096)
    for (const [name, packet] of OURS) expect(runCbpf(program, ethernet(packet)), name).toBe(0)
    for (const [name, packet] of OTHERS) expect(runCbpf(program, ethernet(packet)), name).toBe(ALL)
  })
})
