import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FlowHash } from '../flow/flow-hash.js'
import { FlowIntake } from '../flow/flow-intake.js'
import { FlowQueue } from '../flow/flow-queue.js'
import { type EndReason, FlowRecord, type OnFlowRecord } from '../flow/flow-record.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import { StoredTime } from '../flow/stored-time.js'
import type { Frame } from '../wire/frame.js'
import {
  CALL,
  FAILED,
  type FlowRings,
  HANDED_OVER,
  LENGTH,
  NOW,
  PACKET_SEGMENTS,
  PACKETS,
  PACKETS_PUBLISHED,
  READER_SLEEPS,
  RECORD_COUNT,
  RECORD_WORDS,
  RECORDS_PUBLISHED,
  RECORDS_TAKEN,
  SESSION_ENDS,
  SETTLED,
  TABLE_SLEEPS,
  THEN,
  THEN_END_ALL,
  THEN_END_SESSION,
  THEN_NOTHING,
  THEN_WORK,
  WAITING,
  WAKE_AT,
} from './flow-rings.js'
import { takeRecord } from './record-words.js'
import type { TableThread } from './table-thread.js'

interface FlowThreadOptions {
  thread: TableThread
  /** See WindowReportsOptions. */
  complete: OnFlowRecord
  onRecord: OnFlowRecord
}

/**
 * Packet segments that are free before a block of input is read: a block of 256 KiB
 * has 7,282 IP packets at most, and 4,096 fragments may be given up.
 */
const ENOUGH_SEGMENTS = 256
/**
 * Segments of records taken between two blocks of input, 2,048 records: the end of a window
 * brings hundreds of thousands, and the table should not wait for packets meanwhile.
 */
const SEGMENTS_A_BLOCK = 32
/** And where nothing is read, between two turns of the event loop: what has been written leaves meanwhile. */
const SEGMENTS_A_TURN = 64
/** A thread that does nothing for so long is dead. */
const PATIENCE_MS = 60_000

/** Lets the output catch up; see RecordOutput.room. */
type Pause = () => boolean | Promise<boolean>

/**
 * A flow table in a thread of its own, for a reader that is kept busy by reading
 * and writing: packets go there reduced to their keys and counts, records come
 * back in the order in which a FlowTracker hands them over.
 */
export class FlowThread implements PacketCounter {
  readonly #rings: FlowRings
  readonly #failure: Promise<never>
  readonly #complete: OnFlowRecord
  readonly #onRecord: OnFlowRecord
  readonly #record = new FlowRecord()
  readonly #time = new StoredTime()
  readonly #queue: FlowQueue
  readonly #intake: FlowIntake
  readonly #windowSeconds: number
  #published = 0
  #taken = 0
  /** The packet clock up to which all records have come, as the table keeps it. */
  #handedOver = 0

  constructor({ thread, complete, onRecord }: FlowThreadOptions) {
    this.#rings = thread.rings
    this.#failure = thread.failure
    this.#complete = complete
    this.#onRecord = onRecord
    this.#windowSeconds = thread.options.windowSeconds
    const hash = new FlowHash()
    this.#queue = new FlowQueue(this.#rings.packets, PACKETS, hash, () =>
      this.#publish(THEN_NOTHING),
    )
    this.#queue.base = this.#rings.packetsOf(0)
    this.#intake = new FlowIntake(this.#queue, this.#time, this.#windowSeconds, hash)
  }

  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    this.#intake.take(frame, session, seconds, nanoseconds, timed)
    return true
  }

  work(): boolean {
    this.#intake.fragments.expire(this.#intake.settled)
    this.#publish(THEN_WORK)
    this.#takeRecords(SEGMENTS_A_BLOCK)
    return false
  }

  endSession(session: number, reason: EndReason): void {
    assert(reason === 'session-deleted')
    this.#intake.fragments.flush(Number.POSITIVE_INFINITY, session)
    this.#publish(THEN_END_SESSION, session)
    // Its index may stand for another session from here on.
    this.#waitUntilTaken(0)
  }

  get clampedTimes(): number {
    return this.#time.clamped
  }

  /** All records of what ended by this second, and of windows that did, have been handed over. */
  get handedOverSeconds(): number {
    return this.#time.secondsOf(this.#handedOver)
  }

  /** Whether a block of input can be read without waiting in the middle of it; else a promise of that. `pause`: see shutdown. */
  room(pause: Pause): true | Promise<true> {
    return this.#hasRoom() ? true : this.#makeRoom(pause)
  }

  /** Ends every flow and the thread. `pause` is awaited when records have come, so that they can be written. */
  async shutdown(pause: Pause): Promise<void> {
    const { fragments } = this.#intake
    fragments.flush(Number.POSITIVE_INFINITY)
    this.#publish(THEN_WORK)
    this.#publish(THEN_END_ALL)
    while (this.#rings.freePacketSegments(this.#published) < PACKET_SEGMENTS) {
      await this.#progress(0, pause)
    }
    while (this.#takeRecords(SEGMENTS_A_TURN)) await this.#letOut(pause)
  }

  #hasRoom(): boolean {
    return this.#rings.freePacketSegments(this.#published) >= ENOUGH_SEGMENTS
  }

  async #makeRoom(pause: Pause): Promise<true> {
    while (!this.#hasRoom()) await this.#progress(PACKET_SEGMENTS / 4, pause)
    return true
  }

  /** Takes records if there are any; else resolves when the thread has taken all segments but `left`, or has many records. */
  async #progress(left: number, pause: Pause): Promise<void> {
    if (this.#takeRecords(SEGMENTS_A_TURN)) {
      await this.#letOut(pause)
      return
    }
    const { state } = this.#rings
    const seen = Atomics.load(state, CALL)
    if (!this.#mayDoze(left)) return
    const waiting = Atomics.waitAsync(state, CALL, seen, PATIENCE_MS)
    const outcome = waiting.async ? await Promise.race([waiting.value, this.#failure]) : 'ok'
    if (outcome === 'timed-out') throw new Error('the flow thread does not answer')
  }

  async #letOut(pause: Pause): Promise<void> {
    await nextTurn()
    await pause()
  }

  /** Says when to be woken; false where that has come already. */
  #mayDoze(left: number): boolean {
    const { state } = this.#rings
    this.#wakeTable()
    Atomics.store(state, WAKE_AT, (this.#published - left) | 0)
    Atomics.store(state, READER_SLEEPS, 1)
    if (this.#rings.freePacketSegments(this.#published) < PACKET_SEGMENTS - left) {
      if (this.#taken === Atomics.load(state, RECORDS_PUBLISHED)) return true
    }
    Atomics.store(state, READER_SLEEPS, 0)
    return false
  }

  /** Hands over the segment that is being filled, and waits for the next to be free. */
  #publish(then: number, session = 0): void {
    const { state, packets } = this.#rings
    const queue = this.#queue
    const header = this.#rings.packetHeader(this.#published)
    packets[header + LENGTH] = queue.length
    packets[header + THEN] = then
    packets[header + NOW] = this.#intake.now
    packets[header + SETTLED] = this.#intake.settled
    packets[header + WAITING] = this.#intake.fragments.waiting > 0 ? 1 : 0
    packets[header + SESSION_ENDS] = session
    this.#published = (this.#published + 1) | 0
    Atomics.store(state, PACKETS_PUBLISHED, this.#published)
    queue.length = 0
    queue.base = this.#rings.packetsOf(this.#published)
    // Not for every segment: what has been asleep may as well find several.
    if (then !== THEN_NOTHING) this.#wakeTable()
    if (this.#rings.freePacketSegments(this.#published) === 0) {
      this.#waitUntilTaken(PACKET_SEGMENTS / 2)
    }
  }

  #wakeTable(): void {
    const { state } = this.#rings
    if (Atomics.exchange(state, TABLE_SLEEPS, 0) === 1) Atomics.notify(state, PACKETS_PUBLISHED)
  }

  /** Holds this thread until all segments but `left` are taken, taking records meanwhile: the table may wait for that. */
  #waitUntilTaken(left: number): void {
    const rings = this.#rings
    while (rings.freePacketSegments(this.#published) < PACKET_SEGMENTS - left) {
      this.#takeRecords()
      const seen = Atomics.load(rings.state, CALL)
      if (!this.#mayDoze(left)) continue
      const outcome = Atomics.wait(rings.state, CALL, seen, PATIENCE_MS)
      if (outcome === 'timed-out' || Atomics.load(rings.state, FAILED) === 1) {
        throw new Error('the flow thread does not answer')
      }
    }
    this.#takeRecords()
  }

  /** Hands over the records of at most this many segments; returns whether there were any. */
  #takeRecords(segments = Number.POSITIVE_INFINITY): boolean {
    const rings = this.#rings
    const { state, records, recordCounts } = rings
    const before = this.#taken
    let left = segments
    while (left-- > 0 && this.#taken !== Atomics.load(state, RECORDS_PUBLISHED)) {
      const header = rings.recordHeader(this.#taken)
      this.#handedOver = Math.max(this.#handedOver, records[header + HANDED_OVER]!)
      const length = records[header + RECORD_COUNT]!
      let at = rings.recordsOf(this.#taken)
      for (let index = 0; index < length; index++, at += RECORD_WORDS) {
        takeRecord(records, recordCounts, at, this.#windowSeconds, this.#time, this.#record)
        this.#complete(this.#record)
        this.#onRecord(this.#record)
      }
      this.#taken = (this.#taken + 1) | 0
      Atomics.store(state, RECORDS_TAKEN, this.#taken)
    }
    if (this.#taken === before) return false
    Atomics.notify(state, RECORDS_TAKEN)
    return true
  }
}
