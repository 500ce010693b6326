import type { Packet } from '../wire/packet.js'
import type { CaptureInterfaces } from './capture-interfaces.js'
import { type FormatParser, LONGEST_FRAME, longestFrame } from './format-parser.js'
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_HEAD_LEN,
  BLOCK_INTERFACE,
  BLOCK_PACKET,
  BLOCK_SECTION_HEADER,
  BLOCK_SIMPLE_PACKET,
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
  ISB_OPTIONS,
  OPTION_END,
  OPTION_HEAD_LEN,
  OPTION_IF_NAME,
  OPTION_IF_TSOFFSET,
  OPTION_IF_TSRESOL,
  PB_INTERFACE,
  SHB_BYTE_ORDER,
  SHB_MAJOR,
  SHB_MINOR,
  SHB_OPTIONS,
  SPB_FRAME,
  SPB_ORIGINAL,
} from './pcapng-blocks.js'
import { DEFAULT_TSRESOL, LAST_DATE, TimeScale } from './pcapng-time.js'
import { padded } from './words.js'

/** The bound on our memory; libpcap and Wireshark draw it at the same place. */
const LONGEST_BLOCK = 16 * 1024 * 1024

/** Interfaces of one section: their number is the writer's to choose, and a Packet Block can name no more. */
const MAX_INTERFACES = 65536

/** Interfaces of one section that differ in how their packets are read. The others cost a reference each. */
const MAX_KINDS = 4096

/** Bytes a block of each type has at least; types not listed: head and tail. */
const SHORTEST: ReadonlyMap<number, number> = new Map([
  [BLOCK_SECTION_HEADER, SHB_OPTIONS + BLOCK_TAIL_LEN],
  [BLOCK_INTERFACE, IDB_OPTIONS + BLOCK_TAIL_LEN],
  [BLOCK_PACKET, EPB_FRAME + BLOCK_TAIL_LEN],
  [BLOCK_SIMPLE_PACKET, SPB_FRAME + BLOCK_TAIL_LEN],
  [BLOCK_STATISTICS, ISB_OPTIONS + BLOCK_TAIL_LEN],
])

/** An interface of the section being read, and how to read its packets. */
class Interface {
  linkType = 0
  longest = LONGEST_FRAME
  /** 0 stands for no limit. */
  snaplen = 0
  time = new TimeScale(DEFAULT_TSRESOL, 0n)
}

/**
 * The blocks of a pcapng file. Sections may follow one another, each in its own
 * byte order; what is not a packet, an interface or a section is skipped.
 */
export class PcapngParser implements FormatParser {
  /** Of all sections, in the order of the file. */
  readonly interfaces: CaptureInterfaces
  packets = 0
  descriptions = 0
  /** Packets whose time is before 1970 or after LAST_TIME: they are handed over without one. */
  outOfRangeTimes = 0
  /** Packets whose time is after LAST_DATE, and is kept. */
  farTimes = 0
  wanted = SHB_OPTIONS + BLOCK_TAIL_LEN
  refusal: string | undefined = undefined
  damage: string | undefined = undefined

  #littleEndian = true
  /** A section header was read: from here on what is wrong is damage, not another format. */
  #open = false
  /** Those of the section: ids count from 0 in each. */
  #section: Interface[] = []
  readonly #kinds = new Map<string, Interface>()
  readonly #packet: Packet
  readonly #onPacket: (packet: Packet) => void

  constructor(packet: Packet, onPacket: (packet: Packet) => void, interfaces: CaptureInterfaces) {
    this.interfaces = interfaces
    this.#packet = packet
    this.#onPacket = onPacket
  }

  parse(bytes: Buffer, view: DataView, start: number, end: number): number {
    let at = start
    for (;;) {
      this.wanted = this.#wantedAt(view, at, end)
      if (this.wanted === 0 || end - at < this.wanted) return at
      const length = this.wanted
      const wrong = this.#block(bytes, view, at, length)
      if (wrong !== undefined) {
        this.#fail(wrong)
        return at
      }
      at += length
    }
  }

  /**
   * Length of the block at `at`, or, while its head is not there, what it takes
   * to know more. 0 when it is wrong.
   */
  #wantedAt(view: DataView, at: number, end: number): number {
    if (end - at < BLOCK_HEAD_LEN) return BLOCK_HEAD_LEN
    const type = view.getUint32(at, this.#littleEndian)
    if (type === BLOCK_SECTION_HEADER) {
      // The length of a section header is in the byte order it goes on to announce.
      if (end - at < SHB_MAJOR) return SHB_MAJOR
      if (view.getUint32(at + SHB_BYTE_ORDER, true) === BYTE_ORDER_MAGIC) this.#littleEndian = true
      else if (view.getUint32(at + SHB_BYTE_ORDER) === BYTE_ORDER_MAGIC) this.#littleEndian = false
      else return this.#fail('the section header has no byte-order magic')
    }
    const length = view.getUint32(at + 4, this.#littleEndian)
    // The one type that files are full of is spared the map.
    const shortest =
      type === BLOCK_ENHANCED_PACKET
        ? EPB_FRAME + BLOCK_TAIL_LEN
        : (SHORTEST.get(type) ?? BLOCK_HEAD_LEN + BLOCK_TAIL_LEN)
    if (length < shortest) {
      return this.#fail(`the block has a length of ${length}, and its type needs ${shortest}`)
    }
    if (length % 4 !== 0) {
      return this.#fail(`the block has a length of ${length}, which is not a multiple of 4`)
    }
    if (length > LONGEST_BLOCK) {
      return this.#fail(`the block has a length of ${length}, more than the 16 MiB it may have`)
    }
    return length
  }

  #fail(message: string): 0 {
    if (this.#open) this.damage = message
    else this.refusal = `is not a readable pcapng file: ${message}; convert or capture it again`
    return 0
  }

  /** Reads the whole block at `at`; returns what is wrong with it. */
  #block(bytes: Buffer, view: DataView, at: number, length: number): string | undefined {
    const little = this.#littleEndian
    const again = view.getUint32(at + length - BLOCK_TAIL_LEN, little)
    if (again !== length) {
      return `the block has a length of ${length} at its start and of ${again} at its end`
    }
    switch (view.getUint32(at, little)) {
      case BLOCK_ENHANCED_PACKET:
        return this.#timedPacket(
          view.getUint32(at + EPB_INTERFACE, little),
          bytes,
          view,
          at,
          length,
        )
      case BLOCK_PACKET:
        return this.#timedPacket(view.getUint16(at + PB_INTERFACE, little), bytes, view, at, length)
      case BLOCK_SIMPLE_PACKET:
        return this.#simplePacket(bytes, view, at, length)
      case BLOCK_INTERFACE:
        this.descriptions++
        return this.#interface(bytes, view, at, length)
      case BLOCK_SECTION_HEADER:
        this.descriptions++
        return this.#sectionHeader(view, at)
      default:
        return undefined
    }
  }

  /** Enhanced and obsolete packet blocks differ in how they name the interface alone. */
  #timedPacket(
    id: number,
    bytes: Buffer,
    view: DataView,
    at: number,
    length: number,
  ): string | undefined {
    const from = this.#section[id]
    if (from === undefined) return unknownInterface(id)
    const little = this.#littleEndian
    const captured = view.getUint32(at + EPB_CAPTURED, little)
    if (captured > length - EPB_FRAME - BLOCK_TAIL_LEN) return frameBeyondBlock(captured, length)
    if (captured > from.longest) {
      return `the block has a frame of ${captured} bytes, and ${from.longest} is the most there can be`
    }
    const packet = this.#packet
    packet.timed = from.time.convert(
      view.getUint32(at + EPB_TIME_HIGH, little),
      view.getUint32(at + EPB_TIME_LOW, little),
      packet,
    )
    if (!packet.timed) this.outOfRangeTimes++
    else if (packet.seconds > LAST_DATE) this.farTimes++
    packet.originalLength = view.getUint32(at + EPB_ORIGINAL, little)
    this.#handOver(bytes, at + EPB_FRAME, captured, from)
    return undefined
  }

  #simplePacket(bytes: Buffer, view: DataView, at: number, length: number): string | undefined {
    const from = this.#section[0]
    if (from === undefined) return unknownInterface(0)
    const original = view.getUint32(at + SPB_ORIGINAL, this.#littleEndian)
    const captured = from.snaplen === 0 ? original : Math.min(original, from.snaplen)
    const room = length - SPB_FRAME - BLOCK_TAIL_LEN
    if (captured > room) return frameBeyondBlock(captured, length)
    if (captured > from.longest) {
      return `the block has a frame of ${captured} bytes, and ${from.longest} is the most there can be`
    }
    const packet = this.#packet
    packet.seconds = 0
    packet.nanoseconds = 0
    packet.timed = false
    packet.originalLength = original
    this.#handOver(bytes, at + SPB_FRAME, captured, from)
    return undefined
  }

  #handOver(bytes: Buffer, start: number, captured: number, from: Interface): void {
    const packet = this.#packet
    packet.bytes = bytes
    packet.start = start
    packet.end = start + captured
    packet.linkType = from.linkType
    this.packets += 1
    this.#onPacket(packet)
  }

  #sectionHeader(view: DataView, at: number): string | undefined {
    const major = view.getUint16(at + SHB_MAJOR, this.#littleEndian)
    const minor = view.getUint16(at + SHB_MINOR, this.#littleEndian)
    // 1.2 was written by mistake and means 1.0 (draft, Section Header Block).
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      return `the section has version ${major}.${minor}, and 1.0 alone can be read`
    }
    this.#open = true
    this.#section = []
    this.#kinds.clear()
    return undefined
  }

  #interface(bytes: Buffer, view: DataView, at: number, length: number): string | undefined {
    if (this.#section.length === MAX_INTERFACES) {
      return `the section has more than ${MAX_INTERFACES} interfaces`
    }
    const little = this.#littleEndian
    const linkType = view.getUint16(at + IDB_LINK_TYPE, little)
    const snaplen = view.getUint32(at + IDB_SNAPLEN, little)
    let nameAt = 0
    let nameLen = 0
    let tsresol = DEFAULT_TSRESOL
    let tsoffset = 0n
    const end = at + length - BLOCK_TAIL_LEN
    let option = at + IDB_OPTIONS
    while (end - option >= OPTION_HEAD_LEN) {
      const code = view.getUint16(option, little)
      const size = view.getUint16(option + 2, little)
      if (code === OPTION_END) break
      const value = option + OPTION_HEAD_LEN
      if (size > end - value) return `the interface has an option of ${size} bytes beyond its block`
      if (code === OPTION_IF_NAME) {
        nameAt = value
        nameLen = size
      } else if (code === OPTION_IF_TSRESOL && size >= 1) {
        tsresol = view.getUint8(value)
      } else if (code === OPTION_IF_TSOFFSET && size >= 8) {
        tsoffset = view.getBigInt64(value, little)
      }
      option = value + padded(size)
    }
    const found = this.#kindOf(linkType, snaplen, tsresol, tsoffset)
    if (found === undefined) return `the section has more than ${MAX_KINDS} kinds of interfaces`
    this.#section.push(found)
    if (nameAt === 0) this.interfaces.add(linkType, snaplen)
    else {
      this.interfaces.add(linkType, snaplen, nameLen, () =>
        bytes.toString('utf8', nameAt, nameAt + nameLen).replace(/\0.*$/s, ''),
      )
    }
    return undefined
  }

  /** How packets of such an interface are read; undefined where there are too many ways. */
  #kindOf(
    linkType: number,
    snaplen: number,
    tsresol: number,
    tsoffset: bigint,
  ): Interface | undefined {
    const key = `${linkType} ${snaplen} ${tsresol} ${tsoffset}`
    let kind = this.#kinds.get(key)
    if (kind !== undefined) return kind
    if (this.#kinds.size === MAX_KINDS) return undefined
    kind = new Interface()
    kind.linkType = linkType
    kind.snaplen = snaplen
    kind.longest = longestFrame(snaplen)
    kind.time = new TimeScale(tsresol, tsoffset)
    this.#kinds.set(key, kind)
    return kind
  }
}

function unknownInterface(id: number): string {
  return `the packet is from interface ${id}, which the section has not described`
}

function frameBeyondBlock(captured: number, length: number): string {
  return `the block has a frame of ${captured} bytes and only ${length} bytes itself`
}
