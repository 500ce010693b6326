import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { TCP_ACK, TCP_ECE, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../wire/tcp.js'

/**
 * The life of a flow: what state its packets put it in. Bits of the STATE word.
 *
 * TCP is judged by flags alone, so a flow may begin anywhere: with a reply, in
 * mid-stream, after its handshake. A segment with ACK and without SYN says that a
 * handshake has been; FIN from both sides or RST from one says that it is over.
 * Anything else is established once both sides have spoken.
 */
export const STATE_NEW = 0
const STATE_ESTABLISHED = 1
export const STATE_CLOSING = 2
export const STATE_CLOSED = 3
export const STATE_MASK = 0x3

export const STATE_NAMES = ['new', 'established', 'closing', 'closed'] as const

const FIN_0 = 0x04
const FIN_1 = 0x08
/** The flow was ended by a RST. */
export const STATE_RESET = 0x10
const SPOKE_0 = 0x20
const SPOKE_1 = 0x40
/** The first packet ran in direction 1. */
export const STATE_BEGUN_BY_B = 0x80

/** Which idle time-outs apply; shifted to CLASS_SHIFT in the STATE word. */
export const CLASS_SHIFT = 8
export const CLASS_TCP = 0
export const CLASS_UDP = 1
export const CLASS_ICMP = 2
export const CLASS_OTHER = 3

/** Direction of the packets from A to B seen from the mirrored interface: 0 not known. */
export const INTERFACE_SHIFT = 10
export const INTERFACE_MASK = 0x3 << INTERFACE_SHIFT
export const A_IS_REMOTE = 1
export const A_IS_LOCAL = 2

/** The outer source is known to be an address of that interface, no translator's. */
export const INTERFACE_CONFIRMED = 0x4000

/** No packet of direction 0 so far had a time; shifted by one for direction 1. */
export const STATE_UNTIMED = 0x1000

/** The connection that had these ports before is still in the table, set aside. */
export const STATE_HAS_FORMER = 0x8000

/** FIRST_NUMBER_0 of the entry holds; shifted by one for FIRST_NUMBER_1. */
export const STATE_NUMBERED = 0x1_0000

/** The STATE word of a flow before its first packet has been counted. */
export function initialState(protocol: number, direction: number): number {
  let kind = CLASS_OTHER
  if (protocol === PROTOCOL_TCP) kind = CLASS_TCP
  else if (protocol === PROTOCOL_UDP) kind = CLASS_UDP
  else if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) kind = CLASS_ICMP
  return (kind << CLASS_SHIFT) | (direction === 0 ? 0 : STATE_BEGUN_BY_B)
}

/** The STATE word after a packet with `tcpFlags` in `direction`. */
export function nextState(state: number, direction: number, tcpFlags: number): number {
  if (((state >>> CLASS_SHIFT) & 0x3) !== CLASS_TCP) {
    if ((state & STATE_MASK) !== STATE_NEW) return state
    const spoken = state | (direction === 0 ? SPOKE_0 : SPOKE_1)
    return (spoken & SPOKE_0) !== 0 && (spoken & SPOKE_1) !== 0
      ? spoken | STATE_ESTABLISHED
      : spoken
  }
  if ((tcpFlags & (TCP_FIN | TCP_RST)) === 0) {
    if ((state & STATE_MASK) !== STATE_NEW) return state
    return (tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_ACK ? state | STATE_ESTABLISHED : state
  }
  if ((tcpFlags & TCP_RST) !== 0) {
    return (state & STATE_MASK) === STATE_CLOSED ? state : state | STATE_CLOSED | STATE_RESET
  }
  if ((state & STATE_MASK) === STATE_CLOSED) return state
  const ended = state | (direction === 0 ? FIN_0 : FIN_1)
  const both = (ended & FIN_0) !== 0 && (ended & FIN_1) !== 0
  return (ended & ~STATE_MASK) | (both ? STATE_CLOSED : STATE_CLOSING)
}

/** Whether a packet asks for a connection: a bare SYN. */
export function isOpening(tcpFlags: number): boolean {
  return (tcpFlags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN
}

/** Flags in the style of VPC flow logs: FIN, SYN and RST of any packet, ACK only beside SYN. */
export const VPC_FLAGS = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK
/** Beside them, what those of transit gateways add: PSH and URG, and in the place of ECE the ACK of any packet. */
const ACK_OF_ANY = TCP_ECE
export const OTHER_FLAGS = TCP_PSH | TCP_URG | ACK_OF_ANY

const AS_THEY_ARE = TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_URG

/** What a packet adds to the flags of its window, both kinds in one byte. */
export function windowFlags(tcpFlags: number): number {
  return (
    (tcpFlags & AS_THEY_ARE) |
    ((tcpFlags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK) ? TCP_ACK : 0) |
    ((tcpFlags & TCP_ACK) << 2)
  )
}

/** FIN, SYN, RST, PSH, ACK and URG, each where any packet had it. */
export function flagsOfAny(vpcFlags: number, otherFlags: number): number {
  return vpcFlags | (otherFlags & ~ACK_OF_ANY) | ((otherFlags & ACK_OF_ANY) === 0 ? 0 : TCP_ACK)
}

/** Flags in the style of transit gateways: of any packet; 0 where there was nothing but ACK. */
export function transitGatewayFlags(vpcFlags: number, otherFlags: number): number {
  const flags = flagsOfAny(vpcFlags, otherFlags)
  return flags === TCP_ACK ? 0 : flags
}
