import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  AF_PACKET,
  EAGAIN,
  EINTR,
  ENETDOWN,
  ETH_P_ALL,
  type Libc,
  loadLibc,
  MSG_DONTWAIT,
  PACKET_AUXDATA,
  PACKET_STATISTICS,
  SO_ATTACH_FILTER,
  SO_TIMESTAMPNS,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_PACKET,
  SOL_SOCKET,
  systemError,
} from '../../sys/libc.js'
import { ReadLoop } from '../../sys/read-loop.js'
import {
  attachProgram,
  enlargeReceiveBuffer,
  refuseAll,
  setOption,
} from '../../sys/socket-options.js'
import { ETHERNET_HEADER_LEN, VLAN_TAG_LEN } from '../../wire/ethernet.js'
import { LINKTYPE_ETHERNET } from '../../wire/link-type.js'
import { Packet } from '../../wire/packet.js'
import { PACKET_OTHERHOST, PACKET_OUTGOING, PacketBatch } from './packet-socket-batch.js'
import { exclusionProgram, type FilterTarget } from './packet-socket-filter.js'
import { findLink, type Link, noSocket, readableLink, readLink } from './packet-socket-link.js'
import { type LinkState, LinkWatch } from './packet-socket-watch.js'

/**
 * As the interface sees the frame: it sends it, it receives it, or it receives what is
 * addressed to another host, as a port of a bridge and an interface in promiscuous mode do.
 */
export type PacketDirection = 'egress' | 'ingress' | 'other'

/** Receives one frame. It and the memory it lies in are overwritten as soon as the call returns. */
type OnPacket = (packet: Packet, direction: PacketDirection) => void

export interface PacketSocketOptions {
  interfaceName: string
  /** What to ask of the kernel, in bytes. */
  receiveBufferBytes: number
  /** Traffic to these is not shown; see packet-socket-filter.ts. */
  exclude?: readonly FilterTarget[]
  onPacket: OnPacket
  /** After each batch that was not empty. Nothing more is shown before what it answers with resolves. */
  onBatchEnd?: () => Promise<unknown> | undefined
  /** The interface went down, disappeared, or is there again; the socket goes on by itself. */
  onLink: (state: LinkState) => void
  /** The socket failed while open, and has stopped. */
  onError: (error: Error) => void
}

/** For tests: what is fixed otherwise. */
export interface PacketSocketParts {
  libc?: Libc
  slots?: number
  /** Longer frames are cut; by default none is. */
  slotBytes?: number
  /** How often to look for an interface that is down or gone. */
  lookMs?: number
}

const PURPOSE = { what: 'reading an interface', code: 'ERR_NO_PACKET_SOCKET' } as const

const SLOTS = 64
/** As recvmmsg.ts has it. */
const PAUSE_BUFFER_BYTES = 4 << 20
const SOCKADDR_LL_LEN = 20

/**
 * Reads what passes one interface, both ways, as tcpdump sees it (AF_PACKET, packet(7)). Linux
 * on x64 or arm64, with koffi and CAP_NET_RAW: otherwise OperatorError, in one line.
 *
 * The interface is not made promiscuous: like an AWS interface it shows what is its own. On
 * loopback, where each packet leaves and comes in again, only the second is shown. Where the
 * network card cuts packets up or joins them (TSO, GSO, GRO: `ethtool -k`), frames are larger
 * than the MTU, up to 64 KiB and more, and checksums of outgoing ones not yet filled in, as
 * they are in tcpdump's files; `overMtu` counts them.
 */
export class PacketSocket {
  readonly interfaceName: string
  /** The receive buffer the kernel granted, as the kernel counts it (it doubles what is asked). */
  readonly receiveBufferBytes: number
  /** Frames shown. */
  packets = 0
  /** Of these, longer than the interface may send at once: offloads are on. */
  overMtu = 0
  readonly #libc: Libc
  readonly #options: PacketSocketOptions
  readonly #fd: number
  readonly #batch: PacketBatch
  readonly #packet = new Packet()
  readonly #loop: ReadLoop
  readonly #statistics = Buffer.alloc(8)
  readonly #length = Buffer.alloc(4)
  readonly #watch: LinkWatch
  #link: Link
  #frameMax = 0
  #exclude: readonly FilterTarget[]
  #drops = 0
  #released = false
  #closed: Promise<void> | undefined

  constructor(options: PacketSocketOptions, parts: PacketSocketParts = {}) {
    const libc = parts.libc ?? loadLibc(PURPOSE)
    this.#libc = libc
    this.#options = options
    this.#exclude = options.exclude ?? []
    this.interfaceName = options.interfaceName
    this.#batch = new PacketBatch(libc, parts.slots ?? SLOTS, parts.slotBytes)
    // Without a protocol, so that nothing is queued before there are a filter and an interface.
    this.#fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)
    if (this.#fd < 0) throw noSocket(libc, options.interfaceName)
    try {
      this.#link = findLink(libc, this.#fd, options.interfaceName)
      setOption(libc, this.#fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
      setOption(libc, this.#fd, SOL_PACKET, PACKET_AUXDATA, 1)
      this.receiveBufferBytes = enlargeReceiveBuffer(libc, this.#fd, options.receiveBufferBytes)
      this.#bind()
    } catch (error) {
      libc.close(this.#fd)
      throw error
    }
    this.#watch = new LinkWatch(() => this.#look(), options.onLink, parts.lookMs)
    this.#loop = new ReadLoop(libc, {
      fd: this.#fd,
      slots: this.#batch.slots,
      mayPause: this.receiveBufferBytes >= PAUSE_BUFFER_BYTES,
      readBatch: () => this.#readBatch(),
      ...(options.onBatchEnd === undefined ? {} : { afterBatch: options.onBatchEnd }),
    })
  }

  /** LINKTYPE_… of the frames. It may change while the interface is gone. */
  get linkType(): number {
    return this.#packet.linkType
  }

  /** Whether each packet both leaves and comes in here. */
  get isLoopback(): boolean {
    return this.#link.isLoopback
  }

  /** Frames the kernel did not queue since the socket was opened: the buffer was full. Holds after `close`. */
  kernelDrops(): number {
    if (!this.#released) {
      // struct tpacket_stats: packets, drops. Asking sets both to zero.
      this.#length.writeUInt32LE(8)
      const asked = this.#libc.getsockopt(
        this.#fd,
        SOL_PACKET,
        PACKET_STATISTICS,
        this.#statistics,
        this.#length,
      )
      if (asked === 0) this.#drops += this.#statistics.readUInt32LE(4)
    }
    return this.#drops
  }

  /** Traffic to these, instead of those before, is not shown from here on. */
  exclude(targets: readonly FilterTarget[]): void {
    this.#exclude = targets
    this.#attachExclusion()
  }

  /**
   * Stops accepting, hands over what the kernel already holds, then releases the socket.
   * Resolves when `onPacket` will not be called again. May be called from `onPacket`.
   */
  close(): Promise<void> {
    this.#closed ??= this.#drainAndClose()
    return this.#closed
  }

  async #drainAndClose(): Promise<void> {
    if (this.#released) return
    this.#loop.stop()
    this.#watch.end()
    refuseAll(this.#libc, this.#fd)
    // The caller may be inside onPacket, and the batch it is from not yet handed over.
    await nextTurn()
    await this.#loop.busy
    // Twice: a frame that passed the old filter on another CPU may be queued just after our last look.
    for (let look = 0; look < 2; look++) {
      while (!this.#released && this.#readBatch() !== 0) {
        await this.#options.onBatchEnd?.()
        await nextTurn()
      }
      await nextTurn()
    }
    this.#release()
  }

  #readBatch(): number {
    const batch = this.#batch
    const count = this.#libc.recvmmsg(this.#fd, batch.messages, batch.slots, MSG_DONTWAIT, null)
    if (count < 0) return this.#readFailed()
    const packet = this.#packet
    const { onPacket } = this.#options
    for (let slot = 0; slot < count; slot++) {
      const type = batch.packetType(slot)
      if (type === PACKET_OUTGOING && this.#link.isLoopback) continue
      batch.show(slot, packet)
      this.packets++
      if (packet.originalLength > this.#frameMax) this.overMtu++
      onPacket(packet, directionOf(type))
    }
    return count
  }

  #readFailed(): 0 | -1 {
    const errno = this.#libc.errno()
    if (errno === EAGAIN) return 0
    if (errno === EINTR) return -1
    if (errno === ENETDOWN) {
      if (!this.#loop.isStopped) this.#watch.begin()
      return -1
    }
    this.#fail(systemError(this.#libc, 'recvmmsg'))
    return 0
  }

  #fail(error: Error): void {
    this.#loop.stop()
    this.#release()
    this.#options.onError(error)
  }

  /** The state of the interface, having gone over to another of the same name; undefined after a failure. */
  #look(): LinkState | undefined {
    const link = readLink(this.#libc, this.#fd, this.interfaceName)
    if (link === undefined) return 'gone'
    if (link.index !== this.#link.index) {
      try {
        this.#link = readableLink(link, this.interfaceName)
        this.#bind()
      } catch (error) {
        // Gone again while we looked.
        if ((error as NodeJS.ErrnoException).code === 'ENODEV') return 'gone'
        this.#fail(error as Error)
        return undefined
      }
    }
    return link.isUp ? 'up' : 'down'
  }

  /** struct sockaddr_ll: family, protocol (in network order), interface. */
  #bind(): void {
    const { index, mtu } = this.#link
    const linkType = this.#link.linkType!
    this.#packet.linkType = linkType
    this.#frameMax =
      linkType === LINKTYPE_ETHERNET ? mtu + ETHERNET_HEADER_LEN + 2 * VLAN_TAG_LEN : mtu
    this.#attachExclusion()
    const address = Buffer.alloc(SOCKADDR_LL_LEN)
    address.writeUInt16LE(AF_PACKET)
    address.writeUInt16BE(ETH_P_ALL, 2)
    address.writeInt32LE(index, 4)
    const bound = this.#libc.bind(this.#fd, address, SOCKADDR_LL_LEN)
    if (bound < 0) throw systemError(this.#libc, 'bind')
  }

  #attachExclusion(): void {
    const program = exclusionProgram(this.#exclude, this.linkType)
    attachProgram(this.#libc, this.#fd, SO_ATTACH_FILTER, program)
  }

  #release(): void {
    if (this.#released) return
    this.kernelDrops()
    this.#released = true
    this.#watch.end()
    this.#loop.release()
    this.#libc.close(this.#fd)
  }
}

function directionOf(packetType: number): PacketDirection {
  if (packetType === PACKET_OUTGOING) return 'egress'
  return packetType === PACKET_OTHERHOST ? 'other' : 'ingress'
}
