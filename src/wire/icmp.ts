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

export const ICMP_HEADER_LEN = 8

export const ICMP_ECHO_REQUEST = 8

/** Where the checksum is. */
export const ICMP_CHECKSUM = 2
