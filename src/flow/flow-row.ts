import {
  BYTES_0,
  COLD_WORDS,
  FIRST_SECONDS_0,
  FLAGS,
  HOT_WORDS,
  LAST_SECONDS_0,
  PACKETS_0,
  SESSION,
  STATE,
} from './flow-entry.js'
import type { FlowDirection } from './flow-record.js'
import { STATE_MASK, STATE_NAMES, STATE_UNTIMED } from './flow-state.js'
import type { FlowTracker } from './flow-tracker.js'
import { interfaceDirection, readKey } from './read-record.js'

/** What one flow (one direction of a connection) has done since it began. Plain data. */
export interface FlowRow {
  session: number
  ipVersion: 4 | 6
  protocol: number
  /** IPv4 in word 0. */
  packetSource: Uint32Array<ArrayBuffer>
  packetDestination: Uint32Array<ArrayBuffer>
  sourcePort: number
  destinationPort: number
  packets: number
  bytes: number
  /** False where no packet had a time; the four below are then 0. */
  timed: boolean
  firstSeconds: number
  firstNanoseconds: number
  lastSeconds: number
  lastNanoseconds: number
  /** All eight flag bits of all packets. */
  tcpFlags: number
  state: (typeof STATE_NAMES)[number]
  direction: FlowDirection
}

/** A row to be filled by `readRow`, again and again. */
export function emptyRow(): FlowRow {
  return {
    session: 0,
    ipVersion: 4,
    protocol: 0,
    packetSource: new Uint32Array(4),
    packetDestination: new Uint32Array(4),
    sourcePort: 0,
    destinationPort: 0,
    packets: 0,
    bytes: 0,
    timed: true,
    firstSeconds: 0,
    firstNanoseconds: 0,
    lastSeconds: 0,
    lastNanoseconds: 0,
    tcpFlags: 0,
    state: 'new',
    direction: undefined,
  }
}

/** The same in memory of its own. */
export function copyOf(row: FlowRow): FlowRow {
  return {
    ...row,
    packetSource: row.packetSource.slice(),
    packetDestination: row.packetDestination.slice(),
  }
}

/** Fills `row` with what a connection has done in `direction` (0 or 1); false where that has no packets. */
export function readRow(
  tracker: FlowTracker,
  flow: number,
  direction: number,
  row: FlowRow,
): boolean {
  const { table } = tracker
  const { words, counts, cold } = table
  const at = flow * HOT_WORDS
  const packets = counts[(at >>> 1) + PACKETS_0 + direction * 2]!
  if (packets === 0) return false
  const first = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
  const last = at + LAST_SECONDS_0 + direction * 2
  const state = words[at + STATE]!
  row.session = words[at + SESSION]!
  readKey(table, flow, direction, row)
  row.packets = packets
  row.bytes = counts[(at >>> 1) + BYTES_0 + direction * 2]!
  row.timed = (state & (STATE_UNTIMED << direction)) === 0
  row.firstSeconds = tracker.secondsOf(cold[first]!)
  row.firstNanoseconds = cold[first + 1]!
  row.lastSeconds = tracker.secondsOf(words[last]!)
  row.lastNanoseconds = words[last + 1]!
  row.tcpFlags = (words[at + FLAGS]! >>> (16 + direction * 8)) & 0xff
  row.state = STATE_NAMES[state & STATE_MASK]!
  row.direction = interfaceDirection(state, direction)
  return true
}

/** The rows of one connection: one for each direction that has packets, that of its first packet first. */
export function rowsOf(tracker: FlowTracker, flow: number): FlowRow[] {
  const rows: FlowRow[] = []
  for (let direction = 0; direction < 2; direction++) {
    const row = emptyRow()
    if (readRow(tracker, flow, direction, row)) rows.push(row)
  }
  return rows.sort(byFirst)
}

/** Orders rows by the time of their first packet, then by who talks to whom, so that no run differs from another. */
export function byFirst(left: FlowRow, right: FlowRow): number {
  return (
    left.firstSeconds - right.firstSeconds ||
    left.firstNanoseconds - right.firstNanoseconds ||
    left.session - right.session ||
    left.protocol - right.protocol ||
    compareWords(left.packetSource, right.packetSource) ||
    compareWords(left.packetDestination, right.packetDestination) ||
    left.sourcePort - right.sourcePort ||
    left.destinationPort - right.destinationPort
  )
}

/** Whole seconds from the row's first packet to a moment; negative when it began later. */
export function ageOf(row: FlowRow, seconds: number, nanoseconds: number): number {
  return seconds - row.firstSeconds - (nanoseconds < row.firstNanoseconds ? 1 : 0)
}

function compareWords(left: Uint32Array, right: Uint32Array): number {
  for (let word = 0; word < left.length; word++) {
    if (left[word] !== right[word]) return left[word]! - right[word]!
  }
  return 0
}
