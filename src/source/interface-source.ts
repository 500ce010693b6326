import { DIRECTION_UNKNOWN, EGRESS, INGRESS } from '../wire/frame.js'
import { PacketSocket } from './interface/packet-socket.js'
import type { FilterTarget } from './interface/packet-socket-filter.js'
import type { LinkState } from './interface/packet-socket-watch.js'
import type { PacketSink, PacketSource } from './packet-source.js'

interface InterfaceSourceOptions {
  interfaceName: string
  /** What to ask of the kernel, in bytes. */
  receiveBufferBytes: number
  /** Where the copies go: what this host sends there is not mirrored, or it would never end. */
  targets: readonly FilterTarget[]
  /** From here on packets are mirrored. */
  onOpen: () => void
  /** Called with what the interface has come to be. */
  onLink: (state: LinkState) => void
  /** All is to stop. */
  signal: AbortSignal
}

/**
 * The packets of an interface of this host, as they pass. It ends when all is to stop, and
 * not before: an interface that is down or gone is waited for.
 *
 * What arrives is ingress whoever it is for: an interface gets packets for other hosts only
 * where it was made promiscuous for their sake, as a port of a bridge is. On loopback every
 * packet is both, so the rules of either direction may take it.
 */
export class InterfaceSource implements PacketSource {
  readonly #options: InterfaceSourceOptions
  #socket: PacketSocket | undefined

  constructor(options: InterfaceSourceOptions) {
    this.#options = options
  }

  /** Packets that came faster than they were read. */
  get kernelDrops(): number {
    return this.#socket?.kernelDrops() ?? 0
  }

  /** Packets longer than the interface may send: put together, or not yet cut up, by offloads. */
  get overMtu(): number {
    return this.#socket?.overMtu ?? 0
  }

  async run(sink: PacketSink): Promise<string[]> {
    const { interfaceName, receiveBufferBytes, targets, onOpen, onLink, signal } = this.#options
    let end: (failure?: Error) => void
    const ended = new Promise<Error | undefined>((resolve) => {
      end = resolve
    })
    const socket: PacketSocket = new PacketSocket({
      interfaceName,
      receiveBufferBytes,
      exclude: targets,
      onPacket(packet, direction) {
        const known = direction === 'egress' ? EGRESS : INGRESS
        sink.take(packet, socket.isLoopback ? DIRECTION_UNKNOWN : known)
      },
      onBatchEnd: () => sink.drain(),
      onLink,
      onError: (error) => end(error),
    })
    this.#socket = socket
    onOpen()
    signal.addEventListener('abort', () => end(), { once: true })
    if (signal.aborted) end!()
    const failure = await ended
    await socket.close()
    return failure === undefined ? [] : [failure.message]
  }
}
