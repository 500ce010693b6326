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
import { putU8, putU16, putU32 } from './octets.js'

export const IPV6_HEADER_LEN = 40
export const IPV6_FRAGMENT_HEADER_LEN = 8

/** In the fragment header's word of offset and flags. The offset is in octets once the rest is masked off. */
export const IPV6_MORE_FRAGMENTS = 0x0001
export const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8

const VERSION_CLASS_LABEL = 0
const PAYLOAD_LENGTH = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SOURCE = 8
const DESTINATION = 24

const FRAGMENT_NEXT_HEADER = 0
const FRAGMENT_RESERVED = 1
const FRAGMENT_OFFSET = 2
const FRAGMENT_IDENTIFICATION = 4

const VERSION_WORD = 0x6000_0000
const CLASS_SHIFT = 20
const LABEL_MASK = 0xf_ffff

export interface Ipv6Header {
  trafficClass: number
  /** 20 bits. */
  flowLabel: number
  /** Octets behind this header, extension headers included. */
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
  putU32(bytes, start + VERSION_CLASS_LABEL, first)
  putU16(bytes, start + PAYLOAD_LENGTH, header.payloadLength)
  putU8(bytes, start + NEXT_HEADER, header.nextHeader)
  putU8(bytes, start + HOP_LIMIT, header.hopLimit)
  for (let word = 0; word < 4; word++) {
    putU32(bytes, start + SOURCE + 4 * word, header.source[word]!)
    putU32(bytes, start + DESTINATION + 4 * word, header.destination[word]!)
  }
  return start + IPV6_HEADER_LEN
}

export interface Ipv6Fragment {
  nextHeader: number
  /** Octets, a multiple of eight. */
  offset: number
  moreFragments: boolean
  identification: number
}

/** Writes the fragment header at `start` and returns the offset just past it. */
export function emitIpv6Fragment(header: Ipv6Fragment, bytes: Uint8Array, start: number): number {
  putU8(bytes, start + FRAGMENT_NEXT_HEADER, header.nextHeader)
  putU8(bytes, start + FRAGMENT_RESERVED, 0)
  putU16(
    bytes,
    start + FRAGMENT_OFFSET,
    (header.offset & IPV6_FRAGMENT_OFFSET_MASK) | (header.moreFragments ? IPV6_MORE_FRAGMENTS : 0),
  )
  putU32(bytes, start + FRAGMENT_IDENTIFICATION, header.identification)
  return start + IPV6_FRAGMENT_HEADER_LEN
}
