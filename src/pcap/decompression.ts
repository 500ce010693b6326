import { OperatorError } from '../errors.js'
import {
  type Compression,
  canDecompress,
  type Decompression,
  Decompressor,
  noticesEarlyEnd,
  type OnOutput,
} from './decompressor.js'
import type { Restart, Restarts } from './restarts.js'
import { FramedZstd } from './zstd-frames.js'
import { hasZstdProgram, ZstdProgram } from './zstd-program.js'

export type { Decompression }

/** Reads the first `length` compressed bytes once more. Undefined where that cannot be done. */
export type ReadAgain = ((length: number) => Iterable<Buffer>) | undefined

/** How a file is decompressed of which that is not all. */
export interface DecompressionOptions {
  /** Is told where decompressing can begin again. Of wrong bytes, what was decompressed before them may be lost then. */
  readonly restarts?: Restarts
  /** Where the first bytes lie that are given. */
  readonly from?: Pick<Restart, 'bits' | 'window'>
}

/**
 * Opens what decompresses `compression` here. `name` is what messages call the input. Throws
 * OperatorError where nothing on this host can.
 */
export function openDecompression(
  compression: Exclude<Compression, 'none'>,
  name: string,
  onOutput: OnOutput,
  readAgain: ReadAgain,
  { restarts, from }: DecompressionOptions = {},
): Decompression {
  if (restarts !== undefined && compression === 'zstd') {
    const take: OnOutput = (piece) => {
      restarts.add(piece)
      return onOutput(piece)
    }
    const inner = { from: { bits: 0, window: Buffer.alloc(0) } }
    return new FramedZstd(() => openDecompression('zstd', name, take, undefined, inner), restarts)
  }
  const isReadable = canDecompress(compression)
  if (!isReadable || !noticesEarlyEnd(compression)) {
    if (hasZstdProgram()) return new ZstdProgram(onOutput)
    if (!isReadable) {
      throw new OperatorError(
        `${name} is compressed with ${compression}, which Node ${process.versions.node} cannot read; install zstd or use Node 22.15 or later`,
      )
    }
  }
  if (restarts !== undefined || from !== undefined) {
    return new Decompressor(compression, onOutput, restarts, from)
  }
  return new RescuingDecompressor(compression, onOutput, readAgain)
}

/** Compressed bytes of the steps that find where wrong ones are, before single bytes do. */
const STEP_LEN = 256

/**
 * A Decompressor that gives out everything before wrong bytes too. zlib keeps to itself what it
 * decompressed in the step that failed. A second decompressor, brought to where the piece at fault
 * begins, takes that piece byte by byte. Of a file it reads the beginning once more, and a third one
 * with it goes ahead in longer steps, so that only the one that fails is taken byte by byte. Of a pipe
 * the second has been kept one piece behind all the time, which doubles the work: what a pipe gave
 * cannot be read again, and zlib's state cannot be copied. A third would double it once more.
 */
class RescuingDecompressor implements Decompression {
  readonly #compression: 'gzip' | 'zstd'
  readonly #onOutput: OnOutput
  readonly #readAgain: ReadAgain
  readonly #first: Decompressor
  readonly #second: Decompressor
  /** The second one's work under way. */
  #following: Promise<unknown> = Promise.resolve()
  /** Compressed bytes before the piece being written. */
  #written = 0
  #given = 0
  /** What the second one has decompressed. */
  #repeated = 0

  constructor(compression: 'gzip' | 'zstd', onOutput: OnOutput, readAgain: ReadAgain) {
    this.#compression = compression
    this.#onOutput = onOutput
    this.#readAgain = readAgain
    this.#first = new Decompressor(compression, (piece) => {
      this.#given += piece.length
      return onOutput(piece)
    })
    this.#second = new Decompressor(compression, (piece) => this.#repeat(piece))
  }

  get hasTrailing(): boolean {
    return this.#first.hasTrailing
  }

  async write(piece: Buffer): Promise<Error | undefined> {
    const fault = await this.#first.write(piece)
    if (this.#first.hasLost) await this.#rescue(piece)
    if (fault !== undefined) return fault
    this.#written += piece.length
    if (this.#readAgain === undefined) {
      await this.#following
      this.#following = this.#second.write(piece)
      // It is awaited with the next piece, if there is one.
      this.#following.catch(() => undefined)
    }
    return undefined
  }

  end(): Promise<Error | undefined> {
    return this.#first.end()
  }

  destroy(): void {
    this.#first.destroy()
    this.#second.destroy()
  }

  async #rescue(piece: Buffer): Promise<void> {
    await this.#following
    let at = 0
    if (this.#readAgain !== undefined) at = await this.#approach(piece, this.#readAgain)
    for (; at < piece.length; at++) {
      if ((await this.#second.write(piece.subarray(at, at + 1))) !== undefined) return
    }
  }

  /** Brings the second one to the step of the piece that fails; answers with where that begins. */
  async #approach(piece: Buffer, readAgain: NonNullable<ReadAgain>): Promise<number> {
    const ahead = new Decompressor(this.#compression, () => undefined)
    try {
      for (const block of readAgain(this.#written)) {
        await Promise.all([ahead.write(block), this.#second.write(block)])
      }
      for (let at = 0; at < piece.length; at += STEP_LEN) {
        const step = piece.subarray(at, at + STEP_LEN)
        if ((await ahead.write(step)) !== undefined) return at
        await this.#second.write(step)
      }
      return piece.length
    } finally {
      ahead.destroy()
    }
  }

  #repeat(piece: Buffer): void | Promise<void> {
    const known = Math.min(this.#given - this.#repeated, piece.length)
    this.#repeated += piece.length
    if (known === piece.length) return undefined
    this.#given += piece.length - known
    return this.#onOutput(piece.subarray(known))
  }
}
