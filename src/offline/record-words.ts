import { END_REASONS, type FlowRecord } from '../flow/flow-record.js'
import { OTHER_FLAGS, VPC_FLAGS } from '../flow/flow-state.js'
import type { StoredTime } from '../flow/stored-time.js'

/**
 * A flow record as sixteen words between threads, one cache line. It is of a
 * window, its status is OK, and no interface address is known: both are set on this
 * side of the table. Times are as the table keeps them; milliseconds, which only the
 * deliveries of an appliance read, are left out.
 */
const SESSION = 0
const PORTS = 1
const SOURCE = 2
const DESTINATION = 6
/** TCP flags, protocol, direction, version 6, interface confirmed, no time, reason; lowest first. */
const BITS = 10
const WINDOW_END = 11
/** Float64. */
const BYTES = 12 / 2
const PACKETS = 14
/** First and last second as offsets from the start of the window; the first in the upper half. */
const SECONDS = 15

const DIRECTIONS = [undefined, 'ingress', 'egress'] as const
const DIRECTION_SHIFT = 16
const VERSION_6 = 1 << 18
const CONFIRMED = 1 << 19
const UNTIMED = 1 << 20
const REASON_SHIFT = 21

/** `counts` is the memory of `words` as Float64. */
export function putRecord(
  record: FlowRecord,
  words: Uint32Array,
  counts: Float64Array,
  at: number,
): void {
  const { packetSource, packetDestination } = record
  words[at + SESSION] = record.session
  words[at + PORTS] = (record.sourcePort << 16) | record.destinationPort
  for (let word = 0; word < 4; word++) {
    words[at + SOURCE + word] = packetSource[word]!
    words[at + DESTINATION + word] = packetDestination[word]!
  }
  const { windowStart } = record
  words[at + WINDOW_END] = record.windowEnd
  words[at + SECONDS] =
    ((record.startSeconds - windowStart) << 16) | (record.endSeconds - windowStart)
  words[at + BITS] =
    record.vpcTcpFlags |
    record.otherTcpFlags |
    (record.protocol << 8) |
    (DIRECTIONS.indexOf(record.direction) << DIRECTION_SHIFT) |
    (record.ipVersion === 6 ? VERSION_6 : 0) |
    (record.isInterfaceConfirmed ? CONFIRMED : 0) |
    (record.timed ? 0 : UNTIMED) |
    (END_REASONS.indexOf(record.reason) << REASON_SHIFT)
  words[at + PACKETS] = record.packets
  counts[(at >>> 1) + BYTES] = record.bytes
}

/** The inverse. */
export function takeRecord(
  words: Uint32Array,
  counts: Float64Array,
  at: number,
  windowSeconds: number,
  time: StoredTime,
  record: FlowRecord,
): void {
  const { packetSource, packetDestination } = record
  const ports = words[at + PORTS]!
  const bits = words[at + BITS]!
  record.status = 'OK'
  record.interfaceAddress = undefined
  record.session = words[at + SESSION]!
  record.sourcePort = ports >>> 16
  record.destinationPort = ports & 0xffff
  for (let word = 0; word < 4; word++) {
    packetSource[word] = words[at + SOURCE + word]!
    packetDestination[word] = words[at + DESTINATION + word]!
  }
  const seconds = words[at + SECONDS]!
  const windowEnd = time.secondsOf(words[at + WINDOW_END]!)
  const windowStart = windowEnd - windowSeconds
  record.windowStart = windowStart
  record.windowEnd = windowEnd
  record.startSeconds = windowStart + (seconds >>> 16)
  record.endSeconds = windowStart + (seconds & 0xffff)
  record.vpcTcpFlags = bits & VPC_FLAGS
  record.otherTcpFlags = bits & OTHER_FLAGS
  record.protocol = (bits >>> 8) & 0xff
  record.direction = DIRECTIONS[(bits >>> DIRECTION_SHIFT) & 0x3]
  record.ipVersion = (bits & VERSION_6) === 0 ? 4 : 6
  record.isInterfaceConfirmed = (bits & CONFIRMED) !== 0
  record.timed = (bits & UNTIMED) === 0
  record.reason = END_REASONS[bits >>> REASON_SHIFT]!
  record.packets = words[at + PACKETS]!
  record.bytes = counts[(at >>> 1) + BYTES]!
}
