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
import { addWords, foldChecksum } from './checksum.js'
import { putU8, putU16, putU32 } from './octets.js'

/** Of a header without options, the shortest there is. */
export const IPV4_HEADER_LEN = 20

/** In the 16-bit word of flags and fragment offset. */
export const IPV4_DONT_FRAGMENT = 0x4000
export const IPV4_MORE_FRAGMENTS = 0x2000
/** The offset counts units of eight octets. */
export const IPV4_FRAGMENT_OFFSET_MASK = 0x1fff

const VERSION_IHL = 0
const TYPE_OF_SERVICE = 1
const TOTAL_LENGTH = 2
const IDENTIFICATION = 4
const FLAGS_OFFSET = 6
const TIME_TO_LIVE = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SOURCE = 12
const DESTINATION = 16

/** Version 4 and a header of five words. */
const PLAIN_VERSION_IHL = 0x45

export interface Ipv4Header {
  typeOfService: number
  /** Octets behind the header, at most 65 515. */
  payloadLength: number
  identification: number
  dontFragment: boolean
  moreFragments: boolean
  /** Octets, a multiple of eight. */
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
  putU8(bytes, start + VERSION_IHL, PLAIN_VERSION_IHL)
  putU8(bytes, start + TYPE_OF_SERVICE, header.typeOfService)
  putU16(bytes, start + TOTAL_LENGTH, IPV4_HEADER_LEN + header.payloadLength)
  putU16(bytes, start + IDENTIFICATION, header.identification)
  putU16(bytes, start + FLAGS_OFFSET, flags | (header.fragmentOffset >>> 3))
  putU8(bytes, start + TIME_TO_LIVE, header.timeToLive)
  putU8(bytes, start + PROTOCOL, header.protocol)
  putU16(bytes, start + CHECKSUM, 0)
  putU32(bytes, start + SOURCE, header.source)
  putU32(bytes, start + DESTINATION, header.destination)
  sealIpv4(bytes, start, start + IPV4_HEADER_LEN)
  return start + IPV4_HEADER_LEN
}

/** Writes the checksum of the header lying at `bytes[start, end)`, options included. */
export function sealIpv4(bytes: Uint8Array, start: number, end: number): void {
  putU16(bytes, start + CHECKSUM, 0)
  putU16(bytes, start + CHECKSUM, foldChecksum(addWords(bytes, start, end)))
}
