import {
  HOT_WORDS,
  LAST_NANOSECONDS_0,
  LAST_NANOSECONDS_1,
  LAST_SECONDS_0,
  LAST_SECONDS_1,
  PACKETS_0,
  PACKETS_1,
  SESSION,
} from './flow-entry.js'
import type { FlowTable } from './flow-table.js'
import type { SessionFlows } from './session-flows.js'

/** How many flows are looked at to find one worth giving up. */
export const SAMPLE = 32

/**
 * The least valuable of SAMPLE live flows from `hand` onwards: one of a session
 * that holds more than its share of the table, among those one of a single packet
 * (a scan leaves nothing else), else the longest idle.
 *
 * A sample, because an order of all flows by last use would cost every packet
 * two more cache misses to keep. The hand goes round, so over a full table the
 * result is nearly that of the exact order.
 */
export function leastValuable(table: FlowTable, sessions: SessionFlows, hand: number): number {
  const fairShare = table.capacity / sessions.active
  let victim = -1
  let victimIsMore = false
  let flow = hand % table.used
  for (let looked = 0; looked < SAMPLE || victim < 0; looked++) {
    if (table.isLive(flow)) {
      const isMore = sessions.counts[table.words[flow * HOT_WORDS + SESSION]!]! > fairShare
      const isBetter = isMore === victimIsMore ? isWorthLess(table, flow, victim) : isMore
      if (victim < 0 || isBetter) {
        victim = flow
        victimIsMore = isMore
      }
    }
    flow = flow + 1 < table.used ? flow + 1 : 0
  }
  return victim
}

/** Whether `left` is to be given up before `right`. */
export function isWorthLess(table: FlowTable, left: number, right: number): boolean {
  const leftSingle = isSingle(table, left)
  if (leftSingle !== isSingle(table, right)) return leftSingle
  const leftSeen = lastSeconds(table, left)
  const rightSeen = lastSeconds(table, right)
  if (leftSeen !== rightSeen) return leftSeen < rightSeen
  return lastNanoseconds(table, left, leftSeen) < lastNanoseconds(table, right, rightSeen)
}

function isSingle(table: FlowTable, flow: number): boolean {
  const at = (flow * HOT_WORDS) >>> 1
  return table.counts[at + PACKETS_0]! + table.counts[at + PACKETS_1]! <= 1
}

/** Second of the latest packet of either direction. */
export function lastSeconds(table: FlowTable, flow: number): number {
  const { words, counts } = table
  const at = flow * HOT_WORDS
  const first = counts[(at >>> 1) + PACKETS_0]! > 0 ? words[at + LAST_SECONDS_0]! : 0
  const second = counts[(at >>> 1) + PACKETS_1]! > 0 ? words[at + LAST_SECONDS_1]! : 0
  return Math.max(first, second)
}

/** Nanoseconds that go with `seconds`, the result of lastSeconds. */
export function lastNanoseconds(table: FlowTable, flow: number, seconds: number): number {
  const { words, counts } = table
  const at = flow * HOT_WORDS
  const ofA = counts[(at >>> 1) + PACKETS_0]! > 0 && words[at + LAST_SECONDS_0] === seconds
  const ofB = counts[(at >>> 1) + PACKETS_1]! > 0 && words[at + LAST_SECONDS_1] === seconds
  return Math.max(
    ofA ? words[at + LAST_NANOSECONDS_0]! : 0,
    ofB ? words[at + LAST_NANOSECONDS_1]! : 0,
  )
}
