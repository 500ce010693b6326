/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443 §2.1) headers: a type, a code, a checksum
 * and one word whose meaning the type decides.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |     Type      |     Code      |            Checksum           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |        Rest: of an echo, identifier and sequence number       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { addWords, foldChecksum } from './checksum.js'
import { putU8, putU16, putU32 } from './octets.js'
import { PROTOCOL_ICMPV6 } from './protocol.js'

export const ICMP_HEADER_LEN = 8

export const ICMP_ECHO_REPLY = 0
export const ICMP_UNREACHABLE = 3
export const ICMP_ECHO_REQUEST = 8

export const ICMPV6_UNREACHABLE = 1
export const ICMPV6_PACKET_TOO_BIG = 2
export const ICMPV6_ECHO_REQUEST = 128
export const ICMPV6_ECHO_REPLY = 129

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4

export interface IcmpHeader {
  type: number
  code: number
  /** The second word. */
  rest: number
  /** Octets behind the header. */
  payloadLength: number
}

/**
 * Writes an ICMP header at `start`, in front of a payload that already lies
 * there, and returns the offset of the payload.
 */
export function emitIcmp(header: IcmpHeader, bytes: Uint8Array, start: number): number {
  return emit(header, bytes, start, 0)
}

/** The same for ICMPv6, whose checksum covers the addresses: see checksum.ts for `addressSum`. */
export function emitIcmpv6(
  header: IcmpHeader,
  bytes: Uint8Array,
  start: number,
  addressSum: number,
): number {
  const length = ICMP_HEADER_LEN + header.payloadLength
  return emit(header, bytes, start, addressSum + PROTOCOL_ICMPV6 + length)
}

function emit(header: IcmpHeader, bytes: Uint8Array, start: number, pseudoSum: number): number {
  putU8(bytes, start + TYPE, header.type)
  putU8(bytes, start + CODE, header.code)
  putU16(bytes, start + CHECKSUM, 0)
  putU32(bytes, start + REST, header.rest)

  const end = start + ICMP_HEADER_LEN + header.payloadLength
  putU16(bytes, start + CHECKSUM, foldChecksum(addWords(bytes, start, end, pseudoSum)))
  return start + ICMP_HEADER_LEN
}
