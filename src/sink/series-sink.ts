import { BlockSink, type BlockSinkOptions, type OnWritten } from './block-sink.js'
import { openSink, openSinkLater } from './open.js'

/** Never refuses bytes: the series waits for it. */
const UNBOUNDED = { limitBytes: Number.POSITIVE_INFINITY }

/**
 * One stream of bytes, cut into files one after the other.
 *
 * Files are opened and finished in the background, in order, with at most one
 * other on its way to its name: a writer may begin any number of them without
 * waiting. A name that comes again replaces the file that had it. When one file
 * fails, so does the whole series; what was finished before stays.
 */
export class SeriesSink extends BlockSink {
  #file: BlockSink
  #path: string
  #closing: Promise<void> = Promise.resolve()
  /** Where in the stream the files after the one at hand begin. */
  readonly #cuts: { at: number; path: string }[] = []
  /** Bytes of the stream that are with the operating system. */
  #gone = 0
  #isDiscarded = false

  /** Opens the first file, as openSink does. Throws OperatorError. */
  constructor(path: string, options: BlockSinkOptions) {
    super(options)
    this.#path = path
    this.#file = openSink(path, UNBOUNDED)
  }

  /** What is taken from now on goes into the file at `path`. */
  cut(path: string): void {
    this.#cuts.push({ at: this.#gone + this.pendingBytes, path })
  }

  /** Leaves no unfinished file; those finished before stay. */
  override discard(): Promise<void> {
    this.#isDiscarded = true
    return this.close()
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    const chunk = chunks[0]!
    this.#write(chunk).then(
      () => {
        this.#gone += chunk.length
        done(null, chunk.length)
      },
      (error: Error) => done(error, 0),
    )
  }

  protected override async release(): Promise<void> {
    const begun = this.error === undefined && !this.#isDiscarded ? this.#cuts : []
    for (const { path } of begun) await this.#next(path)
    await this.#closing
    await (this.#isDiscarded ? this.#file.discard() : this.#file.close())
  }

  async #write(chunk: Buffer): Promise<void> {
    const end = this.#gone + chunk.length
    let from = 0
    for (let cut = this.#cuts[0]; cut !== undefined && cut.at < end; cut = this.#cuts[0]) {
      const to = cut.at - this.#gone
      await this.#put(chunk, from, to)
      from = to
      this.#cuts.shift()
      await this.#next(cut.path)
    }
    await this.#put(chunk, from, chunk.length)
  }

  async #put(chunk: Buffer, from: number, to: number): Promise<void> {
    const file = this.#file
    if (from < to) {
      const at = file.reserve(to - from)
      if (at !== -1) chunk.copy(file.block, at, from, to)
      await file.drained()
    }
    if (file.error !== undefined) throw file.error
  }

  async #next(path: string): Promise<void> {
    await this.#closing
    this.#closing = this.#file.close().catch((error: Error) => this.fail(error))
    if (path === this.#path) await this.#closing
    this.#path = path
    this.#file = await openSinkLater(path, UNBOUNDED)
  }
}
