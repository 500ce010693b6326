import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'

/**
 * Why frames may arrive shorter than they were, each by the trace it leaves.
 *
 * - `packetLength`: the session's PacketLength: the one length that most cut frames have.
 * - `targetMtu`: the target's MTU of 9001 leaves 8947 bytes of IP after an IPv4
 *   outer header and 8927 after IPv6 (AWS, "Traffic Mirroring limits").
 * - `gatewayMtu`: the same for a Gateway Load Balancer: 8446 and 8426.
 * - `snaplen`: whoever wrote the capture file kept no more.
 * - `unknown`: none of these.
 */
const CUT_CAUSES = ['packetLength', 'targetMtu', 'gatewayMtu', 'snaplen', 'unknown'] as const

export type CutCause = (typeof CUT_CAUSES)[number]

/** Bytes of IP that fit, and how far above the documented number a cut has been seen to lie: the 4 bytes AWS does not explain. */
const MTU_SLACK = 4
const TARGET_MTU = [8947, 8927]
const GATEWAY_MTU = [8446, 8426]
/** Lengths told apart in search of the one that a PacketLength leaves. */
const LENGTHS_MAX = 16

/** As data: what reports carry. */
interface CutReport {
  total: number
  /** Only causes that occurred. */
  byCause: Partial<Record<CutCause, number>>
  /** Bytes that a PacketLength left of each frame; null where none did. */
  packetLength: number | null
}

/** Counts the cut frames of one session by cause. */
export class CutFrames {
  total = 0
  #snaplen = 0
  #targetMtu = 0
  #gatewayMtu = 0
  /** The others by what was left of them, in bytes; beyond LENGTHS_MAX lengths they are only in `total`. */
  readonly #byLength = new Map<number, number>()

  /** Counts one frame that is shorter than its IP header, or its file, says. */
  count(packet: Packet, frame: Frame): void {
    this.total++
    const captured = packet.end - packet.start
    const ipCaptured = frame.ipVersion === 0 ? captured : packet.end - frame.ipAt
    if (captured < packet.originalLength) this.#snaplen++
    else if (isAbout(ipCaptured, TARGET_MTU)) this.#targetMtu++
    else if (isAbout(ipCaptured, GATEWAY_MTU)) this.#gatewayMtu++
    else {
      const before = this.#byLength.get(captured) ?? 0
      if (before > 0 || this.#byLength.size < LENGTHS_MAX) this.#byLength.set(captured, before + 1)
    }
  }

  report(): CutReport {
    let packetLength: number | null = null
    let atLength = 0
    for (const [length, count] of this.#byLength) {
      if (count <= atLength) continue
      packetLength = length
      atLength = count
    }
    const counts: Record<CutCause, number> = {
      packetLength: atLength,
      targetMtu: this.#targetMtu,
      gatewayMtu: this.#gatewayMtu,
      snaplen: this.#snaplen,
      unknown: this.total - atLength - this.#targetMtu - this.#gatewayMtu - this.#snaplen,
    }
    const causes = CUT_CAUSES.filter((cause) => counts[cause] > 0)
    return {
      total: this.total,
      byCause: Object.fromEntries(causes.map((cause) => [cause, counts[cause]])),
      packetLength,
    }
  }
}

/** Ethernet's frame check sequence, which some count into a frame's length and do not capture. */
const FRAME_CHECK_LEN = 4

/** Whether the IP packet of a frame is whole and no more is missing after it than a checksum. */
export function lacksChecksumOnly(packet: Packet, frame: Frame): boolean {
  const missing = packet.originalLength - (packet.end - packet.start)
  return (
    missing <= FRAME_CHECK_LEN && frame.ipVersion !== 0 && frame.ipAt + frame.ipLength <= packet.end
  )
}

function isAbout(octets: number, limits: readonly number[]): boolean {
  return limits.some((limit) => octets >= limit && octets <= limit + MTU_SLACK)
}
