import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { Packet } from '../wire/packet.js'
import { PacketQueue } from './packet-queue.js'

/**
 * A packet: seconds, floating-point (8), nanoseconds (4), length (4), original length (8), link type
 * (4), number of the file (4), origin (4), whether it has a time (4); then its bytes.
 */
const HEADER_LEN = 40

/** Written and read so many bytes at a time, or one packet. */
const BLOCK_LEN = 256 * 1024

/**
 * Packets that are written in an order and read again in it, in a file of the temporary directory which has
 * no name, so that nothing of it stays behind.
 */
export class PacketSpill {
  readonly level: number
  readonly waiting = new PacketQueue()
  isOver = false
  /** Why something could not be written; nothing more is then. */
  error: OperatorError | undefined = undefined
  readonly #fd: number
  readonly #packet = new Packet()
  #block = Buffer.allocUnsafeSlow(BLOCK_LEN)
  #filled = 0
  /** Where to read on, while it is read. */
  #at = 0
  #isClosed = false

  constructor(level: number) {
    this.level = level
    const path = join(tmpdir(), `mirrortap-${randomUUID()}`)
    try {
      this.#fd = openSync(path, 'wx+', 0o600)
      unlinkSync(path)
    } catch (error) {
      throw refusal(error)
    }
  }

  write(packet: Packet, file: number): void {
    if (this.error !== undefined) return
    const { bytes, start, end } = packet
    const length = HEADER_LEN + end - start
    if (this.#filled + length > this.#block.length) this.#flush()
    if (length > this.#block.length) this.#block = Buffer.allocUnsafeSlow(length)
    const block = this.#block
    const at = this.#filled
    block.writeDoubleLE(packet.seconds, at)
    block.writeUInt32LE(packet.nanoseconds, at + 8)
    block.writeUInt32LE(end - start, at + 12)
    block.writeDoubleLE(packet.originalLength, at + 16)
    block.writeUInt32LE(packet.linkType, at + 24)
    block.writeUInt32LE(file, at + 28)
    block.writeUInt32LE(packet.origin, at + 32)
    block.writeUInt32LE(packet.timed ? 1 : 0, at + 36)
    // A Buffer underneath.
    ;(bytes as Buffer).copy(block, at + HEADER_LEN, start, end)
    this.#filled += length
  }

  /** Everything has been written: it is read from here on. */
  rewind(): void {
    this.#flush()
    if (this.error !== undefined) throw this.error
    this.#at = 0
  }

  more(): Promise<void> {
    if (!this.isOver) this.#read()
    return Promise.resolve()
  }

  end(): Promise<void> {
    this.isOver = true
    if (!this.#isClosed) closeSync(this.#fd)
    this.#isClosed = true
    return Promise.resolve()
  }

  /** Puts the packets of the next block into the queue; the rest of it is read again. */
  #read(): void {
    const filled = this.#fill(this.#block)
    if (filled === 0) {
      void this.end()
      return
    }
    const block = this.#block
    const length = HEADER_LEN + block.readUInt32LE(12)
    if (length > block.length) {
      this.#block = Buffer.allocUnsafeSlow(length)
      this.#read()
      return
    }
    let at = 0
    while (at + HEADER_LEN <= filled) {
      const end = at + HEADER_LEN + block.readUInt32LE(at + 12)
      if (end > filled) break
      this.#queue(block, at, end)
      at = end
    }
    this.#at += at
  }

  #queue(block: Buffer, at: number, end: number): void {
    const packet = this.#packet
    packet.bytes = block
    packet.start = at + HEADER_LEN
    packet.end = end
    packet.seconds = block.readDoubleLE(at)
    packet.nanoseconds = block.readUInt32LE(at + 8)
    packet.originalLength = block.readDoubleLE(at + 16)
    packet.linkType = block.readUInt32LE(at + 24)
    packet.origin = block.readUInt32LE(at + 32)
    packet.timed = block.readUInt32LE(at + 36) === 1
    this.waiting.push(packet, block.readUInt32LE(at + 28))
  }

  #fill(block: Buffer): number {
    let filled = 0
    try {
      while (filled < block.length) {
        const read = readSync(this.#fd, block, filled, block.length - filled, this.#at + filled)
        if (read === 0) break
        filled += read
      }
    } catch (error) {
      throw refusal(error)
    }
    return filled
  }

  #flush(): void {
    try {
      for (let from = 0; from < this.#filled; ) {
        from += writeSync(this.#fd, this.#block, from, this.#filled - from, this.#at + from)
      }
    } catch (error) {
      this.error = refusal(error)
    }
    this.#at += this.#filled
    this.#filled = 0
  }
}

function refusal(error: unknown): OperatorError {
  return new OperatorError(
    `${tmpdir()} cannot hold packets of files that overlap: ${(error as Error).message}; name another directory in TMPDIR`,
    { cause: error },
  )
}
