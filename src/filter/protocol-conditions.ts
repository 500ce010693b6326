import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import { IPV4_FLAGS_OFFSET, IPV4_FRAGMENT_OFFSET_MASK, IPV4_PROTOCOL } from '../wire/ipv4.js'
import { IPV6_HEADER_LEN, IPV6_NEXT_HEADER } from '../wire/ipv6.js'
import {
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_FRAGMENT,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_IGMP,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../wire/protocol.js'
import { all, any, type Condition, equals, hasAny, not } from './condition.js'
import type { ProtocolWord } from './keywords.js'
import type { LinkLayer } from './link-layer.js'
import {
  ETHERTYPE_APPLETALK,
  ETHERTYPE_APPLETALK_ARP,
  ETHERTYPE_DECNET,
  ETHERTYPE_LAT,
  ETHERTYPE_LAVC,
  ETHERTYPE_MOP_CONSOLE,
  ETHERTYPE_MOP_DUMP,
  ETHERTYPE_REVERSE_ARP,
  SAP_IPX,
  SAP_NETBEUI,
  SAP_OSI,
  SAP_SPANNING_TREE,
} from './link-protocol.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

const PROTOCOL_IGRP = 9
const PROTOCOL_PIM = 103
const PROTOCOL_VRRP = 112

/** What a protocol word is: a type of the link layer, a protocol of IP, or one of OSI's. */
type Meaning =
  | { readonly link: number }
  | { readonly ip: number; readonly version: 4 | 6 | undefined }
  | { readonly osi: number }

const MEANINGS: Readonly<Record<Exclude<ProtocolWord, 'ether'>, Meaning>> = {
  ip: { link: ETHERTYPE_IPV4 },
  ip6: { link: ETHERTYPE_IPV6 },
  arp: { link: ETHERTYPE_ARP },
  rarp: { link: ETHERTYPE_REVERSE_ARP },
  tcp: { ip: PROTOCOL_TCP, version: undefined },
  udp: { ip: PROTOCOL_UDP, version: undefined },
  sctp: { ip: PROTOCOL_SCTP, version: undefined },
  icmp: { ip: PROTOCOL_ICMP, version: 4 },
  icmp6: { ip: PROTOCOL_ICMPV6, version: 6 },
  igmp: { ip: PROTOCOL_IGMP, version: 4 },
  igrp: { ip: PROTOCOL_IGRP, version: 4 },
  pim: { ip: PROTOCOL_PIM, version: undefined },
  vrrp: { ip: PROTOCOL_VRRP, version: 4 },
  carp: { ip: PROTOCOL_VRRP, version: 4 },
  ah: { ip: PROTOCOL_AH, version: undefined },
  esp: { ip: PROTOCOL_ESP, version: undefined },
  aarp: { link: ETHERTYPE_APPLETALK_ARP },
  atalk: { link: ETHERTYPE_APPLETALK },
  decnet: { link: ETHERTYPE_DECNET },
  lat: { link: ETHERTYPE_LAT },
  sca: { link: ETHERTYPE_LAVC },
  moprc: { link: ETHERTYPE_MOP_CONSOLE },
  mopdl: { link: ETHERTYPE_MOP_DUMP },
  iso: { link: SAP_OSI },
  clnp: { osi: 0x81 },
  esis: { osi: 0x82 },
  isis: { osi: 0x83 },
  stp: { link: SAP_SPANNING_TREE },
  ipx: { link: SAP_IPX },
  netbeui: { link: SAP_NETBEUI },
}

/** What a protocol word alone says. */
export function protocolCondition(layer: LinkLayer, word: ProtocolWord, token: Token): Condition {
  if (word === 'ether') throw refusal(token, 'this needs something after it, such as "host"')
  const meaning = MEANINGS[word]
  if ('link' in meaning) return layer.carries(meaning.link, token)
  if ('osi' in meaning) {
    return all(layer.carries(SAP_OSI, token), equals(layer.behindLlc(0, 1), meaning.osi))
  }
  return ipProtocol(layer, meaning.ip, meaning.version, token)
}

/**
 * IP of a version, or of either, with a protocol. Of IPv6 the next header, or the
 * one after a fragment header, as tcpdump looks.
 */
export function ipProtocol(
  layer: LinkLayer,
  protocol: number,
  version: 4 | 6 | undefined,
  token: Token,
): Condition {
  if (version === undefined) {
    return any(ipProtocol(layer, protocol, 4, token), ipProtocol(layer, protocol, 6, token))
  }
  if (version === 4) {
    const isIpv4 = layer.carries(ETHERTYPE_IPV4, token)
    return all(isIpv4, equals(layer.network(IPV4_PROTOCOL, 1), protocol))
  }
  const nextHeader = layer.network(IPV6_NEXT_HEADER, 1)
  return all(
    layer.carries(ETHERTYPE_IPV6, token),
    any(
      equals(nextHeader, protocol),
      all(
        equals(nextHeader, PROTOCOL_FRAGMENT),
        equals(layer.network(IPV6_HEADER_LEN, 1), protocol),
      ),
    ),
  )
}

/** IPv4 that begins with its transport header: no later fragment. */
export function isFirstOfIpv4(layer: LinkLayer): Condition {
  return not(hasAny(layer.network(IPV4_FLAGS_OFFSET, 2), IPV4_FRAGMENT_OFFSET_MASK))
}
