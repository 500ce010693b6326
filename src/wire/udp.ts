/**
 * UDP header (RFC 768).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |          Source port          |        Destination port       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |             Length            |            Checksum           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import { putU16 } from './bytes.js'
import { addWords, foldChecksum } from './checksum.js'
import { DESTINATION_PORT, SOURCE_PORT } from './ports.js'
import { PROTOCOL_UDP } from './protocol.js'

export const UDP_HEADER_LEN = 8

/** Where its fields are, after the ports (ports.ts). */
export const UDP_LENGTH = 4
export const UDP_CHECKSUM = 6

/** The sender gave no checksum. */
const NO_CHECKSUM = 0

export interface UdpHeader {
  sourcePort: number
  destinationPort: number
  /** Bytes after the header. */
  payloadLength: number
}

/**
 * Writes the header at `start`, in front of a payload that already lies there,
 * and returns the offset of the payload. `addressSum` is what the addresses
 * contribute to the checksum (see checksum.ts); undefined writes "no checksum",
 * as VXLAN senders do over IPv4 (RFC 7348 §5).
 */
export function emitUdp(
  header: UdpHeader,
  bytes: Uint8Array,
  start: number,
  addressSum: number | undefined,
): number {
  const length = UDP_HEADER_LEN + header.payloadLength
  putU16(bytes, start + SOURCE_PORT, header.sourcePort)
  putU16(bytes, start + DESTINATION_PORT, header.destinationPort)
  putU16(bytes, start + UDP_LENGTH, length)
  putU16(bytes, start + UDP_CHECKSUM, NO_CHECKSUM)
  if (addressSum !== undefined) {
    const sum = foldChecksum(
      addWords(bytes, start, start + length, addressSum + PROTOCOL_UDP + length),
    )
    // A sum that comes out as zero is sent as its other form, all ones.
    putU16(bytes, start + UDP_CHECKSUM, sum === NO_CHECKSUM ? 0xffff : sum)
  }
  return start + UDP_HEADER_LEN
}
