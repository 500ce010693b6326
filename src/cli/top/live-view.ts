import type { LiveState, SessionFields } from '../../dashboard/live-feed.js'

/** A session, and its packets a second since the state before. */
export interface ShownSession extends SessionFields {
  packetsPerSecond: number
}

interface Rates {
  readonly packets: number
  readonly lost: number
  readonly bits: number
}

/** The appliance as its states tell it one after another: the first has every session, later ones what has changed. */
export class LiveView {
  /** The last that had a ledger. */
  state: LiveState | undefined
  /** A second, since the state before; undefined after the first. */
  rates: Rates | undefined
  readonly sessions = new Map<string, ShownSession>()

  take(next: LiveState): void {
    const { ledger } = next
    if (ledger === undefined) {
      // A thread hangs: what is known of all else goes on.
      if (this.state !== undefined)
        this.state = { ...this.state, ...next, ledger: this.state.ledger! }
      return
    }
    const before = this.state
    const seconds = before === undefined ? 0 : (next.at - before.at) / 1000
    const perSecond = (now: number, then: number) => Math.max(0, now - then) / seconds
    this.rates =
      before?.ledger === undefined || seconds <= 0
        ? undefined
        : {
            packets: perSecond(ledger.received, before.ledger.received),
            lost: perSecond(ledger.kernelLost ?? 0, before.ledger.kernelLost ?? 0),
            bits: 8 * perSecond(ledger.totals.bytes, before.ledger.totals.bytes),
          }
    this.state = next
    this.#takeSessions(next, seconds)
  }

  #takeSessions(
    { all = false, fields = [], sessions = [], gone = [] }: LiveState,
    seconds: number,
  ): void {
    const changed = new Set<string>()
    for (const row of sessions) {
      const session = Object.fromEntries(
        fields.map((field, index) => [field, row[index]]),
      ) as unknown as ShownSession
      const name = String(session.session)
      const known = this.sessions.get(name)
      session.packetsPerSecond =
        known === undefined || seconds <= 0
          ? 0
          : Math.max(0, session.received - known.received) / seconds
      this.sessions.set(name, session)
      changed.add(name)
    }
    for (const name of gone) this.sessions.delete(name)
    for (const [name, session] of this.sessions) {
      if (changed.has(name)) continue
      if (all) this.sessions.delete(name)
      else session.packetsPerSecond = 0
    }
  }
}
