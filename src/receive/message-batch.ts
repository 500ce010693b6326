import { AF_INET, type Libc, MSG_TRUNC } from '../sys/libc.js'
import {
  allocateSlots,
  CONTROL_LEN,
  FLAGS,
  MESSAGE_LEN,
  RECEIVED_LEN,
  type SlotMemory,
  wordsOf,
} from '../sys/mmsghdr.js'
import { SOCKADDR_LEN } from '../sys/socket-address.js'
import { MAPPED_WORD } from '../wire/address.js'
import type { Datagram } from '../wire/packet.js'

/**
 * The memory one recvmmsg(2) fills: a message header, a source address, a control message
 * and a slot of payload for each datagram, allocated once.
 *
 * struct cmsghdr with SCM_TIMESTAMPNS, 32 bytes:
 *
 *      0  length   8  level   12  type   16  seconds   24  nanoseconds
 */
const TIMESTAMP_LEN = 32
const TIMESTAMP_SECONDS = 16
const TIMESTAMP_NANOSECONDS = 24

/** A slot's source address and, half a cache line further on, its control message. */
const ORIGIN_LEN = 64
const ORIGIN_CONTROL = 32

/**
 * 64 KiB and five cache lines: an odd number of lines apart, the first lines of the slots
 * (the only ones most datagrams touch) spread over all cache sets. Were they a power of two
 * apart, they would all compete for the same few.
 */
const SLOT_LEN = 65_536
const STAGGER = 5 * 64

export class MessageBatch {
  /** What recvmmsg takes. */
  readonly messages: Buffer
  readonly slots: number
  /** The payloads of all slots. */
  readonly #arena: Buffer
  readonly #stride: number
  /** Referred to by pointers alone; held here so that it lives. */
  readonly #memory: SlotMemory
  readonly #messageWords: Uint32Array
  readonly #originWords: Uint32Array

  /** `slotBytes` is SLOT_LEN, which no UDP datagram exceeds, but for tests of what does not fit. */
  constructor(libc: Libc, slots: number, slotBytes: number = SLOT_LEN) {
    this.slots = slots
    this.#stride = slotBytes + STAGGER
    this.#memory = allocateSlots(libc, {
      slots,
      stride: this.#stride,
      headroom: 0,
      slotBytes,
      originLen: ORIGIN_LEN,
      nameLen: SOCKADDR_LEN,
      controlAt: ORIGIN_CONTROL,
      controlLen: TIMESTAMP_LEN,
    })
    this.messages = this.#memory.messages
    this.#arena = this.#memory.arena
    this.#messageWords = wordsOf(this.messages)
    this.#originWords = wordsOf(this.#memory.origins)
  }

  /**
   * Makes `out` show the datagram in `slot` and readies the slot's header for the next call.
   *
   * The kernel writes back how much of the name and of the control message it used. For the
   * name that is the same each time, so there is room again; for the control message too,
   * unless it had no time to give, which has not been seen.
   */
  show(slot: number, out: Datagram): void {
    const words = this.#messageWords
    const message = (slot * MESSAGE_LEN) >>> 2
    const start = slot * this.#stride
    out.bytes = this.#arena
    out.start = start
    out.end = start + words[message + (RECEIVED_LEN >>> 2)]!
    out.cut = (words[message + (FLAGS >>> 2)]! & MSG_TRUNC) !== 0

    const control = message + (CONTROL_LEN >>> 2)
    if (words[control] === TIMESTAMP_LEN) {
      const origins = this.#originWords
      const time = (slot * ORIGIN_LEN + ORIGIN_CONTROL) >>> 2
      // The upper half of the seconds is zero until 2106.
      out.seconds = origins[time + (TIMESTAMP_SECONDS >>> 2)]!
      out.nanoseconds = origins[time + (TIMESTAMP_NANOSECONDS >>> 2)]!
    } else {
      words[control] = TIMESTAMP_LEN
      const now = Date.now()
      out.seconds = Math.floor(now / 1000)
      out.nanoseconds = (now % 1000) * 1_000_000
    }
    this.#showSource(slot, out)
  }

  #showSource(slot: number, out: Datagram): void {
    const words = this.#originWords
    const name = (slot * ORIGIN_LEN) >>> 2
    const familyAndPort = words[name]!
    out.sourcePort = ((familyAndPort >>> 8) & 0xff00) | (familyAndPort >>> 24)
    if ((familyAndPort & 0xffff) === AF_INET) {
      out.source0 = 0
      out.source1 = 0
      out.source2 = MAPPED_WORD
      out.source3 = swap(words[name + 1]!)
    } else {
      out.source0 = swap(words[name + 2]!)
      out.source1 = swap(words[name + 3]!)
      out.source2 = swap(words[name + 4]!)
      out.source3 = swap(words[name + 5]!)
    }
  }
}

/** Between network order and that of the machines libc.ts admits. */
function swap(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0
}
