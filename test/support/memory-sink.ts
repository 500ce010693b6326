import { type ByteSink, SINK_BLOCK_LEN } from '../../src/sink/byte-sink.js'

/**
 * A ByteSink that keeps everything in memory, up to `limit` bytes. Its blocks
 * start dirty, so an encoder that leaves a byte unwritten is found out.
 */
export class MemorySink implements ByteSink {
  block: Buffer = dirty()
  pendingBytes = 0
  error: Error | undefined = undefined
  /** Bytes it may hold; lower or raise it to make it refuse or take again. */
  limit: number

  #used = 0
  readonly #full: Buffer[] = []

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.limit = limit
  }

  reserve(length: number): number {
    if (length > SINK_BLOCK_LEN) throw new RangeError(`reserve(${length})`)
    if (this.error !== undefined || this.pendingBytes + length > this.limit) return -1
    if (this.#used + length > this.block.length) {
      this.#full.push(this.block.subarray(0, this.#used))
      this.block = dirty()
      this.#used = 0
    }
    const at = this.#used
    this.#used += length
    this.pendingBytes += length
    return at
  }

  giveBack(octets: number): void {
    this.#used -= octets
    this.pendingBytes -= octets
  }

  /** Everything written so far, in order. */
  bytes(): Buffer {
    return Buffer.concat([...this.#full, this.block.subarray(0, this.#used)])
  }

  get text(): string {
    return this.bytes().toString('latin1')
  }

  drained(): Promise<void> {
    return Promise.resolve()
  }

  flush(): void {}

  close(): Promise<void> {
    return this.error === undefined ? Promise.resolve() : Promise.reject(this.error)
  }
}

function dirty(): Buffer {
  return Buffer.alloc(SINK_BLOCK_LEN, 0xa5)
}
