import {
  ETHERNET_HEADER_LEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_MPLS,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
  VLAN_TAG_LEN,
} from '../wire/ethernet.js'
import {
  isRawIp,
  LINKTYPE_C_HDLC,
  LINKTYPE_ETHERNET,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
  LINKTYPE_PPP,
  LINKTYPE_PPP_ETHER,
  LINKTYPE_PPP_HDLC,
  LINKTYPE_PPP_PPPD,
  linkTypeName,
} from '../wire/link-type.js'
import { ALWAYS, all, any, type Condition, equals, type Field, NEVER } from './condition.js'
import { isEthernetType, isPppType, isSllType } from './link-protocol.js'
import type { Token } from './token.js'
import { refusal } from './token.js'

const MPLS_LABEL_LEN = 4
const PPPOE_HEADER_LEN = 6
const PPP_TYPE_LEN = 2
const PPP_MPLS = 0x0281
const BOTTOM_OF_STACK = 0x01

type Kind =
  | 'ethernet'
  | 'sll'
  | 'sll2'
  | 'raw'
  | 'ipv4'
  | 'ipv6'
  | 'null'
  | 'loop'
  | 'ppp'
  | 'chdlc'
  | 'other'

/**
 * Where things are in the frames of one link type, and how these say what they
 * carry: libpcap's own rules, so that a filter selects what tcpdump's would.
 *
 * `vlan`, `mpls` and `pppoes` move the places for all that is reported after them,
 * even after an `or`; that is how pcap-filter(7) defines them.
 */
export class LinkLayer {
  readonly #linkType: number
  #kind: Kind
  /** Offsets in the frame: the link header, its type field, what lies after it. */
  #headerAt = 0
  #typeAt = 0
  #payloadAt = 0
  #isInPppoe = false
  #labels = 0

  constructor(linkType: number) {
    this.#linkType = linkType
    this.#kind = kindOf(linkType)
    if (this.#kind === 'ethernet') this.#place(12, ETHERNET_HEADER_LEN)
    else if (this.#kind === 'sll') this.#place(14, 16)
    else if (this.#kind === 'sll2') this.#place(0, 20)
    else if (linkType === LINKTYPE_PPP_ETHER)
      this.#place(PPPOE_HEADER_LEN, PPPOE_HEADER_LEN + PPP_TYPE_LEN)
    else if (this.#kind === 'ppp' || this.#kind === 'chdlc') this.#place(2, 4)
    else if (this.#kind === 'null' || this.#kind === 'loop') this.#place(0, 4)
  }

  #place(typeAt: number, payloadAt: number): void {
    this.#typeAt = typeAt
    this.#payloadAt = payloadAt
  }

  get isEthernet(): boolean {
    return this.#kind === 'ethernet'
  }

  get isBehindMpls(): boolean {
    return this.#labels > 0
  }

  /** For messages: what these frames are. */
  get name(): string {
    return this.#kind === 'ppp' ? 'PPP' : linkTypeName(this.#linkType)
  }

  /** A field of the link header. */
  link(at: number, size: 1 | 2 | 4): Field {
    return frameField(this.#headerAt + at, size)
  }

  /** A field of the network header. */
  network(at: number, size: 1 | 2 | 4): Field {
    return frameField(this.#payloadAt + MPLS_LABEL_LEN * this.#labels + at, size)
  }

  /** A field after the IPv4 header. */
  behindIpv4(at: number, size: 1 | 2 | 4): Field {
    const ipv4At = this.network(0, 1).at
    return { base: 'behind-ipv4', ipv4At, at: ipv4At + at, size }
  }

  /** A field after the OSI network layer's 802.2 header. */
  behindLlc(at: number, size: 1 | 2 | 4): Field {
    return this.network((this.#kind === 'ethernet' ? 3 : 0) + at, size)
  }

  /** Whether the frame carries a protocol: an EtherType, or up to 1500 an 802.2 access point. */
  carries(protocol: number, token: Token): Condition {
    if (this.#labels > 0) return this.#carriesBehindMpls(protocol, token)
    const type = frameField(this.#typeAt, 2)
    const payload = (at: number, size: 1 | 2 | 4): Field => frameField(this.#payloadAt + at, size)
    switch (this.#kind) {
      case 'ethernet':
        return isEthernetType(protocol, type, payload, frameField(this.#typeAt + 2, 1))
      case 'sll':
        return isSllType(protocol, type, payload)
      case 'sll2':
      case 'chdlc':
        return equals(type, protocol)
      case 'ppp':
        return isPppType(protocol, type)
      case 'null':
      case 'loop':
        return this.#carriesFamily(protocol)
      case 'raw':
        if (protocol === ETHERTYPE_IPV4) return equals(this.link(0, 1), 0x40, 0xf0)
        return protocol === ETHERTYPE_IPV6 ? equals(this.link(0, 1), 0x60, 0xf0) : NEVER
      case 'ipv4':
        return protocol === ETHERTYPE_IPV4 ? ALWAYS : NEVER
      case 'ipv6':
        return protocol === ETHERTYPE_IPV6 ? ALWAYS : NEVER
      case 'other':
        throw refusal(token, `what frames of ${this.name} carry is not known`)
    }
  }

  #carriesBehindMpls(protocol: number, token: Token): Condition {
    const isBottom = equals(this.network(-2, 1), BOTTOM_OF_STACK, BOTTOM_OF_STACK)
    if (protocol === ETHERTYPE_IPV4) return all(isBottom, equals(this.network(0, 1), 0x40, 0xf0))
    if (protocol === ETHERTYPE_IPV6) return all(isBottom, equals(this.network(0, 1), 0x60, 0xf0))
    throw refusal(token, 'after "mpls" only IPv4 and IPv6 can be recognized')
  }

  /**
   * The BSD loopback headers hold an address family. Of NULL either byte order is
   * taken, since a packet does not tell which one its file is in.
   */
  #carriesFamily(protocol: number): Condition {
    const families =
      protocol === ETHERTYPE_IPV4 ? [2] : protocol === ETHERTYPE_IPV6 ? [24, 28, 30] : []
    if (families.length === 0) return NEVER
    const base = this.#kind === 'null' ? 'family' : 'frame'
    const field: Field = { ...this.link(0, 4), base }
    return any(...families.map((family) => equals(field, family)))
  }

  /** A tag, of one VLAN where that is given; then moves after it. */
  vlan(number: Token | undefined, token: Token): Condition {
    if (this.#labels > 0) throw refusal(token, 'VLAN tags cannot follow "mpls"')
    if (this.#kind !== 'ethernet') throw refusal(token, `frames of ${this.name} have no tags`)
    const type = frameField(this.#typeAt, 2)
    const isTagged = any(
      equals(type, ETHERTYPE_VLAN),
      equals(type, ETHERTYPE_SERVICE_VLAN),
      equals(type, ETHERTYPE_QINQ_OLD),
    )
    const control = this.network(0, 2)
    this.#typeAt += VLAN_TAG_LEN
    this.#payloadAt += VLAN_TAG_LEN
    if (number === undefined) return isTagged
    return all(isTagged, equals(control, numberUpTo(number, 0xfff), 0xfff))
  }

  /** A label, of one value where that is given; then moves after it. */
  mpls(number: Token | undefined, token: Token): Condition {
    const isLabel = this.#seesLabel(token)
    const label = this.network(0, 4)
    this.#labels++
    if (number === undefined) return isLabel
    return all(isLabel, equals(label, numberUpTo(number, 0xf_ffff) * 0x1000, 0xffff_f000))
  }

  #seesLabel(token: Token): Condition {
    if (this.#labels > 0) return equals(this.network(-2, 1), 0, BOTTOM_OF_STACK)
    if (this.#kind === 'ethernet' || this.#kind === 'chdlc') {
      return this.carries(ETHERTYPE_MPLS, token)
    }
    // As in libpcap: of the link types of PPP only this one, beside the PPP in PPPoE.
    const hasLabels = this.#linkType === LINKTYPE_PPP || this.#isInPppoe
    if (this.#kind === 'ppp' && hasLabels) return this.carries(PPP_MPLS, token)
    throw refusal(token, `frames of ${this.name} have no labels`)
  }

  /** A PPPoE session, of one number where that is given; then moves after its header. */
  pppoes(number: Token | undefined, token: Token): Condition {
    const isSession = this.carries(ETHERTYPE_PPPOE_SESSION, token)
    const id = this.network(0, 4)
    this.#headerAt = this.network(PPPOE_HEADER_LEN, 1).at
    this.#kind = 'ppp'
    this.#isInPppoe = true
    this.#labels = 0
    this.#place(this.#headerAt, this.#headerAt + PPP_TYPE_LEN)
    if (number === undefined) return isSession
    return all(isSession, equals(id, numberUpTo(number, 0xffff), 0xffff))
  }
}

/** The value of a number that must not be larger than `max`. Throws OperatorError. */
export function numberUpTo(token: Token, max: number): number {
  if (token.kind !== 'number') throw refusal(token, 'a number must stand here')
  if (token.value > max) throw refusal(token, `this is ${max} at most`)
  return token.value
}

function frameField(at: number, size: 1 | 2 | 4): Field {
  return { base: 'frame', ipv4At: 0, at, size }
}

function kindOf(linkType: number): Kind {
  switch (linkType) {
    case LINKTYPE_ETHERNET:
      return 'ethernet'
    case LINKTYPE_LINUX_SLL:
      return 'sll'
    case LINKTYPE_LINUX_SLL2:
      return 'sll2'
    case LINKTYPE_PPP:
    case LINKTYPE_PPP_HDLC:
    case LINKTYPE_PPP_PPPD:
    case LINKTYPE_PPP_ETHER:
      return 'ppp'
    case LINKTYPE_C_HDLC:
      return 'chdlc'
    case LINKTYPE_NULL:
      return 'null'
    case LINKTYPE_LOOP:
      return 'loop'
    case LINKTYPE_IPV4:
      return 'ipv4'
    case LINKTYPE_IPV6:
      return 'ipv6'
    default:
      return isRawIp(linkType) ? 'raw' : 'other'
  }
}
