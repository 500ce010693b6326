import type { PacketDirection } from '../wire/frame.js'
import { Packet } from '../wire/packet.js'
import type { Pace } from './pace.js'
import type { PacketSink } from './packet-source.js'

const MEMORY_LEN_FIRST = 1024 * 1024

/**
 * Holds the packets of a block and hands each on when it is due. What sessions decide about a
 * packet, they then decide as they are when it leaves, not as they were when its block was
 * read, which for a slow capture may be minutes before.
 */
export class PacedSink implements PacketSink {
  readonly #next: PacketSink
  readonly #pace: Pace
  readonly #signal: AbortSignal

  /** Packets one after the other. */
  #memory: Buffer = Buffer.allocUnsafe(MEMORY_LEN_FIRST)
  #used = 0
  readonly #ends: number[] = []
  readonly #seconds: number[] = []
  readonly #nanoseconds: number[] = []
  readonly #originalLengths: number[] = []
  readonly #linkTypes: number[] = []
  readonly #directions: (PacketDirection | undefined)[] = []
  readonly #packet = new Packet()

  /** `signal`: all is to stop. */
  constructor(next: PacketSink, pace: Pace, signal: AbortSignal) {
    this.#next = next
    this.#pace = pace
    this.#signal = signal
  }

  take(packet: Packet, direction?: PacketDirection): void {
    const { bytes, start, end } = packet
    this.#reserve(end - start)
    this.#memory.set(bytes.subarray(start, end), this.#used)
    this.#used += end - start
    this.#ends.push(this.#used)
    this.#seconds.push(packet.seconds)
    this.#nanoseconds.push(packet.nanoseconds)
    this.#originalLengths.push(packet.originalLength)
    this.#linkTypes.push(packet.linkType)
    this.#directions.push(direction)
  }

  async drain(): Promise<boolean> {
    const next = this.#next
    for (let index = 0; index < this.#ends.length; index++) {
      const pause = this.#pace.wait(this.#seconds[index]!, this.#nanoseconds[index]!)
      if (pause !== undefined) {
        // What is due leaves before anybody waits.
        await next.drain()
        await pause
      }
      if (this.#signal.aborted) break
      this.#handOn(index)
    }
    this.#empty()
    const goesOn = await next.drain()
    return goesOn && !this.#signal.aborted
  }

  restart(): void {
    this.#pace.restart()
    this.#next.restart()
  }

  #handOn(index: number): void {
    const packet = this.#packet
    packet.bytes = this.#memory
    packet.start = index === 0 ? 0 : this.#ends[index - 1]!
    packet.end = this.#ends[index]!
    packet.seconds = this.#seconds[index]!
    packet.nanoseconds = this.#nanoseconds[index]!
    packet.originalLength = this.#originalLengths[index]!
    packet.linkType = this.#linkTypes[index]!
    this.#next.take(packet, this.#directions[index])
  }

  #empty(): void {
    this.#used = 0
    for (const column of [
      this.#ends,
      this.#seconds,
      this.#nanoseconds,
      this.#originalLengths,
      this.#linkTypes,
      this.#directions,
    ]) {
      column.length = 0
    }
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#memory.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#memory.length, this.#used + length))
    this.#memory.copy(larger, 0, 0, this.#used)
    this.#memory = larger
  }
}
