import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

export type Compression = 'none' | 'gzip' | 'zstd'

/** Octets of a file that say whether and how it is compressed. */
export const COMPRESSION_MAGIC_LEN = 4

const GZIP_MAGIC = 0x1f8b
const ZSTD_MAGIC = 0xfd2fb528
/** Sixteen magic numbers that differ in their last digit (RFC 8878 §3.1.2); pzstd begins with one. */
const ZSTD_SKIPPABLE = 0x184d2a5

/** Output the decompressor gives at a time. */
const OUTPUT_LEN = 64 * 1024

type Stream = Transform & zlib.Zlib

/** In Node 22.15, 23.8 and later; the types are of the oldest Node we run on. */
const createZstd = (zlib as { createZstdDecompress?: (options: zlib.ZlibOptions) => Stream })
  .createZstdDecompress

const zstdSync = (zlib as { zstdDecompressSync?: (octets: Buffer) => Buffer }).zstdDecompressSync

/** A frame of nothing: magic number, header, one block, which is the last. */
const EMPTY_ZSTD = Buffer.from('28b52ffd2000010000', 'hex')

/** Whether this Node can read `compression`. */
export function canDecompress(compression: Compression): boolean {
  return compression !== 'zstd' || createZstd !== undefined
}

/**
 * Whether this Node notices when `compression` ends early. Of zstd Node 22 (22.23 too)
 * does not, and would give what was there for all there is; Node 24 does.
 */
export function noticesEarlyEnd(compression: Compression): boolean {
  if (compression !== 'zstd') return true
  try {
    zstdSync?.(EMPTY_ZSTD.subarray(0, -1))
    return false
  } catch {
    return true
  }
}

/** How a file beginning with `head` is compressed. */
export function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === GZIP_MAGIC) return 'gzip'
  if (head.length < COMPRESSION_MAGIC_LEN) return 'none'
  const magic = head.readUInt32LE(0)
  return magic === ZSTD_MAGIC || magic >>> 4 === ZSTD_SKIPPABLE ? 'zstd' : 'none'
}

/**
 * Decompresses piece by piece.
 *
 * `onOutput` has been given all that a piece decompresses to when `write`
 * resolves, so whoever writes sets the pace and nothing waits in between. A
 * stream that ends early loses nothing. Wrong octets lose what was decompressed
 * in the same step, at most 64 KiB: zlib keeps that to itself.
 */
export class Decompressor {
  readonly #compression: 'gzip' | 'zstd'
  readonly #onOutput: (piece: Buffer) => void
  #stream: Stream
  /** Ends the step under way. */
  #settle: () => void = () => {}
  #ended = false
  #fault: Error | undefined = undefined
  #thrown: { readonly what: unknown } | undefined = undefined

  constructor(compression: 'gzip' | 'zstd', onOutput: (piece: Buffer) => void) {
    this.#compression = compression
    this.#onOutput = onOutput
    this.#stream = this.#open()
  }

  /**
   * Resolves with what is wrong with the compressed octets, if anything is;
   * rejects with what `onOutput` threw. `piece` may then be overwritten.
   */
  async write(piece: Buffer): Promise<Error | undefined> {
    let rest = piece
    while (rest.length > 0) {
      const before = this.#stream.bytesWritten
      await this.#step(() => this.#stream.write(rest, () => this.#settle()))
      if (this.#fault !== undefined || !this.#ended) break
      // gzip: what follows its last member is padding. zstd: Node stops at the end of each frame.
      if (this.#compression === 'gzip') break
      rest = rest.subarray(this.#stream.bytesWritten - before)
      if (rest.length > 0) this.#stream = this.#open()
    }
    return this.#fault
  }

  /** The compressed octets are over; resolves and rejects as `write` does. */
  async end(): Promise<Error | undefined> {
    await this.#step(() => this.#stream.end())
    return this.#fault
  }

  destroy(): void {
    this.#stream.destroy()
  }

  #open(): Stream {
    const options = { chunkSize: OUTPUT_LEN }
    const stream = this.#compression === 'gzip' ? zlib.createGunzip(options) : createZstd!(options)
    this.#ended = false
    stream.on('data', (piece: Buffer) => this.#take(piece))
    stream.on('end', () => {
      this.#ended = true
      this.#settle()
    })
    stream.on('error', (error) => {
      this.#fault = error
      this.#settle()
    })
    return stream
  }

  /** Settled by the callback of a write, by the end of the stream or by its fault: whichever comes. */
  #step(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = () => {
        if (this.#thrown === undefined) resolve()
        else reject(this.#thrown.what)
      }
      if (this.#fault === undefined && !this.#ended) start()
      else this.#settle()
    })
  }

  #take(piece: Buffer): void {
    if (this.#thrown !== undefined) return
    try {
      this.#onOutput(piece)
    } catch (what) {
      this.#thrown = { what }
    }
  }
}
