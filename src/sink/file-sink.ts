import {
  close,
  closeSync,
  existsSync,
  fdatasync,
  fstat,
  ftruncate,
  openSync,
  rename,
  rmSync,
  stat,
  unlink,
  writev,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { BlockPool } from './block-pool.js'
import { BlockSink, type OnWritten } from './block-sink.js'
import { syncDirectory } from './directory.js'
import { WriteError } from './write-error.js'

const closeAsync = promisify(close)
const fdatasyncAsync = promisify(fdatasync)
const fstatAsync = promisify(fstat)
const ftruncateAsync = promisify(ftruncate)
const renameAsync = promisify(rename)
const statAsync = promisify(stat)
const unlinkAsync = promisify(unlink)

/** What a file is called until it is whole. */
export const PART = '.part'

export interface FileSinkOptions {
  pool: BlockPool
  /** Most octets pending; less than SINK_BLOCK_LEN counts as that. Infinity offline. */
  limitBytes: number
  /** Whether a file of that name, or what a killed run left of one, is replaced or refused (EEXIST). */
  existing: 'replace' | 'refuse'
  /**
   * What becomes of the file when writing fails. `keep-whole`: cut after its last
   * whole unit and given its name, or removed if it has no more than
   * `headerUnits`. `leave-part`: stays `.part`, for output that cannot be cut.
   */
  onFailure: 'keep-whole' | 'leave-part'
  /**
   * Whether it is to be on the disk before it has its name. What can be made again
   * from a file that is still there need not be; the name then still comes last.
   */
  durable: boolean
  /** Units (reserves) that a file begins with and that are worth nothing alone. */
  headerUnits: number
}

/**
 * A file that appears under its name when it is whole, not before.
 *
 * Octets go to `<path>.part`. `close` writes what is left, then fdatasync,
 * rename, fsync of the directory (rename alone where it need not be durable). The thread never waits for the disk once the
 * file is open. A process that is killed leaves a `.part` which holds all units
 * but the last in full; see recover/adoption.ts.
 */
export class FileSink extends BlockSink {
  readonly path: string
  readonly #part: string
  readonly #fd: number
  readonly #options: FileSinkOptions
  /** The file stands under its name. */
  isPublished = false
  /** The file is gone: discarded, or failed before anything worth keeping was written. */
  isRemoved = false
  #position = 0
  #isDiscarded = false

  /** Opens `<path>.part`. Throws the file system's error: EEXIST, ENOSPC, EMFILE, … */
  constructor(path: string, options: FileSinkOptions) {
    super(options)
    this.path = path
    this.#part = path + PART
    this.#options = options
    // Another process may hold the old one open; it will find at its end that the name is no longer its own.
    if (options.existing === 'replace') rmSync(this.#part, { force: true })
    this.#fd = openSync(this.#part, 'wx')
    // Asked second: whoever held the part until now may have renamed it since.
    if (options.existing === 'refuse' && existsSync(path)) {
      closeSync(this.#fd)
      rmSync(this.#part)
      throw Object.assign(new Error(`EEXIST: file already exists, '${path}'`), { code: 'EEXIST' })
    }
  }

  override discard(): Promise<void> {
    this.#isDiscarded = true
    return this.close()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    writev(this.#fd, chunks, this.#position, (error, written) => {
      this.#position += error === null ? written : 0
      done(error === null ? null : new WriteError(this.path, error), error === null ? written : 0)
    })
  }

  protected override release(): Promise<void> {
    return this.#options.pool.syncs.run(() => this.#settle())
  }

  async #settle(): Promise<void> {
    try {
      if (this.#isDiscarded) await this.#remove()
      else if (this.error === undefined) await this.#publish()
      else if (this.#options.onFailure === 'keep-whole') await this.#keepWhole()
    } catch (error) {
      throw new WriteError(this.path, error)
    } finally {
      await closeAsync(this.#fd)
    }
  }

  async #keepWhole(): Promise<void> {
    if (this.keptUnits <= this.#options.headerUnits) {
      await this.#remove()
      return
    }
    await ftruncateAsync(this.#fd, this.keptOctets)
    await this.#publish()
  }

  async #remove(): Promise<void> {
    await unlinkAsync(this.#part)
    this.isRemoved = true
  }

  async #publish(): Promise<void> {
    const { durable } = this.#options
    if (durable) await fdatasyncAsync(this.#fd)
    await this.#checkStillOurs()
    await renameAsync(this.#part, this.path)
    this.isPublished = true
    if (durable) await syncDirectory(dirname(this.path))
  }

  /** Renaming goes by name: a part that someone put in the place of ours must not be taken for whole. */
  async #checkStillOurs(): Promise<void> {
    const ours = await fstatAsync(this.#fd)
    const there = await statAsync(this.#part).catch(() => undefined)
    if (there === undefined || ours.ino !== there.ino || ours.dev !== there.dev) {
      throw new Error(`another process removed or replaced ${this.#part}`)
    }
  }
}
