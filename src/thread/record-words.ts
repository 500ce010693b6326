import { END_REASONS, type FlowRecord } from '../flow/flow-record.js'
import type { StoredTime } from '../flow/stored-time.js'

/**
 * A flow record as words between threads. Its status is OK, and no interface
 * address is known: both are set on this side of the table. Times are as the table
 * keeps them.
 */
const SESSION = 0
const PORTS = 1
const SOURCE = 2
const DESTINATION = 6
const START_SECONDS = 10
const END_SECONDS = 11
const WINDOW_START = 12
const WINDOW_END = 13
/** TCP flags, protocol, direction, version 6, interface confirmed, reason; lowest first. */
const BITS = 14
/** Float64. */
const PACKETS = 16 / 2
const BYTES = 18 / 2

const DIRECTIONS = [undefined, 'ingress', 'egress'] as const
const DIRECTION_SHIFT = 16
const VERSION_6 = 1 << 18
const CONFIRMED = 1 << 19
const REASON_SHIFT = 20

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
  words[at + START_SECONDS] = record.startSeconds
  words[at + END_SECONDS] = record.endSeconds
  words[at + WINDOW_START] = record.windowStart
  words[at + WINDOW_END] = record.windowEnd
  words[at + BITS] =
    record.vpcTcpFlags |
    (record.protocol << 8) |
    (DIRECTIONS.indexOf(record.direction) << DIRECTION_SHIFT) |
    (record.ipVersion === 6 ? VERSION_6 : 0) |
    (record.isInterfaceConfirmed ? CONFIRMED : 0) |
    (END_REASONS.indexOf(record.reason) << REASON_SHIFT)
  counts[(at >>> 1) + PACKETS] = record.packets
  counts[(at >>> 1) + BYTES] = record.bytes
}

/** The inverse. */
export function takeRecord(
  words: Uint32Array,
  counts: Float64Array,
  at: number,
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
  record.startSeconds = time.secondsOf(words[at + START_SECONDS]!)
  record.endSeconds = time.secondsOf(words[at + END_SECONDS]!)
  record.windowStart = time.secondsOf(words[at + WINDOW_START]!)
  record.windowEnd = time.secondsOf(words[at + WINDOW_END]!)
  record.vpcTcpFlags = bits & 0xff
  record.protocol = (bits >>> 8) & 0xff
  record.direction = DIRECTIONS[(bits >>> DIRECTION_SHIFT) & 0x3]
  record.ipVersion = (bits & VERSION_6) === 0 ? 4 : 6
  record.isInterfaceConfirmed = (bits & CONFIRMED) !== 0
  record.reason = END_REASONS[bits >>> REASON_SHIFT]!
  record.packets = counts[(at >>> 1) + PACKETS]!
  record.bytes = counts[(at >>> 1) + BYTES]!
}
