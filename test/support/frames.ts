import { parseIpv4, parseIpv6, parseMac } from '../../src/wire/address.js'
import { ipv4AddressSum, ipv6AddressSum } from '../../src/wire/checksum.js'
import {
  ETHERNET_HEADER_LEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_MPLS,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_VLAN,
  emitEthernet,
} from '../../src/wire/ethernet.js'
import { emitGeneve, GENEVE_AWS_HEADER_LEN, GENEVE_PORT, Geneve } from '../../src/wire/geneve.js'
import { ICMP_HEADER_LEN } from '../../src/wire/icmp.js'
import { emitIpv4, IPV4_HEADER_LEN, sealIpv4 } from '../../src/wire/ipv4.js'
import { emitIpv6, IPV6_FRAGMENT_HEADER_LEN, IPV6_HEADER_LEN } from '../../src/wire/ipv6.js'
import {
  PROTOCOL_FRAGMENT,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../../src/wire/protocol.js'

import { TCP_ACK, TCP_HEADER_LEN } from '../../src/wire/tcp.js'
import { emitUdp, UDP_HEADER_LEN } from '../../src/wire/udp.js'
import { emitVxlan, VXLAN_HEADER_LEN, VXLAN_PORT } from '../../src/wire/vxlan.js'
import {
  emitIcmp,
  emitIcmpv6,
  emitIpv6Fragment,
  emitSctp,
  emitTcp,
  SCTP_HEADER_LEN,
} from './emit.js'

/**
 * Frames for tests, put together from the inside out:
 *
 *     ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 53, dport: 4000, payload }))
 *
 * A *packet* starts with its IP header, a *frame* with its Ethernet header, a
 * *datagram* is the payload of a UDP packet. Addresses are text; checksums are
 * right unless a test breaks them. Every call returns memory of its own.
 */

const NOTHING = Buffer.alloc(0)

export const MAC_A = '02:00:00:00:00:0a'
export const MAC_B = '02:00:00:00:00:0b'

/** A frame around a packet; the type follows from the packet's first nibble unless given. */
export function ethernet(
  packet: Buffer,
  options: { src?: string; dst?: string; type?: number } = {},
): Buffer {
  const type = options.type ?? ((packet[0] ?? 0) >>> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4)
  const frame = Buffer.concat([Buffer.alloc(ETHERNET_HEADER_LEN), packet])
  const destination = mac(options.dst ?? MAC_B)
  const source = mac(options.src ?? MAC_A)
  emitEthernet({ destination, source, type }, frame, 0)
  return frame
}

/** One 802.1Q tag: its number alone, or with the type that announces it (0x88a8, 0x9100 …). */
export type Tag = number | { vlan: number; type: number }

/** `frame` with tags put behind its addresses, outermost first. */
export function vlan(tags: readonly Tag[], frame: Buffer): Buffer {
  const headers = tags.map((tag) => {
    const { vlan: id, type } = typeof tag === 'number' ? { vlan: tag, type: ETHERTYPE_VLAN } : tag
    return Buffer.of(type >>> 8, type & 0xff, id >>> 8, id & 0xff)
  })
  return Buffer.concat([frame.subarray(0, 12), ...headers, frame.subarray(12)])
}

/** A frame with a stack of labels in front of a packet, outermost first. */
export function mpls(labels: readonly number[], packet: Buffer): Buffer {
  const stack = Buffer.alloc(4 * labels.length)
  labels.forEach((label, index) => {
    const bottom = index === labels.length - 1 ? 0x100 : 0
    stack.writeUInt32BE(label * 0x1000 + bottom + 64, 4 * index)
  })
  return ethernet(Buffer.concat([stack, packet]), { type: ETHERTYPE_MPLS })
}

/** A frame of a PPPoE session around a packet. */
export function pppoe(packet: Buffer): Buffer {
  const header = Buffer.from([0x11, 0x00, 0x00, 0x01, 0, 0, 0x00, 0x21])
  header.writeUInt16BE(packet.length + 2, 4)
  if ((packet[0] ?? 0) >>> 4 === 6) header[7] = 0x57
  return ethernet(Buffer.concat([header, packet]), { type: ETHERTYPE_PPPOE_SESSION })
}

export interface Ip4 {
  src: string
  dst: string
  protocol: number
  payload?: Buffer
  id?: number
  ttl?: number
  tos?: number
  dontFragment?: boolean
  moreFragments?: boolean
  /** Bytes. */
  fragmentOffset?: number
  /** IPv4 options, whole words, at most ten. */
  options?: Buffer
}

/** An IPv4 packet around what it carries. */
export function ip4(of: Ip4): Buffer {
  const payload = of.payload ?? NOTHING
  const options = of.options ?? NOTHING
  const packet = Buffer.concat([Buffer.alloc(IPV4_HEADER_LEN), options, payload])
  emitIpv4(
    {
      typeOfService: of.tos ?? 0,
      payloadLength: options.length + payload.length,
      identification: of.id ?? 0,
      dontFragment: of.dontFragment ?? false,
      moreFragments: of.moreFragments ?? false,
      fragmentOffset: of.fragmentOffset ?? 0,
      timeToLive: of.ttl ?? 64,
      protocol: of.protocol,
      source: word(of.src),
      destination: word(of.dst),
    },
    packet,
    0,
  )
  packet[0] = 0x45 + options.length / 4
  sealIpv4(packet, 0, IPV4_HEADER_LEN + options.length)
  return packet
}

/** An extension header: its own number, and its bytes from the second one on (the first is filled in). */
export interface Extension {
  header: number
  rest: Buffer
}

export interface Ip6 {
  src: string
  dst: string
  protocol: number
  payload?: Buffer
  hopLimit?: number
  flowLabel?: number
  /** In the order they stand in the packet. */
  extensions?: readonly Extension[]
}

/** An IPv6 packet around what it carries. */
export function ip6(of: Ip6): Buffer {
  const extensions = of.extensions ?? []
  const chain = extensions.map((extension, index) =>
    Buffer.concat([Buffer.of(extensions[index + 1]?.header ?? of.protocol), extension.rest]),
  )
  const body = Buffer.concat([...chain, of.payload ?? NOTHING])
  const packet = Buffer.concat([Buffer.alloc(IPV6_HEADER_LEN), body])
  emitIpv6(
    {
      trafficClass: 0,
      flowLabel: of.flowLabel ?? 0,
      payloadLength: body.length,
      nextHeader: extensions[0]?.header ?? of.protocol,
      hopLimit: of.hopLimit ?? 64,
      source: words(of.src),
      destination: words(of.dst),
    },
    packet,
    0,
  )
  return packet
}

/** Hop-by-hop, routing or destination options of 8 × `units` bytes, filled with one PadN option. */
export function paddedExtension(header: number, units = 1): Extension {
  const rest = Buffer.alloc(8 * units - 1)
  rest[0] = units - 1
  // PadN (RFC 8200 §4.2): type 1, then how many zeros follow.
  rest[1] = 1
  rest[2] = rest.length - 3
  return { header, rest }
}

type Addressed4 = Omit<Ip4, 'protocol'>
type Addressed6 = Omit<Ip6, 'protocol'>

interface Ports {
  sport: number
  dport: number
}

/** A UDP packet; `checksum: false` leaves it out, as VXLAN senders do. */
export function udp4(of: Addressed4 & Ports & { checksum?: boolean }): Buffer {
  const sum = of.checksum === false ? undefined : ipv4AddressSum(word(of.src), word(of.dst))
  return ip4({ ...of, protocol: PROTOCOL_UDP, payload: udp(of, of.payload ?? NOTHING, sum) })
}

export function udp6(of: Addressed6 & Ports): Buffer {
  const sum = ipv6AddressSum(words(of.src), words(of.dst))
  return ip6({ ...of, protocol: PROTOCOL_UDP, payload: udp(of, of.payload ?? NOTHING, sum) })
}

interface Segment extends Ports {
  /** TCP_… or-ed; ACK alone unless given. */
  flags?: number
  seq?: number
  ack?: number
  window?: number
  /** TCP options, whole words. */
  tcpOptions?: Buffer
}

export function tcp4(of: Addressed4 & Segment): Buffer {
  const sum = ipv4AddressSum(word(of.src), word(of.dst))
  return ip4({ ...of, protocol: PROTOCOL_TCP, payload: tcp(of, of.payload ?? NOTHING, sum) })
}

export function tcp6(of: Addressed6 & Segment): Buffer {
  const sum = ipv6AddressSum(words(of.src), words(of.dst))
  return ip6({ ...of, protocol: PROTOCOL_TCP, payload: tcp(of, of.payload ?? NOTHING, sum) })
}

interface Message {
  type: number
  code?: number
  /** The second word: identifier and sequence number of an echo. */
  rest?: number
}

export function icmp4(of: Addressed4 & Message): Buffer {
  const [bytes, header] = message(of, of.payload ?? NOTHING)
  emitIcmp(header, bytes, 0)
  return ip4({ ...of, protocol: PROTOCOL_ICMP, payload: bytes })
}

export function icmp6(of: Addressed6 & Message): Buffer {
  const [bytes, header] = message(of, of.payload ?? NOTHING)
  emitIcmpv6(header, bytes, 0, ipv6AddressSum(words(of.src), words(of.dst)))
  return ip6({ ...of, protocol: PROTOCOL_ICMPV6, payload: bytes })
}

/** `payload` is the chunks. */
export function sctp4(of: Addressed4 & Ports & { tag?: number }): Buffer {
  const payload = of.payload ?? NOTHING
  const bytes = Buffer.concat([Buffer.alloc(SCTP_HEADER_LEN), payload])
  const verificationTag = of.tag ?? 0
  const ports = { sourcePort: of.sport, destinationPort: of.dport }
  emitSctp({ ...ports, verificationTag, payloadLength: payload.length }, bytes, 0)
  return ip4({ ...of, protocol: PROTOCOL_SCTP, payload: bytes })
}

/** The datagram a mirror source sends: VXLAN header and frame. */
export function vxlan(vni: number, frame: Buffer): Buffer {
  const datagram = Buffer.concat([Buffer.alloc(VXLAN_HEADER_LEN), frame])
  emitVxlan({ vni }, datagram, 0)
  return datagram
}

export interface Mirrored {
  /** Primary address of the mirrored interface. */
  source: string
  target: string
  vni: number
  frame: Buffer
  sport?: number
}

/** The frame a mirror target's own interface sees, as AWS writes its outer headers. */
export function mirrored(of: Mirrored): Buffer {
  return ethernet(mirroredPacket(of))
}

function mirroredPacket(of: Mirrored): Buffer {
  return udp4({
    src: of.source,
    dst: of.target,
    sport: of.sport ?? 65_445,
    dport: VXLAN_PORT,
    payload: vxlan(of.vni, of.frame),
    ttl: 255,
    checksum: false,
  })
}

/** The datagram of a GENEVE tunnel with Amazon's three options: header and packet (or frame, by `protocol`). */
export function geneve(payload: Buffer, options: Partial<Geneve> = {}): Buffer {
  const header = Object.assign(new Geneve(), {
    protocol: (payload[0] ?? 0) >>> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4,
    hasEndpointId: true,
    endpointIdHigh: 0x0123_4567,
    endpointIdLow: 0x89ab_cdef,
    hasAttachmentId: true,
    hasFlowCookie: true,
    flowCookie: 0xc00c_1e00,
    ...options,
  })
  const scratch = Buffer.alloc(GENEVE_AWS_HEADER_LEN)
  return Buffer.concat([scratch.subarray(0, emitGeneve(header, scratch, 0)), payload])
}

/** What Google Cloud's integration sends of a packet (class 0x0132): VNI 0, a network, an endpoint, a profile. */
export function googleGeneve(
  packet: Buffer,
  of: { network: number; egress: boolean; endpoint: bigint; profile: bigint },
): Buffer {
  const header = Buffer.alloc(8 + 8 + 12 + 12)
  header[0] = (header.length - 8) / 4
  header.writeUInt16BE((packet[0] ?? 0) >>> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, 2)
  header.writeUInt32BE(0x0132_0101, 8)
  header.writeUInt32BE(of.network * 16 + (of.egress ? 1 : 0), 12)
  header.writeUInt32BE(0x0132_0202, 16)
  header.writeBigUInt64BE(of.endpoint, 20)
  header.writeUInt32BE(0x0132_0302, 28)
  header.writeBigUInt64BE(of.profile, 32)
  return Buffer.concat([header, packet])
}

/** A mirrored frame as a Gateway Load Balancer hands it on: IP / UDP / GENEVE / IP / UDP / VXLAN / frame. */
export function gwlbGeneve(of: Mirrored & { balancer: string; appliance: string }): Buffer {
  return ethernet(
    udp4({
      src: of.balancer,
      dst: of.appliance,
      sport: 60_109,
      dport: GENEVE_PORT,
      payload: geneve(mirroredPacket(of)),
      checksum: false,
    }),
  )
}

/** An IPv4 packet (without options) in fragments that fit `mtu`, in order. */
export function fragments4(packet: Buffer, mtu: number): Buffer[] {
  const payload = packet.subarray(IPV4_HEADER_LEN)
  return cutInEights(payload, mtu - IPV4_HEADER_LEN).map(({ offset, part, more }) => {
    const fragment = Buffer.concat([packet.subarray(0, IPV4_HEADER_LEN), part])
    fragment.writeUInt16BE(fragment.length, 2)
    fragment.writeUInt16BE((more ? 0x2000 : 0) | (offset / 8), 6)
    sealIpv4(fragment, 0, IPV4_HEADER_LEN)
    return fragment
  })
}

/** An IPv6 packet (without extension headers) in fragments that fit `mtu`, in order. */
export function fragments6(packet: Buffer, mtu: number, identification: number): Buffer[] {
  const room = mtu - IPV6_HEADER_LEN - IPV6_FRAGMENT_HEADER_LEN
  return cutInEights(packet.subarray(IPV6_HEADER_LEN), room).map(({ offset, part, more }) => {
    const header = Buffer.alloc(IPV6_FRAGMENT_HEADER_LEN)
    const nextHeader = packet[6]!
    emitIpv6Fragment({ nextHeader, offset, moreFragments: more, identification }, header, 0)
    const fragment = Buffer.concat([packet.subarray(0, IPV6_HEADER_LEN), header, part])
    fragment.writeUInt16BE(header.length + part.length, 4)
    fragment[6] = PROTOCOL_FRAGMENT
    return fragment
  })
}

function cutInEights(
  payload: Buffer,
  room: number,
): { offset: number; part: Buffer; more: boolean }[] {
  const step = room - (room % 8)
  const parts = []
  for (let offset = 0; offset < payload.length; offset += step) {
    const part = payload.subarray(offset, offset + step)
    parts.push({ offset, part, more: offset + step < payload.length })
  }
  return parts
}

function udp(ports: Ports, payload: Buffer, addressSum: number | undefined): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(UDP_HEADER_LEN), payload])
  const header = { sourcePort: ports.sport, destinationPort: ports.dport }
  emitUdp({ ...header, payloadLength: payload.length }, bytes, 0, addressSum)
  return bytes
}

function tcp(of: Segment, payload: Buffer, addressSum: number): Buffer {
  const options = of.tcpOptions ?? NOTHING
  const bytes = Buffer.concat([Buffer.alloc(TCP_HEADER_LEN + options.length), payload])
  emitTcp(
    {
      sourcePort: of.sport,
      destinationPort: of.dport,
      sequence: of.seq ?? 0,
      acknowledgment: of.ack ?? 0,
      flags: of.flags ?? TCP_ACK,
      window: of.window ?? 65_535,
      urgent: 0,
      options,
      payloadLength: payload.length,
    },
    bytes,
    0,
    addressSum,
  )
  return bytes
}

function message(of: Message, payload: Buffer) {
  const bytes = Buffer.concat([Buffer.alloc(ICMP_HEADER_LEN), payload])
  const header = { type: of.type, code: of.code ?? 0, rest: of.rest ?? 0 }
  return [bytes, { ...header, payloadLength: payload.length }] as const
}

function word(text: string): number {
  const value = parseIpv4(text)
  if (value === undefined) throw new Error(`not an IPv4 address: ${text}`)
  return value
}

function words(text: string): Uint32Array {
  const value = parseIpv6(text)
  if (value === undefined) throw new Error(`not an IPv6 address: ${text}`)
  return value
}

function mac(text: string): number {
  const value = parseMac(text)
  if (value === undefined) throw new Error(`not a MAC address: ${text}`)
  return value
}
