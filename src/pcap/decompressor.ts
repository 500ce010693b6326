import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { GzipMember } from './gzip-member.js'
import { beginning, blockBegin, CUT_LEN, type Restart, type Restarts } from './restarts.js'

export type Compression = 'none' | 'gzip' | 'zstd'

/** Bytes of a file that say whether and how it is compressed. */
export const COMPRESSION_MAGIC_LEN = 4

const GZIP_MAGIC = 0x1f8b
const ZSTD_MAGIC = 0xfd2fb528
/** Sixteen magic numbers that differ in their last digit (RFC 8878 §3.1.2); pzstd begins with one. */
const ZSTD_SKIPPABLE = 0x184d2a5

/** Output the decompressor gives at a time. */
const OUTPUT_LEN = 64 * 1024

/** Compressed bytes of a member that is decompressed without a stream of its own, if it is like the one before. */
const SMALL_MEMBER_LEN = 1024
const SMALL_OPTIONS = { info: true, chunkSize: 1024, maxOutputLength: OUTPUT_LEN }

type Stream = Transform & zlib.Zlib

/** With `info`, of which the types know nothing. */
const inflateSmall = zlib.inflateRawSync as unknown as (
  bytes: Buffer,
  options: typeof SMALL_OPTIONS,
) => { buffer: Buffer; engine: { bytesWritten: number } }

/** In Node 22.15, 23.8 and later; the types are of the oldest Node we run on. */
const createZstd = (zlib as { createZstdDecompress?: (options: zlib.ZlibOptions) => Stream })
  .createZstdDecompress

const zstdSync = (zlib as { zstdDecompressSync?: (octets: Buffer) => Buffer }).zstdDecompressSync

const NOTHING = Buffer.alloc(0)

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

/**
 * Takes output. Where it returns a promise, nothing more is decompressed until that resolves;
 * where it throws or rejects, nothing more at all.
 */
export type OnOutput = (piece: Buffer) => void | Promise<void>

/** Compressed data on its way out, whoever does the work. */
export interface Decompression {
  /** As Decompressor.write. */
  write(piece: Buffer): Promise<Error | undefined>
  /** As Decompressor.end. */
  end(): Promise<Error | undefined>
  /** As Decompressor.hasTrailing. */
  readonly hasTrailing: boolean
  destroy(): void
}

/** How a file beginning with `head` is compressed. */
export function compressionOf(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === GZIP_MAGIC) return 'gzip'
  if (head.length < COMPRESSION_MAGIC_LEN) return 'none'
  const magic = head.readUInt32LE(0)
  return magic === ZSTD_MAGIC || magic >>> 4 === ZSTD_SKIPPABLE ? 'zstd' : 'none'
}

/**
 * Decompresses piece by piece, frames (zstd) and members (gzip) that follow each other as one.
 *
 * `onOutput` has been given all that a piece decompresses to when `write`
 * resolves. A
 * stream that ends early loses nothing. Wrong bytes lose what was decompressed
 * in the same step, at most 64 KiB, which zlib keeps to itself: `hasLost` says so,
 * and RescuingDecompressor gets it back.
 *
 * What follows the last member or frame and is none is ignored, as gzip(1) does, and
 * `hasTrailing` says so unless all of it is zero: that is padding.
 */
export class Decompressor {
  readonly #compression: 'gzip' | 'zstd'
  readonly #onOutput: OnOutput
  readonly #gzip = new GzipMember()
  #stream: Stream | undefined
  /** Ends the step under way. */
  #endStep: () => void = () => {}
  /** zlib has done the step; its output may still have to be taken. */
  #isStepDone = false
  /** Whoever takes the output wants no more for now. */
  #isHeld = false
  #fault: Error | undefined = undefined
  #thrown: { readonly what: unknown } | undefined = undefined
  /** The first bytes after a zstd frame, which say whether another one follows. */
  #head: Buffer = Buffer.alloc(0)
  #frames = 0
  #isTrailing = false
  #hasTrailing = false
  #hasLost = false
  /** Compressed bytes of the member under way, or of the last that had a stream. */
  #bodyLen = 0
  /** Compressed bytes before the one that is looked at. */
  #at = 0
  /** Of gzip: is told where decompressing can begin again. */
  #restarts: Restarts | undefined
  /** Where the first byte is, if that is no beginning. */
  #resume: Pick<Restart, 'bits' | 'window'> | undefined
  /** Bytes that wait for others, in which the end of a block is then looked for. */
  #gathered: Buffer = NOTHING
  #isCutting = false
  #lastByte = 0

  /** `from`: where in a gzip file the first byte lies, if it is not its beginning. */
  constructor(
    compression: 'gzip' | 'zstd',
    onOutput: OnOutput,
    restarts?: Restarts,
    from?: Pick<Restart, 'bits' | 'window'>,
  ) {
    this.#compression = compression
    this.#onOutput = onOutput
    this.#restarts = restarts
    if (from !== undefined && from.window.length > 0) {
      this.#resume = from
      this.#gzip.resume()
    }
  }

  /** Whether bytes that are not zero follow the last member or frame. */
  get hasTrailing(): boolean {
    return this.#hasTrailing
  }

  /** Whether output of the step that failed was lost: the same bytes, written one at a time, would give it. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  /**
   * Resolves with what is wrong with the compressed bytes, if anything is;
   * rejects with what `onOutput` threw or rejected with. `piece` may then be overwritten.
   */
  async write(piece: Buffer): Promise<Error | undefined> {
    let rest = piece
    if (this.#gathered.length > 0) rest = Buffer.concat([this.#gathered, piece])
    this.#gathered = NOTHING
    const end = this.#at + rest.length
    while (rest.length > 0 && this.#fault === undefined) {
      this.#at = end - rest.length
      if (this.#isTrailing) {
        this.#ignore(rest)
        break
      }
      if (this.#stream !== undefined) rest = await this.#body(rest, this.#stream)
      else if (this.#compression === 'zstd') rest = this.#beforeFrame(rest)
      else if (this.#gzip.state === 'body') rest = await this.#beginBody(rest)
      else rest = this.#aroundMember(rest)
    }
    this.#at = end - this.#gathered.length
    return this.#fault
  }

  /** The compressed bytes are over; resolves and rejects as `write` does. */
  async end(): Promise<Error | undefined> {
    // What is left is not worth another place to begin at.
    this.#restarts = undefined
    if (this.#gathered.length > 0) await this.write(NOTHING)
    if (this.#fault !== undefined || this.#isTrailing) return this.#fault
    const stream = this.#stream
    if (stream !== undefined) {
      await this.#step(() => stream.end())
      // A member that ends here has no checksum after it.
      if (this.#compression === 'gzip') this.#fault ??= new Error('unexpected end of file')
    } else if (this.#compression === 'gzip') {
      if (this.#gzip.isBegun) this.#fault = new Error('unexpected end of file')
      else this.#ignore(this.#gzip.magicSeen)
    } else {
      this.#ignore(this.#head)
    }
    return this.#fault
  }

  destroy(): void {
    this.#stream?.destroy()
  }

  /** Bytes of the compressed data of a member or frame; answers with those after its end. */
  async #body(piece: Buffer, stream: Stream): Promise<Buffer> {
    if (this.#restarts?.isDue) {
      if (piece.length >= CUT_LEN) return this.#cut(piece, stream, this.#restarts)
      this.#gathered = Buffer.from(piece)
      return NOTHING
    }
    const before = stream.bytesWritten
    await this.#step(() => stream.write(piece, () => this.#settle()))
    const used = stream.bytesWritten - before
    this.#bodyLen += used
    if (used > 0) this.#lastByte = piece[used - 1]!
    // What is not used lies after the end, whose event may be still to come.
    if (this.#fault === undefined && used < piece.length && this.#stream === stream) this.#finish()
    return piece.subarray(used)
  }

  /**
   * Ends the stream at the end of a deflate block, notes that it is one, and goes on there with another
   * stream. What is behind the member's end shows whether all of that was right.
   */
  async #cut(piece: Buffer, stream: Stream, restarts: Restarts): Promise<Buffer> {
    const before = stream.bytesWritten
    this.#isCutting = true
    await this.#step(() => {
      // A stream takes `finishFlush` for what waits when it is ended, and so not for the first it is given.
      stream.write(piece.subarray(0, 1))
      stream.end(piece.subarray(1))
    })
    this.#isCutting = false
    if (this.#fault !== undefined) return NOTHING
    const used = stream.bytesWritten - before
    const rest = piece.subarray(used)
    const last = used > 0 ? piece[used - 1]! : this.#lastByte
    const bits = blockBegin(last, rest, restarts.window, this.#gzip)
    if (bits === undefined) {
      this.#fault = new Error('where a block begins cannot be told')
    } else if (bits === 'end') {
      this.#finish()
    } else {
      const at = this.#at + used
      restarts.note(bits === 8 ? at : at - 1, bits & 7)
      await this.#openAt(bits & 7, last, restarts.window)
    }
    return rest
  }

  /** Opens a stream that goes on after some bits of a byte. */
  async #openAt(bits: number, byte: number, window: Buffer): Promise<void> {
    const stream = this.#open(window)
    const first = beginning(bits, byte)
    if (bits > 0) await this.#step(() => stream.write(first, () => this.#settle()))
  }

  /**
   * The data of a gzip member begins. A stream costs a hundred times what a member of a few bytes does:
   * a small one that follows a small one is decompressed at once.
   */
  async #beginBody(piece: Buffer): Promise<Buffer> {
    const resume = this.#resume
    if (resume !== undefined) {
      this.#resume = undefined
      await this.#openAt(resume.bits, piece[0]!, resume.window)
      return resume.bits > 0 ? piece.subarray(1) : piece
    }
    const small =
      this.#bodyLen <= SMALL_MEMBER_LEN && this.#frames > 0 ? wholeSmall(piece) : undefined
    if (small === undefined) {
      this.#bodyLen = 0
      this.#open()
      return piece
    }
    this.#frames++
    if (small.output.length > 0) {
      this.#gzip.addOutput(small.output)
      this.#restarts?.add(small.output)
      await this.#onOutput(small.output)
    }
    this.#gzip.endBody()
    return piece.subarray(small.used)
  }

  /** Header and checksum of a gzip member; answers with what follows. */
  #aroundMember(piece: Buffer): Buffer {
    if (this.#restarts?.isDue && this.#gzip.isBetween) this.#restarts.noteMember(this.#at)
    const used = this.#gzip.read(piece)
    switch (this.#gzip.state) {
      case 'wrong':
        this.#fault = new Error(this.#gzip.fault)
        break
      case 'no member':
        this.#isTrailing = true
        this.#ignore(this.#gzip.magicSeen)
        break
    }
    return piece.subarray(used)
  }

  /** Whether the bytes after a zstd frame begin another one; answers with those to go on with. */
  #beforeFrame(piece: Buffer): Buffer {
    if (this.#frames > 0) {
      this.#head = Buffer.concat([this.#head, piece])
      if (this.#head.length < COMPRESSION_MAGIC_LEN) return Buffer.alloc(0)
      piece = this.#head
      this.#head = Buffer.alloc(0)
      if (compressionOf(piece) !== 'zstd') {
        this.#isTrailing = true
        return piece
      }
    }
    this.#open()
    return piece
  }

  #ignore(bytes: Buffer): void {
    this.#hasTrailing ||= bytes.some((byte) => byte !== 0)
  }

  #open(dictionary?: Buffer): Stream {
    const options = {
      chunkSize: OUTPUT_LEN,
      // Where it is ended within its data, it stops at the end of a block.
      ...(this.#restarts && { finishFlush: zlib.constants.Z_BLOCK }),
      ...(dictionary && { dictionary }),
    }
    const stream = (
      this.#compression === 'gzip' ? zlib.createInflateRaw(options) : createZstd!(options)
    ) as Stream
    this.#stream = stream
    stream.on('data', (piece: Buffer) => this.#take(piece, stream))
    stream.on('end', () => {
      // It may come when another stream is at work.
      if (this.#stream !== stream) return
      if (this.#isCutting) this.#stream = undefined
      else this.#finish()
      this.#settle()
    })
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#fault = error
      // Z_BUF_ERROR is the end of the input, before which everything was given out.
      this.#hasLost = error.code !== 'Z_BUF_ERROR'
      this.#stream = undefined
      this.#settle()
    })
    return stream
  }

  /** The data of a member or frame is over. */
  #finish(): void {
    this.#stream = undefined
    this.#frames++
    this.#gzip.endBody()
  }

  /** Settled by the callback of a write, by the end of the stream or by its fault: whichever comes. */
  #step(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#isStepDone = false
      this.#endStep = () => {
        if (this.#thrown === undefined) resolve()
        else reject(this.#thrown.what)
      }
      start()
    })
  }

  #settle(): void {
    this.#isStepDone = true
    this.#look()
  }

  /** Ends the step if all its output has been taken. */
  #look(): void {
    const left = this.#stream?.readableLength ?? 0
    if (this.#isStepDone && !this.#isHeld && left === 0) this.#endStep()
  }

  #take(piece: Buffer, stream: Stream): void {
    if (this.#thrown !== undefined) return
    if (this.#compression === 'gzip') this.#gzip.addOutput(piece)
    this.#restarts?.add(piece)
    try {
      const taken = this.#onOutput(piece)
      if (taken !== undefined) this.#hold(taken, stream)
    } catch (what) {
      this.#throw(what)
    }
    this.#look()
  }

  #hold(taken: Promise<void>, stream: Stream): void {
    this.#isHeld = true
    stream.pause()
    taken.then(
      () => {
        this.#isHeld = false
        stream.resume()
        this.#look()
      },
      (what) => this.#throw(what),
    )
  }

  #throw(what: unknown): void {
    this.#thrown = { what }
    this.#isHeld = false
    this.destroy()
    this.#stream = undefined
    this.#settle()
  }
}

/** A member's data that is small and all there. Undefined for others, and where it is wrong: a stream says how. */
function wholeSmall(piece: Buffer): { output: Buffer; used: number } | undefined {
  try {
    const { buffer, engine } = inflateSmall(piece.subarray(0, SMALL_MEMBER_LEN), SMALL_OPTIONS)
    return { output: buffer, used: engine.bytesWritten }
  } catch {
    return undefined
  }
}
