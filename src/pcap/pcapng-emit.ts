/**
 * Blocks of a pcapng file as we write them: little-endian, times in nanoseconds.
 *
 * Each function writes at `start` and returns the offset just past what it
 * wrote; the length beside it says how much room that takes.
 */

import { putU32 } from '../wire/bytes.js'
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_HEAD_LEN,
  BLOCK_INTERFACE,
  BLOCK_NAMES,
  BLOCK_SECTION_HEADER,
  BLOCK_STATISTICS,
  BLOCK_TAIL_LEN,
  BYTE_ORDER_MAGIC,
  EPB_CAPTURED,
  EPB_FRAME,
  EPB_INTERFACE,
  EPB_ORIGINAL,
  EPB_TIME_HIGH,
  EPB_TIME_LOW,
  IDB_LINK_TYPE,
  IDB_OPTIONS,
  IDB_SNAPLEN,
  ISB_INTERFACE,
  ISB_OPTIONS,
  ISB_TIME_HIGH,
  ISB_TIME_LOW,
  OPTION_COMMENT,
  OPTION_END,
  OPTION_HEAD_LEN,
  OPTION_IF_NAME,
  OPTION_IF_TSRESOL,
  OPTION_ISB_DROPPED,
  OPTION_ISB_END,
  OPTION_ISB_RECEIVED,
  OPTION_ISB_START,
  OPTION_USER_APPLICATION,
  SHB_BYTE_ORDER,
  SHB_MAJOR,
  SHB_MINOR,
  SHB_OPTIONS,
  SHB_SECTION_LENGTH,
} from './pcapng-blocks.js'
import { type PacketTime, putNanoseconds } from './pcapng-time.js'
import { padded, putU16Le, putU32Le } from './words.js'

const VERSION_MAJOR = 1
const VERSION_MINOR = 0
const USER_APPLICATION = Buffer.from('mirrortap')
/** if_tsresol: the exponent of ten. */
const NANOSECONDS = 9
const NOTHING = Buffer.alloc(0)

interface InterfaceText {
  /** if_name. */
  readonly name?: string | undefined
  /** opt_comment. */
  readonly comment?: string | undefined
}

interface InterfaceStatistics {
  interfaceId: number
  /** Frames the interface received (isb_ifrecv) and those of them nobody could take (isb_ifdrop). */
  received: number
  dropped: number
  /** Times of the first and of the last packet, both undefined when there was none. */
  start: PacketTime | undefined
  end: PacketTime | undefined
}

export const SECTION_HEADER_LEN =
  SHB_OPTIONS + optionLength(USER_APPLICATION.length) + OPTION_HEAD_LEN + BLOCK_TAIL_LEN

/** A section header, its length left open (-1) since it is written before the packets. */
export function emitSectionHeader(bytes: Uint8Array, start: number): number {
  putU32Le(bytes, start + SHB_BYTE_ORDER, BYTE_ORDER_MAGIC)
  putU16Le(bytes, start + SHB_MAJOR, VERSION_MAJOR)
  putU16Le(bytes, start + SHB_MINOR, VERSION_MINOR)
  bytes.fill(0xff, start + SHB_SECTION_LENGTH, start + SHB_OPTIONS)
  const at = emitOption(OPTION_USER_APPLICATION, USER_APPLICATION, bytes, start + SHB_OPTIONS)
  return frameBlock(BLOCK_SECTION_HEADER, bytes, start, emitEnd(bytes, at))
}

export function interfaceLength(text: InterfaceText): number {
  return (
    IDB_OPTIONS +
    optionLength(optionText(text.name).length) +
    optionLength(optionText(text.comment).length) +
    optionLength(1) +
    OPTION_HEAD_LEN +
    BLOCK_TAIL_LEN
  )
}

/** An interface description; the first of a section is interface 0. */
export function emitInterface(
  linkType: number,
  snaplen: number,
  text: InterfaceText,
  bytes: Uint8Array,
  start: number,
): number {
  putU32Le(bytes, start + IDB_LINK_TYPE, linkType & 0xffff)
  putU32Le(bytes, start + IDB_SNAPLEN, snaplen)
  let at = start + IDB_OPTIONS
  at = emitOption(OPTION_COMMENT, optionText(text.comment), bytes, at)
  at = emitOption(OPTION_IF_NAME, optionText(text.name), bytes, at)
  at = emitOption(OPTION_IF_TSRESOL, Buffer.of(NANOSECONDS), bytes, at)
  return frameBlock(BLOCK_INTERFACE, bytes, start, emitEnd(bytes, at))
}

/** Options of a packet: an opt_comment, and the end of the options. */
export function packetComment(text: string): Buffer {
  const value = optionText(text)
  const bytes = Buffer.alloc(optionLength(value.length) + OPTION_HEAD_LEN)
  emitEnd(bytes, emitOption(OPTION_COMMENT, value, bytes, 0))
  return bytes
}

/** Length of an enhanced packet block around `capturedLength` bytes of frame and `optionsLength` of options. */
export function enhancedPacketLength(capturedLength: number, optionsLength = 0): number {
  return EPB_FRAME + padded(capturedLength) + optionsLength + BLOCK_TAIL_LEN
}

/**
 * Writes everything of an enhanced packet block but the frame, whose
 * `capturedLength` bytes belong at the offset returned, and the options, which
 * take the `optionsLength` bytes before the last four of the block.
 */
export function emitEnhancedPacket(
  interfaceId: number,
  seconds: number,
  nanoseconds: number,
  capturedLength: number,
  originalLength: number,
  bytes: Uint8Array,
  start: number,
  optionsLength = 0,
): number {
  const length = enhancedPacketLength(capturedLength, optionsLength)
  const tail = start + length - BLOCK_TAIL_LEN
  const optionsAt = tail - optionsLength
  putU32Le(bytes, start, BLOCK_ENHANCED_PACKET)
  putU32Le(bytes, start + 4, length)
  putU32Le(bytes, start + EPB_INTERFACE, interfaceId)
  putNanoseconds(seconds, nanoseconds, bytes, start + EPB_TIME_HIGH, start + EPB_TIME_LOW)
  putU32Le(bytes, start + EPB_CAPTURED, capturedLength)
  putU32Le(bytes, start + EPB_ORIGINAL, originalLength)
  for (let at = start + EPB_FRAME + capturedLength; at < optionsAt; at++) bytes[at] = 0
  putU32Le(bytes, tail, length)
  return start + EPB_FRAME
}

/** Of a name resolution block: an address of IPv4 or IPv6, and its name. */
const RECORD_IPV4 = 1
const RECORD_IPV6 = 2
const RECORD_HEAD_LEN = 4
const WORD_LEN = 4

/** An address, IPv4 as one word and IPv6 as four, and its name. */
export interface NamedAddress {
  readonly address: readonly number[]
  readonly name: string
}

/** A name resolution block. */
export function namesBlock(names: readonly NamedAddress[]): Buffer {
  const records = names.map(({ address, name }) => {
    const text = Buffer.from(`${name}\0`)
    const length = address.length * WORD_LEN + text.length
    const bytes = Buffer.alloc(RECORD_HEAD_LEN + padded(length))
    putU16Le(bytes, 0, address.length === 1 ? RECORD_IPV4 : RECORD_IPV6)
    putU16Le(bytes, 2, length)
    for (const [at, word] of address.entries()) putU32(bytes, RECORD_HEAD_LEN + at * WORD_LEN, word)
    text.copy(bytes, RECORD_HEAD_LEN + address.length * WORD_LEN)
    return bytes
  })
  // After the last record comes one without a value, and no options.
  const body = Buffer.concat([...records, Buffer.alloc(RECORD_HEAD_LEN)])
  const bytes = Buffer.alloc(BLOCK_HEAD_LEN + body.length + BLOCK_TAIL_LEN)
  body.copy(bytes, BLOCK_HEAD_LEN)
  frameBlock(BLOCK_NAMES, bytes, 0, BLOCK_HEAD_LEN + body.length)
  return bytes
}

export function statisticsLength(statistics: InterfaceStatistics): number {
  const times =
    (statistics.start === undefined ? 0 : optionLength(8)) +
    (statistics.end === undefined ? 0 : optionLength(8))
  return ISB_OPTIONS + times + 2 * optionLength(8) + OPTION_HEAD_LEN + BLOCK_TAIL_LEN
}

/** Interface statistics, dated with the time of the last packet. */
export function emitStatistics(
  statistics: InterfaceStatistics,
  bytes: Uint8Array,
  start: number,
): number {
  const { end } = statistics
  putU32Le(bytes, start + ISB_INTERFACE, statistics.interfaceId)
  putNanoseconds(
    end?.seconds ?? 0,
    end?.nanoseconds ?? 0,
    bytes,
    start + ISB_TIME_HIGH,
    start + ISB_TIME_LOW,
  )
  let at = start + ISB_OPTIONS
  at = emitTimeOption(OPTION_ISB_START, statistics.start, bytes, at)
  at = emitTimeOption(OPTION_ISB_END, statistics.end, bytes, at)
  at = emitCountOption(OPTION_ISB_RECEIVED, statistics.received, bytes, at)
  at = emitCountOption(OPTION_ISB_DROPPED, statistics.dropped, bytes, at)
  return frameBlock(BLOCK_STATISTICS, bytes, start, emitEnd(bytes, at))
}

function frameBlock(type: number, bytes: Uint8Array, start: number, tail: number): number {
  const end = tail + BLOCK_TAIL_LEN
  putU32Le(bytes, start, type)
  putU32Le(bytes, start + 4, end - start)
  putU32Le(bytes, tail, end - start)
  return end
}

/** UTF-8 of an option's text, cut to what an option's 16-bit length can say. */
function optionText(text: string | undefined): Buffer {
  return text === undefined ? NOTHING : Buffer.from(text).subarray(0, 0xfffc)
}

/** Room of one option; an empty one is left out. */
function optionLength(valueLength: number): number {
  return valueLength === 0 ? 0 : OPTION_HEAD_LEN + padded(valueLength)
}

function emitOption(code: number, value: Buffer, bytes: Uint8Array, start: number): number {
  if (value.length === 0) return start
  const end = start + optionLength(value.length)
  putU16Le(bytes, start, code)
  putU16Le(bytes, start + 2, value.length)
  bytes.set(value, start + OPTION_HEAD_LEN)
  bytes.fill(0, start + OPTION_HEAD_LEN + value.length, end)
  return end
}

function emitTimeOption(
  code: number,
  time: PacketTime | undefined,
  bytes: Uint8Array,
  start: number,
): number {
  if (time === undefined) return start
  putU16Le(bytes, start, code)
  putU16Le(bytes, start + 2, 8)
  putNanoseconds(time.seconds, time.nanoseconds, bytes, start + 4, start + 8)
  return start + optionLength(8)
}

function emitCountOption(code: number, count: number, bytes: Uint8Array, start: number): number {
  putU16Le(bytes, start, code)
  putU16Le(bytes, start + 2, 8)
  putU32Le(bytes, start + 4, count)
  putU32Le(bytes, start + 8, Math.floor(count / 0x1_0000_0000))
  return start + optionLength(8)
}

function emitEnd(bytes: Uint8Array, start: number): number {
  bytes.fill(0, start, start + OPTION_HEAD_LEN)
  putU16Le(bytes, start, OPTION_END)
  return start + OPTION_HEAD_LEN
}
