import { Packet } from '../wire/packet.js'
import { CaptureInterfaces } from './capture-interfaces.js'
import type { FormatParser } from './format-parser.js'
import { isPcapMagic, PCAP_HEADER_LEN } from './pcap.js'
import { PcapParser } from './pcap-parser.js'
import { BLOCK_SECTION_HEADER } from './pcapng-blocks.js'
import { PcapngParser } from './pcapng-parser.js'

/** Formats of capture files, as they are spelled in reports. */
export type CaptureFileFormat = 'pcap' | 'modified-pcap' | 'pcapng'

/** Where a capture stops making sense. */
export interface Damage {
  /** Of the record that is cut or wrong, in bytes of the capture, decompressed. */
  readonly offset: number
  readonly message: string
}

const MAGIC_LEN = 4
const NOTHING = Buffer.alloc(0)
/** Room for records longer than this is given back: many files may be read at a time. */
const LARGE_RECORD = 1024 * 1024

/**
 * Takes the packets out of a capture file of any format, given to it piece by
 * piece.
 *
 * Two ways to feed it, not to be mixed: `parse` works in place and leaves the
 * unfinished record at the end to the caller; `push` takes pieces of any size
 * and keeps that record itself. It holds no more than one record either way.
 *
 * Every packet is handed over in the same instance of `Packet`, its bytes
 * lying in the piece: it and they are overwritten when the call returns. Nothing
 * is thrown but what `onPacket` throws.
 */
export class CaptureParser {
  /** Bytes of the capture behind us: the header and all whole records. */
  octets = 0
  /** Why the file as a whole cannot be read, and what to do: a predicate, to follow its name. */
  refusal: string | undefined = undefined
  damage: Damage | undefined = undefined

  readonly interfaces: CaptureInterfaces
  #format: FormatParser | undefined = undefined
  readonly #packet = new Packet()
  readonly #onPacket: (packet: Packet) => void
  #viewed: Buffer = NOTHING
  #view = viewOf(NOTHING)
  /** The unfinished record, in `#kept[0, #keptLength)`. */
  #kept: Buffer = NOTHING
  #keptLength = 0

  /** `listInterfaces` false keeps no list of them. */
  constructor(onPacket: (packet: Packet) => void, listInterfaces = true) {
    this.interfaces = new CaptureInterfaces(listInterfaces)
    this.#onPacket = onPacket
  }

  /** Undefined until the file's first bytes are there. */
  get format(): CaptureFileFormat | undefined {
    const format = this.#format
    if (format === undefined) return undefined
    if (format instanceof PcapngParser) return 'pcapng'
    return (format as PcapParser).isModified ? 'modified-pcap' : 'pcap'
  }

  get packets(): number {
    return this.#format?.packets ?? 0
  }

  /** Descriptions of what follows that are behind us: the header of a pcap file, sections and interfaces of pcapng. */
  get descriptions(): number {
    return this.#format?.descriptions ?? 0
  }

  /** Packets whose time is before 1970 or after LAST_TIME; only pcapng can hold such times. */
  get outOfRangeTimes(): number {
    return this.#format instanceof PcapngParser ? this.#format.outOfRangeTimes : 0
  }

  /** Packets whose time is after the year 9999, and is kept. */
  get farTimes(): number {
    return this.#format instanceof PcapngParser ? this.#format.farTimes : 0
  }

  /** Nothing more will be read: the file was refused or is damaged. */
  get stopped(): boolean {
    return this.refusal !== undefined || this.damage !== undefined
  }

  /** Bytes of the record that is not whole, of those that `push` was given. */
  get held(): number {
    return this.#keptLength
  }

  /** Bytes that must lie after the offset `parse` returned for another call to get anywhere. */
  get wanted(): number {
    return this.#format?.wanted ?? MAGIC_LEN
  }

  /**
   * Hands over the packets of all whole records in `bytes[start, end)`, which
   * continues the capture at `octets`. Returns the offset of the first byte it
   * did not use; those from there on are to be given again, with more after them.
   */
  parse(bytes: Buffer, start: number, end: number): number {
    if (this.stopped) return end
    if (this.#viewed !== bytes) {
      this.#viewed = bytes
      this.#view = viewOf(bytes)
    }
    this.#format ??= this.#recognize(start, end)
    const format = this.#format
    if (format === undefined) return start
    const at = format.parse(bytes, this.#view, start, end)
    this.octets += at - start
    this.refusal = format.refusal
    if (format.damage !== undefined) this.damage = { offset: this.octets, message: format.damage }
    return at
  }

  /** Takes the next piece of the capture, of any size. */
  push(piece: Buffer): void {
    let at = 0
    while (this.#keptLength > 0 && at < piece.length && !this.stopped) {
      const end = Math.min(at + this.wanted - this.#keptLength, piece.length)
      this.#keep(piece, at, end)
      at = end
      if (this.#keptLength < this.wanted) return
      const used = this.parse(this.#kept, 0, this.#keptLength)
      this.#kept.copyWithin(0, used, this.#keptLength)
      this.#keptLength -= used
      if (this.#keptLength === 0 && this.#kept.length > LARGE_RECORD) this.#kept = NOTHING
    }
    if (at === piece.length || this.stopped) return
    this.#keep(piece, this.parse(piece, at, piece.length), piece.length)
  }

  /**
   * The capture is over. `left`: bytes the caller of `parse` still held; they
   * belong to a record that is cut.
   */
  end(left = this.#keptLength): void {
    if (this.stopped) return
    const read = this.octets + left
    if (read === 0) {
      this.refusal = 'is empty; capture again, or see whether what should write it did'
    } else if (this.octets === 0) {
      const after = `${read} ${read === 1 ? 'byte' : 'bytes'}`
      this.refusal = `ends inside its header, after ${after}; copy or capture it again`
    } else if (left > 0) {
      const message = `the file ends inside the record, which has ${left} of at least ${this.wanted} bytes`
      this.damage = { offset: this.octets, message }
    }
  }

  #recognize(start: number, end: number): FormatParser | undefined {
    if (end - start < MAGIC_LEN) return undefined
    const magic = this.#view.getUint32(start)
    if (magic === BLOCK_SECTION_HEADER) {
      return new PcapngParser(this.#packet, this.#onPacket, this.interfaces)
    }
    if (isPcapMagic(magic) || isPcapMagic(this.#view.getUint32(start, true))) {
      return new PcapParser(this.#packet, this.#onPacket, this.interfaces)
    }
    const octets = this.#viewed.toString('hex', start, start + MAGIC_LEN)
    const spaced = octets.replace(/..(?!$)/g, '$& ')
    this.refusal = `is not a capture file: it starts with ${spaced}; name a pcap or pcapng file`
    return undefined
  }

  #keep(piece: Buffer, start: number, end: number): void {
    const length = this.#keptLength + end - start
    if (length > this.#kept.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(2 * this.#kept.length, length, PCAP_HEADER_LEN),
      )
      this.#kept.copy(larger, 0, 0, this.#keptLength)
      this.#kept = larger
    }
    piece.copy(this.#kept, this.#keptLength, start, end)
    this.#keptLength = length
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
