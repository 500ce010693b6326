/**
 * IPFIX messages (RFC 7011 §3) with the information elements (RFC 7012, IANA registry "IPFIX
 * Information Elements") that a flow of a mirror session has.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |       Version number (10)     |            Length             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                          Export time                          |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |                        Sequence number                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  12 |                     Observation domain ID                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  16 |  sets: id, length, then templates or the records of one       |
 *     ~                                                               ~
 */
import { putU8, putU16, putU24, putU32 } from './bytes.js'

/** The port that IANA assigned to IPFIX over UDP and TCP. */
export const IPFIX_PORT = 4739

export const IPFIX_HEADER_LEN = 16
export const IPFIX_SET_HEADER_LEN = 4

const VERSION = 0
const LENGTH = 2
const EXPORT_TIME = 4
const SEQUENCE = 8
const DOMAIN = 12

const VERSION_10 = 10
const TEMPLATE_SET = 2

/** An information element: its number, and the bytes it takes here. */
type Element = readonly [id: number, length: number]

const SOURCE_IPV4_ADDRESS: Element = [8, 4]
const DESTINATION_IPV4_ADDRESS: Element = [12, 4]
const SOURCE_IPV6_ADDRESS: Element = [27, 16]
const DESTINATION_IPV6_ADDRESS: Element = [28, 16]

/** After the addresses, in the order of their offsets. */
const COMMON: readonly Element[] = [
  [7, 2], // sourceTransportPort
  [11, 2], // destinationTransportPort
  [4, 1], // protocolIdentifier
  [136, 1], // flowEndReason
  [6, 1], // tcpControlBits, as RFC 7125 allows where the upper byte is 0; nfacctd reads no other
  [152, 8], // flowStartMilliseconds
  [153, 8], // flowEndMilliseconds
  [2, 8], // packetDeltaCount
  [1, 8], // octetDeltaCount
  [351, 8], // layer2SegmentId
]
const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const PROTOCOL = 4
const END_REASON = 5
const CONTROL_BITS = 6
const START = 7
const END = 15
const PACKETS = 23
const BYTES = 31
const SEGMENT = 39
const COMMON_LEN = 47

/** flowDirection, last, and only in the templates of flows whose direction is known. */
const FLOW_DIRECTION: Element = [61, 1]

/** The first byte of layer2SegmentId says what kind of network the other seven name. */
const SEGMENT_VXLAN = 1

/** Ids of templates begin here; bit 0: IPv6, bit 1: the direction is known. */
const FIRST_TEMPLATE = 256
const IPV6_BIT = 1
const DIRECTION_BIT = 2
const TEMPLATES = [0, 1, 2, 3].map((bits) => FIRST_TEMPLATE + bits)

/** `flowEndReason` (RFC 5102 §5.11.3). */
export const ENDED_IDLE = 1
export const ENDED_ACTIVE = 2
export const ENDED_BY_PACKET = 3
export const ENDED_BY_FORCE = 4
export const ENDED_FOR_RESOURCES = 5

/** What one data record says. One instance may serve any number of records. */
export class IpfixFlow {
  isIpv6 = false
  /** Four words; of IPv4 the first. */
  source: Uint32Array = new Uint32Array(4)
  destination: Uint32Array = new Uint32Array(4)
  sourcePort = 0
  destinationPort = 0
  protocol = 0
  endReason = ENDED_ACTIVE
  tcpControlBits = 0
  /** Milliseconds since the epoch. */
  start = 0
  end = 0
  packets = 0
  bytes = 0
  vni = 0
  direction: 'ingress' | 'egress' | undefined = undefined
}

function elementsOf(template: number): readonly Element[] {
  const bits = template - FIRST_TEMPLATE
  const addresses =
    (bits & IPV6_BIT) === 0
      ? [SOURCE_IPV4_ADDRESS, DESTINATION_IPV4_ADDRESS]
      : [SOURCE_IPV6_ADDRESS, DESTINATION_IPV6_ADDRESS]
  return [...addresses, ...COMMON, ...((bits & DIRECTION_BIT) === 0 ? [] : [FLOW_DIRECTION])]
}

/** The template of a flow: the id of the set that its record is in. */
export function ipfixTemplateOf({ isIpv6, direction }: IpfixFlow): number {
  return FIRST_TEMPLATE + (isIpv6 ? IPV6_BIT : 0) + (direction === undefined ? 0 : DIRECTION_BIT)
}

export function ipfixRecordLen(template: number): number {
  const bits = template - FIRST_TEMPLATE
  return ((bits & IPV6_BIT) === 0 ? 8 : 32) + COMMON_LEN + ((bits & DIRECTION_BIT) === 0 ? 0 : 1)
}

/** The set that has all templates, whole. */
const TEMPLATE_SET_BYTES = templateSet()
export const IPFIX_TEMPLATES_LEN = TEMPLATE_SET_BYTES.length

function templateSet(): Uint8Array {
  const words: number[] = []
  for (const id of TEMPLATES) {
    const elements = elementsOf(id)
    words.push(id, elements.length, ...elements.flat())
  }
  const set = new Uint8Array(IPFIX_SET_HEADER_LEN + words.length * 2)
  putIpfixSetHeader(set, 0, TEMPLATE_SET, set.length)
  for (const [index, word] of words.entries()) {
    putU16(set, IPFIX_SET_HEADER_LEN + index * 2, word)
  }
  return set
}

/** `exportTime` in seconds; `sequence` is of the data records sent before in this domain. */
export function putIpfixHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  exportTime: number,
  sequence: number,
  domain: number,
): void {
  putU16(bytes, at + VERSION, VERSION_10)
  putU16(bytes, at + LENGTH, length)
  putU32(bytes, at + EXPORT_TIME, exportTime)
  putU32(bytes, at + SEQUENCE, sequence)
  putU32(bytes, at + DOMAIN, domain)
}

/** `length` includes these four bytes. */
export function putIpfixSetHeader(bytes: Uint8Array, at: number, id: number, length: number): void {
  putU16(bytes, at, id)
  putU16(bytes, at + 2, length)
}

/** The templates of all records, as a set; IPFIX_TEMPLATES_LEN bytes. */
export function putIpfixTemplates(bytes: Uint8Array, at: number): void {
  bytes.set(TEMPLATE_SET_BYTES, at)
}

/** One record; `ipfixRecordLen` bytes of its template. */
export function putIpfixFlow(bytes: Uint8Array, at: number, flow: IpfixFlow): void {
  const words = flow.isIpv6 ? 4 : 1
  for (let word = 0; word < words; word++) {
    putU32(bytes, at + word * 4, flow.source[word]!)
    putU32(bytes, at + (words + word) * 4, flow.destination[word]!)
  }
  const common = at + words * 8
  putU16(bytes, common + SOURCE_PORT, flow.sourcePort)
  putU16(bytes, common + DESTINATION_PORT, flow.destinationPort)
  putU8(bytes, common + PROTOCOL, flow.protocol)
  putU8(bytes, common + END_REASON, flow.endReason)
  putU8(bytes, common + CONTROL_BITS, flow.tcpControlBits)
  putU64(bytes, common + START, flow.start)
  putU64(bytes, common + END, flow.end)
  putU64(bytes, common + PACKETS, flow.packets)
  putU64(bytes, common + BYTES, flow.bytes)
  putU32(bytes, common + SEGMENT, SEGMENT_VXLAN << 24)
  putU8(bytes, common + SEGMENT + 4, 0)
  putU24(bytes, common + SEGMENT + 5, flow.vni)
  if (flow.direction !== undefined) {
    putU8(bytes, common + COMMON_LEN, flow.direction === 'ingress' ? 0 : 1)
  }
}

/** A whole number up to 2^53 - 1. */
function putU64(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, Math.floor(value / 2 ** 32))
  putU32(bytes, at + 4, value)
}
