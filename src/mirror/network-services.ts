import { parseCidr } from '../wire/address.js'
import { u32 } from '../wire/bytes.js'
import { ETHERTYPE_ARP } from '../wire/ethernet.js'
import type { Frame } from '../wire/frame.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'

/**
 * Traffic of the services that a VPC itself offers, which mirroring treats apart
 * from what hosts say to each other. They live at fixed addresses: 169.254.169.N
 * over IPv4, and over IPv6 fd00:ec2::N with the same digits.
 */
const SERVICES_IPV4 = 0xa9_fe_a9
const SERVICES_IPV6 = 0xfd00_0ec2

const DNS_PORT = 53
const DHCP_SERVER_PORT = 67
const DHCP_CLIENT_PORT = 68
const DHCPV6_CLIENT_PORT = 546
const DHCPV6_SERVER_PORT = 547

/** Where the resolver is in the block of a VPC. */
const RESOLVER_OFFSET = 2

/**
 * Whether AWS mirrors this frame for nobody, whatever the rules say: ARP, DHCP,
 * instance metadata, the time service at its link-local address (time from public
 * servers is mirrored) and Windows activation.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-network-limitations.html
 *
 * Neighbor discovery is not on that list: rules decide about it.
 */
export function isNeverMirrored(frame: Frame): boolean {
  if (frame.ipVersion === 0) return frame.etherType === ETHERTYPE_ARP
  return isDhcp(frame) || isUnmirrored(frame, frame.srcAt) || isUnmirrored(frame, frame.dstAt)
}

function isDhcp(frame: Frame): boolean {
  if (frame.protocol !== PROTOCOL_UDP) return false
  const low = frame.ipVersion === 4 ? DHCP_SERVER_PORT : DHCPV6_CLIENT_PORT
  const high = frame.ipVersion === 4 ? DHCP_CLIENT_PORT : DHCPV6_SERVER_PORT
  const { srcPort, dstPort } = frame
  return srcPort >= low && srcPort <= high && dstPort >= low && dstPort <= high
}

function isUnmirrored(frame: Frame, at: number): boolean {
  switch (serviceAt(frame, at)) {
    // Instance metadata.
    case 0x254:
    // Time.
    case 0x123:
    // Windows activation.
    case 0x250:
    case 0x251:
      return true
    default:
      return false
  }
}

/** The digits of the service at this address, as hexadecimal ones; 0 for all other addresses. */
function serviceAt(frame: Frame, at: number): number {
  const { bytes } = frame
  const first = u32(bytes, at)
  if (frame.ipVersion === 4) return first >>> 8 === SERVICES_IPV4 ? digits(first & 0xff) : 0
  if (first !== SERVICES_IPV6 || u32(bytes, at + 4) !== 0 || u32(bytes, at + 8) !== 0) return 0
  return u32(bytes, at + 12)
}

/** 254 → 0x254. */
function digits(octet: number): number {
  const hundreds = (octet / 100) | 0
  const tens = ((octet / 10) | 0) % 10
  return (hundreds << 8) | (tens << 4) | (octet % 10)
}

/**
 * The network service `amazon-dns`: what a host says to the resolver of its VPC.
 * No rule mirrors that; a filter with the service mirrors all of it.
 *
 * The resolver is known at its link-local addresses and, where the VPC's block is
 * known, at the base of that plus two, an address AWS keeps for it. Where the block
 * is not known, a filter with the service takes all DNS, so that it misses none.
 */
export class AmazonDns {
  /** The resolver's address in the VPC; -1 where that is not known. */
  readonly #inVpc: number

  constructor(vpcCidrBlock: string | undefined) {
    const block = vpcCidrBlock === undefined ? undefined : parseCidr(vpcCidrBlock)
    this.#inVpc = block?.version === 4 ? block.first[3]! + RESOLVER_OFFSET : -1
  }

  /** `frame` carries IP. */
  has(frame: Frame): boolean {
    return this.#isResolver(frame, frame.srcAt) || this.#isResolver(frame, frame.dstAt)
  }

  /** Whether a filter with the service takes the frame, which `has` did not know. */
  mayHave(frame: Frame): boolean {
    return (
      this.#inVpc === -1 &&
      (frame.protocol === PROTOCOL_UDP || frame.protocol === PROTOCOL_TCP) &&
      (frame.dstPort === DNS_PORT || frame.srcPort === DNS_PORT)
    )
  }

  #isResolver(frame: Frame, at: number): boolean {
    if (frame.ipVersion === 4 && u32(frame.bytes, at) === this.#inVpc) return true
    return serviceAt(frame, at) === 0x253
  }
}
