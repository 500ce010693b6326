import { i32 } from '../wire/bytes.js'
import { ABSENT, FRAGMENT_NONE, type Frame } from '../wire/frame.js'
import {
  TCP_ACK,
  TCP_ACKNOWLEDGMENT,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_HEADER_LEN,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
  TCP_WINDOW,
} from '../wire/tcp.js'
import type { Distribution } from './distribution.js'
import type { TcpCounts } from './tcp-counts.js'
import {
  ACK_SEEN,
  ACKED,
  BEGUN,
  CONNECTED,
  DIRECTION_WORDS,
  FIRST_SEQUENCE,
  FORMER_NEXT,
  FORMER_RESET,
  HAS_FORMER,
  IS_ANSWER,
  MOVED_NANOSECONDS,
  MOVED_SECONDS,
  NEXT,
  PROBED,
  ROUND_TRIP,
  RST_SEEN,
  STATE,
  SYN_IS_LAST,
  SYN_REPEATED,
  SYN_SEEN,
  WENT_ON,
  WINDOW_SHIFT,
} from './tcp-entry.js'
import { TcpGaps } from './tcp-gaps.js'

/** Bytes of the header that are read: all before the checksum. */
const HEADER_SEEN = TCP_CHECKSUM

/** The largest possible window (RFC 7323 §2.3): no sequence number of a connection lies further ahead. */
const WINDOW_MAX = 2 ** 30

/** Without a known round trip, data that comes this late was retransmitted, in nanoseconds. */
const REORDERING_NS = 3_000_000

/** How far ahead a sequence number may lie: packets in between are lost or still to come. */
const AHEAD = 65_535
/** Late segments of a former connection with the same ports are among this many of its last numbers. */
const FORMER_LATE = 2 ** 20

/** Durations of handshakes; see `roundTrips` in analysis-report.ts. */
interface RoundTrips {
  readonly handshake: Distribution
  readonly synToSynAck: Distribution
  readonly synAckToAck: Distribution
}

/**
 * Follows the sequence numbers of TCP connections, in a few words for each
 * entry of the flow table.
 *
 * Lengths come from the IP header, so frames cut by the mirror leave no gaps.
 * Streams are not reassembled and SACK is not read. The results are estimates from one
 * point of the path, as those of any tool are. README.md in this folder says where they
 * differ from Wireshark's.
 */
export class TcpHealth {
  readonly gaps: TcpGaps
  readonly #words: Int32Array
  readonly #roundTrips: RoundTrips

  /** `capacity`: of the flow table. */
  constructor(capacity: number, roundTrips: RoundTrips) {
    this.#words = new Int32Array(capacity * 2 * DIRECTION_WORDS)
    this.gaps = new TcpGaps(capacity, this.#words)
    this.#roundTrips = roundTrips
  }

  /** Takes a TCP packet of `flow`; `timed` as in Packet. */
  observe(
    flow: number,
    direction: number,
    frame: Frame,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
    counts: TcpCounts,
  ): void {
    const { bytes, transportAt: at } = frame
    if (frame.fragment !== FRAGMENT_NONE || at === ABSENT || frame.end - at < HEADER_SEEN) return
    const headerLen = (bytes[at + TCP_DATA_OFFSET]! >>> 4) * 4
    const length = frame.ipAt + frame.ipLength - at - headerLen
    if (headerLen < TCP_HEADER_LEN || length < 0) return

    counts.segments++
    const words = this.#words
    const mine = flow * 2 * DIRECTION_WORDS + direction * DIRECTION_WORDS
    const theirs = flow * 2 * DIRECTION_WORDS + (1 - direction) * DIRECTION_WORDS
    const flags = frame.tcpFlags
    const sequence = i32(bytes, at + TCP_SEQUENCE)
    const acknowledgment = i32(bytes, at + TCP_ACKNOWLEDGMENT)
    const isReset = (flags & TCP_RST) !== 0
    const hasSyn = (flags & TCP_SYN) !== 0
    if (isReset) counts.resets++
    if (!hasSyn && ((words[mine + STATE]! | words[theirs + STATE]!) & HAS_FORMER) !== 0) {
      if (this.#isOfFormer(mine, theirs, sequence, acknowledgment, flags)) {
        if (isReset) this.#resetFormer(mine, theirs, counts)
        else if (length > 0 || (flags & TCP_FIN) !== 0) {
          counts.outOfOrder++
          this.gaps.noteOutOfOrder(mine)
        }
        return
      }
    }
    if (isReset) {
      // A reset may have any sequence numbers, so they are not used.
      words[mine + STATE]! |= RST_SEEN
      return
    }
    if (hasSyn) {
      const isAnswer = (flags & TCP_ACK) !== 0
      if (!this.#syn(flow, mine, theirs, sequence, length, isAnswer, counts)) return
      if (isAnswer) {
        this.#answer(mine, theirs, acknowledgment, seconds, nanoseconds, timed)
      }
      this.#move(mine, (sequence + 1 + length) | 0, seconds, nanoseconds)
      words[mine + STATE]! |= SYN_IS_LAST
    } else {
      if ((flags & TCP_ACK) !== 0) {
        words[mine + STATE]! |= WENT_ON
        this.#acknowledge(mine, theirs, acknowledgment, seconds, nanoseconds, timed, counts)
      }
      const fin = flags & TCP_FIN
      this.#data(mine, theirs, sequence, length, fin, seconds, nanoseconds, counts)
    }
    const window = (bytes[at + TCP_WINDOW]! << 8) | bytes[at + TCP_WINDOW + 1]!
    if (window === 0 && (flags & (TCP_SYN | TCP_FIN)) === 0) counts.zeroWindows++
    words[mine + STATE] = (words[mine + STATE]! & 0xffff) | (window << WINDOW_SHIFT)
  }

  /** Adds a finished connection to the counts. Only the totals of its flow are kept. */
  end(flow: number, counts: TcpCounts): void {
    const words = this.#words
    const at = flow * 2 * DIRECTION_WORDS
    const a = words[at + STATE]!
    const b = words[at + DIRECTION_WORDS + STATE]!
    if (((a | b) & (BEGUN | RST_SEEN)) === 0) return

    counts.connections++
    if (((a | b) & RST_SEEN) !== 0) counts.resetConnections++
    if (((a | b) & CONNECTED) !== 0) {
      counts.attempted++
      counts.completed++
    } else if (((a | b) & SYN_SEEN) !== 0) {
      counts.attempted++
      if (isCaller(a)) this.#countFailure(a, b, counts)
      else if (isCaller(b)) this.#countFailure(b, a, counts)
    }
    this.gaps.end(flow, 0, counts)
    this.gaps.end(flow, 1, counts)
    words.fill(0, at, at + 2 * DIRECTION_WORDS)
  }

  #countFailure(caller: number, server: number, counts: TcpCounts): void {
    if ((caller & WENT_ON) !== 0 || (server & BEGUN) !== 0) return
    if ((server & RST_SEEN) !== 0) counts.refused++
    else counts.unanswered++
  }

  /** To be called when everything about a flow has been read, before another takes its place. */
  forget(flow: number): void {
    this.gaps.clear(flow)
  }

  /**
   * Whether a segment belongs to the former connection with these ports: one of its numbers is near the end
   * of what its side sent in that connection, and not all of its numbers fit this one.
   */
  #isOfFormer(
    mine: number,
    theirs: number,
    sequence: number,
    acknowledgment: number,
    flags: number,
  ): boolean {
    const hasAck = (flags & TCP_ACK) !== 0
    // A RST in reply to a segment without ACK has sequence number 0.
    const isSequenced = !hasAck || (flags & TCP_RST) === 0 || sequence !== 0
    const own = isSequenced ? this.#holdsFormer(mine, sequence) : undefined
    const other = hasAck ? this.#holdsFormer(theirs, acknowledgment) : undefined
    if (own === false || other === false || (own ?? other) === undefined) return false
    const isOwn = isSequenced ? this.#holds(mine, sequence) : undefined
    const isOther = hasAck ? this.#holds(theirs, acknowledgment) : undefined
    return isOwn === false || isOther === false || (isOwn ?? isOther) === undefined
  }

  /** Whether a number may be of this side in the former connection; undefined if that is not known. */
  #holdsFormer(direction: number, number: number): boolean | undefined {
    const words = this.#words
    if ((words[direction + STATE]! & HAS_FORMER) === 0) return undefined
    const behind = (words[direction + FORMER_NEXT]! - number) | 0
    return behind >= -AHEAD && behind <= FORMER_LATE
  }

  /** The same for this connection. */
  #holds(direction: number, number: number): boolean | undefined {
    const words = this.#words
    if ((words[direction + STATE]! & BEGUN) === 0) return undefined
    const first = words[direction + FIRST_SEQUENCE]!
    return (number - first) >>> 0 <= ((words[direction + NEXT]! - first) >>> 0) + AHEAD
  }

  #resetFormer(mine: number, theirs: number, counts: TcpCounts): void {
    const words = this.#words
    if (((words[mine + STATE]! | words[theirs + STATE]!) & FORMER_RESET) === 0) {
      counts.resetConnections++
    }
    words[mine + STATE]! |= FORMER_RESET
  }

  /** Takes a SYN. False if it is a repeated one. */
  #syn(
    flow: number,
    mine: number,
    theirs: number,
    sequence: number,
    length: number,
    isAnswer: boolean,
    counts: TcpCounts,
  ): boolean {
    const words = this.#words
    const state = words[mine + STATE]!
    if ((state & BEGUN) !== 0) {
      if ((state & SYN_SEEN) !== 0 && words[mine + FIRST_SEQUENCE] === sequence) {
        counts.retransmissions++
        counts.synRetransmissions++
        this.gaps.noteRetransmission(mine)
        words[mine + STATE]! |= SYN_REPEATED
        return false
      }
      const lowest = (words[mine + FIRST_SEQUENCE]! + 1) | 0
      const isLowest = ((sequence + 1) | 0) === lowest || ((sequence + 1 + length) | 0) === lowest
      if ((state & SYN_SEEN) === 0 && isLowest) {
        counts.outOfOrder++
        this.gaps.noteOutOfOrder(mine)
        words[mine + STATE]! |= SYN_SEEN | SYN_REPEATED | (isAnswer ? IS_ANSWER : 0)
        words[mine + FIRST_SEQUENCE] = sequence
        return false
      }
      // A new connection uses the same ports.
      if (!isAnswer) this.#startOver(flow, mine, theirs, counts)
      else {
        this.gaps.end(flow, mine < theirs ? 0 : 1, counts)
        words.fill(0, mine, mine + DIRECTION_WORDS)
      }
    }
    words[mine + FIRST_SEQUENCE] = sequence
    words[mine + STATE]! |= BEGUN | SYN_SEEN | (isAnswer ? IS_ANSWER : 0)
    return true
  }

  /** Starts another connection with the same ports. */
  #startOver(flow: number, mine: number, theirs: number, counts: TcpCounts): void {
    const words = this.#words
    const states = words[mine + STATE]! | words[theirs + STATE]!
    const reset = (states & RST_SEEN) === 0 ? 0 : FORMER_RESET
    const [myState, myNext] = [words[mine + STATE]!, words[mine + NEXT]!]
    const [theirState, theirNext] = [words[theirs + STATE]!, words[theirs + NEXT]!]
    this.end(flow, counts)
    if ((myState & BEGUN) !== 0) {
      words[mine + STATE] = HAS_FORMER | reset
      words[mine + FORMER_NEXT] = myNext
    }
    if ((theirState & BEGUN) !== 0) {
      words[theirs + STATE] = HAS_FORMER | reset
      words[theirs + FORMER_NEXT] = theirNext
    }
  }

  /** Takes a SYN with ACK, and measures the round trip from here to the server. */
  #answer(
    mine: number,
    theirs: number,
    acknowledgment: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): void {
    const words = this.#words
    const state = words[theirs + STATE]!
    if ((state & BEGUN) === 0) return
    this.#noteLowest(theirs, acknowledgment)
    words[theirs + ACKED] = acknowledgment
    words[theirs + STATE]! |= ACK_SEEN
    if (!timed || !isClear(state) || words[theirs + NEXT] !== acknowledgment) return
    const elapsed = this.#since(theirs, seconds, nanoseconds)
    if (elapsed < 0) return
    this.#roundTrips.synToSynAck.record(elapsed)
    // Until the handshake is complete, this is its first half.
    words[mine + ROUND_TRIP] = Math.min(elapsed, 0x7fff_ffff)
  }

  #acknowledge(
    mine: number,
    theirs: number,
    acknowledgment: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
    counts: TcpCounts,
  ): void {
    const words = this.#words
    const state = words[theirs + STATE]!
    if ((state & BEGUN) === 0) return
    this.#noteLowest(theirs, acknowledgment)
    if ((state & ACK_SEEN) === 0 || ((acknowledgment - words[theirs + ACKED]!) | 0) > 0) {
      words[theirs + ACKED] = acknowledgment
      words[theirs + STATE]! |= ACK_SEEN
    }
    const caller = words[mine + STATE]!
    if ((state & IS_ANSWER) !== 0 && isCaller(caller) && (caller & CONNECTED) === 0) {
      if (((acknowledgment - words[theirs + FIRST_SEQUENCE]!) | 0) > 0) {
        this.#connected(mine, theirs, seconds, nanoseconds, timed)
      }
    }
    const next = words[theirs + NEXT]!
    const beyond = (acknowledgment - next) | 0
    if (beyond > 0 && beyond < WINDOW_MAX) {
      // The receiver has data that was not captured.
      if (beyond !== 1 || (state & PROBED) === 0) {
        this.gaps.open(theirs, next, acknowledgment, counts)
      }
      this.#move(theirs, acknowledgment, seconds, nanoseconds)
    }
  }

  /** The handshake is complete. Its times count if no SYN was repeated (Karn's rule) and nothing was reordered. */
  #connected(
    mine: number,
    theirs: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): void {
    const words = this.#words
    words[mine + STATE]! |= CONNECTED
    if (!timed || !isClear(words[theirs + STATE]!)) return
    const half = this.#since(theirs, seconds, nanoseconds)
    if (half < 0) return
    this.#roundTrips.synAckToAck.record(half)
    if (!isClear(words[mine + STATE]!)) return
    const whole = this.#since(mine, seconds, nanoseconds)
    if (whole < 0) return
    this.#roundTrips.handshake.record(whole)
    words[mine + ROUND_TRIP] = Math.min(whole, 0x7fff_ffff)
    words[theirs + ROUND_TRIP] = words[mine + ROUND_TRIP]!
  }

  /** Takes a segment without SYN and RST. `fin`: 1 if it ends the stream, which takes a sequence number. */
  #data(
    mine: number,
    theirs: number,
    sequence: number,
    length: number,
    fin: number,
    seconds: number,
    nanoseconds: number,
    counts: TcpCounts,
  ): void {
    const words = this.#words
    const state = words[mine + STATE]!
    const end = (sequence + length + fin) | 0
    if ((state & BEGUN) === 0) {
      words[mine + STATE]! |= BEGUN
      words[mine + FIRST_SEQUENCE] = (sequence - 1) | 0
      this.#move(mine, end, seconds, nanoseconds)
      return
    }
    const ahead = (sequence - words[mine + NEXT]!) | 0
    if (ahead === 0) {
      if (end === sequence) return
      const theirState = words[theirs + STATE]!
      const isClosed = (theirState & BEGUN) !== 0 && theirState >>> WINDOW_SHIFT === 0
      if (length === 1 && fin === 0 && isClosed) words[mine + STATE]! |= PROBED
      else this.#move(mine, end, seconds, nanoseconds)
    } else if (ahead > 0) {
      if (ahead >= WINDOW_MAX) counts.jumps++
      else if (ahead !== 1 || (state & PROBED) === 0) {
        this.gaps.open(mine, words[mine + NEXT]!, sequence, counts)
      }
      this.#move(mine, end, seconds, nanoseconds)
    } else if (ahead === -1 && length <= 1 && fin === 0) {
      counts.keepAlives++
    } else if (end !== sequence) {
      if (ahead <= -WINDOW_MAX) {
        counts.jumps++
        this.#move(mine, end, seconds, nanoseconds)
      } else this.#earlier(mine, sequence, end, seconds, nanoseconds, counts)
    }
  }

  /** Data or a FIN that begins below the next expected number: it fills a gap, or is repeated. */
  #earlier(
    mine: number,
    sequence: number,
    end: number,
    seconds: number,
    nanoseconds: number,
    counts: TcpCounts,
  ): void {
    const words = this.#words
    this.#noteLowest(mine, sequence)
    const next = words[mine + NEXT]!
    const isLonger = ((end - next) | 0) > 0
    const old = ((isLonger ? next : end) - sequence) | 0
    const filled = this.gaps.fill(mine, sequence, end, counts)
    const patience = words[mine + ROUND_TRIP]! === 0 ? REORDERING_NS : words[mine + ROUND_TRIP]!
    if (filled > 0 && this.#since(mine, seconds, nanoseconds) < patience) {
      counts.outOfOrder++
      this.gaps.noteOutOfOrder(mine)
    } else {
      counts.retransmissions++
      if (filled > 0) counts.lateArrivals++
      counts.retransmittedBytes += old - filled
      this.gaps.noteRetransmission(mine)
    }
    if (isLonger) this.#move(mine, end, seconds, nanoseconds)
  }

  /** Notes a number of this side, sent or acknowledged, unless a SYN has told the first one. */
  #noteLowest(direction: number, number: number): void {
    const words = this.#words
    if ((words[direction + STATE]! & SYN_SEEN) !== 0) return
    const before = (number - 1 - words[direction + FIRST_SEQUENCE]!) | 0
    if (before < 0 && before > -WINDOW_MAX) words[direction + FIRST_SEQUENCE] = (number - 1) | 0
  }

  #move(direction: number, next: number, seconds: number, nanoseconds: number): void {
    const words = this.#words
    words[direction + NEXT] = next
    words[direction + MOVED_SECONDS] = seconds | 0
    words[direction + MOVED_NANOSECONDS] = nanoseconds
    words[direction + STATE]! &= ~(SYN_IS_LAST | PROBED)
  }

  /** Nanoseconds since NEXT last moved; negative if packets are out of order. */
  #since(direction: number, seconds: number, nanoseconds: number): number {
    const words = this.#words
    const whole = ((seconds | 0) - words[direction + MOVED_SECONDS]!) | 0
    return whole * 1e9 + nanoseconds - words[direction + MOVED_NANOSECONDS]!
  }
}

/** Whether this side opened the connection. */
function isCaller(state: number): boolean {
  return (state & (SYN_SEEN | IS_ANSWER)) === SYN_SEEN
}

/** Whether the time of NEXT is that of a single SYN. */
function isClear(state: number): boolean {
  return (state & (SYN_IS_LAST | SYN_REPEATED)) === SYN_IS_LAST
}
