import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  ETHERNET_HEADER_LEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  emitEthernet,
} from '../wire/ethernet.js'
import type { Frame, PacketDirection } from '../wire/frame.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import { emitVxlan, VXLAN_HEADER_LEN } from '../wire/vxlan.js'
import { flowHash } from './flow-hash.js'
import type { Outlet } from './outlet.js'
import type { Pace } from './pace.js'
import type { Route } from './route.js'

/**
 * Why a packet was not sent, beside the error codes of its outlet:
 * `not-ethernet`, captured from a link layer of another kind, with no IP packet
 * in it to put into a frame; `interrupted`, it was still to be sent when all was
 * to stop.
 */
type Unsent = 'not-ethernet' | 'interrupted'

/**
 * MAC addresses of frames made for packets that were captured without any: both
 * locally administered, so that no real interface has them.
 */
const MADE_DESTINATION = 0x0200_0000_0002
const MADE_SOURCE = 0x0200_0000_0001

const BATCH_LEN_FIRST = 1024 * 1024

/**
 * Mirrors packets as AWS Traffic Mirroring does: each frame, cut to the packet
 * length, after a VXLAN header in a datagram of its own, along the route of its
 * session.
 *
 * Packets are copied with `take` into a batch, which `drain` sends. The batch
 * grows with what is taken, so the two are to alternate.
 */
export class VxlanSender {
  readonly unsent = new Map<Unsent, number>()

  readonly #pace: Pace
  readonly #signal: AbortSignal

  /** Datagrams one after the other, ready to be sent. */
  #batch: Buffer = Buffer.allocUnsafe(BATCH_LEN_FIRST)
  #used = 0
  readonly #starts: number[] = []
  readonly #routes: Route[] = []
  readonly #flows: number[] = []
  readonly #seconds: number[] = []
  readonly #nanoseconds: number[] = []
  readonly #directions: PacketDirection[] = []
  /** Bytes of the frames on the interface. */
  readonly #lengths: number[] = []

  /** 1 where the datagram is known not to have been sent. */
  readonly #lost: number[] = []

  /** All that were ever sent to. */
  readonly #outlets = new Set<Outlet>()
  readonly #history = new SentHistory()
  /** Tag of the first datagram of the batch: they are numbered through all batches. */
  #firstTag = 0
  #draining: Promise<boolean> | undefined

  /** `signal`: all is to stop. */
  constructor(pace: Pace, signal: AbortSignal) {
    this.#pace = pace
    this.#signal = signal
  }

  /**
   * Copies the packet into the batch. Where it was captured without an Ethernet header, it
   * gets one. `frame` is the packet's, as parseFrame left it.
   */
  take(packet: Packet, frame: Frame, route: Route): void {
    const { bytes, start, end, linkType } = packet
    const hasHeader = linkType === LINKTYPE_ETHERNET
    if (!hasHeader && frame.ipVersion === 0) {
      this.#countUnsent('not-ethernet', 1)
      return
    }

    const from = hasHeader ? start : frame.ipAt
    const madeLen = hasHeader ? 0 : ETHERNET_HEADER_LEN
    const length = madeLen + end - from
    const keep = Math.min(length, route.packetLength)
    route.packets++
    if (keep < length) route.cut++

    // Room for the made header even where it is cut.
    this.#reserve(VXLAN_HEADER_LEN + madeLen + keep)
    const at = emitVxlan(route, this.#batch, this.#used)
    if (!hasHeader) this.#makeHeader(frame, at)
    this.#batch.set(bytes.subarray(from, from + Math.max(0, keep - madeLen)), at + madeLen)

    this.#starts.push(this.#used)
    this.#routes.push(route)
    this.#flows.push(flowHash(frame))
    this.#seconds.push(packet.seconds)
    this.#nanoseconds.push(packet.nanoseconds)
    this.#directions.push(frame.direction)
    this.#lost.push(0)
    this.#lengths.push(madeLen + Math.max(packet.originalLength - (from - start), end - from))
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

  /** What is taken next has times of its own, right after those before. */
  restart(): void {
    this.#pace.restart()
  }

  async #drain(): Promise<boolean> {
    const signal = this.#signal
    const count = this.#starts.length
    // Where nothing is mirrored, nothing would let signals through.
    if (count === 0) await nextTurn()
    let index = 0
    for (; index < count; index++) {
      const pause = this.#pace.wait(this.#seconds[index]!, this.#nanoseconds[index]!)
      if (pause !== undefined) await pause
      const { outlet } = this.#routes[index]!
      const room = outlet.room()
      if (room !== undefined) await room
      if (signal.aborted) break
      const end = index + 1 < count ? this.#starts[index + 1]! : this.#used
      this.#outlets.add(outlet)
      const tag = this.#firstTag + index
      outlet.send(this.#batch, this.#starts[index]!, end, this.#flows[index]!, tag)
    }
    if (index < count) this.#countUnsent('interrupted', count - index)

    // The kernel may still be reading from the batch.
    for (const outlet of this.#outlets) await outlet.settled()
    this.#settle(index)
    this.#empty()
    return !signal.aborted
  }

  /** Counts the batch for its sessions; `offered` of it were given to outlets. */
  #settle(offered: number): void {
    const first = this.#firstTag
    for (const { lost } of this.#outlets) {
      for (const tag of lost) {
        if (tag >= first) this.#lost[tag - first] = 1
        // What became known after its batch.
        else this.#history.takeBack(tag)
      }
      lost.length = 0
    }
    for (let index = 0; index < this.#starts.length; index++) {
      const route = this.#routes[index]!
      const direction = this.#directions[index]!
      const length = this.#lengths[index]!
      const sent = index < offered && this.#lost[index] === 0
      route.counters.count(direction, length, sent)
      if (!sent) continue
      route.sent++
      this.#history.put(first + index, route, direction, length)
    }
    this.#firstTag += this.#starts.length
  }

  #empty(): void {
    this.#used = 0
    for (const column of [
      this.#starts,
      this.#routes,
      this.#flows,
      this.#seconds,
      this.#nanoseconds,
      this.#directions,
      this.#lengths,
      this.#lost,
    ]) {
      column.length = 0
    }
  }

  #makeHeader(frame: Frame, at: number): void {
    const type = frame.ipVersion === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6
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

/** Datagrams whose fate may still change: this many are sent in 10 ms by the fastest of senders. */
const REMEMBERED = 8192

/** Datagrams that were counted as sent, by their tags, which ascend by one. */
class SentHistory {
  readonly #tags = new Float64Array(REMEMBERED).fill(-1)
  readonly #routes = new Array<Route | undefined>(REMEMBERED).fill(undefined)
  readonly #directions = new Uint8Array(REMEMBERED)
  readonly #lengths = new Float64Array(REMEMBERED)

  put(tag: number, route: Route, direction: PacketDirection, length: number): void {
    const at = tag % REMEMBERED
    this.#tags[at] = tag
    this.#routes[at] = route
    this.#directions[at] = direction
    this.#lengths[at] = length
  }

  /** It was not sent after all: its session counts it as skipped, where it is still known. */
  takeBack(tag: number): void {
    const at = tag % REMEMBERED
    if (this.#tags[at] !== tag) return
    this.#tags[at] = -1
    const route = this.#routes[at]!
    route.sent--
    route.counters.takeBack(this.#directions[at] as PacketDirection, this.#lengths[at]!)
  }
}
