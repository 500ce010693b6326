import { HOT_WORDS, STATE } from './flow-entry.js'
import { emptyRow, type FlowRow, readRow } from './flow-row.js'
import { STATE_BEGUN_BY_B } from './flow-state.js'
import type { FlowTracker } from './flow-tracker.js'

/** What one end of a connection sent. */
export interface Sent {
  readonly packets: number
  readonly bytes: number
  readonly tcpFlags: number
}

/**
 * Both directions of a connection, as a row of Zeek's conn.log has them: from the originator, who
 * sent the first packet that was seen, to the responder. As a row it has the sums of both. Plain data.
 */
export interface FlowPair extends FlowRow {
  originator: Sent
  /** No packets where it never answered. */
  responder: Sent
}

export function pairOf(tracker: FlowTracker, flow: number): FlowPair {
  const begunByB = (tracker.table.words[flow * HOT_WORDS + STATE]! & STATE_BEGUN_BY_B) !== 0
  const originator = emptyRow()
  const responder = emptyRow()
  readRow(tracker, flow, begunByB ? 1 : 0, originator)
  const isAnswered = readRow(tracker, flow, begunByB ? 0 : 1, responder)
  const pair: FlowPair = { ...originator, originator, responder }
  if (!isAnswered) return pair
  pair.packets += responder.packets
  pair.bytes += responder.bytes
  pair.tcpFlags |= responder.tcpFlags
  if (!responder.timed) return pair
  if (!pair.timed) {
    const { timed, firstSeconds, firstNanoseconds, lastSeconds, lastNanoseconds } = responder
    return { ...pair, timed, firstSeconds, firstNanoseconds, lastSeconds, lastNanoseconds }
  }
  // In a file the first packet that was seen may have the later time.
  const first = earlier(
    responder.firstSeconds,
    responder.firstNanoseconds,
    pair.firstSeconds,
    pair.firstNanoseconds,
  )
  if (first) {
    pair.firstSeconds = responder.firstSeconds
    pair.firstNanoseconds = responder.firstNanoseconds
  }
  const last = earlier(
    pair.lastSeconds,
    pair.lastNanoseconds,
    responder.lastSeconds,
    responder.lastNanoseconds,
  )
  if (last) {
    pair.lastSeconds = responder.lastSeconds
    pair.lastNanoseconds = responder.lastNanoseconds
  }
  return pair
}

function earlier(
  seconds: number,
  nanoseconds: number,
  thanSeconds: number,
  thanNanoseconds: number,
): boolean {
  return seconds < thanSeconds || (seconds === thanSeconds && nanoseconds < thanNanoseconds)
}
