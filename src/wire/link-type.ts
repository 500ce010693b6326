/**
 * Link types a capture file may announce (tcpdump.org, "Link-layer header
 * types") and that parseFrame can read.
 */
export const LINKTYPE_NULL = 0
/** Ethernet: what VXLAN carries. */
export const LINKTYPE_ETHERNET = 1
export const LINKTYPE_PPP = 9
export const LINKTYPE_PPP_HDLC = 50
/** A PPPoE session without its Ethernet header. */
export const LINKTYPE_PPP_ETHER = 51
/** IPv4 or IPv6 without a link layer: what GENEVE may carry. */
export const LINKTYPE_RAW = 101
/** Cisco's HDLC. */
export const LINKTYPE_C_HDLC = 104
export const LINKTYPE_LOOP = 108
export const LINKTYPE_LINUX_SLL = 113
/** As pppd writes it: the direction in the place of the address. */
export const LINKTYPE_PPP_PPPD = 166
/** A byte for the direction before PPP. */
export const LINKTYPE_PPP_WITH_DIRECTION = 204
export const LINKTYPE_IPV4 = 228
export const LINKTYPE_IPV6 = 229
export const LINKTYPE_LINUX_SLL2 = 276

/** DLT_RAW values that older systems wrote into files instead of LINKTYPE_RAW. */
const LINKTYPE_RAW_BSD = 12
const LINKTYPE_RAW_OPENBSD = 14

const READABLE: ReadonlySet<number> = new Set([
  LINKTYPE_NULL,
  LINKTYPE_ETHERNET,
  LINKTYPE_PPP,
  LINKTYPE_PPP_HDLC,
  LINKTYPE_PPP_ETHER,
  LINKTYPE_C_HDLC,
  LINKTYPE_PPP_PPPD,
  LINKTYPE_PPP_WITH_DIRECTION,
  LINKTYPE_RAW_BSD,
  LINKTYPE_RAW_OPENBSD,
  LINKTYPE_RAW,
  LINKTYPE_LOOP,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
  LINKTYPE_LINUX_SLL2,
])

/** Names for messages, of the types people meet; others are told by number. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [LINKTYPE_NULL, 'NULL'],
  [LINKTYPE_ETHERNET, 'ETHERNET'],
  [6, 'IEEE802_5'],
  [LINKTYPE_PPP, 'PPP'],
  [LINKTYPE_RAW_BSD, 'RAW'],
  [LINKTYPE_RAW_OPENBSD, 'RAW'],
  [LINKTYPE_PPP_HDLC, 'PPP_HDLC'],
  [LINKTYPE_PPP_ETHER, 'PPP_ETHER'],
  [LINKTYPE_RAW, 'RAW'],
  [LINKTYPE_C_HDLC, 'C_HDLC'],
  [105, 'IEEE802_11'],
  [LINKTYPE_LOOP, 'LOOP'],
  [LINKTYPE_LINUX_SLL, 'LINUX_SLL'],
  [127, 'IEEE802_11_RADIOTAP'],
  [147, 'USER0'],
  [LINKTYPE_PPP_PPPD, 'PPP_PPPD'],
  [187, 'BLUETOOTH_HCI_H4'],
  [189, 'USB_LINUX'],
  [195, 'IEEE802_15_4_WITHFCS'],
  [LINKTYPE_PPP_WITH_DIRECTION, 'PPP_WITH_DIR'],
  [220, 'USB_LINUX_MMAPPED'],
  [LINKTYPE_IPV4, 'IPV4'],
  [LINKTYPE_IPV6, 'IPV6'],
  [239, 'NFLOG'],
  [249, 'USBPCAP'],
  [LINKTYPE_LINUX_SLL2, 'LINUX_SLL2'],
])

/** Whether parseFrame reads frames of this link type. */
export function isReadableLinkType(linkType: number): boolean {
  return READABLE.has(linkType)
}

/** Such as `IEEE802_11 (105)`, for messages. */
export function linkTypeName(linkType: number): string {
  return NAMES.has(linkType) ? shortLinkTypeName(linkType) : `link type ${linkType}`
}

/** The same behind the words "link type". */
export function shortLinkTypeName(linkType: number): string {
  const name = NAMES.get(linkType)
  return name === undefined ? `${linkType}` : `${name} (${linkType})`
}

/** Whether the first byte is that of an IP header. */
export function isRawIp(linkType: number): boolean {
  return (
    linkType === LINKTYPE_RAW ||
    linkType === LINKTYPE_IPV4 ||
    linkType === LINKTYPE_IPV6 ||
    linkType === LINKTYPE_RAW_BSD ||
    linkType === LINKTYPE_RAW_OPENBSD
  )
}
