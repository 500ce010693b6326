import { SINK_BLOCK_LEN } from './byte-sink.js'
import { Disk } from './disk.js'
import { Turns } from './turns.js'

/**
 * What a sink takes first after silence. A thousand quiet sessions that write a
 * packet a second each then hold 16 MiB for that second, not 256 MiB.
 */
export const SMALL_BLOCK_LEN = SINK_BLOCK_LEN / 16

/** Files of one pool that wait for the disk (fdatasync) at a time; half of a disk's turns stay free for writes. */
const SYNCS_AT_A_TIME = 2

/** Memory that a sink fills with whole units (packets, records) and then writes out. */
export class Block {
  readonly bytes: Buffer
  /** Where each of the first `units` units ends. When there is no room for another, the block is full. */
  readonly ends: Uint32Array
  units = 0
  /** Bytes filled. */
  used = 0
  /** Bytes of those that the operating system has. */
  written = 0

  constructor(length: number) {
    this.bytes = Buffer.alloc(length)
    // 64 bytes a unit: the smallest Ethernet frame and its record header are 76.
    this.ends = new Uint32Array(length / 64)
  }
}

/**
 * The blocks that the sinks of one thread share, and their turns at the disk.
 *
 * The limit holds for everything allocated, in use or spare, so memory stays
 * bounded however slow a disk becomes.
 */
export class BlockPool {
  readonly limitBytes: number
  readonly disk: Disk
  /** Turns at fdatasync, so that a thousand files that rotate together do not hold up every write. */
  readonly syncs = new Turns(SYNCS_AT_A_TIME)
  readonly #small: Block[] = []
  readonly #large: Block[] = []
  #allocatedBytes = 0
  #spareBytes = 0

  /**
   * `blocks` of SINK_BLOCK_LEN bytes; Infinity for offline work, which waits for its sinks. `disk`: the
   * one that other pools write to as well.
   */
  constructor(blocks: number, disk = new Disk()) {
    this.disk = disk
    this.limitBytes = blocks * SINK_BLOCK_LEN
  }

  /** Bytes of blocks that sinks hold. */
  get usedBytes(): number {
    return this.#allocatedBytes - this.#spareBytes
  }

  /**
   * An empty block with room for at least `length` bytes; of SINK_BLOCK_LEN if
   * `large` and there is one. Undefined when the limit is reached.
   */
  take(length: number, large: boolean): Block | undefined {
    if (large || length > SMALL_BLOCK_LEN) {
      const block = this.#takeFrom(this.#large, SINK_BLOCK_LEN)
      if (block !== undefined || length > SMALL_BLOCK_LEN) return block
    }
    return this.#takeFrom(this.#small, SMALL_BLOCK_LEN)
  }

  give(block: Block): void {
    block.units = 0
    block.used = 0
    block.written = 0
    const length = block.bytes.length
    this.#spareBytes += length
    if (length === SINK_BLOCK_LEN) this.#large.push(block)
    else this.#small.push(block)
  }

  #takeFrom(spare: Block[], length: number): Block | undefined {
    const block = spare.pop()
    if (block !== undefined) {
      this.#spareBytes -= length
      return block
    }
    if (this.usedBytes + length > this.limitBytes) return undefined
    while (this.#allocatedBytes + length > this.limitBytes) this.#discardSpare()
    this.#allocatedBytes += length
    return new Block(length)
  }

  /** Lets a spare block of the other size go, to make room for one that is needed. */
  #discardSpare(): void {
    const block = this.#small.pop() ?? this.#large.pop()
    if (block === undefined) throw new Error('pool counts spare blocks it does not have')
    this.#spareBytes -= block.bytes.length
    this.#allocatedBytes -= block.bytes.length
  }
}
