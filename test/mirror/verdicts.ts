import type { FilterRule, MirrorFilter, NetworkService } from '../../src/mirror/resources.js'
import {
  DIRECTION_UNKNOWN,
  EGRESS,
  Frame,
  INGRESS,
  type PacketDirection,
} from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  icmp6,
  ip4,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../support/frames.js'
import { hex } from '../support/hex.js'

/**
 * What a mirror filter says to a packet, as a table for whoever holds sessions to
 * their filters: the mirror source runs it over frames it is to send, a receiver
 * over frames that were sent to it.
 */
export interface Verdict {
  name: string
  rules: readonly Rule[]
  services?: readonly NetworkService[]
  vpcCidrBlock?: string
  frame: Buffer
  /** `either`: it is not known which way the frame ran. */
  direction: 'ingress' | 'egress' | 'either'
  mirrored: boolean
}

/** A direction of the table as the product has it. */
export const DIRECTIONS = { ingress: INGRESS, egress: EGRESS, either: DIRECTION_UNKNOWN } as const

/** The frame lying in the middle of memory that is not its own. */
export function framed(
  bytes: Buffer,
  direction: PacketDirection = DIRECTION_UNKNOWN,
  originalLength = bytes.length,
): Frame {
  const frame = new Frame()
  const memory = Buffer.concat([Buffer.alloc(5, 0xa5), bytes, Buffer.alloc(64, 0xa5)])
  parseFrame(memory, 5, 5 + bytes.length, 1, originalLength, frame)
  frame.direction = direction
  return frame
}

/** `in 100 accept 6 10.0.0.0/8:1024-65535 > 0.0.0.0/0:443`: `*` is every protocol, ports may be left out. */
export type Rule =
  `${'in' | 'out'} ${number} ${'accept' | 'reject'} ${number | '*'} ${string} > ${string}`

export function filterOf(
  rules: readonly Rule[],
  networkServices: readonly NetworkService[] = [],
): MirrorFilter {
  return { id: 'tmf-table', networkServices, rules: rules.map(ruleOf), tags: [] }
}

export function ruleOf(text: Rule): FilterRule {
  const match = /^(in|out) (\d+) (accept|reject) (\d+|\*) (\S+) > (\S+)$/.exec(text)
  if (match === null) throw new Error(`no rule: ${text}`)
  const [, way, number, action, protocol, source, destination] = match as unknown as string[]
  const [sourceCidr, sourcePortRange] = end(source!)
  const [destinationCidr, destinationPortRange] = end(destination!)
  return {
    id: `tmfr-${way}-${number}`,
    direction: way === 'in' ? 'ingress' : 'egress',
    ruleNumber: Number(number),
    action: action as 'accept' | 'reject',
    ...(protocol === '*' ? {} : { protocol: Number(protocol) }),
    sourceCidr,
    destinationCidr,
    ...(sourcePortRange === undefined ? {} : { sourcePortRange }),
    ...(destinationPortRange === undefined ? {} : { destinationPortRange }),
    tags: [],
  }
}

function end(text: string): [string, { from: number; to: number } | undefined] {
  const [, cidr, from, to] = /^([0-9a-f.:]+\/\d+)(?::(\d+)(?:-(\d+))?)?$/.exec(
    text,
  ) as string[] as [string, string, string?, string?]
  return [cidr, from === undefined ? undefined : { from: Number(from), to: Number(to ?? from) }]
}

const WEB = { src: '10.0.1.20', dst: '198.51.100.80', sport: 49_152, dport: 443 }
const BACK = { src: WEB.dst, dst: WEB.src, sport: 443, dport: 49_152 }
const WEB6 = { src: '2001:db8:1::20', dst: '2001:db8:2::80', sport: 49_152, dport: 443 }
const ANY = '0.0.0.0/0'
const ANY6 = '::/0'
const ALL_OUT: Rule = `out 1 accept * ${ANY} > ${ANY}`
const ALL_OUT6: Rule = `out 1 accept * ${ANY6} > ${ANY6}`
const TO_443: Rule = `out 1 accept 6 ${ANY} > ${ANY}:443`
const TO_443_6: Rule = `out 1 accept 6 ${ANY6} > ${ANY6}:443`

const query = (src: string, dst: string): Buffer =>
  ethernet(udp4({ src, dst, sport: 5353, dport: 53 }))
const big = { ...WEB, payload: Buffer.alloc(3000) }

const frame = ethernet(tcp4(WEB))
const out = { frame, direction: 'egress' } as const

export const VERDICTS: readonly Verdict[] = [
  { ...out, name: 'nothing is mirrored without rules', rules: [], mirrored: false },
  {
    ...out,
    name: 'nothing is mirrored in a direction without rules',
    rules: [`in 1 accept * ${ANY} > ${ANY}`],
    mirrored: false,
  },
  { ...out, name: 'a rule that matches accepts', rules: [ALL_OUT], mirrored: true },
  {
    name: 'the same packet in the other direction meets the other rules',
    rules: [ALL_OUT],
    frame,
    direction: 'ingress',
    mirrored: false,
  },
  {
    ...out,
    name: 'the lowest number decides, not the first in the list',
    rules: [`out 20 accept * ${ANY} > ${ANY}`, `out 10 reject 6 ${ANY} > ${ANY}:443`],
    mirrored: false,
  },
  {
    ...out,
    name: 'numbers are numbers: 9 comes before 10',
    rules: [`out 10 reject * ${ANY} > ${ANY}`, `out 9 accept * ${ANY} > ${ANY}`],
    mirrored: true,
  },
  {
    ...out,
    name: 'a rejecting rule for others lets it go on',
    rules: [`out 1 reject 17 ${ANY} > ${ANY}`, `out 2 accept 6 ${ANY} > ${ANY}`],
    mirrored: true,
  },
  {
    ...out,
    name: 'the same number in the other direction is another rule',
    rules: [`in 1 reject * ${ANY} > ${ANY}`, ALL_OUT],
    mirrored: true,
  },

  // Addresses.
  {
    ...out,
    name: 'the source is in the block',
    rules: [`out 1 accept * 10.0.1.0/24 > ${ANY}`],
    mirrored: true,
  },
  {
    ...out,
    name: 'the source is just behind the block',
    rules: [`out 1 accept * 10.0.1.0/28 > ${ANY}`],
    mirrored: false,
  },
  {
    ...out,
    name: 'source and destination are not taken for each other',
    rules: [`out 1 accept * 198.51.100.0/24 > 10.0.0.0/8`],
    mirrored: false,
  },
  {
    ...out,
    name: 'a block of one address',
    rules: [`out 1 accept * 10.0.1.20/32 > 198.51.100.80/32`],
    mirrored: true,
  },
  {
    ...out,
    name: 'bits behind the prefix do not count',
    rules: [`out 1 accept * 10.0.1.77/24 > ${ANY}`],
    mirrored: true,
  },
  {
    name: 'an address with the highest bit set',
    rules: [`out 1 accept * 192.0.0.0/2 > 255.255.255.255/32`],
    frame: ethernet(udp4({ src: '203.0.113.1', dst: '255.255.255.255', sport: 1, dport: 2 })),
    direction: 'egress',
    mirrored: true,
  },

  // IP versions.
  { ...out, name: 'rules for IPv6 do not see IPv4', rules: [ALL_OUT6], mirrored: false },
  {
    name: 'rules for IPv4 do not see IPv6',
    rules: [ALL_OUT],
    frame: ethernet(tcp6(WEB6)),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'IPv6 by protocol, block and port',
    rules: ['out 1 accept 6 2001:db8:1::/48 > 2001:db8:2::80/128:443'],
    frame: ethernet(tcp6(WEB6)),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'a prefix that ends within a word of an IPv6 address',
    rules: ['out 1 accept 6 2001:db8:1::/65 > 2001:db8:2:0:8000::/65'],
    frame: ethernet(tcp6(WEB6)),
    direction: 'egress',
    mirrored: false,
  },
  {
    ...out,
    name: 'mapped IPv4 blocks are IPv6',
    rules: ['out 1 accept * ::ffff:0.0.0.0/96 > ::/0'],
    mirrored: false,
  },

  // Protocols and ports.
  {
    ...out,
    name: 'the protocol is another',
    rules: [`out 1 accept 17 ${ANY} > ${ANY}`],
    mirrored: false,
  },
  { ...out, name: 'the destination port', rules: [TO_443], mirrored: true },
  {
    ...out,
    name: 'both ends of a range belong to it (low)',
    rules: [`out 1 accept 6 ${ANY} > ${ANY}:443-500`],
    mirrored: true,
  },
  {
    ...out,
    name: 'both ends of a range belong to it (high)',
    rules: [`out 1 accept 6 ${ANY} > ${ANY}:1-443`],
    mirrored: true,
  },
  {
    ...out,
    name: 'a range that ends before',
    rules: [`out 1 accept 6 ${ANY} > ${ANY}:1-442`],
    mirrored: false,
  },
  {
    ...out,
    name: 'a range that begins behind',
    rules: [`out 1 accept 6 ${ANY} > ${ANY}:444-65535`],
    mirrored: false,
  },
  {
    ...out,
    name: 'the source port as well',
    rules: [`out 1 accept 6 ${ANY}:49153-65535 > ${ANY}:443`],
    mirrored: false,
  },
  {
    name: 'the source port of an answer',
    rules: [`in 1 accept 6 ${ANY}:443 > 10.0.1.20/32`],
    frame: ethernet(tcp4(BACK)),
    direction: 'ingress',
    mirrored: true,
  },
  {
    name: 'port 0 and port 65535 are ports',
    rules: [`out 1 accept 17 ${ANY}:0 > ${ANY}:65535`],
    frame: ethernet(udp4({ ...WEB, sport: 0, dport: 65_535 })),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'ports without a protocol are those of TCP',
    rules: [`out 1 accept * ${ANY} > ${ANY}:443`],
    frame,
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'ports without a protocol are those of UDP',
    rules: [`out 1 accept * ${ANY} > ${ANY}:443`],
    frame: ethernet(udp4(WEB)),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'a rule with ports does not see ICMP, not even with all of them',
    rules: [`out 1 accept * ${ANY} > ${ANY}:0-65535`],
    frame: ethernet(icmp4({ src: WEB.src, dst: WEB.dst, type: 8 })),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'ICMP by its number',
    rules: [`out 1 accept 1 ${ANY} > ${ANY}`],
    frame: ethernet(icmp4({ src: WEB.src, dst: WEB.dst, type: 8 })),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'neighbor discovery is ICMPv6 to the rules',
    rules: [`out 1 accept 58 ${ANY6} > ${ANY6}`],
    frame: ethernet(icmp6({ src: 'fe80::1', dst: 'ff02::1:ff00:2', type: 135 })),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'protocol 0 is a protocol',
    rules: [`out 1 accept 0 ${ANY} > ${ANY}`],
    frame,
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'behind a VLAN tag it is the same packet',
    rules: [TO_443],
    frame: vlan([7], frame),
    direction: 'egress',
    mirrored: true,
  },

  // Fragments, and packets of which not all is there.
  {
    name: 'a first fragment has ports',
    rules: [TO_443],
    frame: ethernet(fragments4(tcp4(big), 1500)[0]!),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'a later fragment has no ports',
    rules: [TO_443],
    frame: ethernet(fragments4(tcp4(big), 1500)[1]!),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'a later fragment has a protocol',
    rules: [`out 1 reject * ${ANY} > ${ANY}:443`, `out 2 accept 6 ${ANY} > ${ANY}`],
    frame: ethernet(fragments4(tcp4(big), 1500)[1]!),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'a later fragment of IPv6 has a protocol',
    rules: [`out 1 accept 6 ${ANY6} > ${ANY6}`],
    frame: ethernet(fragments6(tcp6({ ...big, ...WEB6 }), 1500, 1)[1]!),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'a later fragment of IPv6 has no ports',
    rules: [TO_443_6],
    frame: ethernet(fragments6(tcp6({ ...big, ...WEB6 }), 1500, 1)[1]!),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'ports that were cut off may be those accepted',
    rules: [TO_443],
    frame: frame.subarray(0, 37),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'ports that were cut off need not be those rejected',
    rules: [`out 1 reject 6 ${ANY} > ${ANY}:443`, `out 2 accept 6 ${ANY} > ${ANY}`],
    frame: frame.subarray(0, 34),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'ports that were cut off with the extension headers before them',
    rules: [`out 1 accept * ${ANY6} > ${ANY6}:443`],
    frame: ethernet(
      udp6({ ...WEB6, extensions: [{ header: 60, rest: hex`00 0104 00000000` }] }),
    ).subarray(0, 55),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'what is cut before its addresses matches nothing',
    rules: [ALL_OUT, ALL_OUT6],
    frame: frame.subarray(0, 33),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'a packet too short for ports by its own length has none',
    rules: [`out 1 accept 6 ${ANY} > ${ANY}:0-65535`],
    frame: ethernet(ip4({ src: WEB.src, dst: WEB.dst, protocol: 6, payload: hex`010203` })),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'what carries no IP matches nothing',
    rules: [ALL_OUT, ALL_OUT6],
    frame: ethernet(hex`00010203`, { type: 0x88cc }),
    direction: 'egress',
    mirrored: false,
  },

  // The resolver.
  {
    name: 'rules do not mirror the resolver',
    rules: [ALL_OUT],
    frame: query(WEB.src, '169.254.169.253'),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'amazon-dns mirrors the resolver without a rule',
    rules: [],
    services: ['amazon-dns'],
    frame: query(WEB.src, '169.254.169.253'),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'amazon-dns mirrors what the resolver answers',
    rules: [],
    services: ['amazon-dns'],
    frame: ethernet(udp4({ src: '169.254.169.253', dst: WEB.src, sport: 53, dport: 5353 })),
    direction: 'ingress',
    mirrored: true,
  },
  {
    name: 'amazon-dns mirrors the resolver against a rule',
    rules: [`out 1 reject * ${ANY} > ${ANY}`],
    services: ['amazon-dns'],
    frame: query(WEB.src, '169.254.169.253'),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'the resolver over IPv6',
    rules: [ALL_OUT6],
    frame: ethernet(udp6({ ...WEB6, dst: 'fd00:ec2::253', dport: 53 })),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'the resolver at base plus two of the VPC',
    rules: [ALL_OUT],
    vpcCidrBlock: '10.0.0.0/16',
    frame: query(WEB.src, '10.0.0.2'),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'DNS elsewhere is ordinary traffic',
    rules: [ALL_OUT],
    vpcCidrBlock: '10.0.0.0/16',
    frame: query(WEB.src, '192.0.2.53'),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'amazon-dns does not mirror DNS elsewhere where the VPC is known',
    rules: [],
    services: ['amazon-dns'],
    vpcCidrBlock: '10.0.0.0/16',
    frame: query(WEB.src, '192.0.2.53'),
    direction: 'egress',
    mirrored: false,
  },
  {
    name: 'amazon-dns mirrors all DNS where the VPC is not known',
    rules: [],
    services: ['amazon-dns'],
    frame: query(WEB.src, '10.0.0.2'),
    direction: 'egress',
    mirrored: true,
  },
  {
    name: 'amazon-dns mirrors nothing else',
    rules: [],
    services: ['amazon-dns'],
    frame,
    direction: 'egress',
    mirrored: false,
  },

  // Of unknown direction.
  {
    name: 'either list may take what ran one way or the other',
    rules: [`in 1 accept * ${ANY} > ${ANY}`],
    frame,
    direction: 'either',
    mirrored: true,
  },
  {
    name: 'one list is enough, though the other rejects',
    rules: [`in 1 reject * ${ANY} > ${ANY}`, TO_443],
    frame,
    direction: 'either',
    mirrored: true,
  },
  {
    name: 'no list takes it',
    rules: [`in 1 reject * ${ANY} > ${ANY}`, `out 1 accept 17 ${ANY} > ${ANY}`],
    frame,
    direction: 'either',
    mirrored: false,
  },
]

/** Sessions of one interface, by their numbers, and which of them mirrors a packet: 0 for none. */
export interface SharedVerdict extends Pick<Verdict, 'name' | 'frame' | 'direction'> {
  /** In the order in which they are made. */
  sessions: readonly (readonly [sessionNumber: number, ...rules: Rule[]])[]
  mirroredBy: number
}

const NOT_443: Rule = `out 1 reject 6 ${ANY} > ${ANY}:443`

export const SHARED_VERDICTS: readonly SharedVerdict[] = [
  {
    ...out,
    name: 'the first session has what both want',
    sessions: [
      [1, TO_443],
      [2, ALL_OUT],
    ],
    mirroredBy: 1,
  },
  {
    ...out,
    name: 'the first is that with the lower number, not the one made first',
    sessions: [
      [20, ALL_OUT],
      [3, ALL_OUT],
    ],
    mirroredBy: 3,
  },
  {
    name: 'what the first does not want is the next one’s',
    sessions: [
      [1, TO_443],
      [2, ALL_OUT],
    ],
    frame: ethernet(udp4(WEB)),
    direction: 'egress',
    mirroredBy: 2,
  },
  {
    ...out,
    name: 'a rejection leaves the packet to the next',
    sessions: [
      [1, NOT_443, `out 2 accept * ${ANY} > ${ANY}`],
      [2, TO_443],
    ],
    mirroredBy: 2,
  },
  {
    ...out,
    name: 'a session without rules leaves everything to the next',
    sessions: [[1], [2, ALL_OUT]],
    mirroredBy: 2,
  },
  {
    ...out,
    name: 'all are asked in turn',
    sessions: [
      [7, TO_443],
      [5, NOT_443],
      [6, `in 1 accept * ${ANY} > ${ANY}`],
      [9, ALL_OUT],
    ],
    mirroredBy: 7,
  },
  {
    ...out,
    name: 'no session has what none wants',
    sessions: [
      [1, NOT_443],
      [2, `out 1 accept 17 ${ANY} > ${ANY}`],
    ],
    mirroredBy: 0,
  },
  {
    name: 'each is asked by its rules of the direction',
    sessions: [
      [1, ALL_OUT],
      [2, `in 1 accept * ${ANY} > ${ANY}`],
    ],
    frame,
    direction: 'ingress',
    mirroredBy: 2,
  },
  {
    name: 'each is asked by either list where nobody knows the direction',
    sessions: [
      [1, NOT_443],
      [2, `in 1 accept * ${ANY} > ${ANY}`],
      [3, ALL_OUT],
    ],
    frame,
    direction: 'either',
    mirroredBy: 2,
  },
  {
    name: 'each has rules for the version of IP that it wants',
    sessions: [
      [1, ALL_OUT],
      [2, ALL_OUT6],
    ],
    frame: ethernet(tcp6(WEB6), { type: 0x86dd }),
    direction: 'egress',
    mirroredBy: 2,
  },
]
