import { TCP_ACK, TCP_RST, TCP_SYN } from '../wire/tcp.js'
import { BYTES_0, COLD_WORDS, FIRST_NUMBER_0, HOT_WORDS, STATE } from './flow-entry.js'
import { PLACE_ACKNOWLEDGMENT, PLACE_BITS, PLACE_REVERSED, PLACE_SEQUENCE } from './flow-place.js'
import { STATE_NUMBERED } from './flow-state.js'
import type { FlowTable } from './flow-table.js'

/**
 * What is known of the sequence numbers of a connection: for each side the number
 * of the first byte of its stream, which its SYN precedes by one. It is the lowest
 * that the first packets show, in their own numbers and in acknowledgments; so it
 * is known without the SYN too. Numbers are compared modulo 2^32 (RFC 9293 §3.4).
 */

/** Packets of a direction that are looked at. With more, more of them would touch the cold entry. */
export const NUMBERED_PACKETS = 3

/** Numbers may lie this far behind what was counted: packets were lost, or are not here yet. */
const AHEAD = 65_535

/** Notes the numbers of the packet at `places[place]`, which is one of the first of its direction. */
export function noteNumbers(
  table: FlowTable,
  flow: number,
  places: Uint32Array,
  place: number,
): void {
  const { words, cold } = table
  const bits = places[place + PLACE_BITS]!
  const direction = (bits & PLACE_REVERSED) === 0 ? 0 : 1
  const isSyn = (bits & TCP_SYN) !== 0
  const firstAt = flow * COLD_WORDS + FIRST_NUMBER_0
  const before = words[flow * HOT_WORDS + STATE]!
  let state = before
  // What answers a segment with RST takes its own number from that, or 0.
  if ((bits & TCP_RST) === 0) {
    const number = (places[place + PLACE_SEQUENCE]! | 0) + (isSyn ? 1 : 0)
    const numbered = STATE_NUMBERED << direction
    const at = firstAt + direction
    if (isSyn || (state & numbered) === 0 || isBefore(number | 0, cold[at]! | 0)) cold[at] = number
    state |= numbered
  }
  if ((bits & TCP_ACK) !== 0) {
    const number = places[place + PLACE_ACKNOWLEDGMENT]! | 0
    const numbered = STATE_NUMBERED << (1 - direction)
    const at = firstAt + 1 - direction
    if (isSyn || (state & numbered) === 0 || isBefore(number, cold[at]! | 0)) cold[at] = number
    state |= numbered
  }
  if (state !== before) words[flow * HOT_WORDS + STATE] = state
}

/** Of signed numbers: V8 keeps them unboxed. */
function isBefore(left: number, right: number): boolean {
  return ((left - right) | 0) < 0
}

/** Whether any number of this side is known. */
export function isNumbered(table: FlowTable, flow: number, side: number): boolean {
  return (table.words[flow * HOT_WORDS + STATE]! & (STATE_NUMBERED << side)) !== 0
}

/** Whether the stream of this side is known to begin with `number`. */
export function beginsWith(table: FlowTable, flow: number, side: number, number: number): boolean {
  const first = table.cold[flow * COLD_WORDS + FIRST_NUMBER_0 + side]!
  return isNumbered(table, flow, side) && first === number >>> 0
}

/**
 * Whether the packet at `places[place]` is of this connection by its numbers: one at least lies in
 * what its side has sent, and none outside.
 */
export function hasNumbersOf(
  table: FlowTable,
  flow: number,
  places: Uint32Array,
  place: number,
): boolean {
  const bits = places[place + PLACE_BITS]!
  const side = (bits & PLACE_REVERSED) === 0 ? 0 : 1
  const sequence = places[place + PLACE_SEQUENCE]!
  const hasAck = (bits & TCP_ACK) !== 0
  let isHeld = false
  // RST that answers a segment without ACK has 0 for a number of its own.
  const isSequenced = (bits & 0xff) !== 0 && (!hasAck || (bits & TCP_RST) === 0 || sequence !== 0)
  if (isSequenced && isNumbered(table, flow, side)) {
    if (!holds(table, flow, side, sequence)) return false
    isHeld = true
  }
  if (hasAck && isNumbered(table, flow, 1 - side)) {
    if (!holds(table, flow, 1 - side, places[place + PLACE_ACKNOWLEDGMENT]!)) return false
    isHeld = true
  }
  return isHeld
}

/** Whether `number` lies in what this side has sent, or a little behind; the first of its stream is known. */
function holds(table: FlowTable, flow: number, side: number, number: number): boolean {
  const first = table.cold[flow * COLD_WORDS + FIRST_NUMBER_0 + side]!
  // From the SYN on, or a keep-alive.
  const into = (number - first + 1) >>> 0
  // Headers are counted too: so much the further.
  return into <= table.counts[((flow * HOT_WORDS) >>> 1) + BYTES_0 + side * 2]! + AHEAD
}
