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
 *   8  captured length: bytes of the frame that follow the header
 *  12  original length: bytes the frame had on the wire
 *  16  modified format only: interface index (4), protocol (2), packet type (1), padding (1)
 *
 * All words are in the byte order of the machine that wrote the file.
 */
import type { Packet } from '../wire/packet.js'
import { putU16Le, putU32Le } from './words.js'

export const PCAP_HEADER_LEN = 24
export const PCAP_RECORD_HEADER_LEN = 16

/** What we write, and what libpcap and Wireshark take to be the longest frame of any capture. */
export const DEFAULT_SNAPLEN = 262144

const MAGIC_MICROSECONDS = 0xa1b2c3d4
const MAGIC_NANOSECONDS = 0xa1b23c4d
/** Linux of 1999: more words in each record header, microseconds. */
const MAGIC_MODIFIED = 0xa1b2cd34
const MODIFIED_RECORD_HEADER_LEN = 24

const MAJOR = 4
const MINOR = 6
const RESERVED = 8
const SNAPLEN = 16
const LINK_TYPE = 20
/** The upper half says how long the frame check sequence is, where it says anything. */
const LINK_TYPE_MASK = 0xffff

const SECONDS = 0
const FRACTION = 4
const CAPTURED = 8
const ORIGINAL = 12

const VERSION_MAJOR = 2
const VERSION_MINOR = 4

/** Why bytes are no file header. */
type PcapFault = 'pcap-truncated' | 'pcap-magic' | 'pcap-version'

/** What a file header says; filled by `parsePcapHeader`. */
export interface PcapHeader {
  littleEndian: boolean
  /** The fraction of a second in each record counts these: a million or a thousand million. */
  unitsPerSecond: number
  /** 16, or 24 in the modified format. */
  recordHeaderLength: number
  major: number
  minor: number
  /** As in the file: 0 and values beyond any frame occur. */
  snaplen: number
  /** LINKTYPE_…, without the bits on the frame check sequence. */
  linkType: number
}

/** Reads the file header at `start` into `out`. Versions 2.x are read, all alike. */
export function parsePcapHeader(
  view: DataView,
  start: number,
  end: number,
  out: PcapHeader,
): PcapFault | undefined {
  if (end - start < PCAP_HEADER_LEN) return 'pcap-truncated'
  out.littleEndian = isPcapMagic(view.getUint32(start, true))
  const magic = view.getUint32(start, out.littleEndian)
  if (!isPcapMagic(magic)) return 'pcap-magic'
  out.unitsPerSecond = magic === MAGIC_NANOSECONDS ? 1_000_000_000 : 1_000_000
  out.recordHeaderLength =
    magic === MAGIC_MODIFIED ? MODIFIED_RECORD_HEADER_LEN : PCAP_RECORD_HEADER_LEN
  out.major = view.getUint16(start + MAJOR, out.littleEndian)
  out.minor = view.getUint16(start + MINOR, out.littleEndian)
  out.snaplen = view.getUint32(start + SNAPLEN, out.littleEndian)
  out.linkType = view.getUint32(start + LINK_TYPE, out.littleEndian) & LINK_TYPE_MASK
  return out.major === VERSION_MAJOR ? undefined : 'pcap-version'
}

/** Whether the first four bytes of a file, in either order, announce this format. */
export function isPcapMagic(magic: number): boolean {
  return magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || magic === MAGIC_MODIFIED
}

/**
 * Reads the record header at `start`, `header.recordHeaderLength` bytes that
 * must be there, into `out`: time and original length. Returns the captured
 * length. A fraction of a second or more is carried into the seconds.
 */
export function parsePcapRecord(
  view: DataView,
  start: number,
  header: PcapHeader,
  out: Packet,
): number {
  const { littleEndian, unitsPerSecond } = header
  const fraction = view.getUint32(start + FRACTION, littleEndian)
  if (fraction < unitsPerSecond) {
    out.seconds = view.getUint32(start + SECONDS, littleEndian)
    out.nanoseconds = unitsPerSecond === 1_000_000 ? fraction * 1000 : fraction
  } else {
    const whole = Math.floor(fraction / unitsPerSecond)
    out.seconds = view.getUint32(start + SECONDS, littleEndian) + whole
    out.nanoseconds = (fraction - whole * unitsPerSecond) * (1_000_000_000 / unitsPerSecond)
  }
  out.originalLength = view.getUint32(start + ORIGINAL, littleEndian)
  return view.getUint32(start + CAPTURED, littleEndian)
}

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
