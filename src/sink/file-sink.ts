import { close, fdatasync, fstat, ftruncate, rename, stat, unlink, writev } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { BlockPool } from './block-pool.js'
import { BlockSink, type OnWritten } from './block-sink.js'
import { syncDirectory } from './directory.js'
import { PART, type PartFile } from './part-file.js'
import { WriteError } from './write-error.js'

const closeAsync = promisify(close)
const fdatasyncAsync = promisify(fdatasync)
const fstatAsync = promisify(fstat)
const ftruncateAsync = promisify(ftruncate)
const renameAsync = promisify(rename)
const statAsync = promisify(stat)
const unlinkAsync = promisify(unlink)

export interface FileSinkOptions {
  pool: BlockPool
  /** Most bytes pending; less than SINK_BLOCK_LEN counts as that. Infinity offline. */
  limitBytes: number
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
 * Bytes go to its `.part`. `close` writes what is left, then fdatasync, rename, fsync of the
 * directory (rename alone where it need not be durable). The thread never waits for the disk:
 * where the part is still being opened, what is written fills blocks until it is. A process that
 * is killed leaves a `.part` which holds all units but the last in full; see recover/adoption.ts.
 */
export class FileSink extends BlockSink {
  readonly #opening: Promise<PartFile> | undefined
  readonly #options: FileSinkOptions
  #file: PartFile | undefined
  /** The file stands under its name. */
  isPublished = false
  /** There is no file: it was discarded, could not be opened, or failed before anything worth keeping was written. */
  isRemoved = false
  #position = 0
  #isDiscarded = false

  /** Takes the part over. When it cannot be opened, that is the sink's `error` as it is. */
  constructor(part: PartFile | Promise<PartFile>, options: FileSinkOptions) {
    super(options)
    this.#options = options
    if (!(part instanceof Promise)) {
      this.#file = part
      return
    }
    this.#opening = part
    part.then(
      (file) => {
        this.#file = file
      },
      (error: Error) => {
        this.isRemoved = true
        this.fail(error)
      },
    )
  }

  /** Where the file is to be; empty until its part is open. */
  get path(): string {
    return this.#file?.path ?? ''
  }

  override discard(): Promise<void> {
    this.#isDiscarded = true
    return this.close()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    const file = this.#file
    if (file !== undefined) this.#write(file, chunks, done)
    // When it cannot be opened the sink has failed by then, and only takes its blocks back.
    else {
      this.#opening!.then(
        (opened) => this.#write(opened, chunks, done),
        (error: Error) => done(error, 0),
      )
    }
  }

  #write({ fd, path }: PartFile, chunks: readonly Buffer[], done: OnWritten): void {
    const write = (): Promise<number> =>
      new Promise((resolve, reject) => {
        writev(fd, chunks, this.#position, (error, written) => {
          if (error === null) resolve(written)
          else reject(error)
        })
      })
    this.#options.pool.disk.run(write).then(
      (written) => {
        this.#position += written
        done(null, written)
      },
      (error: unknown) => done(new WriteError(path, error), 0),
    )
  }

  protected override async release(): Promise<void> {
    const file = this.#file ?? (await this.#opening!.catch(() => undefined))
    const { syncs, disk } = this.#options.pool
    if (file !== undefined) await syncs.run(() => disk.run(() => this.#settle(file)))
  }

  async #settle(file: PartFile): Promise<void> {
    try {
      if (this.#isDiscarded) await this.#remove(file)
      else if (this.error === undefined) await this.#publish(file)
      else if (this.#options.onFailure === 'keep-whole') await this.#keepWhole(file)
    } catch (error) {
      throw new WriteError(file.path, error)
    } finally {
      await closeAsync(file.fd)
    }
  }

  async #keepWhole(file: PartFile): Promise<void> {
    if (this.keptUnits <= this.#options.headerUnits) {
      await this.#remove(file)
      return
    }
    await ftruncateAsync(file.fd, this.keptOctets)
    await this.#publish(file)
  }

  async #remove({ path }: PartFile): Promise<void> {
    await unlinkAsync(path + PART)
    this.isRemoved = true
  }

  async #publish(file: PartFile): Promise<void> {
    const { path, fd } = file
    const { durable } = this.#options
    if (durable) await fdatasyncAsync(fd)
    await this.#checkStillOurs(file)
    await renameAsync(path + PART, path)
    this.isPublished = true
    if (durable) await syncDirectory(dirname(path))
  }

  /** Renaming goes by name: a part that someone put in the place of ours must not be taken for whole. */
  async #checkStillOurs({ path, fd }: PartFile): Promise<void> {
    const ours = await fstatAsync(fd)
    const there = await statAsync(path + PART).catch(() => undefined)
    if (there === undefined || ours.ino !== there.ino || ours.dev !== there.dev) {
      throw new Error(`another process removed or replaced ${path + PART}`)
    }
  }
}
