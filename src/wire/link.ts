/**
 * What may stand before the first IP header: Ethernet II with any stack of
 * 802.1Q/802.1ad tags, VN-Tags, E-Tags, tags of redundant streams and rings, MACsec that
 * only signs, Cisco metadata, provider backbone and network service headers, whole frames,
 * MPLS labels and PPPoE sessions, 802.2 SNAP, PPP, Cisco HDLC, the BSD loopback headers and
 * Linux's cooked headers.
 */

import { u8, u16, u32 } from './bytes.js'
import {
  ETHERNET_HEADER_LEN,
  ETHERNET_TYPE,
  ETHERTYPE_CISCO_METADATA,
  ETHERTYPE_E_TAG,
  ETHERTYPE_HSR,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_JUMBO_LLC,
  ETHERTYPE_MACSEC,
  ETHERTYPE_MIN,
  ETHERTYPE_MPLS,
  ETHERTYPE_MPLS_UPSTREAM,
  ETHERTYPE_NSH,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_PROVIDER_BACKBONE,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_REDUNDANCY_TAG,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_TRANSPARENT_BRIDGING,
  ETHERTYPE_VLAN,
  ETHERTYPE_VN_TAG,
  VLAN_TAG_LEN,
} from './ethernet.js'
import type { Fault } from './fault.js'
import type { Frame } from './frame.js'
import {
  isRawIp,
  LINKTYPE_C_HDLC,
  LINKTYPE_ETHERNET,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
  LINKTYPE_PPP,
  LINKTYPE_PPP_ETHER,
  LINKTYPE_PPP_HDLC,
  LINKTYPE_PPP_PPPD,
  LINKTYPE_PPP_WITH_DIRECTION,
} from './link-type.js'

const MPLS_LABEL_LEN = 4
const MPLS_BOTTOM_OF_STACK = 0x01
const PPPOE_HEADER_LEN = 6
const PPP_IPV4 = 0x21
const PPP_IPV6 = 0x57
const PPP_MPLS = 0x0281
const PPP_CONTROL = 0x03
const PPP_ADDRESS_CONTROL = 0xff03
/** Cisco's HDLC, which shares a link type with PPP: address, zero, EtherType. */
const CISCO_HDLC_UNICAST = 0x0f00
const CISCO_HDLC_MULTICAST = 0x8f00
/** What each adds after the type that announces it, the next type included. */
const VN_TAG_LEN = 6
const REDUNDANCY_TAG_LEN = 6
const E_TAG_LEN = 8
/** The service tag of a provider backbone bridge, before the customer's Ethernet header. */
const BACKBONE_TAG_LEN = 4
/** Network Service Header (RFC 8300 §2.2). */
const NSH_BASE_LEN = 8
const NSH_LENGTH_MASK = 0x3f
const NSH_NEXT_PROTOCOL = 3
const NSH_NEXT_ETHERNET = 3
const NSH_NEXT_TYPES: readonly number[] = [
  0,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  0,
  ETHERTYPE_NSH,
  ETHERTYPE_MPLS,
]
/** MACsec's tag (IEEE 802.1AE §9.3), with the identifier of a channel where a bit says so. */
const MACSEC_TAG_LEN = 6
const MACSEC_CHANNEL_LEN = 8
const MACSEC_HAS_CHANNEL = 0x20
const MACSEC_ENCRYPTED_OR_CHANGED = 0x0c
/** DSAP, SSAP, control, then a zero OUI: the type that follows is an EtherType (RFC 1042). */
const SNAP_HEADER_LEN = 8
const SNAP_START = 0xaaaa0300

/**
 * Sets `etherType` and `ipAt` of `frame` (whose `bytes`, `start`, `end` are set)
 * to the type and place of what lies after the link layer.
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
    return byIpVersion(frame, start, 0)
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
  if (linkType === LINKTYPE_PPP || linkType === LINKTYPE_PPP_HDLC) {
    return behindPppHeader(frame, start)
  }
  if (linkType === LINKTYPE_PPP_PPPD || linkType === LINKTYPE_PPP_WITH_DIRECTION) {
    if (length < 2) return 'link-truncated'
    // pppd writes the direction instead of the address; the control field may follow.
    const isInAddress = linkType === LINKTYPE_PPP_PPPD && u8(bytes, start + 1) === PPP_CONTROL
    return behindPppHeader(frame, isInAddress ? start + 2 : start + 1)
  }
  if (linkType === LINKTYPE_PPP_ETHER) return behindPppoe(frame, start, 0)
  if (linkType === LINKTYPE_C_HDLC) {
    if (length < 4) return 'link-truncated'
    return behindType(frame, u16(bytes, start + 2), start + 4)
  }
  return 'link-type'
}

/** Takes off tags and other wrappings until something else remains. Each step moves on, so it ends. */
function behindType(frame: Frame, type: number, at: number): Fault | undefined {
  const { bytes, end } = frame
  for (;;) {
    switch (type) {
      case ETHERTYPE_VLAN:
      case ETHERTYPE_SERVICE_VLAN:
      case ETHERTYPE_QINQ_OLD:
        if (end - at < VLAN_TAG_LEN) return 'vlan-truncated'
        type = u16(bytes, at + 2)
        at += VLAN_TAG_LEN
        continue
      case ETHERTYPE_VN_TAG:
        if (end - at < VN_TAG_LEN) return 'vlan-truncated'
        type = u16(bytes, at + VN_TAG_LEN - 2)
        at += VN_TAG_LEN
        continue
      case ETHERTYPE_REDUNDANCY_TAG:
      case ETHERTYPE_HSR:
        if (end - at < REDUNDANCY_TAG_LEN) return 'vlan-truncated'
        type = u16(bytes, at + REDUNDANCY_TAG_LEN - 2)
        at += REDUNDANCY_TAG_LEN
        continue
      case ETHERTYPE_E_TAG:
        if (end - at < E_TAG_LEN) return 'vlan-truncated'
        type = u16(bytes, at + E_TAG_LEN - 2)
        at += E_TAG_LEN
        continue
      case ETHERTYPE_CISCO_METADATA: {
        if (end - at < 2) return 'link-truncated'
        const length = 2 + 4 * u8(bytes, at + 1)
        if (end - at < length + 2) return 'link-truncated'
        type = u16(bytes, at + length)
        at += length + 2
        continue
      }
      case ETHERTYPE_MACSEC: {
        if (end - at < 1) return 'link-truncated'
        const flags = u8(bytes, at)
        if ((flags & MACSEC_ENCRYPTED_OR_CHANGED) !== 0) break
        const length =
          MACSEC_TAG_LEN + ((flags & MACSEC_HAS_CHANNEL) !== 0 ? MACSEC_CHANNEL_LEN : 0)
        if (end - at < length + 2) return 'link-truncated'
        type = u16(bytes, at + length)
        at += length + 2
        continue
      }
      case ETHERTYPE_JUMBO_LLC:
        // As behind a length, below.
        if (end - at >= SNAP_HEADER_LEN && u32(bytes, at) === SNAP_START) type = 0
        break
      case ETHERTYPE_TRANSPARENT_BRIDGING:
      case ETHERTYPE_PROVIDER_BACKBONE:
        if (type === ETHERTYPE_PROVIDER_BACKBONE) at += BACKBONE_TAG_LEN
        if (end - at < ETHERNET_HEADER_LEN) return 'link-truncated'
        type = u16(bytes, at + ETHERNET_TYPE)
        at += ETHERNET_HEADER_LEN
        continue
      case ETHERTYPE_NSH: {
        if (end - at < NSH_BASE_LEN) return 'link-truncated'
        const length = 4 * (u16(bytes, at) & NSH_LENGTH_MASK)
        if (length < NSH_BASE_LEN || end - at < length) return 'link-truncated'
        const next = u8(bytes, at + NSH_NEXT_PROTOCOL)
        at += length
        if (next === NSH_NEXT_ETHERNET) {
          if (end - at < ETHERNET_HEADER_LEN) return 'link-truncated'
          type = u16(bytes, at + ETHERNET_TYPE)
          at += ETHERNET_HEADER_LEN
          continue
        }
        const known = NSH_NEXT_TYPES[next] ?? 0
        if (known === 0) break
        type = known
        continue
      }
      case ETHERTYPE_MPLS:
      case ETHERTYPE_MPLS_UPSTREAM:
        for (let bottom = false; !bottom; at += MPLS_LABEL_LEN) {
          if (end - at < MPLS_LABEL_LEN) return 'mpls-truncated'
          bottom = (u8(bytes, at + 2) & MPLS_BOTTOM_OF_STACK) !== 0
        }
        if (at >= end) return 'mpls-truncated'
        return byIpVersion(frame, at, type)
      case ETHERTYPE_PPPOE_SESSION:
        return behindPppoe(frame, at, type)
    }
    if (type >= ETHERTYPE_MIN || end - at < SNAP_HEADER_LEN || u32(bytes, at) !== SNAP_START) break
    type = u16(bytes, at + 6)
    at += SNAP_HEADER_LEN
    // After SNAP a length is no length again.
    if (type < ETHERTYPE_MIN) break
  }
  frame.etherType = type
  frame.ipAt = at
  return undefined
}

function behindPppoe(frame: Frame, start: number, type: number): Fault | undefined {
  return behindPpp(frame, start + PPPOE_HEADER_LEN, type, 'pppoe-truncated')
}

/** Frames of PPP, as RFC 1662 has them on a line: address and control may have been left out. */
function behindPppHeader(frame: Frame, start: number): Fault | undefined {
  const { bytes, end } = frame
  if (end - start < 2) return 'link-truncated'
  const head = u16(bytes, start)
  if (head === CISCO_HDLC_UNICAST || head === CISCO_HDLC_MULTICAST) {
    if (end - start < 4) return 'link-truncated'
    return behindType(frame, u16(bytes, start + 2), start + 4)
  }
  const at = head === PPP_ADDRESS_CONTROL ? start + 2 : start
  return behindPpp(frame, at, 0, 'link-truncated')
}

/** What PPP's protocol field at `at` says; `type` where it names nothing known. */
function behindPpp(frame: Frame, at: number, type: number, truncated: Fault): Fault | undefined {
  const { bytes, end } = frame
  if (at >= end) return truncated
  // The protocol field may be compressed to its odd low byte (RFC 1661 §6.5).
  const isShort = (u8(bytes, at) & 1) === 1
  if (!isShort && end - at < 2) return truncated
  const protocol = isShort ? u8(bytes, at) : u16(bytes, at)
  at += isShort ? 1 : 2
  if (protocol === PPP_MPLS) return behindType(frame, ETHERTYPE_MPLS, at)
  if (protocol === PPP_IPV4) type = ETHERTYPE_IPV4
  else if (protocol === PPP_IPV6) type = ETHERTYPE_IPV6
  frame.etherType = type
  frame.ipAt = at
  return undefined
}

/** MPLS and raw IP name no type: the first nibble does. Anything but 4 and 6 stays `type`. */
function byIpVersion(frame: Frame, at: number, type: number): undefined {
  const version = u8(frame.bytes, at) >>> 4
  frame.etherType = version === 4 ? ETHERTYPE_IPV4 : version === 6 ? ETHERTYPE_IPV6 : type
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
