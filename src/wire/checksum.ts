/**
 * The checksums of the IP family, for the sending side and for looking closely
 * at one packet. Nothing on the receiving path verifies them: mirrored packets
 * may carry sums that the network card was still to fill in.
 */
import { u8, u16 } from './bytes.js'

/**
 * Adds `bytes[start, end)` to `sum` as 16-bit words (RFC 1071 §1); an odd last
 * byte counts as the high half of a word. The sum is exact for any length a
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
