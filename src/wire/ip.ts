/**
 * IPv4 (RFC 791) and IPv6 (RFC 8200) down to the ports, into a Frame.
 */
import type { Fault } from './fault.js'
import { ABSENT, FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, type Frame } from './frame.js'
import { IPV4_FRAGMENT_OFFSET_MASK, IPV4_HEADER_LEN, IPV4_MORE_FRAGMENTS } from './ipv4.js'
import { IPV6_FRAGMENT_HEADER_LEN, IPV6_HEADER_LEN } from './ipv6.js'
import { u8, u16, u32 } from './octets.js'
import {
  PROTOCOL_DCCP,
  PROTOCOL_DESTINATION_OPTIONS,
  PROTOCOL_FRAGMENT,
  PROTOCOL_HOP_BY_HOP,
  PROTOCOL_ROUTING,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDP_LITE,
} from './protocol.js'

const IPV4_TOTAL_LENGTH = 2
const IPV4_ID = 4
const IPV4_FRAGMENT = 6
const IPV4_PROTOCOL = 9
const IPV4_SRC = 12
const IPV4_DST = 16

const IPV6_PAYLOAD_LENGTH = 4
const IPV6_NEXT_HEADER = 6
const IPV6_SRC = 8
const IPV6_DST = 24

/** No sound packet chains more; the bound keeps a hostile one from costing more than it sends. */
const EXTENSIONS_MAX = 16

const TCP_FLAGS = 13

/** Reads the IP header of `version` at `frame.ipAt` and what follows it. Sets `ipVersion` last, and only without a fault. */
export function parseIp(frame: Frame, version: 4 | 6): Fault | undefined {
  return version === 4 ? parseIpv4(frame) : parseIpv6(frame)
}

function parseIpv4(frame: Frame): Fault | undefined {
  const bytes = frame.bytes
  const at = frame.ipAt
  const end = frame.end
  if (end - at < IPV4_HEADER_LEN) return 'ipv4-truncated'
  const first = u8(bytes, at)
  if (first >>> 4 !== 4) return 'ip-version'
  const headerLen = (first & 0x0f) * 4
  if (headerLen < IPV4_HEADER_LEN) return 'ipv4-header-length'

  const totalLength = u16(bytes, at + IPV4_TOTAL_LENGTH)
  if (totalLength === 0) {
    // Segmentation offload: the header was captured before its length was filled in.
    frame.ipLength = Math.max(frame.originalLength - (at - frame.start), headerLen)
  } else {
    if (totalLength < headerLen) return 'ipv4-total-length'
    frame.ipLength = totalLength
  }

  const fragment = u16(bytes, at + IPV4_FRAGMENT)
  if ((fragment & IPV4_FRAGMENT_OFFSET_MASK) !== 0) frame.fragment = FRAGMENT_LATER
  else frame.fragment = (fragment & IPV4_MORE_FRAGMENTS) === 0 ? FRAGMENT_NONE : FRAGMENT_FIRST
  frame.fragmentId = u16(bytes, at + IPV4_ID)

  frame.srcAt = at + IPV4_SRC
  frame.dstAt = at + IPV4_DST
  frame.protocol = u8(bytes, at + IPV4_PROTOCOL)
  frame.ipVersion = 4
  parseTransport(frame, at + headerLen)
  return undefined
}

function parseIpv6(frame: Frame): Fault | undefined {
  const bytes = frame.bytes
  const at = frame.ipAt
  const end = frame.end
  if (end - at < IPV6_HEADER_LEN) return 'ipv6-truncated'
  if (u8(bytes, at) >>> 4 !== 6) return 'ip-version'

  const payloadLength = u16(bytes, at + IPV6_PAYLOAD_LENGTH)
  frame.ipLength =
    payloadLength === 0
      ? Math.max(frame.originalLength - (at - frame.start), IPV6_HEADER_LEN)
      : payloadLength + IPV6_HEADER_LEN
  frame.fragment = FRAGMENT_NONE
  frame.fragmentId = 0
  frame.srcAt = at + IPV6_SRC
  frame.dstAt = at + IPV6_DST

  let next = u8(bytes, at + IPV6_NEXT_HEADER)
  let headerAt = at + IPV6_HEADER_LEN
  for (let count = 0; ; count++) {
    if (next === PROTOCOL_FRAGMENT) {
      if (end - headerAt < IPV6_FRAGMENT_HEADER_LEN) return 'ipv6-extension-truncated'
      const offsetAndFlags = u16(bytes, headerAt + 2)
      next = u8(bytes, headerAt)
      frame.fragmentId = u32(bytes, headerAt + 4)
      if (offsetAndFlags >>> 3 !== 0) {
        // Nothing behind it is a header.
        frame.fragment = FRAGMENT_LATER
        break
      }
      // Offset 0 without more to come is an atomic fragment (RFC 6946): a whole packet.
      frame.fragment = (offsetAndFlags & 1) === 0 ? FRAGMENT_NONE : FRAGMENT_FIRST
      headerAt += IPV6_FRAGMENT_HEADER_LEN
    } else if (
      next === PROTOCOL_HOP_BY_HOP ||
      next === PROTOCOL_ROUTING ||
      next === PROTOCOL_DESTINATION_OPTIONS
    ) {
      if (headerAt >= end) return 'ipv6-extension-truncated'
      next = u8(bytes, headerAt)
      // One octet is enough to name the protocol, but not to say where it begins.
      headerAt = end - headerAt < 2 ? end + 1 : headerAt + (u8(bytes, headerAt + 1) + 1) * 8
    } else {
      break
    }
    if (count === EXTENSIONS_MAX) return 'ipv6-extension-count'
  }

  frame.protocol = next
  frame.ipVersion = 6
  parseTransport(frame, headerAt)
  return undefined
}

/** Ports and flags, as far as they were captured and belong to the packet (not to Ethernet padding). */
function parseTransport(frame: Frame, at: number): void {
  frame.srcPort = 0
  frame.dstPort = 0
  frame.tcpFlags = 0
  if (frame.fragment === FRAGMENT_LATER || at > frame.end) {
    frame.transportAt = ABSENT
    return
  }
  frame.transportAt = at

  const ipEnd = frame.ipAt + frame.ipLength
  const end = ipEnd < frame.end ? ipEnd : frame.end
  if (end - at < 4 || !hasPorts(frame.protocol)) return
  frame.srcPort = u16(frame.bytes, at)
  frame.dstPort = u16(frame.bytes, at + 2)
  if (frame.protocol === PROTOCOL_TCP && end - at > TCP_FLAGS) {
    frame.tcpFlags = u8(frame.bytes, at + TCP_FLAGS)
  }
}

/** Whether the header of this protocol begins with two ports. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === PROTOCOL_TCP ||
    protocol === PROTOCOL_UDP ||
    protocol === PROTOCOL_SCTP ||
    protocol === PROTOCOL_DCCP ||
    protocol === PROTOCOL_UDP_LITE
  )
}
