/** Why a record left the flow table. */
export const END_REASONS = [
  'idle',
  'closed',
  'reset',
  'window',
  'evicted',
  'session-deleted',
  'flushed',
  'shutdown',
] as const

export type EndReason = (typeof END_REASONS)[number]

/** Which way a flow runs, seen from the mirrored interface. */
export type FlowDirection = 'ingress' | 'egress' | undefined

/**
 * What one flow (one direction of a connection) did in one aggregation window:
 * one line of a flow log.
 *
 * One instance serves a whole table: it is overwritten by the next record. Copy
 * whatever must outlive the call it was handed to.
 */
export class FlowRecord {
  /** OK: a flow. NODATA, SKIPDATA: the interface as a whole; then only session and window hold. */
  status: 'OK' | 'NODATA' | 'SKIPDATA' = 'OK'
  /** Index of the session, see session/. */
  session = 0
  ipVersion: 4 | 6 = 4
  /** Addresses as the packets carried them; IPv4 in word 0, the others 0. */
  readonly packetSource = new Uint32Array(4)
  readonly packetDestination = new Uint32Array(4)
  sourcePort = 0
  destinationPort = 0
  protocol = 0
  packets = 0
  /** Bytes by the IP headers' length fields: what was on the wire, not what was captured. */
  bytes = 0
  /** False where no packet had a time, nor any packet before them. */
  timed = true
  /** Time of the first and of the last packet in the window. */
  startSeconds = 0
  endSeconds = 0
  /** Of those seconds, as far as is known: the first packet's only where the flow, or its direction, began in the window. */
  startMilliseconds = 0
  endMilliseconds = 0
  /** The window, whole seconds, half-open. */
  windowStart = 0
  windowEnd = 0
  /** TCP flags in the style of VPC flow logs: FIN, SYN, RST of all packets, ACK only where SYN was set too. */
  vpcTcpFlags = 0
  /** Those that VPC flow logs leave out and transit gateways do not: PSH, URG and, as 64, ACK of any packet. */
  otherTcpFlags = 0
  direction: FlowDirection = undefined
  /** Whether the session's outer source was known to be the interface's by the flow's last packet. */
  isInterfaceConfirmed = false
  /**
   * The mirrored interface's primary address when the direction is known, in the
   * same form as the packet addresses and of the same IP version, or undefined.
   * VPC writes it as `srcaddr` of egress and `dstaddr` of ingress flows.
   */
  interfaceAddress: Uint32Array | undefined = undefined
  reason: EndReason = 'window'

  /** The same in memory of its own. */
  copy(): FlowRecord {
    const { packetSource, packetDestination, ...rest } = this
    const copy = Object.assign(new FlowRecord(), rest)
    copy.packetSource.set(packetSource)
    copy.packetDestination.set(packetDestination)
    return copy
  }
}

/** Takes one record; the record is overwritten as soon as the call returns. */
export type OnFlowRecord = (record: FlowRecord) => void
