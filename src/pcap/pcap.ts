/**
 * The classic capture file (draft-ietf-opsawg-pcap): one file header, then
 * records to the end of the file.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |                          Magic number                         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |         Major version         |         Minor version         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |                   Reserved (once: time zone)                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  12 |               Reserved (once: significant figures)            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  16 |                            SnapLen                            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  20 | FCS len |P| Reserved          |           Link type           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * A record:
 *
 *   0  seconds since the epoch, unsigned
 *   4  microseconds or nanoseconds, as the magic number says
 *   8  captured length: octets of the frame that follow the header
 *  12  original length: octets the frame had on the wire
 *  16  modified format only: interface index (4), protocol (2), packet type (1), padding (1)
 *
 * All words are in the byte order of the machine that wrote the file.
 */
import { putU16Le, putU32Le } from './words.js'

export const PCAP_HEADER_LEN = 24
export const PCAP_RECORD_HEADER_LEN = 16

/** What we write, and what libpcap and Wireshark take to be the longest frame of any capture. */
export const DEFAULT_SNAPLEN = 262144

const MAGIC_NANOSECONDS = 0xa1b23c4d

const MAJOR = 4
const MINOR = 6
const RESERVED = 8
const SNAPLEN = 16
const LINK_TYPE = 20

const SECONDS = 0
const FRACTION = 4
const CAPTURED = 8
const ORIGINAL = 12

const VERSION_MAJOR = 2
const VERSION_MINOR = 4

/** Writes a file header at `start`, little-endian with nanoseconds, and returns the offset just past it. */
export function emitPcapHeader(
  linkType: number,
  snaplen: number,
  bytes: Uint8Array,
  start: number,
): number {
  putU32Le(bytes, start, MAGIC_NANOSECONDS)
  putU16Le(bytes, start + MAJOR, VERSION_MAJOR)
  putU16Le(bytes, start + MINOR, VERSION_MINOR)
  bytes.fill(0, start + RESERVED, start + SNAPLEN)
  putU32Le(bytes, start + SNAPLEN, snaplen)
  putU32Le(bytes, start + LINK_TYPE, linkType)
  return start + PCAP_HEADER_LEN
}

/** Writes a record header at `start` and returns the offset just past it, where the frame goes. */
export function emitPcapRecord(
  seconds: number,
  nanoseconds: number,
  capturedLength: number,
  originalLength: number,
  bytes: Uint8Array,
  start: number,
): number {
  putU32Le(bytes, start + SECONDS, seconds)
  putU32Le(bytes, start + FRACTION, nanoseconds)
  putU32Le(bytes, start + CAPTURED, capturedLength)
  putU32Le(bytes, start + ORIGINAL, originalLength)
  return start + PCAP_RECORD_HEADER_LEN
}
