import { parseIpv6 } from '../wire/address.js'
import {
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
} from '../wire/ethernet.js'
import { IPV4_DESTINATION, IPV4_SOURCE } from '../wire/ipv4.js'
import { IPV6_DESTINATION, IPV6_SOURCE } from '../wire/ipv6.js'
import { ALWAYS, all, any, type Condition, equals, type Field } from './condition.js'
import type { Direction, Identifier } from './expression.js'
import type { ProtocolWord } from './keywords.js'
import type { LinkLayer } from './link-layer.js'
import { ETHERTYPE_REVERSE_ARP } from './link-protocol.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

/** A block of addresses: those whose masked bits equal these. One word for IPv4, four for IPv6. */
interface Block {
  readonly words: readonly number[]
  readonly masks: readonly number[]
}

/** Where a header has its addresses. */
interface Places {
  readonly type: number
  readonly source: number
  readonly destination: number
}

const IPV4: Places = {
  type: ETHERTYPE_IPV4,
  source: IPV4_SOURCE,
  destination: IPV4_DESTINATION,
}
const ARP: Places = { type: ETHERTYPE_ARP, source: 14, destination: 24 }
const REVERSE_ARP: Places = { type: ETHERTYPE_REVERSE_ARP, source: 14, destination: 24 }
const IPV6: Places = {
  type: ETHERTYPE_IPV6,
  source: IPV6_SOURCE,
  destination: IPV6_DESTINATION,
}

/** `host 10.0.0.1`, `dst net 2001:db8::/32`, `arp host …`, `ether src …`. */
export function hostCondition(layer: LinkLayer, identifier: Identifier): Condition {
  const { token, qualifiers } = identifier
  const { protocol, direction } = qualifiers
  switch (token.kind) {
    case 'mac':
      return macCondition(layer, identifier)
    case 'ipv6': {
      if (protocol !== undefined && protocol !== 'ip6') throw wrongProtocol(identifier, protocol)
      return inHeader(layer, IPV6, ipv6Block(identifier), direction, token)
    }
    case 'ipv4':
    case 'number':
      return ipv4Condition(layer, identifier)
    default:
      throw refusal(
        token,
        protocol === 'ether'
          ? 'an address such as 02:00:00:00:00:01 must stand here'
          : 'names are not looked up: give the address',
      )
  }
}

function wrongProtocol({ token, qualifiers }: Identifier, protocol: ProtocolWord): Error {
  return refusal(token, `"${protocol} ${qualifiers.address}" cannot have this address`)
}

function ipv4Condition(layer: LinkLayer, identifier: Identifier): Condition {
  const { token, qualifiers } = identifier
  const { protocol, direction } = qualifiers
  const block = ipv4Block(identifier)
  const inOne = (places: Places): Condition => inHeader(layer, places, block, direction, token)
  switch (protocol) {
    case 'ip':
      return inOne(IPV4)
    case 'arp':
      return inOne(ARP)
    case 'rarp':
      return inOne(REVERSE_ARP)
    case undefined:
      return layer.isBehindMpls ? inOne(IPV4) : any(inOne(IPV4), inOne(ARP), inOne(REVERSE_ARP))
    default:
      throw wrongProtocol(identifier, protocol)
  }
}

function inHeader(
  layer: LinkLayer,
  places: Places,
  block: Block,
  direction: Direction,
  token: Token,
): Condition {
  // Words that the mask leaves out are not looked at: the frame may end before them.
  const isAt = (at: number): Condition =>
    all(
      ALWAYS,
      ...block.words.flatMap((word, index) => {
        const mask = block.masks[index]!
        return mask === 0 ? [] : [equals(layer.network(at + 4 * index, 4), word, mask)]
      }),
    )
  return all(
    layer.carries(places.type, token),
    atEnds(isAt(places.source), isAt(places.destination), direction),
  )
}

function atEnds(source: Condition, destination: Condition, direction: Direction): Condition {
  switch (direction) {
    case 'src':
      return source
    case 'dst':
      return destination
    case 'both':
      return all(source, destination)
    case 'either':
      return any(source, destination)
  }
}

function macCondition(layer: LinkLayer, identifier: Identifier): Condition {
  const { token, qualifiers } = identifier
  if (qualifiers.protocol !== 'ether' || qualifiers.address !== 'host') {
    throw refusal(token, 'this is an Ethernet address: say "ether host"')
  }
  return macIs(layer, macOctets(token.text), qualifiers.direction, qualifiers.token)
}

/** Whether the Ethernet header has an address of six bytes. */
export function macIs(
  layer: LinkLayer,
  octets: Buffer,
  direction: Direction,
  token: Token,
): Condition {
  if (!layer.isEthernet) throw refusal(token, `frames of ${layer.name} have no Ethernet addresses`)
  const high = octets.readUInt16BE(0)
  const low = octets.readUInt32BE(2)
  // The rear first, as libpcap looks.
  const isAt = (address: (at: number, size: 2 | 4) => Field): Condition =>
    all(equals(address(2, 4), low), equals(address(0, 2), high))
  return atEnds(
    isAt((at, size) => layer.link(ETHERNET_SOURCE + at, size)),
    isAt((at, size) => layer.link(ETHERNET_DESTINATION + at, size)),
    direction,
  )
}

/** `2:0:0:0:0:1`, with dots or hyphens too; `0200.0000.0001`; `020000000001`. */
function macOctets(text: string): Buffer {
  const parts = text.split(/[:.-]/)
  const octets =
    parts.length === 6 ? parts.map((part) => part.padStart(2, '0')).join('') : parts.join('')
  return Buffer.from(octets, 'hex')
}

/** An address that is shorter than four bytes is a network: `net 10.1`, `host 10.1`. */
function ipv4Block({ token, mask, qualifiers }: Identifier): Block {
  const isNet = qualifiers.address === 'net'
  const { word, bits } = token.kind === 'number' ? ipv4Number(token, isNet) : dotted(token)
  if (mask === undefined) return { words: [word], masks: [prefixMask(bits)] }
  if (!isNet) throw refusal(mask, 'only a network has a mask: say "net"')
  if (mask.kind === 'number' && mask.value > 32) throw refusal(mask, 'a prefix has 32 bits at most')
  const bitsSet = mask.kind === 'number' ? prefixMask(mask.value) : dotted(mask).word
  if ((word & ~bitsSet) !== 0) throw refusal(token, 'this has bits set outside of its mask')
  return { words: [word], masks: [bitsSet] }
}

/** A number alone is the whole address; of a network it is the first bytes: `net 10`. */
function ipv4Number(token: Token, isNet: boolean): { word: number; bits: number } {
  let word = token.value
  let bits = 32
  if (isNet) {
    for (; word !== 0 && word < 0x100_0000; bits -= 8) word *= 0x100
  }
  return { word, bits }
}

function dotted(token: Token): { word: number; bits: number } {
  const octets = token.text.split('.').map(Number)
  if (octets.some((octet) => octet > 255)) throw refusal(token, 'this is no IPv4 address')
  const word = [0, 1, 2, 3].reduce((sum, index) => sum * 0x100 + (octets[index] ?? 0), 0)
  return { word, bits: 8 * octets.length }
}

function ipv6Block({ token, mask, qualifiers }: Identifier): Block {
  const length = mask === undefined ? 128 : mask.value
  if (length > 128) throw refusal(mask!, 'a prefix has 128 bits at most')
  if (length < 128 && qualifiers.address !== 'net') {
    throw refusal(mask!, 'only a network has a mask: say "net"')
  }
  const words = [...parseIpv6(token.text)!]
  const masks = words.map((_, index) => prefixMask(Math.min(32, Math.max(0, length - 32 * index))))
  if (words.some((word, index) => (word & ~masks[index]!) !== 0)) {
    throw refusal(token, 'this has bits set outside of its mask')
  }
  return { words, masks }
}

function prefixMask(bits: number): number {
  return bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0
}
