import { u16 } from '../wire/bytes.js'
import type { Frame } from '../wire/frame.js'
import { ByteRanges } from './byte-ranges.js'
import { type DnsMessage, parseDns } from './dns.js'
import { StreamSlots } from './stream-slots.js'

/** RFC 1035 §4.2.2: each message follows its length. */
const LENGTH_LEN = 2
const STREAMS = 1024
/** Of a message; of a longer one this much is read, and the rest is passed over. 8 MiB in all. */
const MESSAGE_MAX = 8192

interface DnsStream {
  /** Sequence number of the length of the next message. */
  next: number
  /** What has come from there on. */
  ranges: ByteRanges
}

/** DNS over TCP: messages one after the other in each direction, several in a segment or one in several. */
export class DnsStreams {
  readonly #streams = new StreamSlots<DnsStream>(STREAMS, () => undefined)

  get displaced(): number {
    return this.#streams.displaced
  }

  /** A SYN: the first message begins at `next`. */
  open(frame: Frame, session: number, next: number): void {
    if (this.#streams.find(frame, session, false)?.next === next) return
    this.#streams.put(frame, session, false, newStream(next))
  }

  close(frame: Frame, session: number): void {
    this.#streams.delete(frame, session, false)
  }

  /** Takes `bytes[start, end)` of a segment; `isCut`: it has more that was not captured. */
  read(
    frame: Frame,
    start: number,
    end: number,
    sequence: number,
    isCut: boolean,
    session: number,
    tell: (message: DnsMessage) => void,
  ): void {
    let stream = this.#streams.find(frame, session, false)
    const offset = stream === undefined ? 0 : (sequence - stream.next) | 0
    // What was told already, sent again.
    if (stream !== undefined && offset < 0 && offset + end - start <= 0) return
    // Where nothing is known of a stream, or something of it was lost, a segment begins with a message as a rule.
    if (stream === undefined || offset >= MESSAGE_MAX) {
      stream = newStream(sequence)
      this.#streams.put(frame, session, false, stream)
    }
    if (!follow(stream, frame.bytes, start, end, sequence, tell)) {
      this.#streams.delete(frame, session, false)
    } else if (isCut) {
      tellRest(stream, tell)
      this.#streams.delete(frame, session, false)
    }
  }
}

function newStream(next: number): DnsStream {
  return { next, ranges: new ByteRanges(MESSAGE_MAX) }
}

/** Tells the messages that are there with a segment; false where what has come is not DNS. */
function follow(
  stream: DnsStream,
  bytes: Uint8Array,
  start: number,
  end: number,
  sequence: number,
  tell: (message: DnsMessage) => void,
): boolean {
  const { ranges } = stream
  for (;;) {
    // What had no room before has it behind a message that was told.
    ranges.add((sequence - stream.next) | 0, bytes, start, end)
    if (ranges.length < LENGTH_LEN) return true
    const behind = LENGTH_LEN + u16(ranges.bytes, 0)
    const last = Math.min(behind, MESSAGE_MAX)
    if (ranges.length < last) return true
    const message = parseDns(ranges.bytes, LENGTH_LEN, last)
    if (message === undefined) return false
    tell(message)
    stream.next = (stream.next + behind) >>> 0
    ranges.drop(behind)
  }
}

/** Of a message whose end was not captured, what is there. */
function tellRest({ ranges }: DnsStream, tell: (message: DnsMessage) => void): void {
  if (ranges.length <= LENGTH_LEN) return
  const message = parseDns(ranges.bytes, LENGTH_LEN, ranges.length)
  if (message !== undefined) tell(message)
}
