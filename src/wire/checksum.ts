/**
 * The checksums of the IP family, for the sending side and for looking closely
 * at one packet. Nothing on the receiving path verifies them: mirrored packets
 * may carry sums that the network card was still to fill in.
 */
import { u8, u16 } from './octets.js'

/**
 * Adds `bytes[start, end)` to `sum` as 16-bit words (RFC 1071 §1); an odd last
 * octet counts as the high half of a word. The sum is exact for any length a
 * packet can have; `foldChecksum` finishes it.
 */
export function addWords(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let total = sum
  let at = start
  for (; at + 1 < end; at += 2) total += u16(bytes, at)
  if (at < end) total += u8(bytes, at) << 8
  return total
}

/** The one's complement of a sum's 16-bit fold: what goes into the checksum field. */
export function foldChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000)
  return ~folded & 0xffff
}

/**
 * What two IPv4 addresses contribute to the pseudo header of TCP and UDP. The
 * emitters add protocol and length themselves: those enter the pseudo headers
 * of IPv4 (RFC 9293 §3.1) and IPv6 (RFC 8200 §8.1) alike.
 */
export function ipv4AddressSum(source: number, destination: number): number {
  return wordHalves(source) + wordHalves(destination)
}

/** The same for two IPv6 addresses of four words each. */
export function ipv6AddressSum(source: ArrayLike<number>, destination: ArrayLike<number>): number {
  let sum = 0
  for (let word = 0; word < 4; word++) {
    sum += wordHalves(source[word]!) + wordHalves(destination[word]!)
  }
  return sum
}

function wordHalves(word: number): number {
  return (word >>> 16) + (word & 0xffff)
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

/** CRC32c of `bytes[start, end)`, unsigned. SCTP sends it least significant octet first. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffff_ffff
  for (let at = start; at < end; at++) {
    crc = (crc >>> 8) ^ CRC32C_TABLE[(crc ^ u8(bytes, at)) & 0xff]!
  }
  return ~crc >>> 0
}
