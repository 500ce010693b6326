import {
  type MirroredPacket,
  PacketRingReader,
  PacketRingWriter,
  ringMemory,
} from '../appliance/packet-ring.js'
import type { Session } from '../session/session.js'
import type { Packet } from '../wire/packet.js'
import type { FlowLogRecord } from './flow-log-record.js'
import type { PacketTest } from './packet-filter.js'

/**
 * What a call lends: it is overwritten by the next one. Packets have `copy()` for what is to be
 * kept.
 */
export type Lent<T> = T

/** One waits until the other has something. */
class Signal {
  #resolve: (() => void) | undefined = undefined

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  wake(): void {
    const resolve = this.#resolve
    if (resolve === undefined) return
    this.#resolve = undefined
    resolve()
  }
}

/**
 * Packets as they arrive, each lent until the next is asked for. They wait in a buffer of fixed
 * size: who takes them too slowly loses some, in `lost`, and holds nothing up. To be read by one
 * loop; leaving it closes the stream.
 */
export class PacketStream implements AsyncIterable<Lent<MirroredPacket>> {
  readonly #onLeft: () => void
  readonly #isWanted: PacketTest | undefined
  readonly #writer: PacketRingWriter
  readonly #reader: PacketRingReader
  readonly #signal = new Signal()
  #isOver = false
  #failure: Error | undefined = undefined

  /** @internal */
  constructor(bufferBytes: number, isWanted: PacketTest | undefined, onLeft: () => void) {
    this.#onLeft = onLeft
    this.#isWanted = isWanted
    const memory = ringMemory(bufferBytes, false)
    this.#writer = new PacketRingWriter(memory)
    this.#reader = new PacketRingReader(memory)
    this.#reader.begin()
  }

  /** Packets that found no room in the buffer. */
  get lost(): number {
    return this.#reader.lost
  }

  /** @internal */
  take(session: Session, packet: Packet, kept: number, originalLength: number): void {
    if (this.#isWanted?.(packet, session) === false) return
    this.#writer.take(session, packet, kept, originalLength)
    this.#signal.wake()
  }

  /** @internal */
  end(failure?: Error): void {
    this.#isOver = true
    this.#failure ??= failure
    this.#signal.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Lent<MirroredPacket>, void, undefined> {
    try {
      for (;;) {
        const packet = this.#reader.shift()
        if (packet !== undefined) yield packet
        else if (this.#failure !== undefined) throw this.#failure
        else if (this.#isOver) return
        else await this.#signal.wait()
      }
    } finally {
      this.#onLeft()
    }
  }
}

/**
 * Flow log records as their windows end, yours to keep. At most this many wait: who takes them too
 * slowly loses the newest, in `lost`, and holds nothing up. To be read by one loop; leaving it
 * closes the stream.
 */
export class RecordStream implements AsyncIterable<FlowLogRecord> {
  /** Records that found no room. */
  lost = 0
  readonly #onLeft: () => void
  readonly #limit: number
  readonly #signal = new Signal()
  #waiting: FlowLogRecord[] = []
  /** Of `#waiting`, those that have been handed over. */
  #taken = 0
  #isOver = false
  #failure: Error | undefined = undefined

  /** @internal */
  constructor(limit: number, onLeft: () => void) {
    this.#onLeft = onLeft
    this.#limit = limit
  }

  /**
   * Whether `put` would take another.
   *
   * @internal
   */
  get hasRoom(): boolean {
    return this.#waiting.length - this.#taken < this.#limit
  }

  /** @internal */
  put(record: FlowLogRecord): void {
    this.#waiting.push(record)
    this.#signal.wake()
  }

  /** @internal */
  end(failure?: Error): void {
    this.#isOver = true
    this.#failure ??= failure
    this.#signal.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FlowLogRecord, void, undefined> {
    try {
      for (;;) {
        const record = this.#shift()
        if (record !== undefined) yield record
        else if (this.#failure !== undefined) throw this.#failure
        else if (this.#isOver) return
        else await this.#signal.wait()
      }
    } finally {
      this.#onLeft()
    }
  }

  #shift(): FlowLogRecord | undefined {
    const record = this.#waiting[this.#taken]
    if (record === undefined) return undefined
    this.#taken++
    // The array is let go of by halves, so that it grows to no more than twice what may wait.
    if (2 * this.#taken > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken)
      this.#taken = 0
    }
    return record
  }
}
