import {
  type LedgerReport,
  SESSION_COUNTS,
  type SessionReport,
  type SessionTotals,
} from '../session/ledger.js'

/** Sessions with series of their own: this many that are registered, and this many others. */
const SHOWN_MAX = 256

export interface SessionLabels {
  readonly session: string
  readonly vni: string
  readonly source: string
}

/** One session, or all that have no series of their own. No count ever goes back. */
export interface SessionSample {
  readonly labels: SessionLabels
  readonly counts: Readonly<SessionTotals>
  /** As the session says now; undefined of the sum of others. */
  readonly report: SessionReport | undefined
}

interface Shown {
  readonly labels: SessionLabels
  /** What had been counted among others before. */
  readonly base: Readonly<SessionTotals>
  counts: SessionTotals
  report: SessionReport
}

const OTHERS: SessionLabels = { session: 'other', vni: '', source: '' }

/**
 * Sessions as series of a monitor, which keeps each for ever: senders make up any number, so only
 * some have one, and the rest are one sum. A session keeps its series for as long as it is open;
 * all series together are always the counts of all sessions, closed ones too.
 */
export class SessionSeries {
  readonly #most: number
  readonly #shown = new Map<string, Shown>()
  readonly #others = nothing()
  #totals = nothing()
  /** Sessions of the last report. */
  #known = new Set<string>()

  constructor(most: number = SHOWN_MAX) {
    this.#most = most
  }

  update({ totals, sessions }: LedgerReport): void {
    // Of a thread that does not answer nothing is known by session.
    if (totals.received < this.#totals.received) return
    const heard = sessions.filter(({ received }) => received > 0)
    const open = new Map(heard.map((session) => [nameOf(session), session]))
    for (const name of this.#shown.keys()) if (!open.has(name)) this.#shown.delete(name)
    this.#show(heard)
    for (const count of SESSION_COUNTS) {
      let others = totals[count] - this.#totals[count]
      for (const [name, shown] of this.#shown) {
        const value = open.get(name)![count] - shown.base[count]
        const more = Math.max(0, value - shown.counts[count])
        shown.counts[count] += more
        others -= more
      }
      this.#others[count] += Math.max(0, others)
    }
    for (const [name, shown] of this.#shown) shown.report = open.get(name)!
    this.#totals = { ...totals }
    this.#known = new Set(open.keys())
  }

  samples(): SessionSample[] {
    const shown = [...this.#shown.values()]
    return [...shown, { labels: OTHERS, counts: this.#others, report: undefined }]
  }

  /** Those with most packets first, registered ones and others apart. */
  #show(heard: readonly SessionReport[]): void {
    const names = [...this.#shown.keys()]
    const registered = names.filter(isRegistered).length
    const room = {
      registered: this.#most - registered,
      others: this.#most - names.length + registered,
    }
    const without = heard.filter((session) => !this.#shown.has(nameOf(session)))
    for (const report of without.toSorted((a, b) => b.received - a.received)) {
      const name = nameOf(report)
      const kind = isRegistered(name) ? 'registered' : 'others'
      if (room[kind] <= 0) continue
      room[kind]--
      const labels = { session: name, vni: String(report.vni ?? ''), source: report.source ?? '' }
      const base = this.#known.has(name) ? countsOf(report) : nothing()
      this.#shown.set(name, { labels, base, counts: nothing(), report })
    }
  }
}

function nameOf({ session }: SessionReport): string {
  return session ?? 'not mirrored'
}

function isRegistered(name: string): boolean {
  return name.startsWith('tms-')
}

function countsOf(report: SessionReport): SessionTotals {
  return Object.fromEntries(SESSION_COUNTS.map((name) => [name, report[name]])) as SessionTotals
}

function nothing(): SessionTotals {
  return Object.fromEntries(SESSION_COUNTS.map((name) => [name, 0])) as SessionTotals
}
