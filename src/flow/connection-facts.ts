import { ABSENT, type Frame } from '../wire/frame.js'
import { u8, u16, u32 } from '../wire/octets.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import {
  TCP_ACK,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_FLAGS,
  TCP_HEADER_LEN,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
  TCP_WINDOW,
} from '../wire/tcp.js'
import { UDP_HEADER_LEN } from '../wire/udp.js'
import { HOT_WORDS, STATE } from './flow-entry.js'
import type { EndReason } from './flow-record.js'
import { STATE_BEGUN_BY_B } from './flow-state.js'
import { NO_FLOW } from './flow-table.js'
import type { FlowTracker } from './flow-tracker.js'
import type { PacketCounter } from './packet-counter.js'

/**
 * Letters of what happened on a connection, as Zeek has them in `history`: SYN, its answer, a bare
 * acknowledgment, data, FIN, RST, data sent again, a closed window.
 */
const LETTERS = 'SHADFRTW'
const SYN = 0
const ANSWER = 1
const ACKNOWLEDGMENT = 2
const DATA = 3
const FIN = 4
const RST = 5
const AGAIN = 6
const WINDOW = 7

/** Each letter once for each direction, in the order of their first. */
const HISTORY_MAX = 2 * LETTERS.length

/** Of `#seen`: letters of direction 0, of direction 1 eight bits above; then whether NEXT holds. */
const DIRECTION_SHIFT = 8
const HAS_NEXT_SHIFT = 16

/** What a flow table does not keep of a connection: the order of what happened, and payload by sequence numbers. */
export class ConnectionFacts implements PacketCounter {
  readonly #tracker: FlowTracker
  readonly #history: Uint8Array
  readonly #seen: Uint32Array
  /** The sequence number behind the highest seen, by direction. */
  readonly #next: Int32Array
  readonly #payload: Float64Array

  /** `capacity`: of the tracker's table. */
  constructor(tracker: FlowTracker, capacity: number) {
    this.#tracker = tracker
    this.#history = new Uint8Array(capacity * HISTORY_MAX)
    this.#seen = new Uint32Array(capacity)
    this.#next = new Int32Array(capacity * 2)
    this.#payload = new Float64Array(capacity * 2)
  }

  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    const flow = this.#tracker.track(frame, session, seconds, nanoseconds, timed)
    if (flow >= 0) this.#note(flow, this.#tracker.table.direction, frame)
    return flow !== NO_FLOW
  }

  get clampedTimes(): number {
    return this.#tracker.clampedTimes
  }

  work(budget: number): boolean {
    return this.#tracker.work(budget)
  }

  endSession(session: number, reason: EndReason): void {
    this.#tracker.endSession(session, reason)
  }

  /** `ShADadFf`: capital letters are those of the originator. */
  historyOf(flow: number): string {
    const isBegunByB = this.#isBegunByB(flow)
    let text = ''
    for (let at = flow * HISTORY_MAX; at < (flow + 1) * HISTORY_MAX; at++) {
      const code = this.#history[at]!
      if (code === 0) break
      const letter = LETTERS[(code - 1) & 7]!
      const isOriginator = code - 1 >= LETTERS.length === isBegunByB
      text += isOriginator ? letter : letter.toLowerCase()
    }
    return text
  }

  /** Bytes of payload of the originator, and of the responder; of TCP by sequence numbers. */
  payloadOf(flow: number): { originator: number; responder: number } {
    const first = flow * 2 + (this.#isBegunByB(flow) ? 1 : 0)
    return { originator: this.#payload[first]!, responder: this.#payload[first ^ 1]! }
  }

  /** The flow is about to leave the table: its place is another's. */
  forget(flow: number): void {
    this.#history.fill(0, flow * HISTORY_MAX, (flow + 1) * HISTORY_MAX)
    this.#seen[flow] = 0
    this.#payload.fill(0, flow * 2, flow * 2 + 2)
  }

  #isBegunByB(flow: number): boolean {
    return (this.#tracker.table.words[flow * HOT_WORDS + STATE]! & STATE_BEGUN_BY_B) !== 0
  }

  #note(flow: number, direction: number, frame: Frame): void {
    const at = frame.transportAt
    if (at === ABSENT) return
    const ipEnd = frame.ipAt + frame.ipLength
    if (frame.protocol === PROTOCOL_TCP) {
      if (frame.end - at >= TCP_HEADER_LEN) this.#noteSegment(flow, direction, frame, at, ipEnd)
    } else {
      const payload = frame.protocol === PROTOCOL_UDP ? ipEnd - at - UDP_HEADER_LEN : ipEnd - at
      this.#payload[flow * 2 + direction]! += Math.max(payload, 0)
      if (frame.protocol === PROTOCOL_UDP) this.#add(flow, direction, DATA)
    }
  }

  #noteSegment(flow: number, direction: number, frame: Frame, at: number, ipEnd: number): void {
    const { bytes } = frame
    const flags = u8(bytes, at + TCP_FLAGS)
    const length = Math.max(ipEnd - at - (u8(bytes, at + TCP_DATA_OFFSET) >>> 4) * 4, 0)
    const sequence = u32(bytes, at + TCP_SEQUENCE) | 0
    const place = flow * 2 + direction
    const hasNext = 1 << (HAS_NEXT_SHIFT + direction)
    if ((flags & TCP_SYN) !== 0) {
      this.#add(flow, direction, (flags & TCP_ACK) !== 0 ? ANSWER : SYN)
      if ((this.#seen[flow]! & hasNext) === 0) this.#next[place] = (sequence + 1) | 0
      this.#seen[flow]! |= hasNext
      return
    }
    if (length > 0) {
      if ((this.#seen[flow]! & hasNext) === 0) this.#next[place] = sequence
      this.#seen[flow]! |= hasNext
      const advance = (sequence + length - this.#next[place]!) | 0
      if (advance > 0) {
        this.#payload[place]! += advance
        this.#next[place] = (sequence + length) | 0
      }
      this.#add(flow, direction, advance > 0 ? DATA : AGAIN)
    }
    if ((flags & TCP_RST) !== 0) this.#add(flow, direction, RST)
    else if ((flags & TCP_FIN) !== 0) this.#add(flow, direction, FIN)
    else if (u16(bytes, at + TCP_WINDOW) === 0) this.#add(flow, direction, WINDOW)
    else if (length === 0 && (flags & TCP_ACK) !== 0) this.#add(flow, direction, ACKNOWLEDGMENT)
  }

  #add(flow: number, direction: number, letter: number): void {
    const bit = 1 << (direction * DIRECTION_SHIFT + letter)
    if ((this.#seen[flow]! & bit) !== 0) return
    this.#seen[flow]! |= bit
    let at = flow * HISTORY_MAX
    while (this.#history[at] !== 0) at++
    this.#history[at] = 1 + direction * LETTERS.length + letter
  }
}
