import { u8, u16, u32 } from '../wire/bytes.js'
import { ABSENT, type Frame } from '../wire/frame.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import {
  TCP_ACK,
  TCP_ACKNOWLEDGMENT,
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
import { type Connection, type End, turnedEnds } from './connection.js'
import { connectionState } from './connection-state.js'
import { HOT_WORDS, STATE } from './flow-entry.js'
import { pairOf } from './flow-pair.js'
import type { EndReason } from './flow-record.js'
import { STATE_BEGUN_BY_B } from './flow-state.js'
import { NO_FLOW } from './flow-table.js'
import type { FlowTracker } from './flow-tracker.js'
import { isLikelyServer } from './likely-servers.js'
import type { PacketCounter } from './packet-counter.js'
import { ESTABLISHED, Finding, Segment, TcpEnds } from './tcp-ends.js'

/** Letters of `history`; what comes after is left out. */
const HISTORY_MAX = 32

const CARET = 0x5e
const SYN = 0x53
const ANSWER = 0x48
const FIN = 0x46
const RST = 0x52
const DATA = 0x44
const ACKNOWLEDGMENT = 0x41
const MANY_FLAGS = 0x51
const FIN_RST = 0x49
const AGAIN = 0x54
const GAP = 0x47
const WINDOW = 0x57
const SMALL = 0x20

/** What each end has shown; its letter is written once. */
const SEEN_SYN = 1
const SEEN_FIN = 2
const SEEN_RST = 4
const SEEN_DATA = 8
const SEEN_ACK = 16
const SEEN_MANY = 32
const SEEN_FIN_RST = 64

/**
 * What a flow table does not keep of connections: letters of what happened in their order, states, payload
 * by sequence numbers, what was sent again or missed, and the time of the handshake; as Zeek has them.
 */
export class ConnectionFacts implements PacketCounter {
  readonly #tracker: FlowTracker
  readonly #history: Uint8Array
  /** The originator is not who sent the first packet seen. */
  readonly #isTurned: Uint8Array
  /** By flow: when the last SYN was sent, and from there to the end of the handshake, plus one; 0 where it is not known. */
  readonly #synSeconds: Float64Array
  readonly #synNanoseconds: Uint32Array
  readonly #handshake: Float64Array
  /** By end, which is a flow and a direction: letters seen, payload of other protocols than TCP, positions of letters. */
  readonly #seen: Uint8Array
  readonly #payload: Float64Array
  readonly #synAt: Int32Array
  readonly #finAt: Int32Array
  readonly #rstAt: Int32Array
  readonly #windows: Uint32Array
  readonly #gaps: Uint32Array
  readonly #ends: TcpEnds
  readonly #segment = new Segment()
  readonly #finding = new Finding()

  /** `capacity`: of the tracker's table. */
  constructor(tracker: FlowTracker, capacity: number) {
    this.#tracker = tracker
    this.#history = new Uint8Array(capacity * HISTORY_MAX)
    this.#isTurned = new Uint8Array(capacity)
    this.#synSeconds = new Float64Array(capacity)
    this.#synNanoseconds = new Uint32Array(capacity)
    this.#handshake = new Float64Array(capacity)
    const ends = capacity * 2
    this.#seen = new Uint8Array(ends)
    this.#payload = new Float64Array(ends)
    this.#synAt = new Int32Array(ends)
    this.#finAt = new Int32Array(ends)
    this.#rstAt = new Int32Array(ends)
    this.#windows = new Uint32Array(ends)
    this.#gaps = new Uint32Array(ends)
    this.#ends = new TcpEnds(ends)
  }

  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    const flow = this.#tracker.track(frame, session, seconds, nanoseconds, timed)
    if (flow >= 0) {
      const direction = this.#tracker.table.direction
      this.#note(flow, flow * 2 + direction, frame, seconds, nanoseconds, timed)
    }
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

  /** The connection with all that is known of it. */
  connectionOf(flow: number): Connection {
    const pair = pairOf(this.#tracker, flow)
    const originator = this.#originatorOf(flow)
    const responder = originator ^ 1
    const isTcp = pair.protocol === PROTOCOL_TCP
    const end = (at: number): End => ({
      payload: isTcp ? this.#ends.sizeOf(at, at ^ 1) : this.#payload[at]!,
      retransmissions: this.#ends.againOf(at),
      missed: this.#ends.missedOf(at),
    })
    const stateOf = (at: number, { payload }: End) => ({
      state: this.#ends.stateOf(at),
      isActive: (this.#seen[at]! & SEEN_DATA) !== 0,
      size: payload,
    })
    const [orig, resp] = [end(originator), end(responder)]
    const handshake = this.#handshake[flow]!
    const facts = {
      history: this.#historyOf(flow),
      connState: connectionState(
        pair.protocol,
        stateOf(originator, orig),
        stateOf(responder, resp),
      ),
      handshakeNanoseconds: handshake === 0 ? undefined : handshake - 1,
      orig,
      resp,
    }
    return { ...(this.#isTurned[flow] === 1 ? turnedEnds(pair) : pair), ...facts }
  }

  /** The flow is about to leave the table: its place is another's. */
  forget(flow: number): void {
    this.#history.fill(0, flow * HISTORY_MAX, (flow + 1) * HISTORY_MAX)
    this.#isTurned[flow] = 0
    this.#synSeconds[flow] = 0
    this.#handshake[flow] = 0
    for (const end of [flow * 2, flow * 2 + 1]) {
      this.#seen[end] = 0
      this.#payload[end] = 0
      this.#windows[end] = 0
      this.#gaps[end] = 0
      this.#ends.clear(end)
    }
  }

  #historyOf(flow: number): string {
    const from = flow * HISTORY_MAX
    const end = this.#history.indexOf(0, from)
    const to = end === -1 ? from + HISTORY_MAX : Math.min(end, from + HISTORY_MAX)
    return String.fromCharCode(...this.#history.subarray(from, to))
  }

  #originatorOf(flow: number): number {
    const isBegunByB =
      (this.#tracker.table.words[flow * HOT_WORDS + STATE]! & STATE_BEGUN_BY_B) !== 0
    return flow * 2 + (Number(isBegunByB) ^ this.#isTurned[flow]!)
  }

  #note(
    flow: number,
    end: number,
    frame: Frame,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): void {
    const at = frame.transportAt
    if (at === ABSENT) return
    const ipEnd = frame.ipAt + frame.ipLength
    if (frame.protocol === PROTOCOL_TCP) {
      if (frame.end - at < TCP_HEADER_LEN) return
      this.#noteSegment(flow, end, frame, at, ipEnd)
      if (timed) this.#noteHandshake(flow, this.#segment, seconds, nanoseconds)
      return
    }
    const isUdp = frame.protocol === PROTOCOL_UDP
    const payload = isUdp ? ipEnd - at - UDP_HEADER_LEN : ipEnd - at
    this.#payload[end]! += Math.max(payload, 0)
    if (!isUdp) return
    this.#turnIfServer(flow, frame)
    this.#once(flow, end, SEEN_DATA, DATA)
  }

  /** The first packet that was seen came from a server, as its port tells: it did not begin. */
  #turnIfServer(flow: number, { protocol, srcPort, dstPort, tcpFlags }: Frame): void {
    if (this.#history[flow * HISTORY_MAX] !== 0 || !isLikelyServer(protocol, srcPort)) return
    const mayBeEither = isLikelyServer(protocol, dstPort)
    const isLess = protocol === PROTOCOL_TCP && (tcpFlags & TCP_SYN) === 0 && srcPort < dstPort
    if (mayBeEither && !isLess) return
    this.#isTurned[flow] = 1
    this.#history[flow * HISTORY_MAX] = CARET
  }

  #noteSegment(flow: number, end: number, frame: Frame, at: number, ipEnd: number): void {
    const { bytes } = frame
    const flags = u8(bytes, at + TCP_FLAGS)
    const segment = this.#segment
    segment.length = Math.max(ipEnd - at - (u8(bytes, at + TCP_DATA_OFFSET) >>> 4) * 4, 0)
    segment.sequence = u32(bytes, at + TCP_SEQUENCE)
    segment.acknowledgment = u32(bytes, at + TCP_ACKNOWLEDGMENT)
    segment.isSyn = (flags & TCP_SYN) !== 0
    segment.isAck = (flags & TCP_ACK) !== 0
    segment.isFin = (flags & TCP_FIN) !== 0
    segment.isRst = (flags & TCP_RST) !== 0
    segment.hasNoWindow = u16(bytes, at + TCP_WINDOW) === 0
    segment.end = end
    segment.peer = end ^ 1
    if (!segment.isSyn || segment.isAck) this.#turnIfServer(flow, frame)
    segment.isOriginator = end === this.#originatorOf(flow)
    const finding = this.#finding
    this.#ends.place(segment, finding)
    this.#noteFlags(flow, segment, finding.position)
    if (finding.isWindowClosed) this.#scaled(flow, end, WINDOW, ++this.#windows[end]!)
    this.#ends.take(segment, finding)
    if (finding.isAgain) this.#scaled(flow, end, AGAIN, this.#ends.againOf(end))
    for (let gap = 0; gap < finding.missing.gaps; gap++) {
      this.#scaled(flow, end ^ 1, GAP, ++this.#gaps[end ^ 1]!)
    }
  }

  #noteFlags(flow: number, segment: Segment, position: number): void {
    const { end, isSyn, isFin, isRst, isAck, length } = segment
    const set = Number(isSyn) + Number(isFin) + Number(isRst)
    if (set > 1) {
      if (isFin && isRst) this.#once(flow, end, SEEN_FIN_RST, FIN_RST)
      else this.#once(flow, end, SEEN_MANY, MANY_FLAGS)
    } else if (isSyn) {
      this.#again(flow, end, SEEN_SYN, isAck ? ANSWER : SYN, this.#synAt, position)
    } else if (isFin) {
      this.#again(flow, end, SEEN_FIN, FIN, this.#finAt, position + length)
    } else if (isRst) {
      this.#again(flow, end, SEEN_RST, RST, this.#rstAt, position)
    } else if (length > 0 || isAck) {
      if (this.#beganWithAnswer(flow)) this.#turn(flow, segment)
      if (length > 0) this.#once(flow, end, SEEN_DATA, DATA)
      else this.#once(flow, end, SEEN_ACK, ACKNOWLEDGMENT)
    }
  }

  #beganWithAnswer(flow: number): boolean {
    const from = flow * HISTORY_MAX
    return this.#history[from] === ANSWER && this.#history[from + 1] === 0
  }

  /** An answer to a SYN that was not captured came first: who sent it did not begin. */
  #turn(flow: number, segment: Segment): void {
    const from = flow * HISTORY_MAX
    this.#isTurned[flow]! ^= 1
    this.#history[from] = CARET
    this.#history[from + 1] = ANSWER | SMALL
    segment.isOriginator = segment.end === this.#originatorOf(flow)
  }

  #noteHandshake(flow: number, segment: Segment, seconds: number, nanoseconds: number): void {
    const { isSyn, isAck, isRst, end, isOriginator } = segment
    if (!isOriginator || this.#handshake[flow] !== 0) return
    if (isSyn && !isAck) {
      this.#synSeconds[flow] = seconds
      this.#synNanoseconds[flow] = nanoseconds
    } else if (
      isAck &&
      !isRst &&
      (this.#seen[end]! & SEEN_SYN) !== 0 &&
      (this.#seen[end ^ 1]! & SEEN_SYN) !== 0 &&
      this.#ends.stateOf(end ^ 1) >= ESTABLISHED
    ) {
      const taken =
        (seconds - this.#synSeconds[flow]!) * 1e9 + nanoseconds - this.#synNanoseconds[flow]!
      this.#handshake[flow] = Math.max(taken, 0) + 1
    }
  }

  #once(flow: number, end: number, bit: number, letter: number): boolean {
    if ((this.#seen[end]! & bit) !== 0) return false
    this.#seen[end]! |= bit
    this.#add(flow, end, letter)
    return true
  }

  /** Again where it is at another place than before. */
  #again(
    flow: number,
    end: number,
    bit: number,
    letter: number,
    places: Int32Array,
    position: number,
  ): void {
    if (!this.#once(flow, end, bit, letter) && places[end] !== (position | 0)) {
      this.#add(flow, end, letter)
    }
    places[end] = position
  }

  /** The first time, the tenth, the hundredth … */
  #scaled(flow: number, end: number, letter: number, count: number): void {
    let power = 1
    while (power < count) power *= 10
    if (power === count) this.#add(flow, end, letter)
  }

  #add(flow: number, end: number, letter: number): void {
    const from = flow * HISTORY_MAX
    let at = from
    while (at < from + HISTORY_MAX && this.#history[at] !== 0) at++
    if (at === from + HISTORY_MAX) return
    this.#history[at] = end === this.#originatorOf(flow) ? letter : letter | SMALL
  }
}
