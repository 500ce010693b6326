import { type Libc, PACKET_AUXDATA, SOL_PACKET } from '../../sys/libc.js'
import {
  allocateSlots,
  CONTROL_LEN,
  MESSAGE_LEN,
  RECEIVED_LEN,
  type SlotMemory,
  wordsOf,
} from '../../sys/mmsghdr.js'
import { putU16 } from '../../wire/bytes.js'
import { ETHERTYPE_VLAN, VLAN_TAG_LEN } from '../../wire/ethernet.js'
import { LINKTYPE_ETHERNET } from '../../wire/link-type.js'
import type { Packet } from '../../wire/packet.js'

/**
 * The memory one recvmmsg(2) on a packet socket fills, allocated once. Beside the frame
 * (packet(7)), struct sockaddr_ll:
 *
 *      0  family   2  protocol   4  interface   8  hardware type   10  packet type   11 …
 *
 * and two control messages, SCM_TIMESTAMPNS and PACKET_AUXDATA:
 *
 *      0  length   8  level   12  type   16  seconds   24  nanoseconds
 *     32  length  40  level   44  type   48  status    52  length on the wire
 *     56  bytes captured     60  offsets of link and network header
 *     64  VLAN tag (16 bits)  66  its type
 */
const ADDRESS_LEN = 20
const ADDRESS_TYPES = 8
const CONTROL_SPACE = 72
const SECONDS = 16
const NANOSECONDS = 24
const AUX_LEVEL = 40
const AUX_TYPE = 44
const AUX_STATUS = 48
const AUX_WIRE_LEN = 52
const AUX_VLAN = 64

const STATUS_VLAN = 1 << 4
const STATUS_VLAN_TYPE = 1 << 6

const ORIGIN_LEN = 128
const ORIGIN_CONTROL = 32

/** In front of each frame: a VLAN tag goes there, and the first line of the frame stays whole. */
const HEADROOM = 64
/** What MessageBatch says of cache lines. */
const STAGGER = 5 * 64
/** Frames put together by offloads are shorter but for IPv6 jumbograms (BIG TCP), which are cut. */
const FRAME_SLOT_LEN = 65_536 + 64

/** After the two hardware addresses. */
const TAG_AT = 12

/** PACKET_HOST … PACKET_OUTGOING of linux/if_packet.h. */
export const PACKET_OTHERHOST = 3
export const PACKET_OUTGOING = 4

export class PacketBatch {
  /** What recvmmsg takes. */
  readonly messages: Buffer
  readonly slots: number
  readonly #arena: Buffer
  readonly #stride: number
  /** Referred to by pointers alone; held here so that it lives. */
  readonly #memory: SlotMemory
  readonly #messageWords: Uint32Array
  readonly #originWords: Uint32Array

  constructor(libc: Libc, slots: number, slotBytes: number = FRAME_SLOT_LEN) {
    this.slots = slots
    this.#stride = HEADROOM + slotBytes + STAGGER
    this.#memory = allocateSlots(libc, {
      slots,
      stride: this.#stride,
      headroom: HEADROOM,
      slotBytes,
      originLen: ORIGIN_LEN,
      nameLen: ADDRESS_LEN,
      controlAt: ORIGIN_CONTROL,
      controlLen: CONTROL_SPACE,
    })
    this.messages = this.#memory.messages
    this.#arena = this.#memory.arena
    this.#messageWords = wordsOf(this.messages)
    this.#originWords = wordsOf(this.#memory.origins)
  }

  /** PACKET_… of the frame in `slot`. */
  packetType(slot: number): number {
    return (this.#originWords[(slot * ORIGIN_LEN + ADDRESS_TYPES) >>> 2]! >>> 16) & 0xff
  }

  /**
   * Makes `out`, whose link type is set, show the frame in `slot` as it was on the wire: the
   * VLAN tag that the kernel takes off and tells beside the frame is put back.
   *
   * The kernel writes back how much it used of name and control messages, the same each time.
   */
  show(slot: number, out: Packet): void {
    const words = this.#messageWords
    const message = (slot * MESSAGE_LEN) >>> 2
    const start = slot * this.#stride + HEADROOM
    const captured = words[message + (RECEIVED_LEN >>> 2)]!
    out.bytes = this.#arena
    out.start = start
    out.end = start + captured
    out.originalLength = captured

    const control = message + (CONTROL_LEN >>> 2)
    const origins = this.#originWords
    const at = (slot * ORIGIN_LEN + ORIGIN_CONTROL) >>> 2
    const complete =
      words[control] === CONTROL_SPACE &&
      origins[at + (AUX_LEVEL >>> 2)] === SOL_PACKET &&
      origins[at + (AUX_TYPE >>> 2)] === PACKET_AUXDATA
    if (!complete) {
      words[control] = CONTROL_SPACE
      const now = Date.now()
      out.seconds = Math.floor(now / 1000)
      out.nanoseconds = (now % 1000) * 1_000_000
      return
    }
    // The upper half of the seconds is zero until 2106.
    out.seconds = origins[at + (SECONDS >>> 2)]!
    out.nanoseconds = origins[at + (NANOSECONDS >>> 2)]!
    out.originalLength = origins[at + (AUX_WIRE_LEN >>> 2)]!
    const status = origins[at + (AUX_STATUS >>> 2)]!
    const vlan = origins[at + (AUX_VLAN >>> 2)]!
    // Of kernels before 3.0 a tag of 0 cannot be told from none.
    if ((status & STATUS_VLAN) !== 0 || (vlan & 0xffff) !== 0) {
      const type = (status & STATUS_VLAN_TYPE) !== 0 ? vlan >>> 16 : ETHERTYPE_VLAN
      if (out.linkType === LINKTYPE_ETHERNET && captured >= TAG_AT) this.#putTag(out, type, vlan)
    }
  }

  #putTag(out: Packet, type: number, tag: number): void {
    const from = out.start
    const start = from - VLAN_TAG_LEN
    this.#arena.copyWithin(start, from, from + TAG_AT)
    putU16(this.#arena, start + TAG_AT, type)
    putU16(this.#arena, start + TAG_AT + 2, tag & 0xffff)
    out.start = start
    out.originalLength += VLAN_TAG_LEN
  }
}
