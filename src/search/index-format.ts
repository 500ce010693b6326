/**
 * The index of a capture file, which stands beside it as `<capture>.idx`: for each block of
 * the capture what decides that no packet of it can match a filter. All numbers are little-endian.
 *
 *       0  magic "MTAPIDX" and a zero byte
 *       8  version (2), flags (2)
 *      12  length of the head, which is all before the filters of blocks (4)
 *      16  of the capture file: size (8), time of modification in ns since the epoch (8, signed),
 *          CRC-32 of its first and last 4 KiB (4)
 *      36  UDP ports of VXLAN (2) and GENEVE (2) by which mirrored packets were unwrapped
 *      40  bytes of the capture, decompressed, that the blocks cover (8)
 *      48  blocks (4), bytes of the filters of blocks (4)
 *      56  bytes of the filter of the whole file (4), its probes (1), link types (1), sessions (2)
 *      64  of a compressed file, places where decompressing can begin (4), bytes of their windows (4)
 *      72  link types (2 each); sessions of mirrored packets: length (1) and name in UTF-8
 *          blocks (40 each) and places (28 each), see below
 *          filter of the whole file
 *          CRC-32 of the head so far (4)
 *
 *          windows of the places, then filters of blocks, one after the other
 *
 * A block:
 *
 *       0  where it ends in the capture, decompressed (8); it begins where the one before ends
 *       8  packets (4)
 *      12  CRC-32 of its filter (4)
 *      16  units of 8 bytes of its filter (2), probes (1), flags (1)
 *      20  earliest time of its packets: seconds, floating-point (8), nanoseconds (4)
 *      32  latest: seconds (4) after the earliest, nanoseconds (4)
 *
 * A place where decompressing can begin; the file's own beginning is none of them:
 *
 *       0  bytes of the file as it is stored before the one in which it lies (8)
 *       8  decompressed bytes before it (8)
 *      16  bytes of its window, as it is kept here (4), CRC-32 of these (4)
 *      24  bits of that byte that are of what went before (1), zero (3)
 *
 * In zstd and between members of gzip it has no window: a frame or member begins there. Elsewhere a
 * deflate block does, and the window, itself kept as raw deflate data, is the 32 KiB of output before it.
 *
 * A filter is a Bloom filter of the keys of the frames (key.ts, frame-keys.ts, key-filter.ts); of
 * mirrored packets those of the outer frame and those of the mirrored one. A change of what keys
 * there are or how they are hashed is another version.
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { type Restart, WINDOW_LEN } from '../pcap/restarts.js'
import { FILTER_UNIT } from './key-filter.js'

const MAGIC = Buffer.from('MTAPIDX\0')
const VERSION = 2
/** Of the head, before all that has no fixed length. */
export const PREAMBLE_LEN = 72
const BLOCK_LEN = 40
const PLACE_LEN = 28
const CRC_LEN = 4

/** The file has mirrored packets. */
const FLAG_MIRRORED = 0x01
/** Whether a packet is unwrapped may hang on others of the file, so that none may be skipped. */
const FLAG_DOUBT = 0x02
/** It has more link types or sessions than are listed. */
const FLAG_UNLISTED = 0x04
/** It is a pcap file, and not compressed. */
const FLAG_PLAIN_PCAP = 0x08
/** It is compressed. */
const FLAG_COMPRESSED = 0x10
/** The capture is damaged after the blocks. */
const FLAG_DAMAGED = 0x20

/** It describes what follows: a section or an interface of pcapng. */
const BLOCK_DESCRIBES = 0x01
/** Some of its frames have keys that are not in the filter. */
const BLOCK_UNFILTERED = 0x02

export const LINK_TYPES_MAX = 32
export const SESSIONS_MAX = 256
const NAME_LEN_MAX = 255

/** Which file an index is of. */
export interface CaptureIdentity {
  readonly size: number
  readonly mtimeNs: bigint
  /** CRC-32 of its first and last bytes. */
  readonly ends: number
}

export interface Moment {
  readonly seconds: number
  readonly nanoseconds: number
}

export interface IndexBlock {
  readonly start: number
  readonly end: number
  readonly packets: number
  /** Of packets that have a time; undefined where none has. */
  readonly earliest: Moment | undefined
  readonly latest: Moment | undefined
  readonly describes: boolean
  readonly isUnfiltered: boolean
  readonly probes: number
  readonly filterCrc: number
  /** Where its filter lies after the head. */
  readonly filterAt: number
  readonly filterLength: number
}

/** A place where decompressing can begin. */
export interface IndexPlace extends Omit<Restart, 'window'> {
  /** Where its window lies in the index file. */
  readonly windowAt: number
  readonly windowLength: number
  readonly windowCrc: number
}

export interface CaptureIndex {
  readonly capture: CaptureIdentity
  readonly vxlanPort: number
  readonly genevePort: number
  /** Bytes of the capture, decompressed, that the blocks cover. */
  readonly covered: number
  readonly isMirrored: boolean
  readonly isDoubtful: boolean
  readonly isUnlisted: boolean
  readonly isPlainPcap: boolean
  readonly isCompressed: boolean
  readonly isDamaged: boolean
  readonly linkTypes: readonly number[]
  readonly sessions: readonly string[]
  readonly blockCount: number
  /** Made when they are asked for: of most files the filter of the whole file decides. */
  readonly blocks: readonly IndexBlock[]
  /** Seconds within which all times of packets are, those of no packet Infinity and -Infinity. */
  readonly from: number
  readonly to: number
  readonly places: readonly IndexPlace[]
  readonly filter: Uint8Array
  readonly probes: number
  /** Of the filters of blocks together. */
  readonly filtersLength: number
}

/** What an index says, but for where its parts lie. */
export type IndexContents = Omit<
  CaptureIndex,
  'filtersLength' | 'places' | 'blockCount' | 'from' | 'to'
>

/** As it is kept. */
export interface KeptRestart extends Omit<Restart, 'window'> {
  readonly kept: Buffer
}

/** A place with its window made small. */
export function keptRestart({ window, ...place }: Restart): KeptRestart {
  return { ...place, kept: window.length === 0 ? window : deflateRawSync(window) }
}

/** The whole file. `filters`: those of the blocks, in their order. */
export function formatIndex(
  index: IndexContents,
  filters: readonly Uint8Array[],
  restarts: readonly KeptRestart[],
): Buffer {
  const names = index.sessions.map((name) => Buffer.from(name))
  const namesLength = names.reduce((sum, name) => sum + 1 + name.length, 0)
  const listed = PREAMBLE_LEN + 2 * index.linkTypes.length + namesLength
  const tables = BLOCK_LEN * index.blocks.length + PLACE_LEN * restarts.length
  const headLength = listed + tables + index.filter.length + CRC_LEN
  const windowsLength = restarts.reduce((sum, { kept }) => sum + kept.length, 0)
  const filtersLength = filters.reduce((sum, filter) => sum + filter.length, 0)
  const bytes = Buffer.alloc(headLength + windowsLength + filtersLength)
  putPreamble(bytes, index, headLength, filtersLength)
  bytes.writeUInt32LE(restarts.length, 64)
  bytes.writeUInt32LE(windowsLength, 68)
  let at = PREAMBLE_LEN
  for (const linkType of index.linkTypes) at = bytes.writeUInt16LE(linkType, at)
  for (const name of names) {
    at = bytes.writeUInt8(name.length, at)
    at += name.copy(bytes, at)
  }
  for (const block of index.blocks) {
    putBlock(bytes, at, block)
    at += BLOCK_LEN
  }
  for (const restart of restarts) {
    putPlace(bytes, at, restart)
    at += PLACE_LEN
  }
  bytes.set(index.filter, at)
  at = headLength - CRC_LEN
  at = bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at)
  for (const { kept } of restarts) at += kept.copy(bytes, at)
  for (const filter of filters) {
    bytes.set(filter, at)
    at += filter.length
  }
  return bytes
}

function putPreamble(
  bytes: Buffer,
  index: IndexContents,
  headLength: number,
  filtersLength: number,
): void {
  const flags =
    (index.isMirrored ? FLAG_MIRRORED : 0) |
    (index.isDoubtful ? FLAG_DOUBT : 0) |
    (index.isUnlisted ? FLAG_UNLISTED : 0) |
    (index.isPlainPcap ? FLAG_PLAIN_PCAP : 0) |
    (index.isCompressed ? FLAG_COMPRESSED : 0) |
    (index.isDamaged ? FLAG_DAMAGED : 0)
  MAGIC.copy(bytes)
  bytes.writeUInt16LE(VERSION, 8)
  bytes.writeUInt16LE(flags, 10)
  bytes.writeUInt32LE(headLength, 12)
  bytes.writeBigUInt64LE(BigInt(index.capture.size), 16)
  bytes.writeBigInt64LE(index.capture.mtimeNs, 24)
  bytes.writeUInt32LE(index.capture.ends, 32)
  bytes.writeUInt16LE(index.vxlanPort, 36)
  bytes.writeUInt16LE(index.genevePort, 38)
  bytes.writeBigUInt64LE(BigInt(index.covered), 40)
  bytes.writeUInt32LE(index.blocks.length, 48)
  bytes.writeUInt32LE(filtersLength, 52)
  bytes.writeUInt32LE(index.filter.length, 56)
  bytes.writeUInt8(index.probes, 60)
  bytes.writeUInt8(index.linkTypes.length, 61)
  bytes.writeUInt16LE(index.sessions.length, 62)
}

function putBlock(bytes: Buffer, at: number, block: IndexBlock): void {
  const { earliest, latest } = block
  bytes.writeBigUInt64LE(BigInt(block.end), at)
  bytes.writeUInt32LE(block.packets, at + 8)
  bytes.writeUInt32LE(block.filterCrc, at + 12)
  bytes.writeUInt16LE(block.filterLength / FILTER_UNIT, at + 16)
  bytes.writeUInt8(block.probes, at + 18)
  const flags =
    (block.describes ? BLOCK_DESCRIBES : 0) | (block.isUnfiltered ? BLOCK_UNFILTERED : 0)
  bytes.writeUInt8(flags, at + 19)
  // Nothing is earlier than what no packet has.
  bytes.writeDoubleLE(earliest?.seconds ?? Number.POSITIVE_INFINITY, at + 20)
  bytes.writeUInt32LE(earliest?.nanoseconds ?? 0, at + 28)
  const after = earliest === undefined ? 0 : latest!.seconds - earliest.seconds
  // One that lasts longer than 136 years has no end.
  bytes.writeUInt32LE(Math.min(after, 0xffff_ffff), at + 32)
  bytes.writeUInt32LE(latest?.nanoseconds ?? 0, at + 36)
}

function putPlace(
  bytes: Buffer,
  at: number,
  { at: begins, output, bits, kept }: KeptRestart,
): void {
  bytes.writeBigUInt64LE(BigInt(begins), at)
  bytes.writeBigUInt64LE(BigInt(output), at + 8)
  bytes.writeUInt32LE(kept.length, at + 16)
  bytes.writeUInt32LE(crc32(kept), at + 20)
  bytes.writeUInt8(bits, at + 24)
}

/** Length of the head whose preamble is at the start of `bytes`; undefined: it is none of this version. */
export function headLengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < PREAMBLE_LEN || bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) {
    return undefined
  }
  return bytes.readUInt16LE(8) === VERSION ? bytes.readUInt32LE(12) : undefined
}

/** Reads the head of an index, of `fileLength` bytes in all; undefined where anything is wrong with it. */
export function parseIndex(head: Buffer, fileLength: number): CaptureIndex | undefined {
  if (headLengthOf(head) !== head.length || head.length < PREAMBLE_LEN + CRC_LEN) return undefined
  const end = head.length - CRC_LEN
  if (crc32(head.subarray(0, end)) !== head.readUInt32LE(end)) return undefined
  const flags = head.readUInt16LE(10)
  const filtersLength = head.readUInt32LE(52)
  const windowsLength = head.readUInt32LE(68)
  if (head.length + windowsLength + filtersLength !== fileLength) return undefined
  const linkTypes: number[] = []
  const sessions: string[] = []
  let at = PREAMBLE_LEN
  for (let left = head.readUInt8(61); left > 0; left--, at += 2) {
    if (at + 2 > end) return undefined
    linkTypes.push(head.readUInt16LE(at))
  }
  for (let left = head.readUInt16LE(62); left > 0; left--) {
    if (at + 1 > end || at + 1 + head.readUInt8(at) > end) return undefined
    const next = at + 1 + head.readUInt8(at)
    sessions.push(head.toString('utf8', at + 1, next))
    at = next
  }
  const count = head.readUInt32LE(48)
  const filterLength = head.readUInt32LE(56)
  const placeCount = head.readUInt32LE(64)
  const placesAt = at + BLOCK_LEN * count
  if (placesAt + PLACE_LEN * placeCount + filterLength !== end) return undefined
  const covered = Number(head.readBigUInt64LE(40))
  const span = spanOf(head, at, count, covered, filtersLength)
  const places = readPlaces(head, placesAt, placeCount, windowsLength)
  if (span === undefined || places === undefined) return undefined
  const blocksAt = at
  let blocks: readonly IndexBlock[] | undefined
  return {
    capture: {
      size: Number(head.readBigUInt64LE(16)),
      mtimeNs: head.readBigInt64LE(24),
      ends: head.readUInt32LE(32),
    },
    vxlanPort: head.readUInt16LE(36),
    genevePort: head.readUInt16LE(38),
    covered,
    isMirrored: (flags & FLAG_MIRRORED) !== 0,
    isDoubtful: (flags & FLAG_DOUBT) !== 0,
    isUnlisted: (flags & FLAG_UNLISTED) !== 0,
    isPlainPcap: (flags & FLAG_PLAIN_PCAP) !== 0,
    isCompressed: (flags & FLAG_COMPRESSED) !== 0,
    isDamaged: (flags & FLAG_DAMAGED) !== 0,
    linkTypes,
    sessions,
    blockCount: count,
    get blocks() {
      blocks ??= readBlocks(head, blocksAt, count)
      return blocks
    },
    ...span,
    places,
    filter: head.subarray(end - filterLength, end),
    probes: head.readUInt8(60),
    filtersLength,
  }
}

/** The times of all blocks; undefined where anything is wrong with these. */
function spanOf(
  head: Buffer,
  blocksAt: number,
  count: number,
  covered: number,
  filtersLength: number,
): { from: number; to: number } | undefined {
  let start = 0
  let filters = 0
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (let index = 0; index < count; index++) {
    const at = blocksAt + index * BLOCK_LEN
    const end = head.readUInt32LE(at) + head.readUInt32LE(at + 4) * 0x1_0000_0000
    const units = head.readUInt16LE(at + 16)
    const seconds = head.readDoubleLE(at + 20)
    if (end <= start || !Number.isSafeInteger(end) || units === 0) return undefined
    if (!(seconds >= 0)) return undefined
    start = end
    filters += units * FILTER_UNIT
    if (seconds === Number.POSITIVE_INFINITY) continue
    if (seconds < from) from = seconds
    const latest = latestOf(seconds, head.readUInt32LE(at + 32))
    if (latest > to) to = latest
  }
  return start === covered && filters === filtersLength ? { from, to } : undefined
}

function latestOf(seconds: number, after: number): number {
  return after === 0xffff_ffff ? Number.POSITIVE_INFINITY : seconds + after
}

function readBlocks(head: Buffer, from: number, count: number): IndexBlock[] {
  const blocks: IndexBlock[] = []
  let start = 0
  let filterAt = 0
  for (let at = from; blocks.length < count; at += BLOCK_LEN) {
    const end = Number(head.readBigUInt64LE(at))
    const seconds = head.readDoubleLE(at + 20)
    const filterLength = head.readUInt16LE(at + 16) * FILTER_UNIT
    const flags = head.readUInt8(at + 19)
    const isTimed = seconds !== Number.POSITIVE_INFINITY
    blocks.push({
      start,
      end,
      packets: head.readUInt32LE(at + 8),
      earliest: isTimed ? { seconds, nanoseconds: head.readUInt32LE(at + 28) } : undefined,
      latest: isTimed
        ? {
            seconds: latestOf(seconds, head.readUInt32LE(at + 32)),
            nanoseconds: head.readUInt32LE(at + 36),
          }
        : undefined,
      describes: (flags & BLOCK_DESCRIBES) !== 0,
      isUnfiltered: (flags & BLOCK_UNFILTERED) !== 0,
      probes: head.readUInt8(at + 18),
      filterCrc: head.readUInt32LE(at + 12),
      filterAt,
      filterLength,
    })
    start = end
    filterAt += filterLength
  }
  return blocks
}

function readPlaces(
  head: Buffer,
  from: number,
  count: number,
  windowsLength: number,
): IndexPlace[] | undefined {
  const places: IndexPlace[] = []
  let windowAt = head.length
  let before = 0
  for (let at = from; places.length < count; at += PLACE_LEN) {
    const output = Number(head.readBigUInt64LE(at + 8))
    const bits = head.readUInt8(at + 24)
    if (output < before || !Number.isSafeInteger(output) || bits > 7) return undefined
    const windowLength = head.readUInt32LE(at + 16)
    const begins = Number(head.readBigUInt64LE(at))
    places.push({
      at: begins,
      output,
      bits,
      windowAt,
      windowLength,
      windowCrc: head.readUInt32LE(at + 20),
    })
    before = output
    windowAt += windowLength
  }
  return windowAt === head.length + windowsLength ? places : undefined
}

/** The window of a place, as it is kept; undefined where it is damaged. */
export function windowOf(kept: Buffer, { windowCrc }: IndexPlace): Buffer | undefined {
  if (crc32(kept) !== windowCrc) return undefined
  if (kept.length === 0) return kept
  try {
    return inflateRawSync(kept, { maxOutputLength: WINDOW_LEN })
  } catch {
    return undefined
  }
}

/** The filter of a block, where the filters of all lie at the start of `filters`; undefined where it is damaged. */
export function filterOf(filters: Buffer, block: IndexBlock): Uint8Array | undefined {
  const filter = filters.subarray(block.filterAt, block.filterAt + block.filterLength)
  return crc32(filter) === block.filterCrc ? filter : undefined
}

/** Whether a session's name can be listed. */
export function isListable(name: string): boolean {
  return Buffer.byteLength(name) <= NAME_LEN_MAX
}
