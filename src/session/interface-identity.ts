import { MAPPED_WORD } from '../wire/address.js'
import { u16, u32 } from '../wire/bytes.js'
import { MAC_GROUP_BIT } from '../wire/ethernet.js'
import { ABSENT, DIRECTION_UNKNOWN, EGRESS, type Frame, INGRESS } from '../wire/frame.js'

/** What a configuration says of an interface. */
export interface KnownInterface {
  /** Four words each, IPv4 as ::ffff:a.b.c.d; the primary one first. */
  readonly addresses: readonly Uint32Array[]
  /** As a 48-bit number. */
  readonly mac: number | undefined
}

/**
 * Who the mirrored interface is, learned from its own frames, and so which way
 * each of them ran.
 *
 * The outer source of a mirrored packet is the interface's primary address, so a
 * frame from that address leaves it and a frame to that address enters. For other
 * addresses of the interface there is its MAC, the one that stands in every
 * frame of the session (AWS, "Traffic Mirroring packet format"; observed in real
 * mirrored traffic without exception). A session whose frames contradict that was
 * not taken at one interface, and then only its addresses are believed.
 */
export class InterfaceIdentity {
  /** A frame had the outer source as its inner address: it is the interface's, no translator's. */
  primaryConfirmed = false

  #primary: Uint32Array | null
  /** Other addresses that it is known to have. */
  readonly #others: readonly Uint32Array[]
  /** The MACs of which one is the interface's: 16 and 32 bits each. */
  #candidates = 0
  readonly #high = [0, 0]
  readonly #low = [0, 0]
  #contradicted = false

  /** `primary`: outer source, four words, IPv4 as ::ffff:a.b.c.d; null where it is not known. */
  constructor(primary: Uint32Array | null, known?: KnownInterface) {
    this.#primary = primary ?? known?.addresses[0] ?? null
    this.#others = (known?.addresses ?? []).filter((address) => address !== this.#primary)
    this.primaryConfirmed = known !== undefined && known.addresses.length > 0
    if (known?.mac === undefined) return
    this.#add(Math.floor(known.mac / 0x1_0000_0000), known.mac % 0x1_0000_0000)
  }

  /** Takes the outer source of its packets for its primary address, unless that is known. */
  learnPrimary(source: Uint32Array): void {
    this.#primary ??= source
  }

  /** The interface's MAC as a 48-bit number, once known. */
  get mac(): number | undefined {
    const isKnown = this.#candidates === 1 && !this.#contradicted
    return isKnown ? this.#high[0]! * 0x1_0000_0000 + this.#low[0]! : undefined
  }

  /**
   * Judges which way a frame ran, learns from it who the interface is, and notes both on the
   * frame. A mirrored frame is always from or to the interface, so it never passes by.
   */
  observe(frame: Frame): void {
    const egress = frame.ipVersion === 0 ? undefined : this.#isEgress(frame)
    if (egress === undefined) frame.direction = DIRECTION_UNKNOWN
    else frame.direction = egress ? EGRESS : INGRESS
    frame.isInterfaceConfirmed = this.primaryConfirmed
  }

  #isEgress(frame: Frame): boolean | undefined {
    let from = this.#isAt(frame, frame.srcAt, this.#primary)
    let to = this.#isAt(frame, frame.dstAt, this.#primary)
    if (from || to) this.primaryConfirmed = true
    for (let index = 0; index < this.#others.length; index++) {
      from ||= this.#isAt(frame, frame.srcAt, this.#others[index]!)
      to ||= this.#isAt(frame, frame.dstAt, this.#others[index]!)
    }
    const byAddress = from === to ? undefined : from
    const byMac = this.#isEgressByMac(frame, byAddress)
    return byAddress ?? byMac
  }

  #isAt(frame: Frame, at: number, address: Uint32Array | null): boolean {
    if (address === null) return false
    const { bytes } = frame
    if (frame.ipVersion === 4) {
      return (
        address[2] === MAPPED_WORD &&
        address[0] === 0 &&
        address[1] === 0 &&
        u32(bytes, at) === address[3]
      )
    }
    for (let word = 0; word < 4; word++) {
      if (u32(bytes, at + word * 4) !== address[word]) return false
    }
    return true
  }

  /** Learns from the frame's MACs, and judges by them where the interface's is known. */
  #isEgressByMac(frame: Frame, byAddress: boolean | undefined): boolean | undefined {
    const at = frame.ethernetAt
    if (at === ABSENT || this.#contradicted) return undefined
    const { bytes } = frame
    const toGroup = (bytes[at]! & MAC_GROUP_BIT) !== 0
    const isDestination = !toGroup && this.#has(u16(bytes, at), u32(bytes, at + 2))
    const isSource = this.#has(u16(bytes, at + 6), u32(bytes, at + 8))

    if (this.#candidates === 0) {
      // The sender of a multicast frame need not be this interface.
      if (toGroup && byAddress === undefined) return undefined
      if (byAddress !== false) this.#add(u16(bytes, at + 6), u32(bytes, at + 8))
      if (byAddress !== true && !toGroup) this.#add(u16(bytes, at), u32(bytes, at + 2))
      return undefined
    }
    // Both MACs may be common to all frames (interface and router): the address tells which is whose.
    if (isSource && isDestination) {
      if (byAddress !== undefined) this.#keepOnly(byAddress, bytes, at)
      return undefined
    }
    // A group frame that the interface did not send, it received; it does not name it.
    if (toGroup && !isSource) return this.#candidates === 1 ? false : undefined
    if (!isSource && !isDestination) {
      this.#contradicted = true
      return undefined
    }
    if (this.#candidates === 2) this.#keepOnly(isSource, bytes, at)
    return isSource
  }

  #has(high: number, low: number): boolean {
    for (let index = 0; index < this.#candidates; index++) {
      if (this.#low[index] === low && this.#high[index] === high) return true
    }
    return false
  }

  #add(high: number, low: number): void {
    if (this.#has(high, low)) return
    this.#high[this.#candidates] = high
    this.#low[this.#candidates] = low
    this.#candidates++
  }

  #keepOnly(isSource: boolean, bytes: Uint8Array, at: number): void {
    const kept = isSource ? at + 6 : at
    this.#candidates = 0
    this.#add(u16(bytes, kept), u32(bytes, kept + 2))
  }
}
