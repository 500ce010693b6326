/**
 * Emitters of headers that mirrortap reads but never writes: TCP, ICMP, ICMPv6, SCTP, VLAN tags and
 * IPv6 fragments. Their fields are where src/wire says, so a test that reads what they wrote checks
 * both; test/wire/judged-by-tshark.test.ts checks them against tshark.
 */

import { putU8, putU16, putU32, u8 } from '../../src/wire/bytes.js'
import { addWords, foldChecksum } from '../../src/wire/checksum.js'
import { VLAN_TAG_LEN } from '../../src/wire/ethernet.js'
import { ICMP_CHECKSUM, ICMP_HEADER_LEN } from '../../src/wire/icmp.js'
import {
  IPV6_FRAGMENT_HEADER_LEN,
  IPV6_FRAGMENT_IDENTIFICATION,
  IPV6_FRAGMENT_NEXT_HEADER,
  IPV6_FRAGMENT_OFFSET,
  IPV6_FRAGMENT_OFFSET_MASK,
  IPV6_MORE_FRAGMENTS,
} from '../../src/wire/ipv6.js'
import { DESTINATION_PORT, SOURCE_PORT } from '../../src/wire/ports.js'
import { PROTOCOL_ICMPV6, PROTOCOL_TCP } from '../../src/wire/protocol.js'
import {
  TCP_ACKNOWLEDGMENT,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FLAGS,
  TCP_HEADER_LEN,
  TCP_SEQUENCE,
  TCP_WINDOW,
} from '../../src/wire/tcp.js'

// Where the fields are that mirrortap does not read by a name of their own.
const VLAN_TAG_CONTROL = 0
const VLAN_TAG_TYPE = 2
const VLAN_MASK = 0x0fff
const ICMP_TYPE = 0
const ICMP_CODE = 1
const ICMP_REST = 4
const IPV6_FRAGMENT_RESERVED = 1
const TCP_URGENT = 18
/** The data offset counts words, in the upper half of its byte. */
const TCP_OFFSET_SHIFT = 4

const PRIORITY_SHIFT = 13
const DROP_ELIGIBLE = 0x1000

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
  putU16(bytes, start + VLAN_TAG_CONTROL, control)
  putU16(bytes, start + VLAN_TAG_TYPE, tag.type)
  return start + VLAN_TAG_LEN
}

export interface Ipv6Fragment {
  nextHeader: number
  /** Bytes, a multiple of eight. */
  offset: number
  moreFragments: boolean
  identification: number
}

/** Writes the fragment header at `start` and returns the offset just past it. */
export function emitIpv6Fragment(header: Ipv6Fragment, bytes: Uint8Array, start: number): number {
  putU8(bytes, start + IPV6_FRAGMENT_NEXT_HEADER, header.nextHeader)
  putU8(bytes, start + IPV6_FRAGMENT_RESERVED, 0)
  putU16(
    bytes,
    start + IPV6_FRAGMENT_OFFSET,
    (header.offset & IPV6_FRAGMENT_OFFSET_MASK) | (header.moreFragments ? IPV6_MORE_FRAGMENTS : 0),
  )
  putU32(bytes, start + IPV6_FRAGMENT_IDENTIFICATION, header.identification)
  return start + IPV6_FRAGMENT_HEADER_LEN
}

export interface TcpHeader {
  sourcePort: number
  destinationPort: number
  sequence: number
  acknowledgment: number
  /** TCP_… or-ed together. */
  flags: number
  window: number
  urgent: number
  /** Whole words, at most ten. */
  options: Uint8Array
  /** Bytes behind header and options. */
  payloadLength: number
}

/**
 * Writes header and options at `start`, in front of a payload that already lies
 * there, and returns the offset of the payload. `addressSum` is what the
 * addresses contribute to the checksum, see checksum.ts.
 */
export function emitTcp(
  header: TcpHeader,
  bytes: Uint8Array,
  start: number,
  addressSum: number,
): number {
  const payloadAt = start + TCP_HEADER_LEN + header.options.length
  const length = payloadAt - start + header.payloadLength
  putU16(bytes, start + SOURCE_PORT, header.sourcePort)
  putU16(bytes, start + DESTINATION_PORT, header.destinationPort)
  putU32(bytes, start + TCP_SEQUENCE, header.sequence)
  putU32(bytes, start + TCP_ACKNOWLEDGMENT, header.acknowledgment)
  putU8(bytes, start + TCP_DATA_OFFSET, ((payloadAt - start) >>> 2) << TCP_OFFSET_SHIFT)
  putU8(bytes, start + TCP_FLAGS, header.flags)
  putU16(bytes, start + TCP_WINDOW, header.window)
  putU16(bytes, start + TCP_CHECKSUM, 0)
  putU16(bytes, start + TCP_URGENT, header.urgent)
  bytes.set(header.options, start + TCP_HEADER_LEN)

  const sum = addWords(bytes, start, start + length, addressSum + PROTOCOL_TCP + length)
  putU16(bytes, start + TCP_CHECKSUM, foldChecksum(sum))
  return payloadAt
}

export interface IcmpHeader {
  type: number
  code: number
  /** The second word. */
  rest: number
  /** Bytes behind the header. */
  payloadLength: number
}

/**
 * Writes an ICMP header at `start`, in front of a payload that already lies
 * there, and returns the offset of the payload.
 */
export function emitIcmp(header: IcmpHeader, bytes: Uint8Array, start: number): number {
  return writeIcmp(header, bytes, start, 0)
}

/** The same for ICMPv6, whose checksum covers the addresses: see checksum.ts for `addressSum`. */
export function emitIcmpv6(
  header: IcmpHeader,
  bytes: Uint8Array,
  start: number,
  addressSum: number,
): number {
  const length = ICMP_HEADER_LEN + header.payloadLength
  return writeIcmp(header, bytes, start, addressSum + PROTOCOL_ICMPV6 + length)
}

function writeIcmp(
  header: IcmpHeader,
  bytes: Uint8Array,
  start: number,
  pseudoSum: number,
): number {
  putU8(bytes, start + ICMP_TYPE, header.type)
  putU8(bytes, start + ICMP_CODE, header.code)
  putU16(bytes, start + ICMP_CHECKSUM, 0)
  putU32(bytes, start + ICMP_REST, header.rest)

  const end = start + ICMP_HEADER_LEN + header.payloadLength
  putU16(bytes, start + ICMP_CHECKSUM, foldChecksum(addWords(bytes, start, end, pseudoSum)))
  return start + ICMP_HEADER_LEN
}

/**
 * SCTP common header (RFC 9260 §3.1); chunks follow.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |          Source port          |        Destination port       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                        Verification tag                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |                    Checksum (CRC32c)                          |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export const SCTP_HEADER_LEN = 12

/** Where its fields are, behind the ports. */
const VERIFICATION_TAG = 4
const SCTP_CHECKSUM = 8

export interface SctpHeader {
  sourcePort: number
  destinationPort: number
  verificationTag: number
  /** Bytes of chunks behind the header. */
  payloadLength: number
}

/**
 * Writes the header at `start`, in front of chunks that already lie there, and
 * returns the offset of the chunks. No addresses enter the checksum.
 */
export function emitSctp(header: SctpHeader, bytes: Uint8Array, start: number): number {
  putU16(bytes, start + SOURCE_PORT, header.sourcePort)
  putU16(bytes, start + DESTINATION_PORT, header.destinationPort)
  putU32(bytes, start + VERIFICATION_TAG, header.verificationTag)
  putU32(bytes, start + SCTP_CHECKSUM, 0)

  const crc = crc32c(bytes, start, start + SCTP_HEADER_LEN + header.payloadLength)
  for (let octet = 0; octet < 4; octet++) {
    putU8(bytes, start + SCTP_CHECKSUM + octet, crc >>> (8 * octet))
  }
  return start + SCTP_HEADER_LEN
}

/** Castagnoli's polynomial, bits reflected (RFC 9260 appendix A). */
const CRC32C_POLYNOMIAL = 0x82f6_3b78

const CRC32C_TABLE = makeCrc32cTable()

function makeCrc32cTable(): Uint32Array {
  const table = new Uint32Array(256)
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0)
    table[octet] = crc
  }
  return table
}

/** CRC32c of `bytes[start, end)`, unsigned. SCTP sends it least significant byte first. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffff_ffff
  for (let at = start; at < end; at++) {
    crc = (crc >>> 8) ^ CRC32C_TABLE[(crc ^ u8(bytes, at)) & 0xff]!
  }
  return ~crc >>> 0
}
