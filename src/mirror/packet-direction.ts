import { MAPPED_WORD, parseAddress, parseMac } from '../wire/address.js'
import { u8, u16, u32 } from '../wire/bytes.js'
import { MAC_GROUP_BIT } from '../wire/ethernet.js'
import {
  ABSENT,
  DIRECTION_UNKNOWN,
  EGRESS,
  type Frame,
  INGRESS,
  PASSING,
  type PacketDirection,
} from '../wire/frame.js'
import type { NetworkInterface } from './resources.js'

const DESTINATION_MAC = 0
const SOURCE_MAC = 6

const ADDRESS_WORDS = 4

/**
 * Tells the direction of packets that were captured without one, by the
 * addresses of a known interface.
 *
 * Its MAC address decides where the frame carries it, as only that is right for
 * traffic which the interface forwards for others; else its IP addresses. What it
 * sends to itself leaves it. A frame to a group that it did not send reaches it.
 * All else passes by. Of an interface without addresses every direction is unknown.
 */
export class InterfaceMatcher {
  readonly #macHigh: number
  readonly #macLow: number
  readonly #hasMac: boolean
  /** Four words an address, IPv4 as ::ffff:a.b.c.d. */
  readonly #addresses: Int32Array

  /** The texts of `networkInterface` must be addresses: whoever made it has seen to that. */
  constructor(networkInterface: Pick<NetworkInterface, 'addresses' | 'macAddress'>) {
    const { addresses, macAddress } = networkInterface
    const mac = macAddress === undefined ? undefined : parseMac(macAddress)
    this.#hasMac = mac !== undefined
    this.#macHigh = Math.floor((mac ?? 0) / 0x1_0000_0000)
    this.#macLow = (mac ?? 0) % 0x1_0000_0000
    this.#addresses = new Int32Array(
      addresses.flatMap((address) => [...(parseAddress(address) ?? [])]),
    )
  }

  /** `frame` as parseFrame left it, fault or not. */
  directionOf(frame: Frame): PacketDirection {
    if (!this.#hasMac && this.#addresses.length === 0) return DIRECTION_UNKNOWN
    const mac = this.#hasMac && frame.ethernetAt !== ABSENT
    if (mac) {
      if (this.#isMac(frame, SOURCE_MAC)) return EGRESS
      if (this.#isMac(frame, DESTINATION_MAC)) return INGRESS
    }
    if (frame.ipVersion !== 0) {
      if (this.#isAddress(frame, frame.srcAt)) return EGRESS
      if (this.#isAddress(frame, frame.dstAt)) return INGRESS
    }
    return mac && (u8(frame.bytes, frame.ethernetAt) & MAC_GROUP_BIT) !== 0 ? INGRESS : PASSING
  }

  #isMac(frame: Frame, offset: number): boolean {
    const at = frame.ethernetAt + offset
    return u16(frame.bytes, at) === this.#macHigh && u32(frame.bytes, at + 2) === this.#macLow
  }

  #isAddress(frame: Frame, at: number): boolean {
    const { bytes, ipVersion } = frame
    const word0 = ipVersion === 6 ? u32(bytes, at) | 0 : 0
    const word1 = ipVersion === 6 ? u32(bytes, at + 4) | 0 : 0
    const word2 = ipVersion === 6 ? u32(bytes, at + 8) | 0 : MAPPED_WORD
    const word3 = u32(bytes, ipVersion === 6 ? at + 12 : at) | 0
    const addresses = this.#addresses
    for (let index = 0; index < addresses.length; index += ADDRESS_WORDS) {
      if (
        addresses[index + 3] === word3 &&
        addresses[index + 2] === word2 &&
        addresses[index + 1] === word1 &&
        addresses[index] === word0
      ) {
        return true
      }
    }
    return false
  }
}
