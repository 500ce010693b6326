import { DIRECTION_UNKNOWN } from '../mirror/packet-direction.js'
import type { RuleSet } from '../mirror/rule-set.js'
import type { PacketFilter, Session } from '../session/session.js'
import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'

/** Holds the packets of a registered session to the rules of its mirror filter, and to another filter behind them. */
export class MirrorRules implements PacketFilter {
  readonly #ruleSet: RuleSet
  readonly #then: PacketFilter | undefined

  constructor(ruleSet: RuleSet, then: PacketFilter | undefined) {
    this.#ruleSet = ruleSet
    this.#then = then
  }

  accepts(packet: Packet, frame: Frame, session: Session): boolean {
    const direction = session.identity.directionOf(frame)
    if (!this.#ruleSet.accepts(frame, direction)) return false
    if (this.#then !== undefined && !this.#then.accepts(packet, frame, session)) return false
    if (direction === DIRECTION_UNKNOWN) session.unknownDirection++
    return true
  }
}

/** Of a session whose filter or target is gone. */
export const NOTHING: PacketFilter = { accepts: () => false }
