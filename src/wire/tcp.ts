/**
 * TCP header (RFC 9293 §3.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |          Source port          |        Destination port       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                        Sequence number                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |                     Acknowledgment number                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  12 | Offset|  Rsvd |C|E|U|A|P|R|S|F|             Window            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  16 |            Checksum           |         Urgent pointer        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { addWords, foldChecksum } from './checksum.js'
import { putU8, putU16, putU32 } from './octets.js'
import { PROTOCOL_TCP } from './protocol.js'

/** Of a header without options, the shortest there is. */
export const TCP_HEADER_LEN = 20

export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04
export const TCP_PSH = 0x08
export const TCP_ACK = 0x10
export const TCP_URG = 0x20
export const TCP_ECE = 0x40
export const TCP_CWR = 0x80

const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const SEQUENCE = 4
const ACKNOWLEDGMENT = 8
const DATA_OFFSET = 12
const FLAGS = 13
const WINDOW = 14
const CHECKSUM = 16
const URGENT = 18

const OFFSET_SHIFT = 4

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
  /** Octets behind header and options. */
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
  putU32(bytes, start + SEQUENCE, header.sequence)
  putU32(bytes, start + ACKNOWLEDGMENT, header.acknowledgment)
  putU8(bytes, start + DATA_OFFSET, ((payloadAt - start) >>> 2) << OFFSET_SHIFT)
  putU8(bytes, start + FLAGS, header.flags)
  putU16(bytes, start + WINDOW, header.window)
  putU16(bytes, start + CHECKSUM, 0)
  putU16(bytes, start + URGENT, header.urgent)
  bytes.set(header.options, start + TCP_HEADER_LEN)

  const sum = addWords(bytes, start, start + length, addressSum + PROTOCOL_TCP + length)
  putU16(bytes, start + CHECKSUM, foldChecksum(sum))
  return payloadAt
}
