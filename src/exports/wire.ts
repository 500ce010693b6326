/**
 * Formats as bytes: parsers that fill a view of a header, and emitters that are their inverse.
 * Neither allocates or throws; a parser answers `undefined`, or the name of what is wrong.
 *
 * @module mirrortap/wire
 */

export { formatAddress, formatIpv4, formatIpv6, formatMac, parseAddress } from '../wire/address.js'
export { FAULTS, type Fault } from '../wire/fault.js'
export {
  ABSENT,
  DIRECTION_UNKNOWN,
  EGRESS,
  FRAGMENT_FIRST,
  FRAGMENT_LATER,
  FRAGMENT_NONE,
  Frame,
  INGRESS,
  PASSING,
  type PacketDirection,
} from '../wire/frame.js'
export { emitGeneve, GENEVE_PORT, Geneve, parseGeneve } from '../wire/geneve.js'
export { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../wire/link-type.js'
export { Packet } from '../wire/packet.js'
export { parseFrame, parsePacket } from '../wire/parse-frame.js'
export {
  emitVxlan,
  parseVxlan,
  VNI_MAX,
  VXLAN_HEADER_LEN,
  VXLAN_PORT,
  type Vxlan,
} from '../wire/vxlan.js'
