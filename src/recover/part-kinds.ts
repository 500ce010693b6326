import { CaptureParser } from '../pcap/capture-parser.js'
import { PCAP_HEADER_LEN, PCAP_RECORD_HEADER_LEN } from '../pcap/pcap.js'

/** Finds out how much of an unfinished file is whole; takes it piece by piece. */
interface PartWalker {
  push(piece: Buffer): void
  /** Whole packets or records so far. */
  readonly units: number
  /** Bytes up to the end of the last of them, with what must stand before it. */
  readonly wholeOctets: number
  /** The file is not what its name says. */
  readonly isStrange: boolean
}

/** What is done with `<name><extension>.part`. */
export interface PartKind {
  readonly unit: 'packet' | 'record'
  /** Compressed files are not cut but compressed anew. */
  readonly isGzip: boolean
  readonly walker: () => PartWalker
}

/** By extension. Whatever is not listed is left alone. */
export const PART_KINDS: Readonly<Record<string, PartKind>> = {
  '.pcap': { unit: 'packet', isGzip: false, walker: () => new CaptureWalker() },
  '.pcapng': { unit: 'packet', isGzip: false, walker: () => new CaptureWalker() },
  '.pcap.gz': { unit: 'packet', isGzip: true, walker: () => new CaptureWalker() },
  '.pcapng.gz': { unit: 'packet', isGzip: true, walker: () => new CaptureWalker() },
  '.log.gz': { unit: 'record', isGzip: true, walker: () => new LogWalker() },
  '.json.gz': { unit: 'record', isGzip: true, walker: () => new LogWalker() },
  '.queue.gz': { unit: 'record', isGzip: true, walker: () => new LogWalker() },
}

const NEWLINE = 0x0a
const NUMBER_SIGN = 0x23
const BRACE = 0x7b

/**
 * Walks a capture file. A power failure can leave zeros where packets were not
 * yet on the disk; in a pcap file they read as packets of no bytes at time 0,
 * and end it.
 */
class CaptureWalker implements PartWalker {
  units = 0
  #pcapOctets = PCAP_HEADER_LEN
  #hasZeros = false
  readonly #parser = new CaptureParser((packet) => {
    const captured = packet.end - packet.start
    const isZeros =
      captured === 0 &&
      packet.originalLength === 0 &&
      packet.seconds === 0 &&
      packet.nanoseconds === 0
    if (isZeros) this.#hasZeros = true
    if (this.#hasZeros) return
    this.units++
    this.#pcapOctets += PCAP_RECORD_HEADER_LEN + captured
  })

  push(piece: Buffer): void {
    if (!this.#hasZeros) this.#parser.push(piece)
  }

  get wholeOctets(): number {
    return this.#parser.format === 'pcapng' ? this.#parser.octets : this.#pcapOctets
  }

  get isStrange(): boolean {
    return this.#parser.refusal !== undefined || this.#parser.format === 'modified-pcap'
  }
}

/**
 * Walks a log: one line a record, after a line that names the fields (flow logs), lines that begin with a number sign
 * (logs of Zeek) or nothing (objects of JSON).
 */
class LogWalker implements PartWalker {
  wholeOctets = 0
  units = 0
  readonly isStrange = false
  #lines = 0
  #octets = 0
  /** What the line at hand begins with; -1: it has not begun. */
  #first = -1

  push(piece: Buffer): void {
    let from = 0
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, from)) {
      const first = this.#first === -1 ? piece[from]! : this.#first
      if (first === BRACE || (first !== NUMBER_SIGN && this.#lines > 0)) this.units++
      this.#lines++
      this.#first = -1
      from = at + 1
      this.wholeOctets = this.#octets + from
    }
    if (this.#first === -1 && from < piece.length) this.#first = piece[from]!
    this.#octets += piece.length
  }
}
