import { MissingBytes } from './missing-bytes.js'

/** How one end of a TCP connection stands, in Zeek's words. */
export const INACTIVE = 0
const SYN_SENT = 1
const SYN_ACK_SENT = 2
/** It sent something, but neither SYN nor an answer to one was seen. */
export const PARTIAL = 3
export const ESTABLISHED = 4
export const CLOSED = 5
export const RESET = 6
export { SYN_ACK_SENT, SYN_SENT }

/** A step of this many bytes is no step of the stream. */
const TOO_FAR = 1_048_576

/** A segment as the two ends of its connection are concerned. */
export class Segment {
  /** The place of who sent it, and of who receives it. */
  end = 0
  peer = 0
  isOriginator = false
  sequence = 0
  acknowledgment = 0
  /** Bytes of data. */
  length = 0
  isSyn = false
  isAck = false
  isFin = false
  isRst = false
  hasNoWindow = false
}

/** What a segment was found to be. */
export class Finding {
  /** Its position in the stream, relative to the SYN. */
  position = 0
  /** All of its data was sent before. */
  isAgain = false
  isWindowClosed = false
  /** Its acknowledgment is for data that was never seen. */
  readonly missing = { bytes: 0, gaps: 0 }
}

/**
 * The ends of TCP connections as Zeek follows them (its TCPSessionAdapter): states, bytes by sequence
 * numbers, data sent again, and data that was confirmed but never seen. A row of typed arrays for each.
 */
export class TcpEnds {
  readonly #state: Uint8Array
  readonly #before: Uint8Array
  /** Sequence number of the SYN. */
  readonly #start: Int32Array
  /** Behind the last byte sent, and the last one confirmed, relative to that. */
  readonly #last: Float64Array
  readonly #confirmed: Float64Array
  /** Behind its FIN; 0 where there was none. */
  readonly #fin: Float64Array
  readonly #again: Uint32Array
  readonly #missed: Float64Array
  readonly #missing: MissingBytes

  constructor(ends: number) {
    this.#state = new Uint8Array(ends)
    this.#before = new Uint8Array(ends)
    this.#start = new Int32Array(ends)
    this.#last = new Float64Array(ends)
    this.#confirmed = new Float64Array(ends)
    this.#fin = new Float64Array(ends)
    this.#again = new Uint32Array(ends)
    this.#missed = new Float64Array(ends)
    this.#missing = new MissingBytes(ends)
  }

  stateOf(end: number): number {
    return this.#state[end]!
  }

  /** Segments whose data was sent before. */
  againOf(end: number): number {
    return this.#again[end]!
  }

  missedOf(end: number): number {
    return this.#missed[end]!
  }

  /** Bytes of data by sequence numbers, sent or confirmed. */
  sizeOf(end: number, peer: number): number {
    // It was reset before the other side ever spoke.
    const neverSpoke = this.#before[end] === SYN_SENT && this.#state[end] === RESET
    if (neverSpoke && this.#state[peer] === INACTIVE && this.#confirmed[end]! <= 1) return 0
    const last = Math.max(this.#last[end]!, this.#confirmed[end]!)
    return Math.max(last - 1 - (this.#fin[end]! > 0 ? 1 : 0), 0)
  }

  clear(end: number): void {
    this.#state[end] = INACTIVE
    this.#before[end] = INACTIVE
    this.#start[end] = 0
    this.#last[end] = 0
    this.#confirmed[end] = 0
    this.#fin[end] = 0
    this.#again[end] = 0
    this.#missed[end] = 0
    this.#missing.reset(end)
  }

  /** Before the states change: where it is in the stream. */
  place(segment: Segment, out: Finding): void {
    this.#begin(segment)
    out.position = this.#positionOf(segment.end, segment.sequence, this.#last[segment.end]!)
    out.isWindowClosed =
      segment.hasNoWindow &&
      !segment.isRst &&
      this.#state[segment.peer] !== CLOSED &&
      this.#state[segment.end] !== RESET
  }

  /** Takes what `place` has found. */
  take(segment: Segment, out: Finding): void {
    const { end, peer, isRst, isAck } = segment
    const counted = (isRst ? 0 : segment.length) + Number(segment.isSyn) + Number(segment.isFin)
    const behind = out.position + counted
    if (segment.isFin) this.#fin[end] = behind
    const confirmed = isAck ? this.#acknowledge(segment) : 0
    out.isAgain = this.#advance(segment, behind)
    if (out.isAgain) this.#again[end]!++
    this.#step(segment)
    out.missing.bytes = 0
    out.missing.gaps = 0
    if (isAck) this.#confirm(end, peer, confirmed, out)
    if (segment.length > 0 && !isRst && out.position >= 0) {
      const from = out.position + Number(segment.isSyn)
      this.#missing.see(end, from, from + segment.length)
    }
  }

  #begin({ end, sequence, isSyn }: Segment): void {
    const state = this.#state[end]!
    if (state === INACTIVE) {
      // As if its SYN had been there, so that numbers mean the same.
      this.#restart(end, isSyn ? sequence : sequence - 1)
      if (!isSyn) this.#last[end] = 1
    } else if (isSyn && sequence !== this.#start[end]! >>> 0) {
      const isFirst = state === SYN_SENT || state === SYN_ACK_SENT
      const isOpen = state === ESTABLISHED || state === PARTIAL
      const wasForged = state === RESET && this.#before[end] === INACTIVE
      if (isFirst || isOpen || wasForged) this.#restart(end, sequence)
    }
  }

  #restart(end: number, sequence: number): void {
    this.#start[end] = sequence | 0
    this.#last[end] = 0
    this.#confirmed[end] = 0
    this.#missing.reset(end)
  }

  /** A position near `reference`. */
  #positionOf(end: number, sequence: number, reference: number): number {
    return reference + ((sequence - ((this.#start[end]! + reference) | 0)) | 0)
  }

  /** Answers with the position that is confirmed. */
  #acknowledge({ peer, acknowledgment, isRst }: Segment): number {
    if (this.#state[peer] === INACTIVE) {
      this.#restart(peer, acknowledgment - 1)
      return 1
    }
    const before = this.#confirmed[peer]!
    const position = this.#positionOf(peer, acknowledgment, before)
    if (position < 0) return 0
    if (isRst) return position
    const isBroken = acknowledgment === 0 && position - before > TOO_FAR
    if (position > before && !isBroken) this.#confirmed[peer] = position
    return position
  }

  /** Whether all of its data was sent before. */
  #advance({ end, isSyn, isRst, isFin, length }: Segment, behind: number): boolean {
    const step = behind - this.#last[end]!
    if ((isSyn || isRst) && Math.abs(step) > TOO_FAR) return false
    if (isFin && this.#last[end] === 1) {
      this.#last[end] = behind
      return false
    }
    if (this.#state[end] === RESET) return false
    if (step > 0) {
      this.#last[end] = behind
      return false
    }
    return length > 0
  }

  #setState(end: number, state: number): void {
    if (this.#state[end] === state) return
    this.#before[end] = this.#state[end]!
    this.#state[end] = state
  }

  #step(segment: Segment): void {
    switch (this.#state[segment.end]) {
      case INACTIVE:
        this.#stepInactive(segment)
        break
      case SYN_SENT:
      case SYN_ACK_SENT:
        if (segment.isFin) this.#setState(segment.end, CLOSED)
        if (segment.isRst) this.#setState(segment.end, RESET)
        break
      case ESTABLISHED:
      case PARTIAL:
        this.#stepOpen(segment)
        break
      case CLOSED:
        if (segment.isRst && this.#state[segment.peer] !== CLOSED) {
          this.#setState(segment.end, RESET)
        }
    }
  }

  #stepInactive({ end, peer, isOriginator, isSyn, isAck, isFin, isRst, length }: Segment): void {
    if (isSyn) {
      if (isOriginator) this.#setState(end, isAck ? SYN_ACK_SENT : SYN_SENT)
      else {
        if (this.#state[peer] === SYN_SENT) this.#setState(peer, ESTABLISHED)
        this.#setState(end, ESTABLISHED)
      }
    }
    if (isFin) this.#setState(end, CLOSED)
    if (isRst) this.#setState(end, RESET)
    if (this.#state[end] !== INACTIVE) return
    // Some acknowledge a SYN before they answer it.
    if (!isOriginator && length === 0 && this.#state[peer] === SYN_SENT) return
    // The SYN was not captured, but its answer.
    if (isAck && this.#state[peer] === ESTABLISHED) this.#setState(end, ESTABLISHED)
    else this.#setState(end, PARTIAL)
  }

  #stepOpen({ end, peer, isSyn, isAck, isFin, isRst }: Segment): void {
    if (isSyn && !isAck && this.#state[end] === PARTIAL && this.#state[peer] === INACTIVE) {
      this.#setState(end, SYN_SENT)
    }
    if (isFin && !isRst) {
      this.#setState(end, CLOSED)
      // FIN and then RST from there ended it as usual.
      if (this.#state[peer] === RESET && this.#before[peer] === CLOSED) this.#setState(peer, CLOSED)
    }
    if (isRst) this.#setState(end, RESET)
  }

  #confirm(end: number, peer: number, position: number, out: Finding): void {
    const fin = this.#fin[peer]!
    const to = fin > 0 && position >= fin ? fin - 1 : position
    this.#missing.confirm(peer, to, out.missing)
    // Where the ends did not open and close as they should, numbers say little.
    const isSure = to > 2 && this.#isClean(end) && this.#isClean(peer)
    if (!isSure) {
      out.missing.bytes = 0
      out.missing.gaps = 0
    }
    this.#missed[peer]! += out.missing.bytes
  }

  #isClean(end: number): boolean {
    const state = this.#state[end]
    return state === ESTABLISHED || (state === CLOSED && this.#before[end] === ESTABLISHED)
  }
}
