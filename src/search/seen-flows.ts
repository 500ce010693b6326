import { i32, u8, u16 } from '../wire/bytes.js'
import { ETHERNET_HEADER_LEN, ETHERNET_TYPE, ETHERTYPE_IPV4 } from '../wire/ethernet.js'
import {
  IPV4_DESTINATION,
  IPV4_FLAGS_OFFSET,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_HEADER_LEN,
  IPV4_MORE_FRAGMENTS,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.js'
import { DESTINATION_PORT, PORTS_LEN } from '../wire/ports.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'

const IP_AT = ETHERNET_HEADER_LEN
const PORTS_AT = IP_AT + IPV4_HEADER_LEN
const VERSION_AND_LENGTH = 0x45

/** A power of two. Flows that share a slot only cost their keys again. */
const SLOTS = 4096
/** Words of a slot: the block it is of, Ethernet header in part, addresses, ports and protocol. */
const WIDTH = 8

/** Not of the kind that is remembered. */
export const OTHER = 0
/** Its like has been in the block already, with the same keys. */
export const SEEN = 1
const NEW = 2

export type Look = typeof OTHER | typeof SEEN | typeof NEW

/**
 * Which flows a block has had, of the frames that most traffic is of: Ethernet with TCP or UDP in
 * IPv4 without options, whole. All that their keys are made of is compared, so that one that is
 * taken for seen has no key that the block has not.
 */
export class SeenFlows {
  readonly #words = new Int32Array(SLOTS * WIDTH)

  /** What an Ethernet frame is in a block, which has a number of its own above zero. */
  look(bytes: Uint8Array, start: number, end: number, block: number): Look {
    if (end - start < PORTS_AT + PORTS_LEN) return OTHER
    if (u16(bytes, start + ETHERNET_TYPE) !== ETHERTYPE_IPV4) return OTHER
    const ipAt = start + IP_AT
    if (u8(bytes, ipAt) !== VERSION_AND_LENGTH) return OTHER
    const parts = u16(bytes, ipAt + IPV4_FLAGS_OFFSET)
    if ((parts & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET_MASK)) !== 0) return OTHER
    const protocol = u8(bytes, ipAt + IPV4_PROTOCOL)
    if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return OTHER

    const source = i32(bytes, ipAt + IPV4_SOURCE)
    const destination = i32(bytes, ipAt + IPV4_DESTINATION)
    const ports = i32(bytes, start + PORTS_AT)
    const hash = Math.imul(source ^ Math.imul(destination, 0x85eb_ca6b) ^ ports, 0x9e37_79b1)
    const at = (hash >>> 20) * WIDTH
    const words = this.#words
    const mac0 = i32(bytes, start)
    const mac1 = i32(bytes, start + 4)
    const mac2 = i32(bytes, start + 8)
    const isSeen =
      words[at] === block &&
      words[at + 1] === source &&
      words[at + 2] === destination &&
      words[at + 3] === ports &&
      words[at + 4] === protocol &&
      words[at + 5] === mac0 &&
      words[at + 6] === mac1 &&
      words[at + 7] === mac2
    if (isSeen) return SEEN
    words[at] = block
    words[at + 1] = source
    words[at + 2] = destination
    words[at + 3] = ports
    words[at + 4] = protocol
    words[at + 5] = mac0
    words[at + 6] = mac1
    words[at + 7] = mac2
    return NEW
  }
}

/** Whether a frame that is SEEN or NEW is a datagram from or to one of two ports. */
export function hasUdpPort(bytes: Uint8Array, start: number, one: number, other: number): boolean {
  if (u8(bytes, start + IP_AT + IPV4_PROTOCOL) !== PROTOCOL_UDP) return false
  const source = u16(bytes, start + PORTS_AT)
  const destination = u16(bytes, start + PORTS_AT + DESTINATION_PORT)
  return source === one || source === other || destination === one || destination === other
}
