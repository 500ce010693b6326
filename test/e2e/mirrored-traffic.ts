import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vxlan,
} from '../support/frames.js'
import type { Random } from '../support/random.js'

/** A datagram as it reaches the mirror target. */
export interface Arrival {
  /** Outer source. */
  source: string
  vni: number
  /** Payload of the UDP datagram. */
  payload: Buffer
  seconds: number
  nanoseconds: number
}

export interface TrafficShape {
  connections: number
  /** From the first second of the first connection to that of the last. */
  spanSeconds: number
  /** Whether interfaces use secondary addresses and IPv6, which their MAC alone tells. */
  secondary: boolean
  /** Whether flows hold whole packets and fragments; else those have ports of their own. */
  mixed: boolean
  /** Packets of one flow come in order; those of others up to this much before or after. */
  disorderMs: number
}

interface Interface {
  source: string
  vni: number
  mac: string
  addresses: readonly string[]
  addresses6: readonly string[]
}

const ROUTER = '02:00:00:00:00:01'
const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

/** Silences that are shorter and longer than every idle time-out there is, down to the second. */
const SILENCES_MS = [
  1, 20, 300, 999, 1000, 5000, 9999, 10_000, 11_000, 29_000, 30_000, 30_999, 31_000, 59_900, 60_100,
  100_000, 299_000, 301_000, 349_000, 351_000,
]

/**
 * What a few mirrored interfaces send and receive: TCP connections from their
 * handshake to their end or less, UDP, ICMP, packets in fragments some of which
 * are late or lost, with silences and at the boundaries of windows. In the order
 * in which they reach the target.
 */
export function mirroredTraffic(random: Random, begin: number, shape: TrafficShape): Arrival[] {
  const interfaces = [1, 2, 3, 4].map(
    (index): Interface => ({
      source: `10.0.${index}.10`,
      // Two of them by one number: VNI alone is no key.
      vni: 100 + (index % 3),
      mac: `02:00:00:00:0${index}:0a`,
      addresses: [`10.0.${index}.10`, ...(shape.secondary ? [`10.0.${index}.11`] : [])],
      addresses6: shape.secondary ? [`fd00:${index}::10`] : [],
    }),
  )
  const arrivals: (Arrival & { at: number })[] = []
  for (let index = 0; index < shape.connections; index++) {
    const of = random.pick(interfaces)
    let now = random.below(shape.spanSeconds * 1000)
    // One in four near the boundary of a window.
    if (random.below(4) === 0) now = Math.round(now / 60_000) * 60_000 + random.below(1000) - 500
    now = Math.max(now, 0)
    const late = random.below(shape.disorderMs + 1)
    for (const { packet, egress, wait } of connection(random, of, shape.mixed)) {
      now += wait
      const [src, dst] = egress ? [of.mac, ROUTER] : [ROUTER, of.mac]
      const milliseconds = begin * 1000 + now
      arrivals.push({
        source: of.source,
        vni: of.vni,
        payload: vxlan(of.vni, ethernet(packet, { src, dst })),
        seconds: Math.floor(milliseconds / 1000),
        nanoseconds: (milliseconds % 1000) * 1_000_000 + random.below(1_000_000),
        at: now + late,
      })
    }
  }
  return arrivals.sort((left, right) => left.at - right.at)
}

interface Step {
  packet: Buffer
  egress: boolean
  /** Milliseconds since the one before. */
  wait: number
}

function connection(random: Random, of: Interface, mixed: boolean): Step[] {
  const v6 = of.addresses6.length > 0 && random.below(4) === 0
  const here = random.pick(v6 ? of.addresses6 : of.addresses)
  const there = v6 ? `fd00:99::${1 + random.below(3)}` : `192.0.2.${1 + random.below(3)}`
  const kind = random.below(10)
  // Few ports, so that they are used again.
  const port = (kind < 9 || mixed ? 1000 : 2000) + random.below(6)
  const ends = (egress: boolean) =>
    egress
      ? { src: here, dst: there, sport: port, dport: 443 }
      : { src: there, dst: here, sport: 443, dport: port }
  const wait = (): number => random.pick(random.below(3) === 0 ? SILENCES_MS : [1, 7, 150])
  const steps: Step[] = []
  if (kind < 5) {
    const flags = [SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, FIN | ACK, ACK].slice(random.below(3))
    if (random.below(3) === 0) flags.splice(random.below(flags.length), flags.length, RST)
    for (const flag of flags) {
      const egress = random.below(2) === 0
      const segment = { ...ends(egress), flags: flag, payload: Buffer.alloc(random.below(100)) }
      steps.push({ packet: v6 ? tcp6(segment) : tcp4(segment), egress, wait: wait() })
    }
  } else if (kind < 8) {
    for (let left = random.below(6); left >= 0; left--) {
      const egress = random.below(2) === 0
      const datagram = { ...ends(egress), payload: Buffer.alloc(random.below(100)) }
      steps.push({ packet: v6 ? udp6(datagram) : udp4(datagram), egress, wait: wait() })
    }
  } else if (kind < 9) {
    for (let left = random.below(4); left >= 0; left--) {
      const egress = random.below(2) === 0
      const [src, dst] = egress ? [here, there] : [there, here]
      if (v6) {
        steps.push({ packet: udp6({ ...ends(egress) }), egress, wait: wait() })
      } else {
        steps.push({ packet: icmp4({ src, dst, type: 8, rest: left }), egress, wait: wait() })
      }
    }
  } else {
    steps.push(...fragmented(random, v6, ends))
  }
  return steps
}

/** Trains of fragments, each in an order of its own, with pauses and parts that are missing. */
function fragmented(
  random: Random,
  v6: boolean,
  ends: (egress: boolean) => { src: string; dst: string; sport: number; dport: number },
): Step[] {
  const steps: Step[] = []
  for (let left = random.below(3); left >= 0; left--) {
    const egress = random.below(2) === 0
    const id = random.below(50)
    const datagram = { ...ends(egress), id, payload: Buffer.alloc(2000 + random.below(2000)) }
    const train = v6 ? fragments6(udp6(datagram), 1500, id) : fragments4(udp4(datagram), 1500)
    for (let last = train.length - 1; last > 0; last--) {
      const other = random.below(last + 1)
      ;[train[last], train[other]] = [train[other]!, train[last]!]
    }
    if (random.below(3) === 0) train.pop()
    for (const packet of train) {
      const wait = random.pick(random.below(4) === 0 ? SILENCES_MS : [0, 1, 40])
      steps.push({ packet, egress, wait })
    }
  }
  return steps
}
