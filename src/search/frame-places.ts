import {
  ETHERNET_HEADER_LEN,
  ETHERNET_TYPE,
  ETHERTYPE_ARP,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
} from '../wire/ethernet.js'
import {
  isRawIp,
  LINKTYPE_ETHERNET,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
} from '../wire/link-type.js'
import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'

/**
 * Where the filter language looks for things in a frame. Both sides use it: what puts keys into an
 * index and what derives from an expression which keys a frame must have. Filters do not parse a
 * frame, they compare fields at fixed places; so does this.
 */
export interface LinkPlaces {
  /**
   * Of the type field. `ip`: there is none, the first half byte says the version; `ipv4` and
   * `ipv6`: the link type does.
   */
  readonly typeAt: number | 'ip' | 'ipv4' | 'ipv6'
  readonly networkAt: number
}

const RAW: LinkPlaces = { typeAt: 'ip', networkAt: 0 }
const IPV4: LinkPlaces = { typeAt: 'ipv4', networkAt: 0 }
const IPV6: LinkPlaces = { typeAt: 'ipv6', networkAt: 0 }
const ETHERNET: LinkPlaces = { typeAt: ETHERNET_TYPE, networkAt: ETHERNET_HEADER_LEN }
const SLL: LinkPlaces = { typeAt: 14, networkAt: 16 }
const SLL2: LinkPlaces = { typeAt: 0, networkAt: 20 }

/** Undefined for link types whose frames get no keys: their blocks are always read. */
export function placesOf(linkType: number): LinkPlaces | undefined {
  switch (linkType) {
    case LINKTYPE_ETHERNET:
      return ETHERNET
    case LINKTYPE_LINUX_SLL:
      return SLL
    case LINKTYPE_LINUX_SLL2:
      return SLL2
    case LINKTYPE_IPV4:
      return IPV4
    case LINKTYPE_IPV6:
      return IPV6
    default:
      return isRawIp(linkType) ? RAW : undefined
  }
}

/** Tags that are skipped, one after the other. */
export const TAGS_MAX = 4

export function isTagType(type: number): boolean {
  return type === ETHERTYPE_VLAN || type === ETHERTYPE_SERVICE_VLAN || type === ETHERTYPE_QINQ_OLD
}

const ETHERTYPE_REVERSE_ARP = 0x8035

export function isArpType(type: number): boolean {
  return type === ETHERTYPE_ARP || type === ETHERTYPE_REVERSE_ARP
}

/** In the body of ARP and RARP for IPv4 over Ethernet. */
export const ARP_SENDER = 14
export const ARP_TARGET = 24

/** Protocols that a filter asks for ports. */
export function hasFilteredPorts(protocol: number): boolean {
  return protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP || protocol === PROTOCOL_SCTP
}
