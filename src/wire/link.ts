/**
 * What may stand before the first IP header: Ethernet II with any stack of
 * 802.1Q/802.1ad tags, MPLS labels and PPPoE sessions, 802.2 SNAP, the BSD
 * loopback headers and Linux's cooked headers.
 */
import {
  ETHERNET_HEADER_LEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_MPLS,
  ETHERTYPE_MPLS_UPSTREAM,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
  VLAN_TAG_LEN,
} from './ethernet.js'
import type { Fault } from './fault.js'
import type { Frame } from './frame.js'
import {
  isRawIp,
  LINKTYPE_ETHERNET,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
} from './link-type.js'
import { u8, u16, u32 } from './octets.js'

/** Values below this in the type field are lengths of 802.3 frames (IEEE 802.3 §3.2.6). */
const ETHERTYPE_MIN = 0x0600

const MPLS_LABEL_LEN = 4
const MPLS_BOTTOM_OF_STACK = 0x01
const PPPOE_HEADER_LEN = 6
const PPP_IPV4 = 0x21
const PPP_IPV6 = 0x57
/** DSAP, SSAP, control, then a zero OUI: the type that follows is an EtherType (RFC 1042). */
const SNAP_HEADER_LEN = 8
const SNAP_START = 0xaaaa0300

/**
 * Sets `etherType` and `ipAt` of `frame` (whose `bytes`, `start`, `end` are set)
 * to the type and place of what lies behind the link layer.
 */
export function findNetwork(frame: Frame, linkType: number): Fault | undefined {
  const { bytes, start, end } = frame
  const length = end - start

  if (linkType === LINKTYPE_ETHERNET) {
    if (length < ETHERNET_HEADER_LEN) return 'link-truncated'
    frame.ethernetAt = start
    return behindType(frame, u16(bytes, start + 12), start + ETHERNET_HEADER_LEN)
  }
  if (isRawIp(linkType)) {
    if (length < 1) return 'link-truncated'
    return byIpVersion(frame, start)
  }
  if (linkType === LINKTYPE_LINUX_SLL) {
    if (length < 16) return 'link-truncated'
    return behindType(frame, u16(bytes, start + 14), start + 16)
  }
  if (linkType === LINKTYPE_LINUX_SLL2) {
    if (length < 20) return 'link-truncated'
    return behindType(frame, u16(bytes, start), start + 20)
  }
  if (linkType === LINKTYPE_NULL || linkType === LINKTYPE_LOOP) {
    if (length < 4) return 'link-truncated'
    return behindFamily(frame, u32(bytes, start), start + 4)
  }
  return 'link-type'
}

/** Takes off tags, labels and PPPoE until something else remains. */
function behindType(frame: Frame, type: number, at: number): Fault | undefined {
  const { bytes, end } = frame
  while (
    type === ETHERTYPE_VLAN ||
    type === ETHERTYPE_SERVICE_VLAN ||
    type === ETHERTYPE_QINQ_OLD
  ) {
    if (end - at < VLAN_TAG_LEN) return 'vlan-truncated'
    type = u16(bytes, at + 2)
    at += VLAN_TAG_LEN
  }

  if (type < ETHERTYPE_MIN && end - at >= SNAP_HEADER_LEN && u32(bytes, at) === SNAP_START) {
    type = u16(bytes, at + 6)
    at += SNAP_HEADER_LEN
  }

  if (type === ETHERTYPE_MPLS || type === ETHERTYPE_MPLS_UPSTREAM) {
    for (let bottom = false; !bottom; at += MPLS_LABEL_LEN) {
      if (end - at < MPLS_LABEL_LEN) return 'mpls-truncated'
      bottom = (u8(bytes, at + 2) & MPLS_BOTTOM_OF_STACK) !== 0
    }
    if (at >= end) return 'mpls-truncated'
    return byIpVersion(frame, at)
  }

  if (type === ETHERTYPE_PPPOE_SESSION) {
    at += PPPOE_HEADER_LEN
    if (at >= end) return 'pppoe-truncated'
    // The protocol field may be compressed to its odd low octet (RFC 1661 §6.5).
    const short = (u8(bytes, at) & 1) === 1
    if (!short && end - at < 2) return 'pppoe-truncated'
    const protocol = short ? u8(bytes, at) : u16(bytes, at)
    at += short ? 1 : 2
    type = protocol === PPP_IPV4 ? ETHERTYPE_IPV4 : protocol === PPP_IPV6 ? ETHERTYPE_IPV6 : 0
  }

  frame.etherType = type
  frame.ipAt = at
  return undefined
}

/** MPLS and raw IP name no type: the first nibble does. Anything but 4 and 6 is not IP. */
function byIpVersion(frame: Frame, at: number): undefined {
  const version = u8(frame.bytes, at) >>> 4
  frame.etherType = version === 4 ? ETHERTYPE_IPV4 : version === 6 ? ETHERTYPE_IPV6 : 0
  frame.ipAt = at
  return undefined
}

/**
 * The BSD headers hold an address family, NULL in the byte order of the machine
 * that captured, so either order is read. IPv6 is 24, 28, 30 on the BSDs, 10 on Linux.
 */
function behindFamily(frame: Frame, word: number, at: number): undefined {
  const family = word > 0xff_ffff ? word >>> 24 : word
  if (family === 2) frame.etherType = ETHERTYPE_IPV4
  else if (family === 24 || family === 28 || family === 30 || family === 10) {
    frame.etherType = ETHERTYPE_IPV6
  }
  frame.ipAt = at
  return undefined
}
