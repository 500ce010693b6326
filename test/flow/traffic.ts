import type { Random } from '../support/random.js'
import {
  directionOf,
  type FlowName,
  type Numbers,
  randomFlowName,
  reversed,
} from './flow-frames.js'

/** One packet of generated traffic, in plain data. */
export interface TimedPacket extends Numbers {
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
  const streams = new Map(names.map((name) => [name, new Streams(random)]))
  const packets: TimedPacket[] = []
  let now = BigInt(BEGIN) * SECOND
  while (packets.length < shape.packets) {
    now = nextBurst(random, now, shape)
    const few = Array.from({ length: 1 + random.below(3) }, () => random.pick(names))
    for (let left = random.below(8); left >= 0; left--) {
      now += BigInt(random.pick([0, 1, 1000, 999_999, 30_000_000]))
      const late = BigInt(random.below((shape.disorderMs ?? 0) + 1)) * 1_000_000n
      const at = now - late
      const drawn = random.pick(few)
      const name = random.below(3) === 0 ? reversed(drawn) : drawn
      const tcpFlags = name.protocol === 6 ? random.pick(FLAGS) : 0
      packets.push({
        name,
        seconds: Number(at / SECOND),
        nanoseconds: Number(at % SECOND),
        tcpFlags,
        ipLength: 20 + random.below(1481),
        ...streams.get(drawn)!.numbers(directionOf(name), tcpFlags),
      })
    }
  }
  return packets
}

/** The sequence numbers of connections that use the same ports one after the other. */
class Streams {
  readonly #random: Random
  /** Of both sides, of the connection at hand and of the one before it. */
  #first: [number, number]
  #former: [number, number]

  constructor(random: Random) {
    this.#random = random
    this.#first = this.#draw()
    this.#former = this.#draw()
  }

  numbers(direction: 0 | 1, tcpFlags: number): Numbers {
    const random = this.#random
    if (random.below(12) === 0) {
      this.#former = this.#first
      this.#first = this.#draw()
    }
    const first = random.below(5) === 0 ? this.#former : this.#first
    const isSyn = (tcpFlags & SYN) !== 0
    const into = isSyn ? -1 : random.pick([-1, 0, 0, 1, 700, 5000])
    return {
      sequence: random.below(20) === 0 ? 0 : (first[direction] + into) >>> 0,
      acknowledgment: (first[1 - direction]! + (isSyn ? 0 : random.pick([0, 900]))) >>> 0,
    }
  }

  /** Near each other, far apart, and around 0. */
  #draw(): [number, number] {
    const draw = () =>
      this.#random.pick([1001, 1500, 90_000, 0, 1, 0xffff_fff0, 0x8000_0000, 0x9000_0000])
    return [draw(), draw()]
  }
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
