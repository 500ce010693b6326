import { close, fdatasync, ftruncate, open, rename, unlink, writev } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { BlockPool } from './block-pool.js'
import { BlockSink, type OnWritten } from './block-sink.js'
import { syncDirectory } from './directory.js'
import { openPart, PART } from './part-file.js'
import type { Turns } from './turns.js'
import { WriteError } from './write-error.js'

const closeAsync = promisify(close)
const fdatasyncAsync = promisify(fdatasync)
const ftruncateAsync = promisify(ftruncate)
const openAsync = promisify(open)
const renameAsync = promisify(rename)
const unlinkAsync = promisify(unlink)

interface AppendSinkOptions {
  pool: BlockPool
  /** At most this many files of a group are open at a time. */
  turns: Turns
  /** Units (reserves) that a file begins with and that are worth nothing alone. */
  headerUnits: number
}

/**
 * A file that is open only while something is written to it, for thousands that
 * grow at the same time. It appears under its name when it is closed, like a
 * FileSink's; when writing fails it is cut after its last whole unit. A file of that
 * name is replaced; one that nothing was written to is not made.
 */
export class AppendSink extends BlockSink {
  readonly path: string
  readonly #part: string
  readonly #options: AppendSinkOptions
  #position = 0
  #isMade = false
  #isDiscarded = false

  /** Opens nothing yet. */
  constructor(path: string, options: AppendSinkOptions) {
    super({ pool: options.pool, limitBytes: Number.POSITIVE_INFINITY })
    this.path = path
    this.#part = path + PART
    this.#options = options
  }

  override discard(): Promise<void> {
    this.#isDiscarded = true
    return this.close()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    this.#open((fd) => this.#append(fd, chunks)).then(
      (written) => done(null, written),
      (error: unknown) => done(new WriteError(this.path, error), 0),
    )
  }

  protected override async release(): Promise<void> {
    try {
      if (!this.#isMade) return
      const isWorthless = this.error !== undefined && this.keptUnits <= this.#options.headerUnits
      if (this.#isDiscarded || isWorthless) await unlinkAsync(this.#part)
      else await this.#open((fd) => this.#publish(fd))
    } catch (error) {
      throw new WriteError(this.path, error)
    }
  }

  #open<T>(work: (fd: number) => Promise<T>): Promise<T> {
    return this.#options.turns.run(async () => {
      const fd = this.#isMade
        ? await openAsync(this.#part, 'r+')
        : (await openPart(this.path, 'replace')).fd
      this.#isMade = true
      try {
        return await work(fd)
      } finally {
        await closeAsync(fd)
      }
    })
  }

  #append(fd: number, chunks: readonly Buffer[]): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(fd, chunks, this.#position, (error, written) => {
        if (error !== null) {
          reject(error)
          return
        }
        this.#position += written
        resolve(written)
      })
    })
  }

  async #publish(fd: number): Promise<void> {
    if (this.error !== undefined) await ftruncateAsync(fd, this.keptOctets)
    await fdatasyncAsync(fd)
    await renameAsync(this.#part, this.path)
    await syncDirectory(dirname(this.path))
  }
}
