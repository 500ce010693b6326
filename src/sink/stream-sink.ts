import { close, write } from 'node:fs'
import { promisify } from 'node:util'
import { BlockSink, type BlockSinkOptions, type OnWritten } from './block-sink.js'
import { errnoOf, WriteError } from './write-error.js'

const closeAsync = promisify(close)

/** How long to leave a full pipe alone; doubled while it stays full. */
const RETRY_MS_MIN = 1
const RETRY_MS_MAX = 32

interface StreamSinkOptions extends BlockSinkOptions {
  /** What messages call it; `-` for standard output. */
  name: string
  /** Whether `close` closes the descriptor too. */
  owned: boolean
}

/**
 * Standard output, a pipe or a device. When the reader has gone `error` has the
 * code EPIPE, which whoever closes the sink takes for a normal end.
 *
 * Writes wait in libuv's threads. A process that must end while its reader does
 * not read has to end by a signal: process.exit would wait for that write.
 */
export class StreamSink extends BlockSink {
  readonly #fd: number
  readonly #name: string
  readonly #owned: boolean

  constructor(fd: number, options: StreamSinkOptions) {
    super(options)
    this.#fd = fd
    this.#name = options.name
    this.#owned = options.owned
  }

  /** Waits for nobody: a write that is under way may have no end. */
  override discard(): Promise<void> {
    this.fail(new Error('discarded'))
    return Promise.resolve()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    this.#write(chunks[0]!, RETRY_MS_MIN, done)
  }

  protected override async release(): Promise<void> {
    if (this.#owned) await closeAsync(this.#fd)
  }

  #write(chunk: Buffer, retryMs: number, done: OnWritten): void {
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => {
      if (error === null) {
        done(null, written)
      } else if (errnoOf(error) === 'EAGAIN') {
        // Whoever shares the pipe with us may have made it non-blocking.
        setTimeout(() => this.#write(chunk, Math.min(2 * retryMs, RETRY_MS_MAX), done), retryMs)
      } else {
        done(new WriteError(this.#name, error), 0)
      }
    })
  }
}
