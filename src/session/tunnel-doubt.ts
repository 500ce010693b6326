import { u8, u16, u32 } from '../wire/bytes.js'
import { ETHERNET_HEADER_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import type { Frame } from '../wire/frame.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'

/**
 * What tells a tunnel from other datagrams that go to its port.
 *
 * A receiver has the port to itself. In a capture file a datagram to port 4789 may
 * as well be the answer to a client that happened to ask from there.
 */

/** EtherTypes in use (IEEE and IANA registries, and what switches send without asking them). */
// biome-ignore format: a table
const ETHERTYPES: ReadonlySet<number> = new Set([
  ETHERTYPE_IPV4, 0x0806, 0x0842, 0x22ea, 0x22f0, 0x22f3, 0x22f4, 0x6002, 0x6003, 0x6004,
  0x6558, 0x8035, 0x809b, 0x80f3, 0x8100, 0x8137, 0x8204, ETHERTYPE_IPV6, 0x8808, 0x8809,
  0x8819, 0x8847, 0x8848, 0x8863, 0x8864, 0x8870, 0x887b, 0x888e, 0x8892, 0x8899, 0x889a,
  0x88a2, 0x88a4, 0x88a8, 0x88ab, 0x88b5, 0x88b6, 0x88b7, 0x88b8, 0x88b9, 0x88ba, 0x88bf,
  0x88c7, 0x88ca, 0x88cc, 0x88cd, 0x88dc, 0x88e1, 0x88e3, 0x88e5, 0x88e7, 0x88ee, 0x88f5,
  0x88f6, 0x88f7, 0x88f8, 0x88fb, 0x8902, 0x8903, 0x8906, 0x8909, 0x890d, 0x8914, 0x8915,
  0x8917, 0x891d, 0x8926, 0x892f, 0x893a, 0x893f, 0x8940, 0x8946, 0x8947, 0x894f, 0x9000,
  0x9100, 0x9200, 0x9300, 0xf1c1,
])

/** Highest length of an 802.3 frame; above, the field is a type. */
const LENGTH_MAX = 1500
/** Bytes that are padded to where there are fewer. */
const PAYLOAD_MIN = 46

/** Whether `frame` can be what its link type says, as far as it was captured. Too little to tell is no. */
export function makesSense(frame: Packet): boolean {
  const { bytes, start, end } = frame
  if (frame.linkType !== LINKTYPE_ETHERNET) {
    if (start >= end) return false
    return u8(bytes, start) >>> 4 === 6 || isIpv4(bytes, start, end)
  }
  const at = start + ETHERNET_HEADER_LEN
  if (at > end) return false
  const type = u16(bytes, at - 2)
  if (type <= LENGTH_MAX) {
    const length = frame.originalLength - ETHERNET_HEADER_LEN
    return length === type || (length === PAYLOAD_MIN && type < PAYLOAD_MIN)
  }
  if (type === ETHERTYPE_IPV4) return at === end || isIpv4(bytes, at, end)
  if (type === ETHERTYPE_IPV6) return at === end || u8(bytes, at) >>> 4 === 6
  return ETHERTYPES.has(type)
}

function isIpv4(bytes: Uint8Array, at: number, end: number): boolean {
  const first = u8(bytes, at)
  if (first >>> 4 !== 4 || (first & 0x0f) < 5) return false
  if (end - at < 4) return true
  const length = u16(bytes, at + 2)
  return length === 0 || length >= (first & 0x0f) * 4
}

/** Conversations remembered; the one noted first makes room. */
const ENTRIES = 256
/** For so long; then its ports may be another's. */
const SECONDS = 180
/** Words: IP version and both ports, then the addresses; of IPv4 the first word of each. */
const WORDS = 10
const VERSION = 0
const PORTS = 1
const SOURCE = 2
const DESTINATION = 6

/**
 * Conversations with a client that uses the port of a tunnel as its own: what goes to
 * that client is an answer. One pass knows those whose other direction came before.
 */
export class Conversations {
  readonly #entries = new Uint32Array(ENTRIES * WORDS)
  readonly #seconds = new Float64Array(ENTRIES)
  #used = 0
  #next = 0

  get isEmpty(): boolean {
    return this.#used === 0
  }

  /** Takes a datagram from the port of a tunnel to one that is none. */
  note(frame: Frame, seconds: number): void {
    let index = this.#find(frame, frame.srcAt, frame.dstAt, portsOf(frame.srcPort, frame.dstPort))
    if (index < 0) {
      index = this.#next
      this.#next = (this.#next + 1) % ENTRIES
      if (this.#used < ENTRIES) this.#used++
      this.#put(index * WORDS, frame)
    }
    this.#seconds[index] = seconds
  }

  /** Whether the other direction of a datagram was noted, not long before or after it. */
  isAnswer(frame: Frame, seconds: number): boolean {
    if (this.#used === 0) return false
    const ports = portsOf(frame.dstPort, frame.srcPort)
    const index = this.#find(frame, frame.dstAt, frame.srcAt, ports)
    return index >= 0 && Math.abs(seconds - this.#seconds[index]!) <= SECONDS
  }

  #put(at: number, { bytes, ipVersion, srcAt, dstAt, srcPort, dstPort }: Frame): void {
    const entries = this.#entries
    entries[at + VERSION] = ipVersion
    entries[at + PORTS] = portsOf(srcPort, dstPort)
    for (let word = 0; word < (ipVersion === 4 ? 1 : 4); word++) {
      entries[at + SOURCE + word] = u32(bytes, srcAt + word * 4)
      entries[at + DESTINATION + word] = u32(bytes, dstAt + word * 4)
    }
  }

  #find({ bytes, ipVersion }: Frame, srcAt: number, dstAt: number, ports: number): number {
    const entries = this.#entries
    const source = u32(bytes, srcAt)
    const words = ipVersion === 4 ? 1 : 4
    for (let index = 0; index < this.#used; index++) {
      const at = index * WORDS
      if (entries[at + PORTS] !== ports || entries[at + SOURCE] !== source) continue
      if (entries[at + VERSION] !== ipVersion) continue
      let word = 0
      while (
        word < words &&
        entries[at + SOURCE + word] === u32(bytes, srcAt + word * 4) &&
        entries[at + DESTINATION + word] === u32(bytes, dstAt + word * 4)
      ) {
        word++
      }
      if (word === words) return index
    }
    return -1
  }
}

function portsOf(source: number, destination: number): number {
  return ((source << 16) | destination) >>> 0
}
