import {
  ETHERNET_HEADER_LEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  emitEthernet,
} from '../wire/ethernet.js'
import { Frame } from '../wire/frame.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import { emitVxlan, VXLAN_HEADER_LEN } from '../wire/vxlan.js'
import { flowHash } from './flow-hash.js'
import type { OuterSockets } from './outer-sockets.js'
import type { Pace } from './pace.js'

/**
 * Why a packet was not sent, beside the error codes of OuterSockets:
 * `not-ethernet`, captured from a link layer of another kind, with no IP packet
 * in it to put into a frame; `interrupted`, it was still to be sent when all was
 * to stop.
 */
export type Unsent = 'not-ethernet' | 'interrupted'

export interface VxlanSenderOptions {
  vni: number
  /** Octets kept behind the VXLAN header, as `PacketLength` of a mirror session; undefined for all. */
  packetLength: number | undefined
  /** All is to stop. */
  signal: AbortSignal
}

/**
 * MAC addresses of frames made for packets that were captured without any: both
 * locally administered, so that no real interface has them.
 */
const MADE_DESTINATION = 0x0200_0000_0002
const MADE_SOURCE = 0x0200_0000_0001

const BATCH_LEN_FIRST = 1024 * 1024

/**
 * Mirrors packets as AWS Traffic Mirroring does: each frame, cut to the packet
 * length, behind a VXLAN header in a datagram of its own.
 *
 * Packets are copied with `take` into a batch, which `drain` sends. The batch
 * grows with what is taken, so the two are to alternate.
 */
export class VxlanSender {
  /** Packets taken. */
  packets = 0
  /** Of these, longer than the packet length. */
  cut = 0
  readonly unsent = new Map<Unsent, number>()

  readonly #sockets: OuterSockets
  readonly #pace: Pace
  readonly #options: VxlanSenderOptions
  readonly #frame = new Frame()

  /** Datagrams one behind the other, ready to be sent. */
  #batch: Buffer = Buffer.allocUnsafe(BATCH_LEN_FIRST)
  #used = 0
  readonly #starts: number[] = []
  readonly #flows: number[] = []
  readonly #seconds: number[] = []
  readonly #nanoseconds: number[] = []
  #draining: Promise<boolean> | undefined

  constructor(sockets: OuterSockets, pace: Pace, options: VxlanSenderOptions) {
    this.#sockets = sockets
    this.#pace = pace
    this.#options = options
  }

  /** Copies the packet into the batch. Where it was captured without an Ethernet header, it gets one. */
  take(packet: Packet): void {
    this.packets++
    const { bytes, start, end, linkType } = packet
    const frame = this.#frame
    // What the frame is only decides its port: a malformed one is mirrored like any other.
    parseFrame(bytes, start, end, linkType, packet.originalLength, frame)
    const hasHeader = linkType === LINKTYPE_ETHERNET
    if (!hasHeader && frame.ipVersion === 0) {
      this.#countUnsent('not-ethernet', 1)
      return
    }

    const from = hasHeader ? start : frame.ipAt
    const madeLen = hasHeader ? 0 : ETHERNET_HEADER_LEN
    const length = madeLen + end - from
    const keep = Math.min(length, this.#options.packetLength ?? length)
    if (keep < length) this.cut++

    // Room for the made header even where it is cut.
    this.#reserve(VXLAN_HEADER_LEN + madeLen + keep)
    const at = emitVxlan(this.#options, this.#batch, this.#used)
    if (!hasHeader) this.#makeHeader(at)
    this.#batch.set(bytes.subarray(from, from + Math.max(0, keep - madeLen)), at + madeLen)

    this.#starts.push(this.#used)
    this.#flows.push(flowHash(frame))
    this.#seconds.push(packet.seconds)
    this.#nanoseconds.push(packet.nanoseconds)
    this.#used = at + keep
  }

  /**
   * Sends what was taken, at its pace; false when all is to stop. Nothing may be
   * taken meanwhile; a second call waits for the first.
   */
  drain(): Promise<boolean> {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined
    })
    return this.#draining
  }

  async #drain(): Promise<boolean> {
    const { signal } = this.#options
    const count = this.#starts.length
    let index = 0
    for (; index < count; index++) {
      const pause = this.#pace.wait(this.#seconds[index]!, this.#nanoseconds[index]!)
      if (pause !== undefined) await pause
      const room = this.#sockets.room()
      if (room !== undefined) await room
      if (signal.aborted) break
      const end = index + 1 < count ? this.#starts[index + 1]! : this.#used
      this.#sockets.send(this.#batch, this.#starts[index]!, end, this.#flows[index]!)
    }
    if (index < count) this.#countUnsent('interrupted', count - index)

    // The kernel may still be reading from the batch.
    await this.#sockets.settled()
    this.#used = 0
    for (const column of [this.#starts, this.#flows, this.#seconds, this.#nanoseconds]) {
      column.length = 0
    }
    return !signal.aborted
  }

  #makeHeader(at: number): void {
    const type = this.#frame.ipVersion === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6
    const addresses = { destination: MADE_DESTINATION, source: MADE_SOURCE }
    emitEthernet({ ...addresses, type }, this.#batch, at)
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#batch.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#batch.length, this.#used + length))
    this.#batch.copy(larger, 0, 0, this.#used)
    this.#batch = larger
  }

  #countUnsent(reason: Unsent, packets: number): void {
    this.unsent.set(reason, (this.unsent.get(reason) ?? 0) + packets)
  }
}
