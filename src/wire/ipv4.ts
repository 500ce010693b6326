/**
 * IPv4 header (RFC 791 §3.1) without options.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |Version|  IHL  |Type of service|          Total length         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |         Identification        |0|D|M|     Fragment offset     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |  Time to live |    Protocol   |        Header checksum        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  12 |                         Source address                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  16 |                      Destination address                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import { putU8, putU16, putU32, u8, u16 } from './bytes.js'
import { addWords, foldChecksum } from './checksum.js'
import type { Fault } from './fault.js'
import { FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, type Frame } from './frame.js'
import { parseTransport } from './transport.js'

/** Of a header without options, the shortest there is. */
export const IPV4_HEADER_LEN = 20

/** In the 16-bit word of flags and fragment offset. */
const IPV4_DONT_FRAGMENT = 0x4000
export const IPV4_MORE_FRAGMENTS = 0x2000
/** The offset counts units of eight bytes. */
export const IPV4_FRAGMENT_OFFSET_MASK = 0x1fff

/** Where its fields are. */
const IPV4_VERSION_IHL = 0
const IPV4_TYPE_OF_SERVICE = 1
export const IPV4_TOTAL_LENGTH = 2
const IPV4_IDENTIFICATION = 4
export const IPV4_FLAGS_OFFSET = 6
export const IPV4_TIME_TO_LIVE = 8
export const IPV4_PROTOCOL = 9
const IPV4_CHECKSUM = 10
export const IPV4_SOURCE = 12
export const IPV4_DESTINATION = 16

/** Version 4 and a header of five words. */
const PLAIN_VERSION_IHL = 0x45

/** Reads the header at `frame.ipAt` and what follows it. Sets `ipVersion` last, and only without a fault. */
export function parseIpv4(frame: Frame): Fault | undefined {
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

  const fragment = u16(bytes, at + IPV4_FLAGS_OFFSET)
  if ((fragment & IPV4_FRAGMENT_OFFSET_MASK) !== 0) frame.fragment = FRAGMENT_LATER
  else frame.fragment = (fragment & IPV4_MORE_FRAGMENTS) === 0 ? FRAGMENT_NONE : FRAGMENT_FIRST
  frame.fragmentId = u16(bytes, at + IPV4_IDENTIFICATION)

  frame.srcAt = at + IPV4_SOURCE
  frame.dstAt = at + IPV4_DESTINATION
  frame.protocol = u8(bytes, at + IPV4_PROTOCOL)
  frame.ipVersion = 4
  parseTransport(frame, at + headerLen)
  return undefined
}

export interface Ipv4Header {
  typeOfService: number
  /** Bytes after the header, at most 65 515. */
  payloadLength: number
  identification: number
  dontFragment: boolean
  moreFragments: boolean
  /** Bytes, a multiple of eight. */
  fragmentOffset: number
  timeToLive: number
  protocol: number
  source: number
  destination: number
}

/** Writes the header with its checksum at `start` and returns the offset just past it. */
export function emitIpv4(header: Ipv4Header, bytes: Uint8Array, start: number): number {
  const flags =
    (header.dontFragment ? IPV4_DONT_FRAGMENT : 0) |
    (header.moreFragments ? IPV4_MORE_FRAGMENTS : 0)
  putU8(bytes, start + IPV4_VERSION_IHL, PLAIN_VERSION_IHL)
  putU8(bytes, start + IPV4_TYPE_OF_SERVICE, header.typeOfService)
  putU16(bytes, start + IPV4_TOTAL_LENGTH, IPV4_HEADER_LEN + header.payloadLength)
  putU16(bytes, start + IPV4_IDENTIFICATION, header.identification)
  putU16(bytes, start + IPV4_FLAGS_OFFSET, flags | (header.fragmentOffset >>> 3))
  putU8(bytes, start + IPV4_TIME_TO_LIVE, header.timeToLive)
  putU8(bytes, start + IPV4_PROTOCOL, header.protocol)
  putU16(bytes, start + IPV4_CHECKSUM, 0)
  putU32(bytes, start + IPV4_SOURCE, header.source)
  putU32(bytes, start + IPV4_DESTINATION, header.destination)
  sealIpv4(bytes, start, start + IPV4_HEADER_LEN)
  return start + IPV4_HEADER_LEN
}

/** Writes the checksum of the header lying at `bytes[start, end)`, options included. */
export function sealIpv4(bytes: Uint8Array, start: number, end: number): void {
  putU16(bytes, start + IPV4_CHECKSUM, 0)
  putU16(bytes, start + IPV4_CHECKSUM, foldChecksum(addWords(bytes, start, end)))
}
