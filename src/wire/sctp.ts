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
import { crc32c } from './checksum.js'
import { putU8, putU16, putU32 } from './octets.js'

export const SCTP_HEADER_LEN = 12

const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const VERIFICATION_TAG = 4
const CHECKSUM = 8

export interface SctpHeader {
  sourcePort: number
  destinationPort: number
  verificationTag: number
  /** Octets of chunks behind the header. */
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
  putU32(bytes, start + CHECKSUM, 0)

  const crc = crc32c(bytes, start, start + SCTP_HEADER_LEN + header.payloadLength)
  for (let octet = 0; octet < 4; octet++) {
    putU8(bytes, start + CHECKSUM + octet, crc >>> (8 * octet))
  }
  return start + SCTP_HEADER_LEN
}
