import type { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { OperatorError } from '../errors.js'
import { BlockSink, type BlockSinkOptions, type OnWritten } from './block-sink.js'
import { SINK_BLOCK_LEN } from './byte-sink.js'

/** Compressed bytes that may wait beneath before the compressor has to. */
const BENEATH_BYTES_MAX = 4 * SINK_BLOCK_LEN

/** A compressor of node:zlib: a Transform that can be asked to let out what it holds. */
interface Compressor extends Transform {
  flush(kind: number, callback: () => void): void
}

interface Compression {
  readonly create: () => Compressor
  /** The `flush` after which everything written so far can be decompressed. */
  readonly flushKind: number
}

const COMPRESSIONS: Record<string, () => Compression> = {
  '.gz': () => ({
    create: () => zlib.createGzip(),
    flushKind: zlib.constants.Z_SYNC_FLUSH,
  }),
  '.zst': () => {
    const { createZstdCompress, constants } = zlib as unknown as {
      createZstdCompress?: () => Compressor
      constants: { ZSTD_e_flush?: number }
    }
    if (createZstdCompress === undefined || constants.ZSTD_e_flush === undefined) {
      throw new OperatorError(
        `Node ${process.versions.node} cannot write .zst; name the file .gz, or use Node 22.15 or newer`,
      )
    }
    return { create: createZstdCompress, flushKind: constants.ZSTD_e_flush }
  },
}

/** How a file of that name is compressed, or undefined. Throws OperatorError where this Node cannot. */
export function compressionOf(path: string): Compression | undefined {
  const extension = Object.keys(COMPRESSIONS).find((name) => path.endsWith(name))
  return extension === undefined ? undefined : COMPRESSIONS[extension]!()
}

/**
 * Compresses, in libuv's threads, into a sink beneath that becomes its own.
 *
 * Whether a unit has reached the disk cannot be told from outside a compressor,
 * so a sink beneath should leave a failed file as it is.
 */
export class CompressSink extends BlockSink {
  readonly #beneath: BlockSink
  readonly #compressor: Compressor
  readonly #flushKind: number
  #flushing: Promise<void> | undefined
  #isDiscarded = false

  /** `beneath` has `limitBytes` Infinity and a pool without limit: it is asked to wait, never refused. */
  constructor(beneath: BlockSink, compression: Compression, options: BlockSinkOptions) {
    super(options)
    this.#beneath = beneath
    this.#flushKind = compression.flushKind
    this.#compressor = compression.create()
    this.#compressor.on('data', (chunk: Buffer) => this.#pass(chunk))
    this.#compressor.on('error', (error) => this.fail(error))
  }

  override get pendingBytes(): number {
    return super.pendingBytes + this.#beneath.pendingBytes
  }

  override async drained(): Promise<void> {
    await super.drained()
    if (this.error === undefined && !this.#compressor.writableEnded) {
      await new Promise<void>((resolve) => this.#compressor.flush(this.#flushKind, resolve))
    }
    await this.#beneath.drained()
    if (this.#beneath.error !== undefined) this.fail(this.#beneath.error)
  }

  override flush(): void {
    super.flush()
    this.#flushing ??= this.drained().finally(() => {
      this.#flushing = undefined
    })
  }

  override discard(): Promise<void> {
    this.#isDiscarded = true
    return this.close()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    const chunk = chunks[0]!
    this.#compressor.write(chunk, (error) => {
      const failure = error ?? this.#beneath.error ?? null
      done(failure, failure === null ? chunk.length : 0)
    })
  }

  protected override async release(): Promise<void> {
    await this.#flushing
    if (this.error === undefined) await finished(this.#compressor.end())
    this.#compressor.destroy()
    if (this.error !== undefined) this.#beneath.fail(this.error)
    await (this.#isDiscarded ? this.#beneath.discard() : this.#beneath.close())
  }

  #pass(chunk: Buffer): void {
    for (let from = 0; from < chunk.length; from += SINK_BLOCK_LEN) {
      const end = Math.min(from + SINK_BLOCK_LEN, chunk.length)
      const at = this.#beneath.reserve(end - from)
      if (at === -1) return
      chunk.copy(this.#beneath.block, at, from, end)
    }
    if (this.#beneath.pendingBytes < BENEATH_BYTES_MAX) return
    this.#compressor.pause()
    void this.#beneath.drained().then(() => this.#compressor.resume())
  }
}
