import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'

/**
 * Why frames may arrive shorter than they were, each by the trace it leaves.
 *
 * - `packetLength`: the session's PacketLength: every cut frame has that length.
 * - `targetMtu`: the target's MTU of 9001 leaves 8947 octets of IP behind an IPv4
 *   outer header and 8927 behind IPv6 (AWS, "Traffic Mirroring limits").
 * - `gatewayMtu`: the same for a Gateway Load Balancer: 8446 and 8426.
 * - `snaplen`: whoever wrote the capture file kept no more.
 * - `unknown`: none of these.
 */
export const CUT_CAUSES = ['packetLength', 'targetMtu', 'gatewayMtu', 'snaplen', 'unknown'] as const

export type CutCause = (typeof CUT_CAUSES)[number]

/** Octets of IP that fit, and how far above the documented number a cut has been seen to lie: the 4 octets AWS does not explain. */
const MTU_SLACK = 4
const TARGET_MTU = [8947, 8927]
const GATEWAY_MTU = [8446, 8426]

/** As data: what reports carry. */
export interface CutReport {
  total: number
  /** Only causes that occurred. */
  byCause: Partial<Record<CutCause, number>>
  /** Octets that a PacketLength left of each frame; null where none did. */
  packetLength: number | null
}

/** Counts the cut frames of one session by cause. */
export class CutFrames {
  total = 0
  readonly byCause: Record<CutCause, number>
  /** Octets of the latest frame taken to be cut by PacketLength; 0: none yet. */
  packetLength = 0

  constructor() {
    this.byCause = Object.fromEntries(CUT_CAUSES.map((cause) => [cause, 0])) as typeof this.byCause
  }

  /** Counts one frame that is shorter than its IP header, or its file, says. */
  count(packet: Packet, frame: Frame): void {
    this.total++
    this.byCause[this.#causeOf(packet, frame)]++
  }

  report(): CutReport {
    const causes = CUT_CAUSES.filter((cause) => this.byCause[cause] > 0)
    return {
      total: this.total,
      byCause: Object.fromEntries(causes.map((cause) => [cause, this.byCause[cause]])),
      packetLength: this.byCause.packetLength > 0 ? this.packetLength : null,
    }
  }

  #causeOf(packet: Packet, frame: Frame): CutCause {
    const captured = packet.end - packet.start
    if (captured < packet.originalLength) return 'snaplen'
    const ipCaptured = frame.ipVersion === 0 ? captured : packet.end - frame.ipAt
    if (isAbout(ipCaptured, TARGET_MTU)) return 'targetMtu'
    if (isAbout(ipCaptured, GATEWAY_MTU)) return 'gatewayMtu'
    if (this.packetLength !== 0 && captured !== this.packetLength) return 'unknown'
    this.packetLength = captured
    return 'packetLength'
  }
}

function isAbout(octets: number, limits: readonly number[]): boolean {
  return limits.some((limit) => octets >= limit && octets <= limit + MTU_SLACK)
}
