import { beforeAll, describe, expect, test } from 'vitest'
import { FRAGMENT_LATER } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { type FrameView, parsed } from '../support/frame-view.js'
import {
  ethernet,
  fragments4,
  fragments6,
  geneve,
  gwlbGeneve,
  icmp4,
  icmp6,
  ip4,
  ip6,
  mirrored,
  mpls,
  paddedExtension,
  pppoe,
  sctp4,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../support/frames.js'
import { hex } from '../support/hex.js'
import { pcapFile } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { hasTool, tshark } from '../support/tools.js'

/** Settings under which tshark describes each packet for itself and verifies checksums. */
const ALONE = [
  ['-o', 'ip.defragment:FALSE'],
  ['-o', 'ipv6.defragment:FALSE'],
  ['-o', 'tcp.analyze_sequence_numbers:FALSE'],
  ['-o', 'ip.check_checksum:TRUE'],
  ['-o', 'udp.check_checksum:TRUE'],
  ['-o', 'tcp.check_checksum:TRUE'],
].flat()

/** The first value of each field, one row a packet. */
function fieldsOf(capture: Buffer, fields: readonly string[]): string[][] {
  const args = [...ALONE, '-T', 'fields', '-E', 'occurrence=f', '-E', 'separator=|']
  const lines = tshark(capture, [...args, ...fields.flatMap((field) => ['-e', field])])
  return lines.map((line) => line.split('|'))
}

const ADDRESSES4 = ['10.0.0.1', '192.0.2.255', '172.31.255.254', '255.255.255.255', '1.2.3.4']
const ADDRESSES6 = ['2001:db8::1', 'fe80::285:69ff:fec2:ab02', 'ff02::1', '::1', '2001:db8:0:1::']

/** A packet of any kind that tshark and we both know. */
function randomPacket(random: Random): Buffer {
  const payload = random.bytes(random.below(60))
  const ports = { sport: random.below(65_536), dport: random.below(65_536), payload }
  if (random.below(2) === 0) {
    const options = random.below(4) === 0 ? Buffer.alloc(4 * (1 + random.below(10)), 1) : hex``
    const id = random.below(65_536)
    const head = { src: random.pick(ADDRESSES4), dst: random.pick(ADDRESSES4), id, options }
    switch (random.below(6)) {
      case 0:
        return udp4({ ...head, ...ports })
      case 1:
        return tcp4({ ...head, ...ports, flags: random.below(256) })
      case 2:
        return icmp4({ ...head, type: 8, rest: random.next(), payload })
      case 3:
        return sctp4({ ...head, ...ports, tag: random.next(), payload: hex`0b000004` })
      case 4:
        return ip4({ ...head, protocol: random.pick([2, 47, 50, 103, 253, 255]), payload })
      default: {
        const whole = udp4({ ...head, options: hex``, ...ports, payload: random.bytes(400) })
        return random.pick(fragments4(whole, 100 + random.below(200)))
      }
    }
  }
  const extensions = [0, 60, 43].filter(() => random.below(4) === 0)
  const head = {
    src: random.pick(ADDRESSES6),
    dst: random.pick(ADDRESSES6),
    flowLabel: random.below(1 << 20),
    extensions: extensions.map((header) => {
      const extension = paddedExtension(header, 1 + random.below(3))
      // An experimental routing type with no segments left: the destination is that of the header.
      if (header === 43) extension.rest.set([253, 0], 1)
      return extension
    }),
  }
  switch (random.below(5)) {
    case 0:
      return udp6({ ...head, ...ports })
    case 1:
      return tcp6({ ...head, ...ports, flags: random.below(256) })
    case 2:
      return icmp6({ ...head, type: 128, rest: random.next(), payload })
    case 3:
      return ip6({ ...head, protocol: random.pick([50, 59, 103, 253]), payload })
    default: {
      const whole = udp6({ ...head, extensions: [], ...ports, payload: random.bytes(400) })
      return random.pick(fragments6(whole, 100 + random.below(200), random.next()))
    }
  }
}

function randomFrame(random: Random): Buffer {
  const packet = randomPacket(random)
  const label = () => 16 + random.below(1 << 19)
  switch (random.below(6)) {
    case 0:
      return vlan([random.below(4096)], ethernet(packet))
    case 1:
      return vlan(
        [{ vlan: random.below(4096), type: 0x88a8 }, random.below(4096)],
        ethernet(packet),
      )
    case 2:
      return mpls(Array.from({ length: 1 + random.below(4) }, label), packet)
    case 3:
      return pppoe(packet)
    default:
      return ethernet(packet)
  }
}

const FIELDS = [
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.len',
  'ip.id',
  'ip.frag_offset',
  'ip.flags.mf',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.plen',
  'ipv6.nxt',
  'ipv6.hopopts.nxt',
  'ipv6.dstopts.nxt',
  'ipv6.routing.nxt',
  'ipv6.fraghdr.nxt',
  'ipv6.fraghdr.ident',
  'ipv6.fraghdr.offset',
  'udp.srcport',
  'udp.dstport',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.flags',
  'sctp.srcport',
  'sctp.dstport',
] as const

/** What tshark says, in our words; ports only where the frame is whole. */
function judgement(row: readonly string[]): Partial<FrameView> {
  const field = Object.fromEntries(FIELDS.map((name, index) => [name, row[index]!])) as Record<
    (typeof FIELDS)[number],
    string
  >
  const ports = {
    srcPort: Number(field['udp.srcport'] || field['tcp.srcport'] || field['sctp.srcport']),
    dstPort: Number(field['udp.dstport'] || field['tcp.dstport'] || field['sctp.dstport']),
    tcpFlags: Number(field['tcp.flags']) & 0xff,
  }
  if (field['ip.src'] !== '') {
    const offset = Number(field['ip.frag_offset'])
    const more = field['ip.flags.mf'] === '1' || field['ip.flags.mf'] === 'True'
    const fragment = offset > 0 ? FRAGMENT_LATER : more ? 1 : 0
    return {
      ipVersion: 4,
      src: field['ip.src'],
      dst: field['ip.dst'],
      protocol: Number(field['ip.proto']),
      ipLength: Number(field['ip.len']),
      fragment,
      fragmentId: fragment === 0 ? 0 : Number(field['ip.id']),
      ...ports,
    }
  }
  // The generator uses each extension header once at most, so the chain can be followed.
  const next: Record<string, string> = {
    0: field['ipv6.hopopts.nxt'],
    60: field['ipv6.dstopts.nxt'],
    43: field['ipv6.routing.nxt'],
    44: field['ipv6.fraghdr.nxt'],
  }
  let protocol = field['ipv6.nxt']
  for (let hop = next[protocol]; hop !== undefined && hop !== ''; hop = next[protocol])
    protocol = hop
  const isFragment = field['ipv6.fraghdr.nxt'] !== ''
  const fragment = !isFragment ? 0 : Number(field['ipv6.fraghdr.offset']) > 0 ? FRAGMENT_LATER : 1
  return {
    ipVersion: 6,
    src: field['ipv6.src'],
    dst: field['ipv6.dst'],
    protocol: Number(protocol),
    ipLength: Number(field['ipv6.plen']) + 40,
    fragment,
    fragmentId: fragment === 0 ? 0 : Number(field['ipv6.fraghdr.ident']),
    ...ports,
  }
}

describe('parseFrame', () => {
  test.skipIf(!hasTool('tshark')).each([1, 2])(
    'reads 1000 random frames as tshark does, seed %i (needs tshark)',
    (seed) => {
      const random = new Random(seed)
      const frames = Array.from({ length: 1000 }, () => randomFrame(random))
      const rows = fieldsOf(pcapFile(frames.map((frame) => ({ frame }))), FIELDS)
      expect(rows).toHaveLength(frames.length)
      for (const [index, frame] of frames.entries()) {
        expect(parsed(frame), `frame ${index + 1}: ${frame.toString('hex')}`).toMatchObject(
          judgement(rows[index]!),
        )
      }
    },
  )
})

describe('emitters', () => {
  test.skipIf(!hasTool('tshark'))('write checksums that tshark calls good (needs tshark)', () => {
    const random = new Random(1071)
    const payload = random.bytes(33)
    const flow = { src: '10.0.0.1', dst: '192.0.2.255', sport: 65_535, dport: 7, payload }
    const flow6 = { ...flow, src: '2001:db8::1', dst: 'fe80::ffff:fffe' }
    const frames = [
      udp4({ ...flow, options: Buffer.alloc(8, 1) }),
      udp6(flow6),
      tcp4({ ...flow, tcpOptions: hex`020405b4` }),
      tcp6({ ...flow6, flags: 0xff }),
      icmp4({ ...flow, type: 8 }),
      icmp6({ ...flow6, type: 128 }),
      sctp4({ ...flow, payload: hex`0b000004`, tag: 0xdead_beef }),
    ].map((packet) => ({ frame: ethernet(packet) }))
    const names = ['ip', 'udp', 'tcp', 'icmp', 'icmpv6', 'sctp']
    const rows = tshark(pcapFile(frames), [
      ...ALONE,
      ...['-o', 'sctp.checksum:CRC 32c', '-T', 'fields', '-E', 'separator=|'],
      ...names.flatMap((name) => ['-e', `${name}.checksum.status`]),
    ])
    // 1 is good, 0 bad, 2 not verified.
    expect(rows).toEqual(['1|1||||', '|1||||', '1||1|||', '||1|||', '1|||1||', '||||1|', '1|||||1'])
  })

  test.skipIf(!hasTool('tshark'))(
    'write tunnels that tshark takes off again (needs tshark)',
    () => {
      const inner = ethernet(udp4({ src: '10.9.8.7', dst: '10.6.5.4', sport: 1111, dport: 2222 }))
      const mirror = {
        source: '172.31.0.238',
        target: '172.31.17.188',
        vni: 5_569_041,
        frame: inner,
      }
      const frames = [
        mirrored(mirror),
        gwlbGeneve({ ...mirror, balancer: '10.8.0.5', appliance: '10.8.0.77' }),
        ethernet(
          udp4({
            src: '10.8.0.5',
            dst: '10.8.0.77',
            sport: 60_109,
            dport: 6081,
            payload: geneve(inner, { protocol: 0x6558, vni: 0xff_fffe, critical: true }),
          }),
        ),
      ]
      const args = ['-T', 'fields', '-E', 'separator=|', '-E', 'aggregator= ']
      const fields = [
        'frame.protocols',
        'vxlan.vni',
        'geneve.vni',
        'geneve.option.class',
        'ip.src',
        'udp.dstport',
        'ip.ttl',
      ].flatMap((field) => ['-e', field])
      const rows = tshark(pcapFile(frames.map((frame) => ({ frame }))), [...args, ...fields])
      expect(rows.map((row) => row.split('|'))).toEqual([
        [
          'eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:udp',
          '5569041',
          '',
          '',
          '172.31.0.238 10.9.8.7',
          '4789 2222',
          '255 64',
        ],
        [
          'eth:ethertype:ip:udp:geneve:ip:udp:vxlan:eth:ethertype:ip:udp',
          '5569041',
          '0x000000',
          '0x0108 0x0108 0x0108',
          '10.8.0.5 172.31.0.238 10.9.8.7',
          '6081 4789 2222',
          '64 255 64',
        ],
        [
          'eth:ethertype:ip:udp:geneve:eth:ethertype:ip:udp',
          '',
          '0xfffffe',
          '0x0108 0x0108 0x0108',
          '10.8.0.5 10.9.8.7',
          '6081 2222',
          '64 64',
        ],
      ])
    },
  )
})

/** What stands between the Ethernet addresses and an IP packet: the first type, and all up to the last. */
const WRAPPINGS: Record<string, (type: number) => Buffer> = {
  'VN-Tag': (type) => Buffer.concat([hex`8926 8001 0002`, be16(type)]),
  'E-Tag': (type) => Buffer.concat([hex`893f 0000 0001 0000`, be16(type)]),
  'Cisco metadata': (type) => Buffer.concat([hex`8909 0101 0001 000a`, be16(type)]),
  'a provider backbone bridge': (type) =>
    Buffer.concat([hex`88e7 0000 0001 020000000003 020000000004`, be16(type)]),
  'a backbone tag and a VLAN': (type) =>
    Buffer.concat([hex`88e7 0000 0001 020000000003 020000000004 8100 0007`, be16(type)]),
  'NSH of type 1': (type) =>
    Buffer.concat([
      hex`894f 0fc6 01`,
      Buffer.of(type === 0x0800 ? 1 : 2),
      hex`000001ff 00000000 00000000 00000000 00000000`,
    ]),
  'NSH of type 2': (type) =>
    Buffer.concat([hex`894f 0fc2 02`, Buffer.of(type === 0x0800 ? 1 : 2), hex`000001ff`]),
  'NSH and Ethernet': (type) =>
    Buffer.concat([hex`894f 0fc2 0203 000001ff 020000000003 020000000004`, be16(type)]),
  'a redundancy tag': (type) => Buffer.concat([hex`f1c1 0000 0001`, be16(type)]),
  'the tag of a seamless ring': (type) => Buffer.concat([hex`892f 0040 0001`, be16(type)]),
  'MACsec that only signs': (type) => Buffer.concat([hex`88e5 0000 0000 0001`, be16(type)]),
  'MACsec with a channel': (type) =>
    Buffer.concat([hex`88e5 2000 0000 0001 0200000000030001`, be16(type)]),
  'a jumbo frame with SNAP': (type) => Buffer.concat([hex`8870 aaaa 0300 0000`, be16(type)]),
  'another Ethernet header': (type) =>
    Buffer.concat([hex`6558 020000000003 020000000004`, be16(type)]),
  'a VLAN and a VN-Tag': (type) => Buffer.concat([hex`8100 0007 8926 8001 0002`, be16(type)]),
}

/** Link headers of PPP before its protocol. */
const PPP_LINKS: [string, number, Buffer][] = [
  ['PPP', 9, hex`ff03`],
  ['PPP without address and control', 9, hex``],
  ['PPP in HDLC framing', 50, hex`ff03`],
  ['PPP with a direction', 204, hex`01ff03`],
  ['PPP with a direction alone', 204, hex`00`],
  ['PPPoE without Ethernet', 51, hex`1100 0001 0033`],
]

/** Two packets, of IPv4 and of IPv6, in the same headers. */
interface Wrapped {
  readonly name: string
  readonly linkType: number
  readonly frames: readonly Buffer[]
}

function be16(value: number): Buffer {
  return Buffer.of(value >>> 8, value & 0xff)
}

function addressesSeen(capture: Buffer): string[] {
  return fieldsOf(capture, ['ip.src', 'ipv6.src', 'udp.srcport']).map((row) => row.join(' '))
}

function oursSeen(frame: Buffer, linkType: number): string {
  const view = parsed(frame, linkType) as FrameView
  const isV4 = view.ipVersion === 4
  return [isV4 ? view.src : '', isV4 ? '' : view.src, view.srcPort].join(' ')
}

describe.skipIf(!hasTool('tshark'))('IP is found where tshark finds it (needs tshark)', () => {
  const packets = [
    {
      type: 0x0800,
      packet: udp4({
        src: '192.0.2.1',
        dst: '192.0.2.2',
        sport: 5353,
        dport: 53,
        payload: hex`01`,
      }),
    },
    {
      type: 0x86dd,
      packet: udp6({
        src: '2001:db8::1',
        dst: '2001:db8::2',
        sport: 5354,
        dport: 53,
        payload: hex`01`,
      }),
    },
  ]

  const wrapped: readonly Wrapped[] = [
    ...Object.entries(WRAPPINGS).map(([name, wrapping]) => ({
      name: `behind ${name}`,
      linkType: LINKTYPE_ETHERNET,
      frames: packets.map(({ type, packet }) =>
        Buffer.concat([hex`020000000001 020000000002`, wrapping(type), packet]),
      ),
    })),
    {
      name: "in Cisco's HDLC",
      linkType: 104,
      frames: packets.map(({ type, packet }) => Buffer.concat([hex`0f00`, be16(type), packet])),
    },
    ...PPP_LINKS.map(([name, linkType, header]) => ({
      name: `in ${name}`,
      linkType,
      frames: packets.map(({ type, packet }) =>
        Buffer.concat([header, be16(type === 0x0800 ? 0x21 : 0x57), packet]),
      ),
    })),
  ]
  /** What tshark finds in each. It takes most of a second to start, so it is asked once a link type. */
  const seen = new Map<Wrapped, string[]>()
  beforeAll(() => {
    for (const linkType of new Set(wrapped.map((one) => one.linkType))) {
      const some = wrapped.filter((one) => one.linkType === linkType)
      const shots = some.flatMap(({ frames }) => frames.map((frame) => ({ frame })))
      const addresses = addressesSeen(pcapFile(shots, linkType))
      for (const one of some) seen.set(one, addresses.splice(0, packets.length))
    }
  })

  test.each(wrapped)('$name', (one) => {
    const { linkType, frames } = one
    expect(seen.get(one)![0]).toMatch(/5353$/)
    expect(frames.map((frame) => oursSeen(frame, linkType))).toEqual(seen.get(one))
    for (const frame of frames) {
      for (let end = 0; end < frame.length; end++) parsed(frame.subarray(0, end), linkType)
    }
  })
})
