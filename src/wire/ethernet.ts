/**
 * Ethernet II header (IEEE 802.3 §3.1.1 with a type field) and the 802.1Q tag
 * (IEEE 802.1Q §9.6) that may follow the addresses.
 *
 *     +-----------------------+-----------------------+-----------+
 *   0 |  destination (6)      |  source (6)           | type (2)  |
 *     +-----------------------+-----------------------+-----------+
 *  14 | priority 3, drop 1, VLAN 12 (2)   | type (2)  |  for each tag
 *     +-----------------------------------+-----------+
 */
import { putU16, putU32 } from './octets.js'

export const ETHERNET_HEADER_LEN = 14

/** What one tag adds behind the type that announces it. */
export const VLAN_TAG_LEN = 4

export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_ARP = 0x0806
/** The payload is an Ethernet frame (RFC 8926 §3.4 uses the value of GRE bridging). */
export const ETHERTYPE_TRANSPARENT_BRIDGING = 0x6558
/** IEEE 802.1Q, a customer tag. */
export const ETHERTYPE_VLAN = 0x8100
export const ETHERTYPE_IPV6 = 0x86dd
export const ETHERTYPE_MPLS = 0x8847
/** MPLS whose label was assigned upstream (RFC 5332). */
export const ETHERTYPE_MPLS_UPSTREAM = 0x8848
export const ETHERTYPE_PPPOE_SESSION = 0x8864
/** IEEE 802.1ad, a service tag. */
export const ETHERTYPE_SERVICE_VLAN = 0x88a8
/** The value some switches used for the outer of two tags before 802.1ad. */
export const ETHERTYPE_QINQ_OLD = 0x9100

const DESTINATION = 0
const SOURCE = 6
const TYPE = 12

const TAG_CONTROL = 0
const TAG_TYPE = 2
const PRIORITY_SHIFT = 13
const DROP_ELIGIBLE = 0x1000
const VLAN_MASK = 0x0fff

/** Addresses are 48-bit whole numbers, the first octet on the wire being the highest. */
export interface EthernetHeader {
  destination: number
  source: number
  /** EtherType of what follows. */
  type: number
}

/** Writes the header at `start` and returns the offset just past it. */
export function emitEthernet(header: EthernetHeader, bytes: Uint8Array, start: number): number {
  putMac(bytes, start + DESTINATION, header.destination)
  putMac(bytes, start + SOURCE, header.source)
  putU16(bytes, start + TYPE, header.type)
  return start + ETHERNET_HEADER_LEN
}

export interface VlanTag {
  /** VLAN identifier, 12 bits. */
  vlan: number
  /** Priority code point, 3 bits. */
  priority: number
  dropEligible: boolean
  /** EtherType of what follows the tag. */
  type: number
}

/** Writes the tag's control field and the next type at `start`, and returns the offset just past them. */
export function emitVlanTag(tag: VlanTag, bytes: Uint8Array, start: number): number {
  const control =
    ((tag.priority & 7) << PRIORITY_SHIFT) |
    (tag.dropEligible ? DROP_ELIGIBLE : 0) |
    (tag.vlan & VLAN_MASK)
  putU16(bytes, start + TAG_CONTROL, control)
  putU16(bytes, start + TAG_TYPE, tag.type)
  return start + VLAN_TAG_LEN
}

function putMac(bytes: Uint8Array, at: number, mac: number): void {
  // 48 bits do not fit a shift.
  putU16(bytes, at, Math.floor(mac / 0x1_0000_0000))
  putU32(bytes, at + 2, mac % 0x1_0000_0000)
}
