/**
 * IP protocol numbers (IANA "Assigned Internet Protocol Numbers"), which are
 * also the next-header values of IPv6.
 */
export const PROTOCOL_HOP_BY_HOP = 0
export const PROTOCOL_ICMP = 1
export const PROTOCOL_IGMP = 2
const PROTOCOL_IPV4 = 4
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17
export const PROTOCOL_DCCP = 33
const PROTOCOL_IPV6 = 41
export const PROTOCOL_ROUTING = 43
export const PROTOCOL_FRAGMENT = 44
export const PROTOCOL_GRE = 47
export const PROTOCOL_ESP = 50
export const PROTOCOL_AH = 51
export const PROTOCOL_ICMPV6 = 58
export const PROTOCOL_NO_NEXT_HEADER = 59
export const PROTOCOL_DESTINATION_OPTIONS = 60
export const PROTOCOL_SCTP = 132
export const PROTOCOL_UDP_LITE = 136

/** As people and most tools write them. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [PROTOCOL_ICMP, 'icmp'],
  [PROTOCOL_IGMP, 'igmp'],
  [PROTOCOL_IPV4, 'ipip'],
  [PROTOCOL_TCP, 'tcp'],
  [PROTOCOL_UDP, 'udp'],
  [PROTOCOL_DCCP, 'dccp'],
  [PROTOCOL_IPV6, 'ipv6'],
  [PROTOCOL_GRE, 'gre'],
  [PROTOCOL_ESP, 'esp'],
  [PROTOCOL_AH, 'ah'],
  [PROTOCOL_ICMPV6, 'icmpv6'],
  [89, 'ospf'],
  [103, 'pim'],
  [112, 'vrrp'],
  [PROTOCOL_SCTP, 'sctp'],
  [PROTOCOL_UDP_LITE, 'udplite'],
])

/** `tcp`; undefined for protocols without a common name. */
export function protocolName(protocol: number): string | undefined {
  return NAMES.get(protocol)
}
