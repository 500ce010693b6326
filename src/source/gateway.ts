import { isIPv4 } from 'node:net'
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import { ipv6AddressSum } from '../wire/checksum.js'
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import { emitGeneve, GENEVE_AWS_HEADER_LEN, Geneve } from '../wire/geneve.js'
import { emitIpv4, IPV4_HEADER_LEN, type Ipv4Header } from '../wire/ipv4.js'
import { emitIpv6, IPV6_HEADER_LEN, type Ipv6Header } from '../wire/ipv6.js'
import { PROTOCOL_UDP } from '../wire/protocol.js'
import { emitUdp, UDP_HEADER_LEN, type UdpHeader } from '../wire/udp.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import type { Outlet } from './outlet.js'

interface GatewayOptions {
  /** Primary address of the mirrored interface: from where the wrapped datagrams come. */
  source: string
  /** Of the Gateway Load Balancer endpoint, the session's target; of the same IP version. */
  endpoint: string
}

/** A mirror source's ports, as AWS has been seen to use them: 128 from here on. */
const FIRST_SOURCE_PORT = 0xff80
const SOURCE_PORTS_MASK = 0x7f

const TIME_TO_LIVE = 255

/** Made up, and the same for all: what they are says nothing of a packet. */
const ENDPOINT_ID_HIGH = 0x0a3f_71c2
const ENDPOINT_ID_LOW = 0x5de8_9b46

/** What a UDP datagram can carry over IPv4. */
const DATAGRAM_MAX = 65_507

const MEMORY_LEN = 1024 * 1024

/**
 * Wraps what goes to an outlet as a Gateway Load Balancer does that stands between a mirror
 * source and its target: GENEVE with Amazon's three options, and in it the whole packet that
 * the mirror source sent, IP, UDP and VXLAN. (Gateway Load Balancer guide, "Target groups";
 * Traffic Mirroring guide, "Packet formats".) 68 bytes are added over IPv4.
 *
 * Two things are made up, since there is neither balancer nor endpoint: the identifier of
 * the endpoint, and the flow cookie, which is the hash of the mirrored flow.
 */
export class Gateway implements Outlet {
  readonly #outlet: Outlet
  /** Wrapped datagrams that are on their way, one after the other. */
  readonly #memory = Buffer.alloc(MEMORY_LEN)
  #used = 0
  readonly #geneve = new Geneve()
  readonly #udp: UdpHeader = { sourcePort: 0, destinationPort: VXLAN_PORT, payloadLength: 0 }
  readonly #ipv4: Ipv4Header | undefined
  readonly #ipv6: Ipv6Header | undefined
  readonly #addressSum: number | undefined
  readonly #headLen: number

  constructor(outlet: Outlet, { source, endpoint }: GatewayOptions) {
    this.#outlet = outlet
    const is4 = isIPv4(source)
    this.#ipv4 = is4 ? ipv4Header(source, endpoint) : undefined
    this.#ipv6 = is4 ? undefined : ipv6Header(source, endpoint)
    // Over IPv4 it is left out, as AWS leaves it out.
    this.#addressSum = is4 ? undefined : ipv6AddressSum(this.#ipv6!.source, this.#ipv6!.destination)
    this.#headLen =
      GENEVE_AWS_HEADER_LEN + (is4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN) + UDP_HEADER_LEN
    Object.assign(this.#geneve, {
      protocol: is4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6,
      hasEndpointId: true,
      endpointIdHigh: ENDPOINT_ID_HIGH,
      endpointIdLow: ENDPOINT_ID_LOW,
      hasAttachmentId: true,
      hasFlowCookie: true,
    })
  }

  get sent(): number {
    return this.#outlet.sent
  }

  /** With what was added. */
  get octets(): number {
    return this.#outlet.octets
  }

  get notSent(): ReadonlyMap<string, number> {
    return this.#outlet.notSent
  }

  get lost(): number[] {
    return this.#outlet.lost
  }

  send(bytes: Buffer, start: number, end: number, flow: number, tag: number): void {
    const length = this.#headLen + end - start
    if (length > DATAGRAM_MAX) {
      // The kernel says EMSGSIZE, whatever is in it.
      this.#outlet.send(this.#memory, 0, DATAGRAM_MAX + 1, flow, tag)
      return
    }
    const from = this.#used
    this.#used += length
    bytes.copy(this.#memory, from + this.#headLen, start, end)
    this.#emitHead(from, end - start, flow)
    this.#outlet.send(this.#memory, from, this.#used, flow, tag)
  }

  room(): Promise<void> | undefined {
    if (this.#used + DATAGRAM_MAX <= MEMORY_LEN) return this.#outlet.room()
    return this.settled() ?? this.#outlet.room()
  }

  settled(): Promise<void> | undefined {
    const settling = this.#outlet.settled()
    if (settling === undefined) {
      this.#used = 0
      return undefined
    }
    return settling.then(() => {
      this.#used = 0
    })
  }

  close(): void {
    this.#outlet.close()
  }

  /** Writes all headers in front of a payload that lies there. */
  #emitHead(from: number, payloadLength: number, flow: number): void {
    const memory = this.#memory
    this.#geneve.flowCookie = flow
    const ip = emitGeneve(this.#geneve, memory, from)
    const udpLength = UDP_HEADER_LEN + payloadLength
    let udp: number
    if (this.#ipv4 !== undefined) {
      this.#ipv4.payloadLength = udpLength
      udp = emitIpv4(this.#ipv4, memory, ip)
    } else {
      this.#ipv6!.payloadLength = udpLength
      udp = emitIpv6(this.#ipv6!, memory, ip)
    }
    this.#udp.sourcePort = FIRST_SOURCE_PORT + (flow & SOURCE_PORTS_MASK)
    this.#udp.payloadLength = payloadLength
    emitUdp(this.#udp, memory, udp, this.#addressSum)
  }
}

function ipv4Header(source: string, destination: string): Ipv4Header {
  return {
    typeOfService: 0,
    payloadLength: 0,
    identification: 0,
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    timeToLive: TIME_TO_LIVE,
    protocol: PROTOCOL_UDP,
    source: parseIpv4(source)!,
    destination: parseIpv4(destination)!,
  }
}

function ipv6Header(source: string, destination: string): Ipv6Header {
  return {
    trafficClass: 0,
    flowLabel: 0,
    payloadLength: 0,
    nextHeader: PROTOCOL_UDP,
    hopLimit: TIME_TO_LIVE,
    source: parseIpv6(source)!,
    destination: parseIpv6(destination)!,
  }
}
