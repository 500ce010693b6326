import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import { all, any, type Condition, equals, type Field, isAbove, not } from './condition.js'

/**
 * How frames say what they carry where that is more than one number: EtherTypes,
 * and the 802.2 access points (IEEE 802 numbers) that stand for protocols older
 * than them. After libpcap, whose answers are the ones people know.
 */

export const ETHERTYPE_REVERSE_ARP = 0x8035
export const ETHERTYPE_PPPOE_DISCOVERY = 0x8863
export const ETHERTYPE_APPLETALK = 0x809b
export const ETHERTYPE_APPLETALK_ARP = 0x80f3
export const ETHERTYPE_DECNET = 0x6003
export const ETHERTYPE_LAT = 0x6004
export const ETHERTYPE_LAVC = 0x6007
export const ETHERTYPE_MOP_DUMP = 0x6001
export const ETHERTYPE_MOP_CONSOLE = 0x6002
const ETHERTYPE_XNS = 0x0600
const ETHERTYPE_IPX = 0x8137

const SAP_IP = 0x06
export const SAP_SPANNING_TREE = 0x42
export const SAP_IPX = 0xe0
export const SAP_NETBEUI = 0xf0
export const SAP_OSI = 0xfe

/** Values of the type field up to this are lengths of 802.3 frames. */
const LENGTH_MAX = 1500

/** What Linux's cooked header has for its type where 802.2 or raw 802.3 follows. */
const SLL_802_2 = 0x0004
const SLL_802_3 = 0x0001

/** A field at an offset after the type. */
type Payload = (at: number, size: 1 | 2 | 4) => Field

/** Ethernet II by its type; 802.3 by the access points after its length. */
export function isEthernetType(
  protocol: number,
  type: Field,
  payload: Payload,
  accessPoint: Field,
): Condition {
  const isLength = not(isAbove(type, LENGTH_MAX))
  switch (protocol) {
    case SAP_OSI:
    case SAP_IP:
    case SAP_NETBEUI:
      return all(isLength, equals(payload(0, 2), (protocol << 8) | protocol))
    case SAP_IPX:
      return any(
        equals(type, ETHERTYPE_IPX),
        all(
          isLength,
          any(
            snap(payload, 0, ETHERTYPE_IPX),
            equals(payload(0, 1), SAP_IPX),
            equals(payload(0, 2), 0xffff),
          ),
        ),
      )
    case ETHERTYPE_APPLETALK:
      return any(equals(type, protocol), all(isLength, snap(payload, 0x080007, protocol)))
    case ETHERTYPE_APPLETALK_ARP:
      return any(equals(type, protocol), all(isLength, snap(payload, 0, protocol)))
    default:
      if (protocol > LENGTH_MAX) return equals(type, protocol)
      return all(isLength, equals(accessPoint, protocol))
  }
}

export function isSllType(protocol: number, type: Field, payload: Payload): Condition {
  const isLlc = equals(type, SLL_802_2)
  switch (protocol) {
    case SAP_OSI:
    case SAP_IP:
    case SAP_NETBEUI:
      return all(isLlc, equals(payload(0, 2), (protocol << 8) | protocol))
    case SAP_IPX:
      return any(
        equals(type, ETHERTYPE_IPX),
        equals(type, SLL_802_3),
        all(isLlc, any(equals(payload(0, 1), SAP_IPX), snap(payload, 0, ETHERTYPE_IPX))),
      )
    case ETHERTYPE_APPLETALK:
      return any(equals(type, protocol), all(isLlc, snap(payload, 0x080007, protocol)))
    case ETHERTYPE_APPLETALK_ARP:
      return any(equals(type, protocol), all(isLlc, snap(payload, 0, protocol)))
    default:
      if (protocol > LENGTH_MAX) return equals(type, protocol)
      return all(isLlc, equals(payload(0, 1), protocol))
  }
}

/** PPP numbers the same protocols differently (IANA "PPP DLL Protocol Numbers"). */
const PPP_TYPES: ReadonlyMap<number, number> = new Map([
  [ETHERTYPE_IPV4, 0x0021],
  [ETHERTYPE_IPV6, 0x0057],
  [ETHERTYPE_DECNET, 0x0027],
  [ETHERTYPE_APPLETALK, 0x0029],
  [ETHERTYPE_XNS, 0x0025],
  [SAP_OSI, 0x0023],
  [SAP_SPANNING_TREE, 0x0031],
  [SAP_IPX, 0x002b],
])

export function isPppType(protocol: number, type: Field): Condition {
  return equals(type, PPP_TYPES.get(protocol) ?? protocol)
}

/** 802.2 SNAP (RFC 1042): AA AA 03, an organization, a type. The rear first, as libpcap looks. */
function snap(payload: Payload, organization: number, type: number): Condition {
  return all(
    equals(payload(4, 4), (organization & 0xffff) * 0x1_0000 + type),
    equals(payload(0, 4), 0xaaaa_0300 + (organization >>> 16)),
  )
}
