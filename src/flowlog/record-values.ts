import { END_REASONS, type FlowRecord } from '../flow/flow-record.js'
import { flagsOfAny, transitGatewayFlags } from '../flow/flow-state.js'
import { PROTOCOL_TCP } from '../wire/protocol.js'

/**
 * What a flow log says of a record, by the number that a field's row in fields.ts
 * gives. A few functions that choose, and not one for each value: V8 puts the
 * choice into the loop over the columns, where it would call every function
 * (a default record: 157 ns with functions, 137 so; 210 and 155 before V8 has seen 30,000).
 */

export const SOURCE_PORT = 0
export const DESTINATION_PORT = 1
export const PROTOCOL = 2
export const PACKETS = 3
export const BYTES = 4
export const START = 5
export const END = 6
export const TCP_FLAGS = 7
export const TRANSIT_GATEWAY_TCP_FLAGS = 8
export const START_MILLISECONDS = 9
export const END_MILLISECONDS = 10
export const ALL_TCP_FLAGS = 11

/** In place of a time that is not known. */
export const NO_TIME = -1

/** A count or a time, or NO_TIME. */
export function numberOf(record: FlowRecord, value: number): number {
  switch (value) {
    case SOURCE_PORT:
      return record.sourcePort
    case DESTINATION_PORT:
      return record.destinationPort
    case PROTOCOL:
      return record.protocol
    case PACKETS:
      return record.packets
    case BYTES:
      return record.bytes
    case START:
      if (!record.timed) return NO_TIME
      // NODATA and SKIPDATA have no packets to take times from: theirs are the window's.
      return record.status === 'OK' ? record.startSeconds : record.windowStart
    case END:
      return record.timed ? endSeconds(record) : NO_TIME
    case TCP_FLAGS:
      return record.protocol === PROTOCOL_TCP ? record.vpcTcpFlags : 0
    case TRANSIT_GATEWAY_TCP_FLAGS:
      return record.protocol === PROTOCOL_TCP
        ? transitGatewayFlags(record.vpcTcpFlags, record.otherTcpFlags)
        : 0
    case START_MILLISECONDS:
      return record.startSeconds * 1000 + record.startMilliseconds
    case END_MILLISECONDS:
      return record.endSeconds * 1000 + record.endMilliseconds
    case ALL_TCP_FLAGS:
      return record.protocol === PROTOCOL_TCP
        ? flagsOfAny(record.vpcTcpFlags, record.otherTcpFlags)
        : 0
    default:
      throw new RangeError(`no number ${value} in a flow record`)
  }
}

/** The second a record is filed under, and its `end`. */
export function endSeconds(record: FlowRecord): number {
  return record.status === 'OK' ? record.endSeconds : record.windowEnd
}

export const SOURCE = 0
export const DESTINATION = 1
export const PACKET_SOURCE = 2
export const PACKET_DESTINATION = 3

/** Four words; of IPv4 the first, the others 0. */
export function addressOf(record: FlowRecord, value: number): Uint32Array {
  // VPC shows the interface's primary address where it is the near end of a flow, whatever the packet said.
  const near = record.interfaceAddress
  switch (value) {
    case SOURCE:
      return near !== undefined && record.direction === 'egress' ? near : record.packetSource
    case DESTINATION:
      return near !== undefined && record.direction === 'ingress' ? near : record.packetDestination
    case PACKET_SOURCE:
      return record.packetSource
    case PACKET_DESTINATION:
      return record.packetDestination
    default:
      throw new RangeError(`no address ${value} in a flow record`)
  }
}

export const ACTION = 0
export const LOG_STATUS = 1
export const TYPE = 2
export const FLOW_DIRECTION = 3
export const END_REASON = 4

/** One of the field's words, counted from 1; 0: none of them. */
export function wordOf(record: FlowRecord, value: number): number {
  switch (value) {
    case ACTION:
      return 1
    case LOG_STATUS:
      if (record.status === 'OK') return 1
      return record.status === 'NODATA' ? 2 : 3
    case TYPE:
      return record.ipVersion === 4 ? 1 : 2
    case FLOW_DIRECTION:
      if (record.direction === 'ingress') return 1
      return record.direction === 'egress' ? 2 : 0
    case END_REASON:
      return END_REASONS.indexOf(record.reason) + 1
    default:
      throw new RangeError(`no word ${value} in a flow record`)
  }
}
