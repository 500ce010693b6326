import { close, createReadStream, fstatSync, open, readSync, type Stats } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import { adviceOn, OperatorError } from '../errors.js'
import { COMPRESSION_MAGIC_LEN } from './decompressor.js'

const openFile = promisify(open)
const closeFile = promisify(close)

const STDIN = 0
const NOTHING = Buffer.alloc(0)

/**
 * The bytes of a file, a pipe or standard input. What goes wrong with them is
 * an OperatorError that names it.
 */
export class CaptureInput {
  /** As messages call it. */
  readonly name: string
  /** A regular file, to be read with `read`; else `pieces` is the way. */
  readonly isFile: boolean
  readonly #fd: number
  readonly #stats: Stats
  /** The descriptor is closed by the stream made of it. */
  #streamed = false
  #iterator: AsyncIterator<Buffer> | undefined
  /** Bytes of a pipe that have been looked at and not been read. */
  #ahead: Buffer = NOTHING

  private constructor(name: string, fd: number, stats: Stats) {
    this.name = name
    this.isFile = stats.isFile()
    this.#fd = fd
    this.#stats = stats
  }

  /** `-` is standard input. */
  static async open(path: string): Promise<CaptureInput> {
    const name = path === '-' ? 'standard input' : path
    const fd =
      path === '-' ? STDIN : await openFile(path, 'r').catch((error) => refuse(name, error))
    try {
      const stats = fstatSync(fd)
      if (stats.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
      if (fd === STDIN && isatty(STDIN)) {
        throw new OperatorError(`${name} is a terminal; pipe a capture into it or name a file`)
      }
      return new CaptureInput(name, fd, stats)
    } catch (error) {
      if (fd !== STDIN) await closeFile(fd)
      return refuse(name, error)
    }
  }

  /** Fills `block` from `at` on with the next bytes of a regular file; returns how many, 0 at its end. */
  read(block: Buffer, at: number): number {
    try {
      return readSync(this.#fd, block, at, block.length - at, null)
    } catch (error) {
      return refuse(this.name, error)
    }
  }

  /** Fills `block` with the bytes of a regular file from `position` on; returns how many, 0 at its end. */
  readAt(block: Buffer, position: number): number {
    try {
      return readSync(this.#fd, block, 0, block.length, position)
    } catch (error) {
      return refuse(this.name, error)
    }
  }

  /**
   * The first bytes, up to `length`, which will be read all the same. Of a pipe no more are waited for than
   * `isEnough` asks for.
   */
  async head(length: number, isEnough: (head: Buffer) => boolean): Promise<Buffer> {
    if (this.isFile) {
      const block = Buffer.allocUnsafeSlow(length)
      return block.subarray(0, this.readAt(block, 0))
    }
    while (this.#ahead.length < length && !isEnough(this.#ahead)) {
      const piece = await this.#next()
      if (piece === undefined) break
      this.#ahead = Buffer.concat([this.#ahead, piece])
    }
    return this.#ahead.subarray(0, length)
  }

  /**
   * The bytes of a pipe as they arrive, the first piece long enough to tell a
   * compressed capture by.
   */
  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    try {
      await this.head(COMPRESSION_MAGIC_LEN, () => false)
      const first = this.#ahead
      this.#ahead = NOTHING
      if (first.length > 0) yield first
      for (;;) {
        const piece = await this.#next()
        if (piece === undefined) return
        yield piece
      }
    } finally {
      await this.#iterator?.return?.()
    }
  }

  /** To be called however reading ended. */
  async close(): Promise<void> {
    if (this.#streamed) await this.#iterator?.return?.()
    else if (this.#fd !== STDIN) await closeFile(this.#fd)
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      this.#iterator ??= (this.#stream() as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
      const { done, value } = await this.#iterator.next()
      return done === true ? undefined : value
    } catch (error) {
      // Who destroys standard input wants no more of it.
      if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return undefined
      return refuse(this.name, error)
    }
  }

  #stream(): Readable {
    this.#streamed = true
    if (this.#fd === STDIN) return process.stdin
    // A file stream would block a thread of the pool in each read, and keep the process from ending.
    if (this.#stats.isFIFO() || this.#stats.isSocket()) {
      return new Socket({ fd: this.#fd, readable: true, writable: false })
    }
    return createReadStream('', { fd: this.#fd })
  }
}

function refuse(name: string, error: unknown): never {
  if (error instanceof OperatorError) throw error
  const advice =
    adviceOn(error, 'read') ??
    `cannot be read: ${(error as Error).message}; check the disk and the path`
  throw new OperatorError(`${name} ${advice}`, { cause: error })
}
