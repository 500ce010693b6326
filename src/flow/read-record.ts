import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  BYTES_0,
  COLD_WORDS,
  FIRST_SECONDS_0,
  FLAGS,
  HOT_WORDS,
  KIND,
  LAST_SECONDS_0,
  PACKETS_0,
  PORTS,
  REPORTED_BYTES_0,
  REPORTED_PACKETS_0,
  SESSION,
  STATE,
  WINDOW_END,
  WINDOW_FIRST,
} from './flow-entry.js'
import type { FlowDirection, FlowRecord } from './flow-record.js'
import {
  A_IS_LOCAL,
  A_IS_REMOTE,
  INTERFACE_CONFIRMED,
  INTERFACE_MASK,
  INTERFACE_SHIFT,
  OTHER_FLAGS,
  STATE_UNTIMED,
  VPC_FLAGS,
} from './flow-state.js'
import type { FlowTable } from './flow-table.js'

/** Fills `record` with what `flow` did in `direction` since its last record. `reason` is the caller's to set. */
export function readRecord(
  table: FlowTable,
  flow: number,
  direction: number,
  windowSeconds: number,
  record: FlowRecord,
): void {
  const { words, counts, cold, coldCounts } = table
  const at = flow * HOT_WORDS
  const coldAt = flow * COLD_WORDS

  record.status = 'OK'
  record.interfaceAddress = undefined
  record.session = words[at + SESSION]!
  readKey(table, flow, direction, record)

  record.packets =
    counts[(at >>> 1) + PACKETS_0 + direction * 2]! -
    coldCounts[(coldAt >>> 1) + REPORTED_PACKETS_0 + direction * 2]!
  record.bytes =
    counts[(at >>> 1) + BYTES_0 + direction * 2]! -
    coldCounts[(coldAt >>> 1) + REPORTED_BYTES_0 + direction * 2]!

  const last = words[at + LAST_SECONDS_0 + direction * 2]!
  if (windowSeconds === 0) {
    record.startSeconds = cold[coldAt + FIRST_SECONDS_0 + direction * 2]!
    record.endSeconds = last
    record.windowStart = record.startSeconds
    record.windowEnd = last + 1
  } else {
    const windowEnd = words[at + WINDOW_END]!
    const into = (words[at + WINDOW_FIRST]! >>> (direction === 0 ? 16 : 0)) & 0xffff
    record.windowStart = windowEnd - windowSeconds
    record.windowEnd = windowEnd
    record.startSeconds = record.windowStart + into - 1
    // Packets without a time of their own leave the last as it was.
    record.endSeconds = Math.max(last, record.startSeconds)
  }
  // Those without a time count as of the clock, which stands at 0 until one has.
  record.timed =
    record.startSeconds !== 0 || (words[at + STATE]! & (STATE_UNTIMED << direction)) === 0
  const firstAt = coldAt + FIRST_SECONDS_0 + direction * 2
  record.startMilliseconds =
    cold[firstAt] === record.startSeconds ? millisecondsOf(cold[firstAt + 1]!) : 0
  record.endMilliseconds =
    last === record.endSeconds ? millisecondsOf(words[at + LAST_SECONDS_0 + direction * 2 + 1]!) : 0
  if (record.endSeconds === record.startSeconds) {
    record.endMilliseconds = Math.max(record.endMilliseconds, record.startMilliseconds)
  }
  const flags = words[at + FLAGS]! >>> (direction * 8)
  record.vpcTcpFlags = flags & VPC_FLAGS
  record.otherTcpFlags = flags & OTHER_FLAGS
  record.direction = interfaceDirection(words[at + STATE]!, direction)
  record.isInterfaceConfirmed = (words[at + STATE]! & INTERFACE_CONFIRMED) !== 0
}

function millisecondsOf(nanoseconds: number): number {
  return (nanoseconds / 1e6) | 0
}

/** Fills in who talks to whom, seen in `direction`. */
export function readKey(
  table: FlowTable,
  flow: number,
  direction: number,
  out: Pick<
    FlowRecord,
    | 'ipVersion'
    | 'protocol'
    | 'packetSource'
    | 'packetDestination'
    | 'sourcePort'
    | 'destinationPort'
  >,
): void {
  const words = table.words
  const at = flow * HOT_WORDS
  const kind = words[at + KIND]!
  const ports = words[at + PORTS]!
  out.ipVersion = kind >>> 8 === 6 ? 6 : 4
  out.protocol = kind & 0xff
  out.sourcePort = direction === 0 ? ports >>> 16 : ports & 0xffff
  out.destinationPort = direction === 0 ? ports & 0xffff : ports >>> 16

  const a = direction === 0 ? out.packetSource : out.packetDestination
  const b = direction === 0 ? out.packetDestination : out.packetSource
  a[0] = words[at + ADDRESS_A]!
  b[0] = words[at + ADDRESS_B]!
  for (let word = 0; word < 3; word++) {
    a[word + 1] = words[at + ADDRESS_A_REST + word]!
    b[word + 1] = words[at + ADDRESS_B_REST + word]!
  }
}

/** Which way packets of `direction` run, seen from the mirrored interface. */
export function interfaceDirection(state: number, direction: number): FlowDirection {
  const a = (state & INTERFACE_MASK) >>> INTERFACE_SHIFT
  if (a !== A_IS_LOCAL && a !== A_IS_REMOTE) return undefined
  return (a === A_IS_LOCAL) === (direction === 0) ? 'egress' : 'ingress'
}
