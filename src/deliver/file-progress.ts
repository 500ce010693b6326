import type { QueuedFile } from './delivery-queue.js'
import { type Delivered, Undeliverable } from './destination.js'
import { type ChunkLimits, type QueuedRecord, queuedRecords } from './queued-records.js'

/** How much of a file of records has arrived: where to go on when it is tried again. */
export class FileProgress {
  #path = ''
  /** Records of whole chunks that need not be read again. */
  #records = 0
  /** Parts of the chunk at hand that have arrived: what a part is, is the destination's affair. */
  readonly done = new Set<number>()
  /** Records that were refused for good so far. */
  refused = 0

  /**
   * Hands the records of a file to `send`, a chunk at a time, from where the last attempt has got
   * to; `first` is the number of records before them. Rejects as `send` and `queuedRecords` do.
   */
  async deliver(
    { path }: QueuedFile,
    limits: ChunkLimits,
    send: (records: readonly QueuedRecord[], first: number) => Promise<void>,
  ): Promise<Delivered> {
    if (path !== this.#path) this.#begin(path)
    try {
      for await (const records of queuedRecords(path, limits, this.#records)) {
        await send(records, this.#records)
        this.#records += records.length
        this.done.clear()
      }
    } catch (error) {
      // It is set aside, and does not come again.
      if (error instanceof Undeliverable) this.#path = ''
      throw error
    }
    this.#path = ''
    return { refused: this.refused }
  }

  #begin(path: string): void {
    this.#path = path
    this.#records = 0
    this.refused = 0
    this.done.clear()
  }
}
