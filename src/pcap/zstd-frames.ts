import type { Decompression } from './decompressor.js'
import type { Restarts } from './restarts.js'

const MAGIC = 0xfd2fb528
/** The sixteen of skippable frames, without their last digit. */
const MAGIC_SKIPPABLE = 0x184d2a5
/** Of a frame, by two bits of its descriptor (RFC 8878 §3.1.1.1). */
const DICTIONARY_LENS = [0, 1, 2, 4] as const
const CONTENT_LENS = [0, 2, 4, 8] as const
const SINGLE_SEGMENT = 0x20
const HAS_CHECKSUM = 0x04
const CHECKSUM_LEN = 4
const BLOCK_HEADER_LEN = 3
const BLOCK_RLE = 1
const BLOCK_RESERVED = 3

/** Compressed bytes between two places that are noted, by the decompressed ones: those may come late. */
const SHARE = 1 / 8

const NOTHING = Buffer.alloc(0)

/** Where the frames of zstd end, told by their headers and those of their blocks (RFC 8878 §3.1.1). */
export class ZstdFrames {
  #state: 'frame' | 'block' | 'none' = 'frame'
  /** Of the header under way. */
  #head: Buffer = NOTHING
  /** To be passed before the next header; `#isLast`: which then is a frame's. */
  #skip = 0
  #isLast = false
  #checksumLen = 0

  /** Where in the piece, from an offset on, a frame has ended; -1: nowhere. What is before that is then behind us. */
  nextEnd(piece: Buffer, from: number): number {
    let at = from
    while (this.#state !== 'none') {
      const passed = Math.min(this.#skip, piece.length - at)
      this.#skip -= passed
      at += passed
      if (this.#skip > 0) return -1
      if (this.#isLast) {
        this.#isLast = false
        this.#state = 'frame'
        return at
      }
      const before = this.#head.length
      this.#head = Buffer.concat([this.#head, piece.subarray(at, at + this.#wanted() - before)])
      at += this.#head.length - before
      if (this.#head.length < this.#wanted()) {
        if (at === piece.length) return -1
        continue
      }
      this.#read(this.#head)
      this.#head = NOTHING
    }
    return -1
  }

  /** Bytes that the header has, as far as is known. */
  #wanted(): number {
    if (this.#state === 'block') return BLOCK_HEADER_LEN
    const head = this.#head
    if (head.length < 5) return 5
    if (head.readUInt32LE(0) >>> 4 === MAGIC_SKIPPABLE) return 8
    const descriptor = head[4]!
    const isSingle = (descriptor & SINGLE_SEGMENT) !== 0
    const contentLen = CONTENT_LENS[descriptor >>> 6]! || (isSingle ? 1 : 0)
    return 5 + (isSingle ? 0 : 1) + DICTIONARY_LENS[descriptor & 3]! + contentLen
  }

  #read(head: Buffer): void {
    if (this.#state === 'block') {
      const header = head.readUIntLE(0, BLOCK_HEADER_LEN)
      const type = (header >>> 1) & 3
      this.#skip = type === BLOCK_RLE ? 1 : header >>> 3
      this.#isLast = (header & 1) !== 0
      if (this.#isLast) this.#skip += this.#checksumLen
      if (type === BLOCK_RESERVED) this.#state = 'none'
      return
    }
    const magic = head.readUInt32LE(0)
    if (magic >>> 4 === MAGIC_SKIPPABLE) {
      this.#skip = head.readUInt32LE(4)
      this.#isLast = true
    } else if (magic === MAGIC) {
      this.#checksumLen = (head[4]! & HAS_CHECKSUM) !== 0 ? CHECKSUM_LEN : 0
      this.#state = 'block'
    } else {
      this.#state = 'none'
    }
  }
}

/** Decompresses zstd, and notes the ends of frames: they are the only places where decompressing can begin. */
export class FramedZstd implements Decompression {
  readonly #open: () => Decompression
  readonly #restarts: Restarts
  readonly #frames = new ZstdFrames()
  #inner: Decompression | undefined
  #at = 0
  /** Where the latest one was noted. */
  #latest = 0

  /** `open`: of frames that follow each other; what they give is counted by `restarts`. */
  constructor(open: () => Decompression, restarts: Restarts) {
    this.#open = open
    this.#restarts = restarts
  }

  get hasTrailing(): boolean {
    return this.#inner?.hasTrailing ?? false
  }

  async write(piece: Buffer): Promise<Error | undefined> {
    for (let from = 0; from < piece.length; ) {
      const end = this.#frames.nextEnd(piece, from)
      const part = piece.subarray(from, end === -1 ? piece.length : end)
      if (this.#inner === undefined) {
        if (this.#at > 0) this.#restarts.noteMember(this.#at)
        this.#inner = this.#open()
      }
      const fault = await this.#inner.write(part)
      if (fault !== undefined) return fault
      from += part.length
      this.#at += part.length
      if (end === -1 || this.#at - this.#latest < this.#restarts.every * SHARE) continue
      const left = await this.end()
      if (left !== undefined) return left
      this.#inner = undefined
      this.#latest = this.#at
    }
    return undefined
  }

  async end(): Promise<Error | undefined> {
    return this.#inner?.end()
  }

  destroy(): void {
    this.#inner?.destroy()
  }
}
