import type { ByteSink } from '../../src/sink/byte-sink.js'

/** A sink that keeps what it takes, up to a limit. */
export class MemorySink implements ByteSink {
  readonly block: Buffer
  error: Error | undefined
  pendingBytes = 0

  constructor(limit: number) {
    this.block = Buffer.alloc(limit, 0xa5)
  }

  reserve(length: number): number {
    if (this.pendingBytes + length > this.block.length) return -1
    this.pendingBytes += length
    return this.pendingBytes - length
  }

  giveBack(octets: number): void {
    this.pendingBytes -= octets
  }

  get text(): string {
    return this.block.toString('latin1', 0, this.pendingBytes)
  }

  async drained(): Promise<void> {}
  flush(): void {}
  async close(): Promise<void> {}
}
