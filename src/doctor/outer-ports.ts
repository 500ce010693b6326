import { formatIpv4, formatIpv6 } from '../wire/address.js'
import { u32 } from '../wire/bytes.js'
import { FRAGMENT_LATER, Frame } from '../wire/frame.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame, parsePacket } from '../wire/parse-frame.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { UDP_HEADER_LEN } from '../wire/udp.js'
import { parseVxlan, VXLAN_HEADER_LEN } from '../wire/vxlan.js'
import { type Finding, ok } from './finding.js'

/** Connections that are looked at, the first there are. */
const CONNECTIONS_MAX = 65_536
/** Sessions whose ports are looked at. */
const SESSIONS_MAX = 4096
/** Packets of one half of a connection from which on the lack of the other half says something. */
const HALF_MIN = 3
const HALVES_PERCENT = 20
/** Connections that a session must have before few ports say something. */
const SPREAD_OF = 50

interface Connection {
  readonly session: string
  /** Outer ports, by direction of the packets inside. */
  readonly ports: [Set<number>, Set<number>]
  readonly packets: [number, number]
}

/**
 * What the outer headers of a capture tell: which ports the mirror sends from, whether both halves of a
 * connection come from one, and whether both come at all.
 */
export class OuterPorts {
  readonly #vxlanPort: number
  readonly #outer = new Frame()
  readonly #inner = new Frame()
  readonly #vxlan = { vni: 0, reserved: false }
  readonly #connections = new Map<string, Connection>()
  readonly #sessions = new Map<
    string,
    { readonly vni: number; readonly source: string; ports: Set<number> }
  >()
  mirrored = 0

  constructor(vxlanPort: number) {
    this.#vxlanPort = vxlanPort
  }

  take(packet: Packet): void {
    const outer = this.#outer
    if (parsePacket(packet, outer) !== undefined || outer.protocol !== PROTOCOL_UDP) return
    if (outer.dstPort !== this.#vxlanPort || outer.transportAt < 0) return
    const at = outer.transportAt + UDP_HEADER_LEN
    if (parseVxlan(packet.bytes, at, packet.end, this.#vxlan) !== undefined) return
    const inner = this.#inner
    const start = at + VXLAN_HEADER_LEN
    const length = packet.end - start
    if (
      parseFrame(packet.bytes, start, packet.end, LINKTYPE_ETHERNET, length, inner) !== undefined
    ) {
      return
    }
    if (inner.ipVersion === 0) return
    this.mirrored++
    this.#count(packet.bytes, outer, inner)
  }

  #count(bytes: Uint8Array, outer: Frame, inner: Frame): void {
    const source = addressAt(bytes, outer.srcAt, outer.ipVersion)
    const session = `${this.#vxlan.vni} of ${source}`
    let known = this.#sessions.get(session)
    if (known === undefined && this.#sessions.size < SESSIONS_MAX) {
      known = { vni: this.#vxlan.vni, source, ports: new Set() }
      this.#sessions.set(session, known)
    }
    known?.ports.add(outer.srcPort)
    const isTransport = inner.protocol === PROTOCOL_TCP || inner.protocol === PROTOCOL_UDP
    if (!isTransport || inner.fragment === FRAGMENT_LATER) return
    const src = `${addressAt(bytes, inner.srcAt, inner.ipVersion)} ${inner.srcPort}`
    const dst = `${addressAt(bytes, inner.dstAt, inner.ipVersion)} ${inner.dstPort}`
    const direction = src < dst ? 0 : 1
    const ends = direction === 0 ? `${src} ${dst}` : `${dst} ${src}`
    const key = `${session} ${inner.protocol} ${ends}`
    let connection = this.#connections.get(key)
    if (connection === undefined) {
      if (this.#connections.size >= CONNECTIONS_MAX) return
      connection = { session, ports: [new Set(), new Set()], packets: [0, 0] }
      this.#connections.set(key, connection)
    }
    connection.ports[direction].add(outer.srcPort)
    connection.packets[direction]++
  }

  findings(): Finding[] {
    if (this.mirrored === 0) {
      return [
        {
          check: 'capture',
          level: 'problem',
          what: `no packet to UDP port ${this.#vxlanPort} holds a mirrored frame`,
          why: 'nothing is mirrored to where this was captured, or something on the way keeps it back',
          fix: `let UDP ${this.#vxlanPort} in by the security group of the target, and capture "udp port ${this.#vxlanPort}" there`,
        },
      ]
    }
    return [this.#spread(), this.#split(), this.#halves(), this.#vnis()].flat()
  }

  #spread(): Finding[] {
    const connectionsOf = new Map<string, number>()
    for (const { session } of this.#connections.values()) {
      connectionsOf.set(session, (connectionsOf.get(session) ?? 0) + 1)
    }
    const all = new Set([...this.#sessions.values()].flatMap(({ ports }) => [...ports]))
    const single = [...this.#sessions].filter(
      ([name, { ports }]) => ports.size === 1 && (connectionsOf.get(name) ?? 0) >= SPREAD_OF,
    )
    const text = `${this.#sessions.size} sessions send from ${all.size} outer ports`
    if (single.length === 0) return [ok('outer-ports', text)]
    return [
      {
        check: 'outer-ports',
        level: 'warning',
        what: `VNI ${single[0]![0]} sends ${connectionsOf.get(single[0]![0])} connections from one outer port`,
        why: 'a load balancer, and the kernel, send all of it to one target, one queue and one receiving thread',
        fix: 'mirrortap listen --workers N --steer flow',
      },
    ]
  }

  #split(): Finding[] {
    const both = [...this.#connections.values()].filter(
      ({ packets }) => packets[0] * packets[1] > 0,
    )
    const split = both.filter(({ ports: [there, back] }) => new Set([...there, ...back]).size > 1)
    if (split.length === 0) return [ok('split-flows', 'no connection is split across outer ports')]
    return [
      {
        check: 'split-flows',
        level: 'warning',
        what: `${split.length} of ${both.length} connections come from several outer ports`,
        why: 'a load balancer may send their halves to different targets, and several workers may handle them in different threads',
        fix: "one target for each zone, or one instance behind the load balancer; mirrortap listen --steer vni or flow, never the kernel's own spreading",
      },
    ]
  }

  #halves(): Finding[] {
    const long = [...this.#connections.values()].filter(
      ({ packets }) => Math.max(...packets) >= HALF_MIN,
    )
    const half = long.filter(({ packets }) => Math.min(...packets) === 0)
    const share = long.length === 0 ? 0 : Math.round((half.length * 100) / long.length)
    if (share < HALVES_PERCENT) {
      return [ok('halves', `${half.length} of ${long.length} connections have one half alone`)]
    }
    return [
      {
        check: 'halves',
        level: 'problem',
        what: `${half.length} of ${long.length} connections (${share} %) have one half alone`,
        why: 'no connection can be followed of which one direction is mirrored',
        fix: 'give the filter rules for ingress and for egress, return traffic included: aws ec2 describe-traffic-mirror-filters',
      },
    ]
  }

  #vnis(): Finding[] {
    const sources = new Map<number, string[]>()
    for (const { vni, source } of this.#sessions.values()) {
      sources.set(vni, [...(sources.get(vni) ?? []), source])
    }
    return duplicateVnis(sources)
  }
}

function addressAt(bytes: Uint8Array, at: number, ipVersion: number): string {
  if (ipVersion === 4) return formatIpv4(u32(bytes, at))
  return formatIpv6(u32(bytes, at), u32(bytes, at + 4), u32(bytes, at + 8), u32(bytes, at + 12))
}

/** VNIs that several interfaces send. */
export function duplicateVnis(sources: ReadonlyMap<number, readonly string[]>): Finding[] {
  const twice = [...sources].filter(([, from]) => from.length > 1)
  if (twice.length === 0) return [ok('vnis', `${sources.size} VNIs, each of one interface`)]
  const [vni, from] = twice[0]!
  return [
    {
      check: 'vnis',
      level: 'warning',
      what: `${twice.length} VNIs come from several interfaces: ${vni} from ${from.slice(0, 4).join(', ')}${from.length > 4 ? ', …' : ''}`,
      why: 'a tool that tells sessions by VNI alone mixes them up; mirrortap does with --session-key vni',
      fix: 'leave --session-key at source+vni, or give each session a VNI: aws ec2 modify-traffic-mirror-session --virtual-network-id N',
    },
  ]
}
