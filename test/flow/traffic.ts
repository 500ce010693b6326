import type { Random } from '../support/random.js'
import { type FlowName, randomFlowName, reversed } from './flow-frames.js'

/** One packet of generated traffic, in plain data. */
export interface TimedPacket {
  name: FlowName
  seconds: number
  nanoseconds: number
  tcpFlags: number
  ipLength: number
}

export interface TrafficShape {
  packets: number
  /** Connections to draw from. */
  connections: number
  sessions: number
  /** Packets may be this much older than one before them, in milliseconds. */
  disorderMs?: number
  /** Silences to draw from, in seconds; with none the traffic never pauses. */
  silences: readonly number[]
}

const SECOND = 1_000_000_000n

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const PSH = 0x08
const ACK = 0x10
const FLAGS = [SYN, SYN | ACK, ACK, ACK, ACK, PSH | ACK, FIN | ACK, FIN | ACK, RST, RST | ACK, 0]

/** A multiple of every window there is. */
export const BEGIN = 1_699_999_800

/**
 * Packets of a few connections in bursts, with silences between them that end
 * exactly on second boundaries or a nanosecond before and after, and at the
 * boundaries of windows. The clock stands still at times.
 */
export function traffic(random: Random, shape: TrafficShape): TimedPacket[] {
  const names = Array.from({ length: shape.connections }, () =>
    randomFlowName(random, shape.sessions),
  )
  const packets: TimedPacket[] = []
  let now = BigInt(BEGIN) * SECOND
  while (packets.length < shape.packets) {
    now = nextBurst(random, now, shape)
    const few = Array.from({ length: 1 + random.below(3) }, () => random.pick(names))
    for (let left = random.below(8); left >= 0; left--) {
      now += BigInt(random.pick([0, 1, 1000, 999_999, 30_000_000]))
      const late = BigInt(random.below((shape.disorderMs ?? 0) + 1)) * 1_000_000n
      const at = now - late
      const name = random.pick(few)
      packets.push({
        name: random.below(3) === 0 ? reversed(name) : name,
        seconds: Number(at / SECOND),
        nanoseconds: Number(at % SECOND),
        tcpFlags: name.protocol === 6 ? random.pick(FLAGS) : 0,
        ipLength: 20 + random.below(1481),
      })
    }
  }
  return packets
}

function nextBurst(random: Random, now: bigint, shape: TrafficShape): bigint {
  if (shape.silences.length === 0) return now + BigInt(random.below(100_000_000))
  const second = now - (now % SECOND)
  const window = BigInt(random.pick([60, 600]))
  switch (random.below(8)) {
    case 0:
      return now
    case 1:
      return now + BigInt(random.below(900_000_000))
    case 2:
    case 3:
      // A whole number of seconds of silence: what is idle "for exactly as long as it may be".
      return now + BigInt(random.pick(shape.silences)) * SECOND
    case 4:
      return second + BigInt(random.pick(shape.silences) + 1) * SECOND
    case 5:
      return second + BigInt(random.pick(shape.silences) + 1) * SECOND - 1n
    case 6: {
      const atWindow = (now / (window * SECOND) + 1n) * window * SECOND
      return atWindow + BigInt(random.pick([-1, 0, 0, 1])) * BigInt(random.pick([1, 1_000_000]))
    }
    default:
      return now + BigInt(random.below(5000)) * 1_000_000n
  }
}
