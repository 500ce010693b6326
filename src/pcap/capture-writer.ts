import assert from 'node:assert/strict'
import { BlockView } from '../sink/block-view.js'
import { type ByteSink, SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import {
  DEFAULT_SNAPLEN,
  emitPcapHeader,
  emitPcapRecord,
  PCAP_HEADER_LEN,
  PCAP_RECORD_HEADER_LEN,
} from './pcap.js'
import { BLOCK_TAIL_LEN } from './pcapng-blocks.js'
import {
  emitEnhancedPacket,
  emitInterface,
  emitSectionHeader,
  emitStatistics,
  enhancedPacketLength,
  interfaceLength,
  type NamedAddress,
  namesBlock,
  SECTION_HEADER_LEN,
  statisticsLength,
} from './pcapng-emit.js'
import type { PacketTime } from './pcapng-time.js'

export const CAPTURE_FORMATS = ['pcap', 'pcapng'] as const

/** Of a file that is written. */
export type CaptureFormat = (typeof CAPTURE_FORMATS)[number]

/** The last whole second that a format can hold, after a 32-bit count of seconds or a 64-bit one of nanoseconds. */
export const LAST_SECOND: Readonly<Record<CaptureFormat, number>> = {
  pcap: 4_294_967_295,
  pcapng: 18_446_744_072,
}

/** What a capture file is to be. */
export interface CaptureWriterOptions {
  /** `pcap` by default. */
  format?: CaptureFormat
  /** LINKTYPE_… of the frames, of interface 0 in a pcapng file; Ethernet by default. */
  linkType?: number
  /** Bytes kept of each frame, at least 1; 262,144 by default. */
  snaplen?: number
  /** pcapng only: name of interface 0. */
  interfaceName?: string
  /** pcapng only: comment on interface 0, such as the session it belongs to. */
  comment?: string
}

const NO_OPTIONS = Buffer.alloc(0)

/**
 * The longest frame written: with its block it must fit one `reserve`. Longer
 * ones exist in files alone (USB, D-Bus); they are cut, and their original
 * length says so.
 */
const LONGEST_WRITTEN = SINK_BLOCK_LEN - 64

/**
 * Up to this many bytes are copied in words, more by `Buffer.copy`, which makes a view of the source
 * for each packet on Node 20. Measured, ns a copy on Node 20: words 8 for 54 bytes, 13 for 100, 23
 * for 200, 33 for 300, 63 for 400; `Buffer.copy` 60 to 65 for each of them, and as many bytes of garbage.
 */
const WORD_COPY_MAX = 384

/**
 * Packets as the bytes of one capture file, written into a ByteSink it does not
 * own: the caller flushes and closes that.
 *
 * The file's header is offered to the sink at once, and again before the first
 * packet where the sink had no room for it, so even a capture without packets
 * is a file that opens. Only ever whole records go into the sink.
 */
export class CaptureWriter {
  /** Bytes this writer put into the sink, the header included. */
  octets = 0
  /** Packets this writer put into the sink. */
  packets = 0

  readonly #sink: ByteSink
  readonly #format: CaptureFormat
  readonly #longest: number
  readonly #sourceView = new BlockView()
  readonly #blockView = new BlockView()
  /** What must stand in the file before the next packet: the header, interfaces. */
  #due: Buffer | undefined
  #interfaces = 1
  #firstSeconds = 0
  #firstNanoseconds = 0
  #lastSeconds = 0
  #lastNanoseconds = 0

  constructor(sink: ByteSink, options: CaptureWriterOptions = {}) {
    const { format = 'pcap', linkType = LINKTYPE_ETHERNET, snaplen = DEFAULT_SNAPLEN } = options
    assert(snaplen >= 1, 'a frame keeps at least one byte')
    this.#sink = sink
    this.#format = format
    this.#longest = Math.min(snaplen, LONGEST_WRITTEN)
    this.#due = header({ ...options, format, linkType, snaplen })
    this.#settle()
  }

  /**
   * Writes a packet, cut to the snaplen, or to `kept` bytes where that is less. False when the
   * sink had no room: nothing was written, not even a part. `interfaceId` is 0 or what
   * `addInterface` returned; its link type is the packet's. `options` are options of the packet as
   * pcapng-emit.ts makes them; a pcap file has no place for them.
   */
  write(
    packet: Packet,
    interfaceId = 0,
    options: Buffer = NO_OPTIONS,
    kept = packet.end - packet.start,
    originalLength = packet.originalLength,
  ): boolean {
    if (this.#due !== undefined && !this.#settle()) return false
    const { bytes, start, seconds, nanoseconds } = packet
    const captured = Math.min(kept, this.#longest)
    const room =
      this.#format === 'pcap'
        ? PCAP_RECORD_HEADER_LEN + captured
        : enhancedPacketLength(captured, options.length)
    const sink = this.#sink
    const at = sink.reserve(room)
    if (at === -1) return false

    const block = sink.block
    if (this.#format === 'pcap') {
      const frameAt = emitPcapRecord(seconds, nanoseconds, captured, originalLength, block, at)
      this.#copy(bytes, start, start + captured, block, frameAt)
    } else {
      const frameAt = emitEnhancedPacket(
        interfaceId,
        seconds,
        nanoseconds,
        captured,
        originalLength,
        block,
        at,
        options.length,
      )
      this.#copy(bytes, start, start + captured, block, frameAt)
      if (options.length > 0) options.copy(block, at + room - BLOCK_TAIL_LEN - options.length)
      if (this.packets === 0) {
        this.#firstSeconds = seconds
        this.#firstNanoseconds = nanoseconds
      }
      this.#lastSeconds = seconds
      this.#lastNanoseconds = nanoseconds
    }
    this.octets += room
    this.packets += 1
    return true
  }

  /**
   * Declares one more interface and returns the id to give to `write`. pcapng
   * only: a pcap file has one link type. `snaplen` describes the packets to come;
   * frames are cut to the writer's own as before.
   */
  addInterface(linkType: number, snaplen: number, name?: string): number {
    assert(this.#format === 'pcapng', 'a pcap file has one interface')
    const text = { name }
    const block = Buffer.alloc(interfaceLength(text))
    emitInterface(linkType, snaplen, text, block, 0)
    this.#due = this.#due === undefined ? block : Buffer.concat([this.#due, block])
    this.#settle()
    return this.#interfaces++
  }

  /**
   * Has the names of addresses stand before the next packet; false where something else has still
   * to be written. pcapng only: a pcap file has no place for them.
   */
  addNames(names: readonly NamedAddress[]): boolean {
    assert(this.#format === 'pcapng', 'a pcap file has no names')
    if (this.#due !== undefined && !this.#settle()) return false
    this.#due = namesBlock(names)
    return true
  }

  /**
   * Ends a pcapng file with what an interface received and dropped, in packets;
   * once for each of them. A pcap file has no place for it. Before the sink is
   * closed. Left out when the sink has no room.
   */
  finish(statistics: { received: number; dropped: number }, interfaceId = 0): void {
    if (this.#due !== undefined && !this.#settle()) return
    if (this.#format === 'pcap') return
    const block = {
      interfaceId,
      received: statistics.received,
      dropped: statistics.dropped,
      start: this.#time(this.#firstSeconds, this.#firstNanoseconds),
      end: this.#time(this.#lastSeconds, this.#lastNanoseconds),
    }
    const length = statisticsLength(block)
    const at = this.#sink.reserve(length)
    if (at === -1) return
    emitStatistics(block, this.#sink.block, at)
    this.octets += length
  }

  /** Writes what is due; false when the sink had no room for it. */
  #settle(): boolean {
    const due = this.#due!
    const at = this.#sink.reserve(due.length)
    if (at === -1) return false
    due.copy(this.#sink.block, at)
    this.octets += due.length
    this.#due = undefined
    return true
  }

  #copy(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
    if (end - start > WORD_COPY_MAX) {
      Buffer.prototype.copy.call(from, to, at, start, end)
      return
    }
    copyWords(this.#sourceView.of(from), start, end, this.#blockView.of(to), at)
  }

  #time(seconds: number, nanoseconds: number): PacketTime | undefined {
    return this.packets === 0 ? undefined : { seconds, nanoseconds }
  }
}

function copyWords(from: DataView, start: number, end: number, to: DataView, at: number): void {
  let i = start
  let j = at
  for (const last = end - 15; i < last; i += 16, j += 16) {
    to.setInt32(j, from.getInt32(i, true), true)
    to.setInt32(j + 4, from.getInt32(i + 4, true), true)
    to.setInt32(j + 8, from.getInt32(i + 8, true), true)
    to.setInt32(j + 12, from.getInt32(i + 12, true), true)
  }
  for (const last = end - 3; i < last; i += 4, j += 4) {
    to.setInt32(j, from.getInt32(i, true), true)
  }
  for (; i < end; i++, j++) to.setUint8(j, from.getUint8(i))
}

type HeaderOptions = CaptureWriterOptions &
  Required<Pick<CaptureWriterOptions, 'format' | 'linkType' | 'snaplen'>>

function header(options: HeaderOptions): Buffer {
  if (options.format === 'pcap') {
    const bytes = Buffer.alloc(PCAP_HEADER_LEN)
    emitPcapHeader(options.linkType, options.snaplen, bytes, 0)
    return bytes
  }
  const text = { name: options.interfaceName, comment: options.comment }
  const bytes = Buffer.alloc(SECTION_HEADER_LEN + interfaceLength(text))
  const at = emitSectionHeader(bytes, 0)
  emitInterface(options.linkType, options.snaplen, text, bytes, at)
  return bytes
}
