import { crc32 } from 'node:zlib'

/** Flags of a gzip header (RFC 1952 §2.3.1). */
const FLAG_HEADER_CRC = 0x02
const FLAG_EXTRA = 0x04
const FLAG_NAME = 0x08
const FLAG_COMMENT = 0x10
const FLAGS_RESERVED = 0xe0
const METHOD_DEFLATE = 8
/** Magic number, method, flags, time, extra flags, system. */
const HEADER_LEN = 10
/** CRC-32 and length of the output. */
const TRAILER_LEN = 8

/**
 * What a gzip member has around its deflate data (RFC 1952 §2.3). zlib's own reader of gzip keeps
 * the last output to itself when the checksum is wrong or something else follows the member.
 */
export class GzipMember {
  /** `no member`: what follows the last member begins with no magic number. */
  state: 'header' | 'body' | 'trailer' | 'wrong' | 'no member' = 'header'
  fault = ''
  #members = 0
  /** Bytes of the part under way: fixed header, length of the extra field, trailer. */
  readonly #part = Buffer.alloc(HEADER_LEN)
  #partLen = 0
  /** Fields of the header that are still to come, and bytes to skip of the one under way. */
  #flags = 0
  #isFixedRead = false
  #skip = 0
  #headerCrc = 0
  #crc = 0
  /** Modulo 2 ** 32. */
  #outputLen = 0
  /** It is read from somewhere in its data on, so that its trailer cannot be held against it. */
  #isUnchecked = false

  /** Of the output so far, as the trailer has them. */
  get crc(): number {
    return this.#crc
  }

  get outputLen(): number {
    return this.#outputLen
  }

  /** Whether nothing of a member has been read after the last. */
  get isBetween(): boolean {
    return this.state === 'header' && this.#members > 0 && this.#partLen === 0 && !this.#isFixedRead
  }

  /** The first bytes are within the data of a member. */
  resume(): void {
    this.state = 'body'
    this.#isUnchecked = true
  }

  /** Whether a member has begun and not ended. */
  get isBegun(): boolean {
    return this.state !== 'header' || this.#members === 0 || this.#partLen >= 2 || this.#isFixedRead
  }

  /** What was taken for the beginning of another member so far. */
  get magicSeen(): Buffer {
    return Buffer.from(this.#part.subarray(0, this.#partLen))
  }

  addOutput(piece: Buffer): void {
    this.#crc = crc32(piece, this.#crc)
    this.#outputLen = (this.#outputLen + piece.length) >>> 0
  }

  endBody(): void {
    this.state = 'trailer'
    this.#partLen = 0
  }

  /** Reads until the state changes or the piece ends; answers with the bytes used. */
  read(piece: Buffer): number {
    const { state } = this
    let at = 0
    while (at < piece.length && this.state === state) {
      if (this.state === 'trailer') {
        at = this.#readTrailer(piece, at)
      } else if (this.#flags === FLAG_HEADER_CRC && this.#skip === 0) {
        at = this.#readHeaderCrc(piece, at)
      } else {
        const end = this.#readHeader(piece, at)
        this.#headerCrc = crc32(piece.subarray(at, end), this.#headerCrc)
        at = end
      }
    }
    return at
  }

  #readTrailer(piece: Buffer, at: number): number {
    at = this.#fill(piece, at, TRAILER_LEN)
    if (this.#partLen < TRAILER_LEN) return at
    if (this.#isUnchecked) this.#begin()
    else if (this.#part.readUInt32LE(0) !== this.#crc) this.#refuse('incorrect data check')
    else if (this.#part.readUInt32LE(4) !== this.#outputLen) this.#refuse('incorrect length check')
    else this.#begin()
    return at
  }

  #begin(): void {
    this.#members++
    this.#isUnchecked = false
    this.state = 'header'
    this.#partLen = 0
    this.#isFixedRead = false
    this.#flags = 0
    this.#headerCrc = 0
    this.#crc = 0
    this.#outputLen = 0
  }

  #readHeader(piece: Buffer, at: number): number {
    if (!this.#isFixedRead) return this.#readFixed(piece, at)
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, piece.length - at)
      this.#skip -= skipped
      at += skipped
    } else if ((this.#flags & FLAG_EXTRA) !== 0) {
      at = this.#fill(piece, at, 2)
      if (this.#partLen < 2) return at
      this.#partLen = 0
      this.#skip = this.#part.readUInt16LE(0)
      this.#flags &= ~FLAG_EXTRA
    } else if ((this.#flags & (FLAG_NAME | FLAG_COMMENT)) !== 0) {
      // Text that ends with a zero byte.
      const end = piece.indexOf(0, at)
      if (end === -1) return piece.length
      this.#flags &= (this.#flags & FLAG_NAME) !== 0 ? ~FLAG_NAME : ~FLAG_COMMENT
      at = end + 1
    }
    if (this.#flags === 0 && this.#skip === 0) this.state = 'body'
    return at
  }

  /** The low half of the CRC-32 of all before it. */
  #readHeaderCrc(piece: Buffer, at: number): number {
    at = this.#fill(piece, at, 2)
    if (this.#partLen < 2) return at
    if (this.#part.readUInt16LE(0) === (this.#headerCrc & 0xffff)) this.state = 'body'
    else this.#refuse('header crc mismatch')
    return at
  }

  #readFixed(piece: Buffer, at: number): number {
    if (this.#members > 0 && this.#partLen < 2) {
      at = this.#fill(piece, at, 2)
      const isMagic = this.#part[0] === 0x1f && (this.#partLen < 2 || this.#part[1] === 0x8b)
      if (!isMagic) this.state = 'no member'
      return at
    }
    at = this.#fill(piece, at, HEADER_LEN)
    if (this.#partLen < HEADER_LEN) return at
    const flags = this.#part[3]!
    if (this.#part[2] !== METHOD_DEFLATE) this.#refuse('unknown compression method')
    else if ((flags & FLAGS_RESERVED) !== 0) this.#refuse('unknown header flags set')
    else {
      this.#isFixedRead = true
      this.#partLen = 0
      // The lowest bit only guesses that the contents are text.
      this.#flags = flags & (FLAG_HEADER_CRC | FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT)
      if (this.#flags === 0) this.state = 'body'
    }
    return at
  }

  /** Copies into the part until it has `length` bytes; answers with the offset after them. */
  #fill(piece: Buffer, at: number, length: number): number {
    const end = Math.min(at + length - this.#partLen, piece.length)
    this.#partLen += piece.copy(this.#part, this.#partLen, at, end)
    return end
  }

  #refuse(fault: string): void {
    this.state = 'wrong'
    this.fault = fault
  }
}
