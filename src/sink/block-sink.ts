import assert from 'node:assert/strict'
import type { Block, BlockPool } from './block-pool.js'
import { type ByteSink, SINK_BLOCK_LEN } from './byte-sink.js'

export interface BlockSinkOptions {
  pool: BlockPool
  /** Most bytes pending; less than SINK_BLOCK_LEN counts as that. Infinity offline. */
  limitBytes: number
}

/** `written` bytes of what was asked for have gone out, in order, perhaps before `error`. */
export type OnWritten = (error: Error | null, written: number) => void

/** Blocks handed to the operating system in one call: 4 MiB. */
const GATHERED_BLOCKS = 16

const NO_BLOCK = Buffer.alloc(0)
const NO_ENDS = new Uint32Array(0)

/**
 * Fills blocks and sends them out one after the other: what files, pipes and
 * compressors have in common. At most one write is under way, so whatever has
 * arrived at any moment is a prefix of what was taken.
 *
 * Each `reserve` is one unit. When writing fails, `keptOctets` is where the last
 * unit ends of which every byte, and every byte before it, has gone out.
 */
export abstract class BlockSink implements ByteSink {
  block: Buffer = NO_BLOCK
  error: Error | undefined

  // Touched by every reserve.
  #used = 0
  #room = 0
  #units = 0
  #ends: Uint32Array = NO_ENDS

  readonly #pool: BlockPool
  readonly #limitBytes: number
  #current: Block | undefined
  readonly #queue: Block[] = []
  #queuedBytes = 0
  #writing = false
  #busy = false
  #closed: Promise<void> | undefined
  /** Bytes taken in blocks that were sent. */
  #sentOctets = 0
  #goneOctets = 0
  #keptOctets = 0
  #keptUnits = 0
  #lostUnits = 0
  #waiting: { octets: number; resolve: () => void }[] = []

  constructor(options: BlockSinkOptions) {
    this.#pool = options.pool
    this.#limitBytes = Math.max(options.limitBytes, SINK_BLOCK_LEN)
  }

  /** Writes the chunks in order and calls back once; it may have written less than all of them. */
  protected abstract writeOut(chunks: readonly Buffer[], done: OnWritten): void

  /** Everything has gone out, or `error` is set. Finishes and lets go of what lies beneath; may throw. */
  protected abstract release(): Promise<void>

  /** Bytes that have gone out, up to the end of the last whole unit. */
  get keptOctets(): number {
    return this.#keptOctets
  }

  /** Whole units that have gone out. */
  get keptUnits(): number {
    return this.#keptUnits
  }

  /** Units taken that will never go out; 0 while there is no error. */
  get lostUnits(): number {
    return this.#lostUnits
  }

  get pendingBytes(): number {
    return this.#queuedBytes + this.#used
  }

  reserve(length: number): number {
    const at = this.#used
    const next = at + length
    const units = this.#units
    if (next > this.#room || units === this.#ends.length) return this.#reserveInNext(length)
    this.#ends[units] = next
    this.#units = units + 1
    this.#used = next
    return at
  }

  giveBack(octets: number): void {
    this.#used -= octets
    this.#ends[this.#units - 1] = this.#used
  }

  drained(): Promise<void> {
    return this.#drain()
  }

  flush(): void {
    this.#send()
    this.#busy = false
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish()
    return this.#closed
  }

  /** Closes without leaving a file. What a pipe or a device has taken is not taken back. */
  discard(): Promise<void> {
    return this.close()
  }

  /** Sets `error` if it is the first, and gives up everything that has not gone out. */
  fail(error: Error): void {
    if (this.error !== undefined) return
    this.error = error
    this.#send()
    const first = this.#queue[0]
    if (first !== undefined) {
      let whole = 0
      while (whole < first.units && first.ends[whole]! <= first.written) whole++
      this.#keptUnits += whole
      this.#lostUnits -= whole
      if (whole > 0) this.#keptOctets += first.ends[whole - 1]!
    }
    for (const block of this.#queue) this.#lostUnits += block.units
    this.#queuedBytes = 0
    // A write that is under way still reads from its blocks.
    if (!this.#writing) this.#giveUp()
    this.#wake()
  }

  #drain(): Promise<void> {
    this.#send()
    if (this.error !== undefined || this.#goneOctets === this.#sentOctets) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ octets: this.#sentOctets, resolve }))
  }

  async #finish(): Promise<void> {
    await this.#drain()
    try {
      await this.release()
    } catch (error) {
      this.fail(error as Error)
    }
    if (this.error !== undefined) throw this.error
  }

  /** As `reserve`, when the block being filled has no room or there is none. */
  #reserveInNext(length: number): number {
    assert(length <= SINK_BLOCK_LEN, 'longer than any block')
    if (this.error !== undefined || this.#closed !== undefined) return -1

    // The room may have been bounded by the limit, and some of the queue has gone since.
    if (this.#current !== undefined) this.#bound(this.#current)
    if (this.#used + length > this.#room || this.#units === this.#ends.length) {
      this.#send()
      if (this.#queuedBytes + length > this.#limitBytes) return -1
      const block = this.#pool.take(length, this.#busy)
      if (block === undefined) return -1
      this.#busy = true
      this.#current = block
      this.block = block.bytes
      this.#ends = block.ends
      this.#bound(block)
    }
    return this.reserve(length)
  }

  #bound(block: Block): void {
    this.#room = Math.min(block.bytes.length, this.#limitBytes - this.#queuedBytes)
  }

  /** Puts the block being filled at the end of the queue; one in which nothing lies goes back. */
  #send(): void {
    const block = this.#current
    if (block === undefined) return
    block.used = this.#used
    block.units = this.#units
    this.#current = undefined
    this.block = NO_BLOCK
    this.#ends = NO_ENDS
    this.#used = 0
    this.#units = 0
    this.#room = 0
    if (block.used === 0) {
      this.#pool.give(block)
      return
    }
    this.#sentOctets += block.used
    this.#queuedBytes += block.used
    this.#queue.push(block)
    if (!this.#writing && this.error === undefined) this.#write()
  }

  #write(): void {
    const chunks: Buffer[] = []
    let asked = 0
    for (const block of this.#queue) {
      if (chunks.length === GATHERED_BLOCKS) break
      chunks.push(block.bytes.subarray(block.written, block.used))
      asked += block.used - block.written
    }
    this.#writing = true
    this.writeOut(chunks, (error, written) => {
      this.#writing = false
      if (this.error !== undefined) {
        this.#giveUp()
        return
      }
      this.#settle(written)
      if (error !== null) this.fail(error)
      else if (written === 0 && asked > 0) this.fail(new Error('a write took nothing'))
      else if (this.#queue.length > 0) this.#write()
    })
  }

  #giveUp(): void {
    for (const block of this.#queue) this.#pool.give(block)
    this.#queue.length = 0
  }

  /** The next `octets` of the queue have gone out. */
  #settle(octets: number): void {
    this.#goneOctets += octets
    this.#queuedBytes -= octets
    let rest = octets
    while (rest > 0) {
      const block = this.#queue[0]
      assert(block !== undefined, 'more was written than asked for')
      const step = Math.min(rest, block.used - block.written)
      block.written += step
      rest -= step
      if (block.written < block.used) break
      this.#keptOctets += block.used
      this.#keptUnits += block.units
      this.#pool.give(block)
      this.#queue.shift()
    }
    this.#wake()
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    const all = this.error !== undefined
    const ready = this.#waiting.filter((waiter) => all || waiter.octets <= this.#goneOctets)
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter))
    for (const waiter of ready) waiter.resolve()
  }
}
