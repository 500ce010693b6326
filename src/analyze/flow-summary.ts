import {
  BYTES_0,
  COLD_WORDS,
  FIRST_SECONDS_0,
  HOT_WORDS,
  LAST_SECONDS_0,
  PACKETS_0,
  STATE,
} from '../flow/flow-entry.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import { interfaceDirection, readKey } from '../flow/read-record.js'
import { formatWords } from '../wire/address.js'
import type { FlowSummary } from './analysis-report.js'
import { decimalSeconds } from './quantities.js'

const key = {
  ipVersion: 4 as 4 | 6,
  protocol: 0,
  packetSource: new Uint32Array(4),
  packetDestination: new Uint32Array(4),
  sourcePort: 0,
  destinationPort: 0,
}

/** One direction of a connection that is still in the table, as plain data. */
export function summaryOf(
  tracker: FlowTracker,
  flow: number,
  direction: number,
  session: string | null,
): FlowSummary {
  const { table } = tracker
  const { words, counts, cold } = table
  const at = flow * HOT_WORDS
  const countsAt = at >>> 1
  const first = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
  const last = at + LAST_SECONDS_0 + direction * 2
  readKey(table, flow, direction, key)
  return {
    session,
    srcAddr: formatWords(key.ipVersion, key.packetSource),
    dstAddr: formatWords(key.ipVersion, key.packetDestination),
    srcPort: key.sourcePort,
    dstPort: key.destinationPort,
    protocol: key.protocol,
    packets: counts[countsAt + PACKETS_0 + direction * 2]!,
    bytes: counts[countsAt + BYTES_0 + direction * 2]!,
    firstSeen: decimalSeconds(tracker.secondsOf(cold[first]!), cold[first + 1]!),
    lastSeen: decimalSeconds(tracker.secondsOf(words[last]!), words[last + 1]!),
    direction: interfaceDirection(words[at + STATE]!, direction) ?? null,
  }
}

/** Nanoseconds from the first to the last packet of one direction. */
export function durationOf(tracker: FlowTracker, flow: number, direction: number): number {
  const { words, cold } = tracker.table
  const first = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
  const last = flow * HOT_WORDS + LAST_SECONDS_0 + direction * 2
  return (words[last]! - cold[first]!) * 1e9 + (words[last + 1]! - cold[first + 1]!)
}
