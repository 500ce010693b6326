import { putU8, putU16, u8, u16 } from './bytes.js'
import type { Frame } from './frame.js'
import {
  IPV4_FLAGS_OFFSET,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_MORE_FRAGMENTS,
  IPV4_PROTOCOL,
  IPV4_TOTAL_LENGTH,
} from './ipv4.js'
import {
  IPV6_FRAGMENT_HEADER_LEN,
  IPV6_FRAGMENT_OFFSET,
  IPV6_FRAGMENT_OFFSET_MASK,
  IPV6_HEADER_LEN,
  IPV6_MORE_FRAGMENTS,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
} from './ipv6.js'
import { PROTOCOL_FRAGMENT } from './protocol.js'

/** Which part of an IP packet a frame carries. */
export class Fragment {
  /** Bytes of the packet's payload in front of it. */
  offset = 0
  /** Bytes of payload on the wire; where they begin in the frame. */
  length = 0
  dataAt = 0
  more = false
  /** Protocol of the payload, by this fragment; in IPv6 the fragment header's next header. */
  protocol = 0
  /** Bytes in front of the payload that the packet had before it was cut: all but IPv6's fragment header. */
  headerLength = 0
  /** IPv6: which of them named the fragment header. */
  nextHeaderAt = 0
}

/** Reads where the part in `frame` belongs, which has been parsed and is a fragment. */
export function readFragment({ bytes, ipVersion, ipAt, ipLength }: Frame, out: Fragment): void {
  if (ipVersion === 4) {
    const word = u16(bytes, ipAt + IPV4_FLAGS_OFFSET)
    out.headerLength = (u8(bytes, ipAt) & 0x0f) * 4
    out.dataAt = ipAt + out.headerLength
    out.length = ipLength - out.headerLength
    out.offset = (word & IPV4_FRAGMENT_OFFSET_MASK) * 8
    out.more = (word & IPV4_MORE_FRAGMENTS) !== 0
    out.protocol = u8(bytes, ipAt + IPV4_PROTOCOL)
    return
  }
  // The parser has walked this chain to the fragment header and found it whole.
  let at = ipAt + IPV6_HEADER_LEN
  let nextHeaderAt = ipAt + IPV6_NEXT_HEADER
  while (u8(bytes, nextHeaderAt) !== PROTOCOL_FRAGMENT) {
    nextHeaderAt = at
    at += (u8(bytes, at + 1) + 1) * 8
  }
  const word = u16(bytes, at + IPV6_FRAGMENT_OFFSET)
  out.headerLength = at - ipAt
  out.nextHeaderAt = nextHeaderAt - ipAt
  out.dataAt = at + IPV6_FRAGMENT_HEADER_LEN
  out.length = ipLength - out.headerLength - IPV6_FRAGMENT_HEADER_LEN
  out.offset = word & IPV6_FRAGMENT_OFFSET_MASK
  out.more = (word & IPV6_MORE_FRAGMENTS) !== 0
  out.protocol = u8(bytes, at)
}

/** Makes the header at `bytes[at]`, copied from a first fragment, that of the whole packet. An IPv4 checksum stays wrong. */
export function unfragmentHeader(
  bytes: Uint8Array,
  at: number,
  fragment: Pick<Fragment, 'headerLength' | 'nextHeaderAt' | 'protocol'>,
  version: number,
  payloadLength: number,
): void {
  if (version === 4) {
    putU16(bytes, at + IPV4_TOTAL_LENGTH, fragment.headerLength + payloadLength)
    putU16(bytes, at + IPV4_FLAGS_OFFSET, 0)
  } else {
    const extensions = fragment.headerLength - IPV6_HEADER_LEN
    putU16(bytes, at + IPV6_PAYLOAD_LENGTH, extensions + payloadLength)
    putU8(bytes, at + fragment.nextHeaderAt, fragment.protocol)
  }
}
