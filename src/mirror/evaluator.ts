import type { Frame } from '../wire/frame.js'
import { DIRECTION_UNKNOWN, PASSING } from '../wire/frame.js'
import { isNeverMirrored } from './network-services.js'
import {
  type MirrorFilter,
  type MirrorSession,
  type MirrorTarget,
  PACKET_LENGTH_MAX,
} from './resources.js'
import { RuleSet } from './rule-set.js'

/** No session of the interface mirrors the packet. */
export const NOT_MIRRORED = -1

/** A session with all that decides what it mirrors. */
export interface SessionParts {
  readonly session: MirrorSession
  /** Undefined, which AWS has not: every packet. */
  readonly filter: MirrorFilter | undefined
  /** Where it is not known, a session without a packet length keeps all. */
  readonly target?: MirrorTarget | undefined
}

/** What is known of the interface's VPC, and whether AWS's exceptions hold. */
export interface EvaluatorOptions {
  /** Primary block of the interface's VPC, where it is known: which address is the resolver's. */
  vpcCidrBlock?: string | undefined
  /**
   * `leave-out`, as AWS does: what isNeverMirrored names. `mirror`: rules decide about it
   * like about anything else; ARP, which no rule can name, goes to the first session.
   */
  neverMirrored?: 'leave-out' | 'mirror'
}

/**
 * The mirror sessions of one interface: which of them mirrors a packet, and how
 * much of it. Tried by ascending session number; the first whose filter accepts has
 * the packet, and no other gets it.
 *
 * This is for a mirror source. Of sessions that share what arrives, the pipeline of a
 * receiver asks in the same order.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-sessions.html
 */
export class MirrorEvaluator<Parts extends SessionParts = SessionParts> {
  /** By ascending number; what `evaluate` answers is an index into it. */
  readonly sessions: readonly Parts[]
  /** Packets by what became of them; together all that were evaluated. */
  mirrored = 0
  /** No filter accepted. */
  filtered = 0
  /** What AWS never mirrors, left out. */
  neverMirrored = 0
  /** Packets between others, which the interface never saw. */
  passing = 0
  /** Of the mirrored ones, those whose direction nobody knew. */
  unknownDirection = 0

  readonly #ruleSets: readonly (RuleSet | undefined)[]
  readonly #packetLengths: readonly number[]
  readonly #leaveOut: boolean

  constructor(sessions: readonly Parts[], options: EvaluatorOptions = {}) {
    const { vpcCidrBlock, neverMirrored = 'leave-out' } = options
    this.sessions = [...sessions].sort((a, b) => a.session.sessionNumber - b.session.sessionNumber)
    this.#ruleSets = this.sessions.map(
      ({ filter }) => filter && new RuleSet(filter, { vpcCidrBlock }),
    )
    this.#packetLengths = this.sessions.map(packetLengthOf)
    this.#leaveOut = neverMirrored === 'leave-out'
  }

  /** The index of the session that mirrors the packet, or NOT_MIRRORED. `frame`: see RuleSet. */
  evaluate(frame: Frame): number {
    const { direction } = frame
    if (direction === PASSING) {
      this.passing++
      return NOT_MIRRORED
    }
    const index = this.#firstOf(frame)
    if (index === NOT_MIRRORED) return NOT_MIRRORED
    this.mirrored++
    if (direction === DIRECTION_UNKNOWN) this.unknownDirection++
    return index
  }

  /** Bytes that the session keeps of a frame of `length`, after the VXLAN header. */
  keptOf(index: number, length: number): number {
    const packetLength = this.#packetLengths[index]!
    return length < packetLength ? length : packetLength
  }

  #firstOf(frame: Frame): number {
    if (isNeverMirrored(frame)) {
      if (this.#leaveOut) {
        this.neverMirrored++
        return NOT_MIRRORED
      }
      if (frame.ipVersion === 0 && this.#ruleSets.length > 0) return 0
    }
    for (let index = 0; index < this.#ruleSets.length; index++) {
      const ruleSet = this.#ruleSets[index]
      if (ruleSet === undefined || ruleSet.accepts(frame)) return index
    }
    this.filtered++
    return NOT_MIRRORED
  }
}

/**
 * More bytes than any frame has. Not Infinity: a sum with that is a floating-point number to V8,
 * as is then every field of a packet or frame that it goes into, for all packets of the process.
 */
export const WHOLE_FRAME = 0x3fff_ffff

/** Bytes a session keeps of each frame at most; WHOLE_FRAME where it keeps all. */
export function packetLengthOf({ session, target }: SessionParts): number {
  if (session.packetLength !== undefined) return session.packetLength
  return target?.kind === 'network-load-balancer' ? PACKET_LENGTH_MAX : WHOLE_FRAME
}
