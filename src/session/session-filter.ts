import { ExpressionFilter } from '../filter/expression-filter.js'
import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import type { PacketFilter, Session } from './session.js'

/** A filter of the sessions that it names: by VNI, by name, or by both. Plain data. */
export interface NamedFilter {
  readonly vni?: number | undefined
  readonly session?: string | undefined
  /** pcap-filter(7). */
  readonly filter: string
}

/** Plain data: it crosses to a worker thread, which compiles the expressions for itself. */
export interface FilterOptions {
  /** Of sessions that no other filter names; undefined wants every packet. */
  readonly filter?: string | undefined
  /** The first that names a session is its filter, instead of the general one. */
  readonly filters?: readonly NamedFilter[] | undefined
}

/**
 * What asks each session's own filter; undefined where every packet is wanted.
 *
 * `onProblem` is told of packets that a filter cannot be asked about. Throws
 * OperatorError (exit code 2) for an expression that is wrong.
 */
export function openSessionFilter(
  { filter, filters = [] }: FilterOptions,
  onProblem: (line: string) => void,
): PacketFilter | undefined {
  const general = filter === undefined ? undefined : new ExpressionFilter(filter, onProblem)
  if (filters.length === 0) return general
  const named = filters.map(
    (one): Named => ({
      vni: one.vni,
      session: one.session,
      filter: new ExpressionFilter(one.filter, onProblem),
    }),
  )
  return new SessionFilter(named, general)
}

interface Named {
  readonly vni: number | undefined
  readonly session: string | undefined
  readonly filter: PacketFilter
}

/** Asked for each packet, since the VNI of a registered session may change. */
class SessionFilter implements PacketFilter {
  readonly #named: readonly Named[]
  readonly #general: PacketFilter | undefined

  constructor(named: readonly Named[], general: PacketFilter | undefined) {
    this.#named = named
    this.#general = general
  }

  accepts(packet: Packet, frame: Frame, session: Session): boolean {
    const filter = this.#of(session)
    return filter === undefined || filter.accepts(packet, frame, session)
  }

  #of(session: Session): PacketFilter | undefined {
    const named = this.#named
    for (let index = 0; index < named.length; index++) {
      const { vni, session: name, filter } = named[index]!
      if (vni !== undefined && vni !== session.vni) continue
      if (name !== undefined && name !== session.name) continue
      return filter
    }
    return this.#general
  }
}
