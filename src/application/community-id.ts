import { createHash } from 'node:crypto'
import {
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../wire/protocol.js'

/** Of others the ports are no part of it. */
export const COMMUNITY_PORTS: readonly number[] = [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP]

/** The two ends of a flow, either way round; IPv4 in word 0. */
export interface CommunityEnds {
  readonly ipVersion: number
  readonly protocol: number
  readonly packetSource: ArrayLike<number>
  readonly packetDestination: ArrayLike<number>
  readonly sourcePort: number
  readonly destinationPort: number
}

/**
 * The Community ID of a flow, version 1 with seed 0, by which other tools know the same flow.
 * Undefined for ICMP, whose types and codes it is made of: a flow joins them.
 */
export function communityId(ends: CommunityEnds): string | undefined {
  const { ipVersion, protocol } = ends
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) return undefined
  const source = endBytes(ipVersion, ends.packetSource, ends.sourcePort)
  const destination = endBytes(ipVersion, ends.packetDestination, ends.destinationPort)
  const isInOrder = Buffer.compare(source, destination) <= 0
  const [low, high] = isInOrder ? [source, destination] : [destination, source]
  const hash = createHash('sha1')
    .update(Buffer.of(0, 0))
    .update(low.subarray(0, -2))
    .update(high.subarray(0, -2))
    .update(Buffer.of(protocol, 0))
  if (COMMUNITY_PORTS.includes(protocol)) hash.update(low.subarray(-2)).update(high.subarray(-2))
  return `1:${hash.digest('base64')}`
}

/** An address and a port, as they are compared. */
function endBytes(ipVersion: number, words: ArrayLike<number>, port: number): Buffer {
  const length = ipVersion === 6 ? 16 : 4
  const bytes = Buffer.alloc(length + 2)
  for (let at = 0; at < length; at += 4) bytes.writeUInt32BE(words[at / 4]!, at)
  bytes.writeUInt16BE(port, length)
  return bytes
}
