/**
 * GENEVE header (RFC 8926 §3.4) and the options a Gateway Load Balancer adds.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |Ver|  Opt len  |O|C|    Rsvd   |         Protocol type         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |       Virtual network identifier (VNI)        |   Reserved    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 |         options, each as below; `Opt len` words in all        |
 *     ~                                                               ~
 *
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |         Option class          |     Type      |R|R|R| Length  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                 `Length` words of option data                 |
 *     ~                                                               ~
 *
 * Option class 0x0108 is Amazon's (IANA registry "Geneve Option Class"); the
 * three options of it are described in the Gateway Load Balancer guide, "Target
 * groups", and expected on every packet, in any order.
 *
 * 0x0132 is Google's. Network Security Integration sends an IP packet with VNI 0, and says in options
 * whose it is ("Understand GENEVE"): the network and which way the packet ran (28 bits, three reserved
 * ones, 1 for egress), and the endpoint.
 */

import { putU8, putU16, putU24, putU32, u8, u16, u24, u32 } from './bytes.js'
import type { Fault } from './fault.js'

/** UDP destination port that IANA assigned to GENEVE (RFC 8926 §6). */
export const GENEVE_PORT = 6081

/** Of the header without options. */
export const GENEVE_HEADER_LEN = 8

/** Of the header with all three Amazon options. */
export const GENEVE_AWS_HEADER_LEN = 40

const VERSION_LENGTH = 0
const FLAGS = 1
const PROTOCOL = 2
const VNI = 4
const VNI_TAIL = 7

const VERSION_SHIFT = 6
const OPTIONS_WORDS_MASK = 0x3f
const FLAG_CRITICAL = 0x40
const RESERVED_FLAGS = 0x3f

const OPTION_HEADER_LEN = 4
const OPTION_TYPE = 2
const OPTION_LENGTH = 3
const OPTION_WORDS_MASK = 0x1f

const CLASS_AWS = 0x0108
const AWS_ENDPOINT_ID = 1
const AWS_ATTACHMENT_ID = 2
const AWS_FLOW_COOKIE = 3

const CLASS_GOOGLE = 0x0132
const GOOGLE_NETWORK_ID = 1
const GOOGLE_ENDPOINT_ID = 2
/** Behind the network's number: three bits, and the direction. */
const GOOGLE_NETWORK_SHIFT = 4

/**
 * What a header says. One instance serves a whole receiver: parse overwrites
 * every field. An identifier is 0 where its option is absent.
 */
export class Geneve {
  /** Network identifier, 24 bits. A Gateway Load Balancer sends 0. */
  vni = 0
  /** EtherType of the payload: 0x0800 and 0x86dd for bare IP, 0x6558 for an Ethernet frame. */
  protocol = 0
  /** Where the payload begins. Set by parse, not looked at by emit. */
  payloadAt = 0
  /** The C bit: some option must be understood by whoever ends the tunnel. We only watch. */
  critical = false
  /** Some reserved bit was not zero. Set by parse, not looked at by emit. */
  reserved = false
  /** Which options follow. Google's are read, and not written. */
  hasEndpointId = false
  hasAttachmentId = false
  hasFlowCookie = false
  /** Identifies the endpoint, of the Gateway Load Balancer or of Google's integration; 64 bits in two words. */
  endpointIdHigh = 0
  endpointIdLow = 0
  /** The customer-visible attachment; 64 bits in two words. */
  attachmentIdHigh = 0
  attachmentIdLow = 0
  /** The load balancer's own name for the flow, 32 bits. */
  flowCookie = 0
  /** Google's number of the network, 28 bits. */
  hasNetworkId = false
  networkId = 0
}

/**
 * Reads the header and its options at `start` into `out`.
 *
 * Unknown options are stepped over, and so are known ones when they are not as
 * long as they are known to be: an observer loses nothing by it. Reserved bits
 * are ignored (§3.4), and so is the O bit: whoever mirrored the packet has a use
 * for it, control or not. On a fault the contents of `out` mean nothing.
 */
export function parseGeneve(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Geneve,
): Fault | undefined {
  if (end - start < GENEVE_HEADER_LEN) return 'geneve-truncated'
  const first = u8(bytes, start + VERSION_LENGTH)
  if (first >>> VERSION_SHIFT !== 0) return 'geneve-version'
  const payloadAt = start + GENEVE_HEADER_LEN + (first & OPTIONS_WORDS_MASK) * 4
  if (payloadAt > end) return 'geneve-truncated'

  const flags = u8(bytes, start + FLAGS)
  out.vni = u24(bytes, start + VNI)
  out.protocol = u16(bytes, start + PROTOCOL)
  out.payloadAt = payloadAt
  out.critical = (flags & FLAG_CRITICAL) !== 0
  out.reserved = (flags & RESERVED_FLAGS) !== 0 || u8(bytes, start + VNI_TAIL) !== 0
  clearOptions(out)

  for (let at = start + GENEVE_HEADER_LEN; at < payloadAt; ) {
    // Both lengths are whole words, so a started option header is always whole.
    const next = at + OPTION_HEADER_LEN + (u8(bytes, at + OPTION_LENGTH) & OPTION_WORDS_MASK) * 4
    if (next > payloadAt) return 'geneve-truncated'
    const optionClass = u16(bytes, at)
    if (optionClass === CLASS_AWS) readAwsOption(bytes, at, next, out)
    else if (optionClass === CLASS_GOOGLE) readGoogleOption(bytes, at, next, out)
    at = next
  }

  return undefined
}

function clearOptions(out: Geneve): void {
  out.hasEndpointId = false
  out.hasAttachmentId = false
  out.hasFlowCookie = false
  out.endpointIdHigh = 0
  out.endpointIdLow = 0
  out.attachmentIdHigh = 0
  out.attachmentIdLow = 0
  out.flowCookie = 0
  out.hasNetworkId = false
  out.networkId = 0
}

/** Reads one option lying at `bytes[at, next)`. */
function readGoogleOption(bytes: Uint8Array, at: number, next: number, out: Geneve): void {
  const dataAt = at + OPTION_HEADER_LEN
  const type = u8(bytes, at + OPTION_TYPE)
  if (type === GOOGLE_NETWORK_ID && next - dataAt === 4) {
    out.hasNetworkId = true
    out.networkId = u32(bytes, dataAt) >>> GOOGLE_NETWORK_SHIFT
  } else if (type === GOOGLE_ENDPOINT_ID && next - dataAt === 8) {
    out.hasEndpointId = true
    out.endpointIdHigh = u32(bytes, dataAt)
    out.endpointIdLow = u32(bytes, dataAt + 4)
  }
}

/** Reads one option lying at `bytes[at, next)`. */
function readAwsOption(bytes: Uint8Array, at: number, next: number, out: Geneve): void {
  const dataAt = at + OPTION_HEADER_LEN
  const type = u8(bytes, at + OPTION_TYPE)
  if (type === AWS_ENDPOINT_ID && next - dataAt === 8) {
    out.hasEndpointId = true
    out.endpointIdHigh = u32(bytes, dataAt)
    out.endpointIdLow = u32(bytes, dataAt + 4)
  } else if (type === AWS_ATTACHMENT_ID && next - dataAt === 8) {
    out.hasAttachmentId = true
    out.attachmentIdHigh = u32(bytes, dataAt)
    out.attachmentIdLow = u32(bytes, dataAt + 4)
  } else if (type === AWS_FLOW_COOKIE && next - dataAt === 4) {
    out.hasFlowCookie = true
    out.flowCookie = u32(bytes, dataAt)
  }
}

/**
 * Writes the header and the options `header` has at `start` and returns the
 * offset just past them, at most GENEVE_AWS_HEADER_LEN further on. Reserved
 * bits are written as zero.
 */
export function emitGeneve(header: Geneve, bytes: Uint8Array, start: number): number {
  let at = start + GENEVE_HEADER_LEN
  if (header.hasEndpointId) {
    at = emitAwsOption(AWS_ENDPOINT_ID, 2, bytes, at)
    putU32(bytes, at - 8, header.endpointIdHigh)
    putU32(bytes, at - 4, header.endpointIdLow)
  }
  if (header.hasAttachmentId) {
    at = emitAwsOption(AWS_ATTACHMENT_ID, 2, bytes, at)
    putU32(bytes, at - 8, header.attachmentIdHigh)
    putU32(bytes, at - 4, header.attachmentIdLow)
  }
  if (header.hasFlowCookie) {
    at = emitAwsOption(AWS_FLOW_COOKIE, 1, bytes, at)
    putU32(bytes, at - 4, header.flowCookie)
  }

  // Version 0, so the first byte is the length alone.
  putU8(bytes, start + VERSION_LENGTH, (at - start - GENEVE_HEADER_LEN) >>> 2)
  putU8(bytes, start + FLAGS, header.critical ? FLAG_CRITICAL : 0)
  putU16(bytes, start + PROTOCOL, header.protocol)
  putU24(bytes, start + VNI, header.vni)
  putU8(bytes, start + VNI_TAIL, 0)
  return at
}

/** Writes an option's header and returns the offset just past the data the caller fills in. */
function emitAwsOption(type: number, words: number, bytes: Uint8Array, start: number): number {
  putU16(bytes, start, CLASS_AWS)
  putU8(bytes, start + OPTION_TYPE, type)
  putU8(bytes, start + OPTION_LENGTH, words)
  return start + OPTION_HEADER_LEN + words * 4
}
