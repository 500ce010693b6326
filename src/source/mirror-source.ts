import { type MirrorEvaluator, NOT_MIRRORED } from '../mirror/evaluator.js'
import type { InterfaceMatcher } from '../mirror/packet-direction.js'
import { DIRECTION_UNKNOWN, Frame, type PacketDirection } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import type { PacketSink } from './packet-source.js'
import type { Route } from './route.js'
import type { VxlanSender } from './vxlan-sender.js'

/** An interface as a mirror source has it. */
export interface MirroredInterface {
  /** Tells the direction where the source of the packets does not; undefined: nobody can. */
  readonly matcher: InterfaceMatcher | undefined
  readonly evaluator: MirrorEvaluator
  /** Of each session of the evaluator, in its order. */
  readonly routes: readonly Route[]
}

/**
 * Shows each packet to the mirrored interfaces and sends what their sessions
 * mirror. Where several interfaces saw a packet it is mirrored for each, as AWS
 * does: once for one interface.
 */
export class MirrorSource implements PacketSink {
  /** Packets taken. */
  packets = 0

  #interfaces: readonly MirroredInterface[]
  readonly #sender: VxlanSender
  readonly #frame = new Frame()

  constructor(interfaces: readonly MirroredInterface[], sender: VxlanSender) {
    this.#interfaces = interfaces
    this.#sender = sender
  }

  /** From the next packet on. What was taken before goes where it was to go. */
  replace(interfaces: readonly MirroredInterface[]): void {
    this.#interfaces = interfaces
  }

  take(packet: Packet, direction?: PacketDirection): void {
    this.packets++
    const frame = this.#frame
    // A frame that cannot be understood is mirrored by sessions without a filter.
    parseFrame(
      packet.bytes,
      packet.start,
      packet.end,
      packet.linkType,
      packet.originalLength,
      frame,
    )
    for (let index = 0; index < this.#interfaces.length; index++) {
      this.#mirror(this.#interfaces[index]!, packet, direction)
    }
  }

  drain(): Promise<boolean> {
    return this.#sender.drain()
  }

  restart(): void {
    this.#sender.restart()
  }

  #mirror(of: MirroredInterface, packet: Packet, known: PacketDirection | undefined): void {
    const frame = this.#frame
    frame.direction = known ?? of.matcher?.directionOf(frame) ?? DIRECTION_UNKNOWN
    const session = of.evaluator.evaluate(frame)
    if (session !== NOT_MIRRORED) this.#sender.take(packet, frame, of.routes[session]!)
  }
}
