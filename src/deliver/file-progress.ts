import type { QueuedFile } from './delivery-queue.js'

/** How much of a file of records has arrived: where to go on when it is tried again. */
export class FileProgress {
  #path = ''
  /** Records of whole chunks that need not be read again. */
  records = 0
  /** Parts of the chunk at hand that have arrived: what a part is, is the destination's affair. */
  readonly done = new Set<number>()
  /** Records that were refused for good so far. */
  refused = 0

  /** Goes on with this file, or begins with it. */
  resume({ path }: QueuedFile): void {
    if (path === this.#path) return
    this.#path = path
    this.records = 0
    this.refused = 0
    this.done.clear()
  }

  endChunk(records: number): void {
    this.records += records
    this.done.clear()
  }

  /** Nothing of the file is left to send. */
  end(): void {
    this.#path = ''
  }
}
