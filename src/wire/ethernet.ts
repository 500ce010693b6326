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
import { putU16, putU32 } from './bytes.js'

export const ETHERNET_HEADER_LEN = 14

/** What one tag adds after the type that announces it. */
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
/** IEEE 802.1ah, a provider backbone bridge: a service tag and a whole frame follow. */
export const ETHERTYPE_PROVIDER_BACKBONE = 0x88e7
/** A jumbo frame whose 802.2 header stands behind a type, since no length fits. */
export const ETHERTYPE_JUMBO_LLC = 0x8870
/** IEEE 802.1AE, MACsec. */
export const ETHERTYPE_MACSEC = 0x88e5
/** Cisco metadata, such as a security group tag. */
export const ETHERTYPE_CISCO_METADATA = 0x8909
/** Cisco's tag between a switch and a fabric extender. */
export const ETHERTYPE_VN_TAG = 0x8926
/** IEC 62439-3, the tag of a seamless ring (HSR). */
export const ETHERTYPE_HSR = 0x892f
/** IEEE 802.1BR, the tag of a port extender. */
export const ETHERTYPE_E_TAG = 0x893f
/** Network Service Header (RFC 8300). */
export const ETHERTYPE_NSH = 0x894f
/** The value some switches used for the outer of two tags before 802.1ad. */
export const ETHERTYPE_QINQ_OLD = 0x9100
/** IEEE 802.1CB, the tag of redundant streams. */
export const ETHERTYPE_REDUNDANCY_TAG = 0xf1c1

/** Where its fields are. */
export const ETHERNET_DESTINATION = 0
export const ETHERNET_SOURCE = 6
export const ETHERNET_TYPE = 12

/** The bit of the first byte that multicast and broadcast addresses have (IEEE 802 §8.2). */
export const MAC_GROUP_BIT = 0x01

/** Values below this in the type field are lengths of 802.3 frames (IEEE 802.3 §3.2.6). */
export const ETHERTYPE_MIN = 0x0600

/** Addresses are 48-bit whole numbers, the first byte on the wire being the highest. */
interface EthernetHeader {
  destination: number
  source: number
  /** EtherType of what follows. */
  type: number
}

/** Writes the header at `start` and returns the offset just past it. */
export function emitEthernet(header: EthernetHeader, bytes: Uint8Array, start: number): number {
  putMac(bytes, start + ETHERNET_DESTINATION, header.destination)
  putMac(bytes, start + ETHERNET_SOURCE, header.source)
  putU16(bytes, start + ETHERNET_TYPE, header.type)
  return start + ETHERNET_HEADER_LEN
}

function putMac(bytes: Uint8Array, at: number, mac: number): void {
  // 48 bits do not fit a shift.
  putU16(bytes, at, Math.floor(mac / 0x1_0000_0000))
  putU32(bytes, at + 2, mac % 0x1_0000_0000)
}
