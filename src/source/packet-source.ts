import type { PacketDirection } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'

/**
 * Where the packets to be mirrored come from: `capture-source.ts` reads files; an
 * interface would be another.
 */
export interface PacketSource {
  /**
   * Hands packets over until there are no more or all is to stop. Resolves with what
   * went wrong on the way, a line each, after everything that could be handed over was.
   * Rejects with an OperatorError where nothing can be.
   */
  run(sink: PacketSink): Promise<string[]>
}

/** Who mirrors the packets of a source. */
export interface PacketSink {
  /**
   * Copies what is needed of the packet, which may be overwritten when this returns.
   * `direction`: where the source knows it. Without it the addresses of the mirrored
   * interface decide.
   */
  take(packet: Packet, direction?: PacketDirection): void

  /** Sends what was taken; to be awaited between blocks of packets. False when all is to stop. */
  drain(): Promise<boolean>

  /** What follows has times of its own: it begins right after what came before. */
  restart(): void
}
