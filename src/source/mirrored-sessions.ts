import { packetLengthOf } from '../mirror/evaluator.js'
import { MirrorCounters } from '../mirror/mirror-counters.js'
import type { MirrorOutlets } from './mirror-outlets.js'
import type { MirrorPlan, PlannedSession } from './mirror-plan.js'
import type { MirroredInterface } from './mirror-source.js'
import type { Outlet } from './outlet.js'
import { Route } from './route.js'

/** A session with where its copies go, and what became of them. */
interface RoutedSession {
  readonly parts: PlannedSession
  readonly route: Route
}

/** What became of the packets that no session has. */
interface Passed {
  filtered: number
  neverMirrored: number
  passing: number
}

/** Sessions that are no more, each with counters of its own. Of those before, the counts go into the sum. */
const GONE_MAX = 100

/** The mirrored interfaces of a plan, which may be followed by others. */
export class MirroredSessions {
  /** Of all sessions, as AWS counts them. */
  readonly counters = new MirrorCounters()
  interfaces: readonly MirroredInterface[] = []

  readonly #outlets: MirrorOutlets
  #now: readonly RoutedSession[] = []
  #gone: RoutedSession[] = []
  #cutBefore = 0
  readonly #passedBefore: Passed = { filtered: 0, neverMirrored: 0, passing: 0 }

  constructor(outlets: MirrorOutlets) {
    this.#outlets = outlets
  }

  /**
   * Has `interfaces` be those of `plan` when it resolves. A session that goes on as it was keeps
   * its route. Rejects with OperatorError when a target cannot be opened, and then changes
   * nothing.
   */
  async set(plan: MirrorPlan): Promise<void> {
    const now: RoutedSession[] = []
    const interfaces: MirroredInterface[] = []
    for (const planned of plan) {
      const { matcher, evaluator } = planned
      const own: RoutedSession[] = []
      for (const parts of evaluator.sessions) {
        const outlet = await this.#outlets.open(parts.endpoint, parts.isGateway, planned)
        own.push({ parts, route: this.#routeOf(parts, outlet) })
      }
      now.push(...own)
      interfaces.push({ matcher, evaluator, routes: own.map(({ route }) => route) })
    }
    this.#retire(now)
    this.#now = now
    this.interfaces = interfaces
  }

  /** Those of now, then those that are no more. */
  get all(): readonly RoutedSession[] {
    return [...this.#now, ...this.#gone]
  }

  /** Packets cut to the packet length of their session. */
  get cut(): number {
    return this.all.reduce((sum, { route }) => sum + route.cut, this.#cutBefore)
  }

  get passed(): Readonly<Passed> {
    const sum = { ...this.#passedBefore }
    for (const { evaluator } of this.interfaces) addPassed(sum, evaluator)
    return sum
  }

  #routeOf(parts: PlannedSession, outlet: Outlet): Route {
    const { id, virtualNetworkId: vni } = parts.session
    const packetLength = packetLengthOf(parts)
    const same = this.#now.find(
      ({ parts: { session }, route }) =>
        session.id === id &&
        route.vni === vni &&
        route.packetLength === packetLength &&
        route.outlet === outlet,
    )
    return same?.route ?? new Route({ vni, packetLength, outlet, counters: this.counters })
  }

  #retire(next: readonly RoutedSession[]): void {
    for (const { evaluator } of this.interfaces) addPassed(this.#passedBefore, evaluator)
    const routes = new Set(next.map(({ route }) => route))
    this.#gone.push(...this.#now.filter(({ route }) => !routes.has(route)))
    for (const { route } of this.#gone.splice(0, this.#gone.length - GONE_MAX)) {
      this.#cutBefore += route.cut
    }
  }
}

function addPassed(sum: Passed, of: Readonly<Passed>): void {
  sum.filtered += of.filtered
  sum.neverMirrored += of.neverMirrored
  sum.passing += of.passing
}
