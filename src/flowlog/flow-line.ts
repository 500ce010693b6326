import { END_REASONS, type EndReason } from '../flow/flow-record.js'
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import {
  ENDED_ACTIVE,
  ENDED_BY_FORCE,
  ENDED_BY_PACKET,
  ENDED_FOR_RESOURCES,
  ENDED_IDLE,
  type IpfixFlow,
} from '../wire/ipfix.js'
import { type Field, fieldNamed } from './fields.js'
import type { LogFormat } from './log-format.js'
import { ALL_TCP_FLAGS, END_MILLISECONDS, END_REASON, START_MILLISECONDS } from './record-values.js'

/**
 * All that is known of a flow in a window, whatever fields the flow log has: as it waits for a
 * collector of flows. Times are milliseconds since the epoch.
 */

const number = (name: string, value: number): Field => ({
  name,
  version: 2,
  type: 'int64',
  filling: { from: 'number', value },
})
const shared = (name: string): Field => fieldNamed(name)!

/** `readFlowLine` takes them in this order. */
const FIELDS: readonly Field[] = [
  shared('log-status'),
  shared('pkt-srcaddr'),
  shared('pkt-dstaddr'),
  shared('srcport'),
  shared('dstport'),
  shared('protocol'),
  shared('packets'),
  shared('bytes'),
  number('start-milliseconds', START_MILLISECONDS),
  number('end-milliseconds', END_MILLISECONDS),
  number('all-tcp-flags', ALL_TCP_FLAGS),
  {
    name: 'end-reason',
    version: 2,
    type: 'string',
    filling: { from: 'word', words: END_REASONS, value: END_REASON },
  },
  shared('flow-direction'),
]

/** Of the numbers among them. */
const FIRST_NUMBER = 3
const LAST_NUMBER = 10

export const FLOW_FORMAT: LogFormat = {
  fields: FIELDS,
  of: { all: FIELDS, defaults: FIELDS },
  version: 2,
  text: '',
}

/** RFC 7011 knows five reasons. */
const ENDED: { readonly [Reason in EndReason]: number } = {
  idle: ENDED_IDLE,
  window: ENDED_ACTIVE,
  closed: ENDED_BY_PACKET,
  reset: ENDED_BY_PACKET,
  evicted: ENDED_FOR_RESOURCES,
  'session-deleted': ENDED_BY_FORCE,
  flushed: ENDED_BY_FORCE,
  shutdown: ENDED_BY_FORCE,
}

/** What stands for a session before such a line: the worker that saw the flow, and the VNI. */
export function flowSourceOf(worker: number, vni: number): string {
  return `${worker}:${vni}`
}

/** Where a flow was seen: the worker, counted from 0. */
export interface FlowSource {
  readonly worker: number
  readonly vni: number
}

/** The inverse of `flowSourceOf`; undefined for anything else. */
export function readFlowSource(source: string): FlowSource | undefined {
  const [, worker, vni] = /^(\d{1,6}):(\d{1,8})$/.exec(source) ?? []
  return worker === undefined ? undefined : { worker: Number(worker), vni: Number(vni) }
}

/**
 * Reads a line of FLOW_FORMAT. False, and `out` as it may be, for one that is no flow: NODATA,
 * SKIPDATA, or not such a line at all.
 */
export function readFlowLine(line: string, out: IpfixFlow): boolean {
  const values = line.split(' ')
  if (values[0] !== 'OK' || values.length !== FIELDS.length) return false
  const isIpv6 = values[1]!.includes(':')
  const from = addressOf(values[1]!, isIpv6)
  const to = addressOf(values[2]!, isIpv6)
  const reason = values[11]!
  if (from === undefined || to === undefined || !Object.hasOwn(ENDED, reason)) return false
  for (let index = FIRST_NUMBER; index <= LAST_NUMBER; index++) {
    if (!Number.isSafeInteger(Number(values[index]))) return false
  }
  out.isIpv6 = isIpv6
  out.source = from
  out.destination = to
  out.sourcePort = Number(values[3])
  out.destinationPort = Number(values[4])
  out.protocol = Number(values[5])
  out.packets = Number(values[6])
  out.bytes = Number(values[7])
  out.start = Number(values[8])
  out.end = Number(values[9])
  out.tcpControlBits = Number(values[10])
  out.endReason = ENDED[reason as EndReason]
  const direction = values[12]
  out.direction = direction === 'ingress' || direction === 'egress' ? direction : undefined
  return true
}

function addressOf(text: string, isIpv6: boolean): Uint32Array | undefined {
  if (isIpv6) return parseIpv6(text)
  const word = parseIpv4(text)
  return word === undefined ? undefined : Uint32Array.of(word, 0, 0, 0)
}
