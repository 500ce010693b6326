import type { BlockSink } from './block-sink.js'
import { openSink } from './open.js'

/** Bytes that may wait before `room` waits for them. */
const PENDING_MAX = 2 * 1024 * 1024

/**
 * Text to where `-o` says, or to standard output. A reader that has gone away
 * (`| head`) ends the output without a word.
 */
export class Output {
  readonly sink: BlockSink

  /** `through`: makes something else of the text on its way. */
  constructor(target: string, through: (sink: BlockSink) => BlockSink = (sink) => sink) {
    this.sink = through(openSink(target, { limitBytes: Number.POSITIVE_INFINITY, durable: false }))
  }

  /** Whether anybody still reads. */
  get open(): boolean {
    return this.sink.error === undefined
  }

  /** Whether `room` would wait. */
  get full(): boolean {
    return this.sink.pendingBytes > PENDING_MAX
  }

  write(text: string): void {
    const length = Buffer.byteLength(text)
    const at = this.sink.reserve(length)
    if (at !== -1) this.sink.block.write(text, at)
  }

  /** To be awaited now and then, so that memory stays bounded. */
  async room(): Promise<void> {
    if (this.full) await this.sink.drained()
  }

  /** In place of `close`, when the work has failed: leaves no file. */
  async discard(): Promise<void> {
    await this.sink.discard()
  }

  async close(): Promise<void> {
    try {
      await this.sink.close()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    }
  }
}
