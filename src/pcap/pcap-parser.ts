import type { Packet } from '../wire/packet.js'
import type { CaptureInterfaces } from './capture-interfaces.js'
import { type FormatParser, longestFrame } from './format-parser.js'
import {
  PCAP_HEADER_LEN,
  PCAP_RECORD_HEADER_LEN,
  type PcapHeader,
  parsePcapHeader,
  parsePcapRecord,
} from './pcap.js'

/** The records of a pcap file, classic or modified. */
export class PcapParser implements FormatParser {
  readonly interfaces: CaptureInterfaces
  packets = 0
  wanted = PCAP_HEADER_LEN
  refusal: string | undefined = undefined
  damage: string | undefined = undefined

  readonly #header: PcapHeader = {
    littleEndian: true,
    unitsPerSecond: 1_000_000,
    recordHeaderLength: 0,
    major: 0,
    minor: 0,
    snaplen: 0,
    linkType: 0,
  }
  readonly #packet: Packet
  readonly #onPacket: (packet: Packet) => void

  constructor(packet: Packet, onPacket: (packet: Packet) => void, interfaces: CaptureInterfaces) {
    this.interfaces = interfaces
    this.#packet = packet
    this.#onPacket = onPacket
  }

  get descriptions(): number {
    return this.interfaces.count
  }

  /** Known once the header was read. */
  get isModified(): boolean {
    return this.#header.recordHeaderLength > PCAP_RECORD_HEADER_LEN
  }

  parse(bytes: Buffer, view: DataView, start: number, end: number): number {
    if (this.interfaces.count === 0) {
      if (end - start < PCAP_HEADER_LEN) return start
      this.#open(view, start, end)
      return this.refusal === undefined
        ? this.#records(bytes, view, start + PCAP_HEADER_LEN, end)
        : start
    }
    return this.#records(bytes, view, start, end)
  }

  #open(view: DataView, start: number, end: number): void {
    const header = this.#header
    const fault = parsePcapHeader(view, start, end, header)
    if (fault === 'pcap-version') {
      this.refusal = `is a pcap file of version ${header.major}.${header.minor}, and 2.x alone can be read; convert it to 2.4 first`
    } else if (fault !== undefined) {
      this.refusal = `is not a pcap file (${fault}); name a pcap or pcapng file`
    } else {
      this.interfaces.add(header.linkType, header.snaplen)
    }
  }

  #records(bytes: Buffer, view: DataView, start: number, end: number): number {
    const header = this.#header
    const { recordHeaderLength, linkType } = header
    const longest = longestFrame(header.snaplen)
    const packet = this.#packet
    const onPacket = this.#onPacket
    let at = start
    while (end - at >= recordHeaderLength) {
      const captured = parsePcapRecord(view, at, header, packet)
      const frame = at + recordHeaderLength
      if (captured > longest) {
        this.damage = `the record has a frame of ${captured} bytes, and ${longest} is the most there can be`
        return at
      }
      if (captured > end - frame) {
        this.wanted = recordHeaderLength + captured
        return at
      }
      at = frame + captured
      packet.bytes = bytes
      packet.start = frame
      packet.end = at
      packet.linkType = linkType
      this.packets += 1
      onPacket(packet)
    }
    this.wanted = recordHeaderLength
    return at
  }
}
