/**
 * IPv6 header (RFC 8200 §3) and its fragment header (§4.5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |Version| Traffic class |               Flow label              |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |         Payload length        |  Next header  |   Hop limit   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |                     Source address, 4 words                   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  24 |                  Destination address, 4 words                 |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |  Next header  |   Reserved    |     Fragment offset     |Res|M|
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                         Identification                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import { putU8, putU16, putU32, u8, u16, u32 } from './bytes.js'
import type { Fault } from './fault.js'
import { FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, type Frame } from './frame.js'
import {
  PROTOCOL_DESTINATION_OPTIONS,
  PROTOCOL_FRAGMENT,
  PROTOCOL_HOP_BY_HOP,
  PROTOCOL_NO_NEXT_HEADER,
  PROTOCOL_ROUTING,
} from './protocol.js'
import { parseTransport } from './transport.js'

export const IPV6_HEADER_LEN = 40
export const IPV6_FRAGMENT_HEADER_LEN = 8

/** In the fragment header's word of offset and flags. The offset is in bytes once the rest is masked off. */
export const IPV6_MORE_FRAGMENTS = 0x0001
export const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8

/** Where its fields are. */
const IPV6_VERSION_CLASS_LABEL = 0
export const IPV6_PAYLOAD_LENGTH = 4
export const IPV6_NEXT_HEADER = 6
const IPV6_HOP_LIMIT = 7
export const IPV6_SOURCE = 8
export const IPV6_DESTINATION = 24

/** Where those of the fragment header are. */
export const IPV6_FRAGMENT_NEXT_HEADER = 0
export const IPV6_FRAGMENT_OFFSET = 2
export const IPV6_FRAGMENT_IDENTIFICATION = 4

const VERSION_WORD = 0x6000_0000
const CLASS_SHIFT = 20
const LABEL_MASK = 0xf_ffff

/** No sound packet chains more; the bound keeps a hostile one from costing more than it sends. */
const EXTENSIONS_MAX = 16

/** Reads the header at `frame.ipAt` and what follows it. Sets `ipVersion` last, and only without a fault. */
export function parseIpv6(frame: Frame): Fault | undefined {
  const bytes = frame.bytes
  const at = frame.ipAt
  const end = frame.end
  if (end - at < IPV6_HEADER_LEN) return 'ipv6-truncated'
  if (u8(bytes, at) >>> 4 !== 6) return 'ip-version'

  const payloadLength = u16(bytes, at + IPV6_PAYLOAD_LENGTH)
  let next = u8(bytes, at + IPV6_NEXT_HEADER)
  // Without a next header 0 is the length: what follows is the link's padding.
  frame.ipLength =
    payloadLength === 0 && next !== PROTOCOL_NO_NEXT_HEADER
      ? Math.max(frame.originalLength - (at - frame.start), IPV6_HEADER_LEN)
      : payloadLength + IPV6_HEADER_LEN
  frame.fragment = FRAGMENT_NONE
  frame.fragmentId = 0
  frame.srcAt = at + IPV6_SOURCE
  frame.dstAt = at + IPV6_DESTINATION

  let headerAt = at + IPV6_HEADER_LEN
  for (let count = 0; ; count++) {
    if (next === PROTOCOL_FRAGMENT) {
      if (end - headerAt < IPV6_FRAGMENT_HEADER_LEN) return 'ipv6-extension-truncated'
      const offsetAndFlags = u16(bytes, headerAt + IPV6_FRAGMENT_OFFSET)
      next = u8(bytes, headerAt + IPV6_FRAGMENT_NEXT_HEADER)
      frame.fragmentId = u32(bytes, headerAt + IPV6_FRAGMENT_IDENTIFICATION)
      if ((offsetAndFlags & IPV6_FRAGMENT_OFFSET_MASK) !== 0) {
        // Nothing after it is a header.
        frame.fragment = FRAGMENT_LATER
        break
      }
      // Offset 0 without more to come is an atomic fragment (RFC 6946): a whole packet.
      frame.fragment = (offsetAndFlags & IPV6_MORE_FRAGMENTS) === 0 ? FRAGMENT_NONE : FRAGMENT_FIRST
      headerAt += IPV6_FRAGMENT_HEADER_LEN
    } else if (
      next === PROTOCOL_HOP_BY_HOP ||
      next === PROTOCOL_ROUTING ||
      next === PROTOCOL_DESTINATION_OPTIONS
    ) {
      if (headerAt >= end) return 'ipv6-extension-truncated'
      next = u8(bytes, headerAt)
      // One byte is enough to name the protocol, but not to say where it begins.
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

export interface Ipv6Header {
  trafficClass: number
  /** 20 bits. */
  flowLabel: number
  /** Bytes after this header, extension headers included. */
  payloadLength: number
  nextHeader: number
  hopLimit: number
  /** Four words each. */
  source: ArrayLike<number>
  destination: ArrayLike<number>
}

/** Writes the header at `start` and returns the offset just past it. */
export function emitIpv6(header: Ipv6Header, bytes: Uint8Array, start: number): number {
  const first =
    VERSION_WORD | ((header.trafficClass & 0xff) << CLASS_SHIFT) | (header.flowLabel & LABEL_MASK)
  putU32(bytes, start + IPV6_VERSION_CLASS_LABEL, first)
  putU16(bytes, start + IPV6_PAYLOAD_LENGTH, header.payloadLength)
  putU8(bytes, start + IPV6_NEXT_HEADER, header.nextHeader)
  putU8(bytes, start + IPV6_HOP_LIMIT, header.hopLimit)
  for (let word = 0; word < 4; word++) {
    putU32(bytes, start + IPV6_SOURCE + 4 * word, header.source[word]!)
    putU32(bytes, start + IPV6_DESTINATION + 4 * word, header.destination[word]!)
  }
  return start + IPV6_HEADER_LEN
}
