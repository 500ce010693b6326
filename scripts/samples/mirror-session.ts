import { VXLAN_HEADER_LEN, VXLAN_PORT } from '../../src/wire/vxlan.js'
import { ethernet, udp4, vxlan } from '../../test/support/frames.js'
import type { Shot } from '../../test/support/pcap-file.js'

/** One session of traffic mirroring: an interface whose frames go to a target. */
export interface MirrorSession {
  /** Primary address of the mirrored interface. */
  readonly source: string
  /** Address of the target. */
  readonly target: string
  readonly vni: number
  /** Bytes kept behind the VXLAN header. */
  readonly packetLength?: number
}

/** The pool that source ports were seen to come from. */
const PORTS_FIRST = 65_408
const PORTS_COUNT = 128

/**
 * The IP packet that carries a mirrored frame, with outer headers as they were
 * observed: TTL 255, no identification, no checksum, and a source port that
 * follows the inner flow. Of DNS replies the port was seen to differ from that
 * of their queries.
 */
export function mirrorPacket(session: MirrorSession, frame: Buffer): Buffer {
  return udp4({
    src: session.source,
    dst: session.target,
    sport: PORTS_FIRST + (flowNumber(frame) % PORTS_COUNT),
    dport: VXLAN_PORT,
    payload: vxlan(session.vni, frame).subarray(
      0,
      VXLAN_HEADER_LEN + (session.packetLength ?? 9001),
    ),
    ttl: 255,
    checksum: false,
  })
}

/** What the target's own interface sees of a session, a little after the fact. */
export function mirrorShots(
  session: MirrorSession,
  shots: readonly Shot[],
  macs: { src: string; dst: string },
): Shot[] {
  return shots.map((shot) => delayed(shot, ethernet(mirrorPacket(session, shot.frame), macs)))
}

/** `frame` at the time of `shot` and 150 µs more. */
export function delayed(shot: Shot, frame: Buffer): Shot {
  const nanoseconds = shot.nanoseconds! + 150_000
  return {
    frame,
    seconds: shot.seconds! + Math.floor(nanoseconds / 1e9),
    nanoseconds: nanoseconds % 1e9,
  }
}

/** The same for both directions of a flow, but for DNS. */
function flowNumber(frame: Buffer): number {
  const isIpv6 = frame.readUInt16BE(12) === 0x86dd
  const addressesAt = isIpv6 ? 14 + 8 : 14 + 12
  const portsAt = isIpv6 ? 14 + 40 : 14 + 20
  let sum = 0
  for (let at = addressesAt; at < portsAt + 4; at += 2) sum += frame.readUInt16BE(at) * 31
  return frame.readUInt16BE(portsAt) === 53 ? sum + 1 : sum
}
