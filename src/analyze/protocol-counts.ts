import type { Fault } from '../wire/fault.js'
import type { Frame } from '../wire/frame.js'
import {
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  protocolName,
} from '../wire/protocol.js'
import type { ProtocolRow } from './analysis-report.js'

/** Lines of the time series; every frame is in one of them. */
export const PROTOCOL_LINES = ['tcp', 'udp', 'icmp', 'other ip', 'not ip', 'malformed'] as const
const LINE_TCP = 0
const LINE_UDP = 1
const LINE_ICMP = 2
const LINE_OTHER_IP = 3
const LINE_NOT_IP = 4
const LINE_MALFORMED = 5

/** EtherTypes told apart; a sender chooses them. */
const ETHER_TYPES_MAX = 64

const PROTOCOLS = 256
/** Rows in the arrays: IPv4 and IPv6 by protocol, then these. */
const MALFORMED = 2 * PROTOCOLS
const OTHER_TYPES = MALFORMED + 1
const FIRST_TYPE = OTHER_TYPES + 1

/** Up to here the field is the length of an IEEE 802.3 frame (802.3 §3.2.6). */
const ETHERTYPE_LENGTH_MAX = 1500
/** Stands for all lengths. */
const ETHERTYPE_LENGTH = 1

/** IEEE registrations that people meet. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'unknown'],
  [ETHERTYPE_LENGTH, 'llc'],
  [0x0806, 'arp'],
  [0x0842, 'wake-on-lan'],
  [0x8035, 'rarp'],
  [0x8137, 'ipx'],
  [0x8808, 'flow control'],
  [0x8809, 'lacp'],
  [0x8847, 'mpls'],
  [0x8848, 'mpls'],
  [0x8863, 'pppoe discovery'],
  [0x8864, 'pppoe'],
  [0x888e, 'eapol'],
  [0x88cc, 'lldp'],
  [0x88e5, 'macsec'],
  [0x88f7, 'ptp'],
  [0x894f, 'nsh'],
  [0x9000, 'loopback'],
])

/** `arp`, or `0x88b8`; 0 stands for a frame whose link layer names no type. */
function etherTypeName(etherType: number): string {
  return NAMES.get(etherType) ?? `0x${etherType.toString(16).padStart(4, '0')}`
}

/** Frames and bytes by protocol. */
export class ProtocolCounts {
  readonly #packets = new Float64Array(FIRST_TYPE + ETHER_TYPES_MAX)
  readonly #bytes = new Float64Array(FIRST_TYPE + ETHER_TYPES_MAX)
  readonly #etherTypes: number[] = []

  /** Counts a frame and returns its line in the time series. */
  add(frame: Frame, fault: Fault | undefined, length: number): number {
    let row = MALFORMED
    let line = LINE_MALFORMED
    if (fault === undefined) {
      const { ipVersion, protocol } = frame
      if (ipVersion === 0) {
        row = this.#rowOfType(frame.etherType)
        line = LINE_NOT_IP
      } else {
        row = ipVersion === 4 ? protocol : PROTOCOLS + protocol
        line = lineOf(protocol)
      }
    }
    this.#packets[row]! += 1
    this.#bytes[row]! += length
    return line
  }

  /** By bytes, most first. */
  report(): ProtocolRow[] {
    const rows: ProtocolRow[] = []
    for (let row = 0; row < this.#packets.length; row++) {
      if (this.#packets[row] === 0) continue
      rows.push({ ...this.#describe(row), packets: this.#packets[row]!, bytes: this.#bytes[row]! })
    }
    return rows.sort((left, right) => right.bytes - left.bytes || right.packets - left.packets)
  }

  #describe(row: number): Omit<ProtocolRow, 'packets' | 'bytes'> {
    if (row < MALFORMED) {
      const protocol = row % PROTOCOLS
      const ipVersion = row < PROTOCOLS ? 4 : 6
      return {
        name: protocolName(protocol) ?? String(protocol),
        ipVersion,
        protocol,
        etherType: null,
      }
    }
    const none = { ipVersion: null, protocol: null, etherType: null }
    if (row === MALFORMED) return { name: 'malformed', ...none }
    if (row === OTHER_TYPES) return { name: 'other', ...none }
    const etherType = this.#etherTypes[row - FIRST_TYPE]!
    return {
      ...none,
      name: etherTypeName(etherType),
      etherType: etherType <= ETHERTYPE_LENGTH ? null : etherType,
    }
  }

  #rowOfType(etherType: number): number {
    // Up to there it is no type but the length of an 802.3 frame.
    const isLength = etherType > 0 && etherType <= ETHERTYPE_LENGTH_MAX
    const type = isLength ? ETHERTYPE_LENGTH : etherType
    let index = this.#etherTypes.indexOf(type)
    if (index === -1) {
      if (this.#etherTypes.length === ETHER_TYPES_MAX) return OTHER_TYPES
      index = this.#etherTypes.push(type) - 1
    }
    return FIRST_TYPE + index
  }
}

function lineOf(protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      return LINE_TCP
    case PROTOCOL_UDP:
      return LINE_UDP
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      return LINE_ICMP
    default:
      return LINE_OTHER_IP
  }
}
