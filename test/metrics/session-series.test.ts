import { describe, expect, test } from 'vitest'
import { SessionSeries } from '../../src/metrics/session-series.js'
import {
  addTotals,
  Ledger,
  type LedgerReport,
  SESSION_COUNTS,
  type SessionReport,
  type SessionTotals,
} from '../../src/session/ledger.js'
import { Random } from '../support/random.js'

const NOTHING = Object.fromEntries(SESSION_COUNTS.map((name) => [name, 0])) as SessionTotals

/** Sessions as an appliance has them: they come, count and go. */
class Sessions {
  readonly #open = new Map<string, SessionReport>()
  readonly #closed = { ...NOTHING }

  count(name: string, received: number, bytes = 0): void {
    const session = this.#open.get(name) ?? {
      ...{ session: name, vni: 7, source: '10.0.0.1', ...NOTHING },
      ...{ cutCauses: {}, packetLength: null, outerPorts: 1, macAddress: null },
    }
    session.received += received
    session.bytes += bytes
    this.#open.set(name, session)
  }

  close(name: string): void {
    const session = this.#open.get(name)
    if (session !== undefined) addTotals(this.#closed, session)
    this.#open.delete(name)
  }

  get report(): LedgerReport {
    const sessions = [...this.#open.values()].map((session) => ({ ...session }))
    const report = new Ledger().report({ kernelLost: 0, sessions })
    addTotals(report.totals, this.#closed)
    return report
  }
}

function received(series: SessionSeries): Record<string, number> {
  return Object.fromEntries(
    series.samples().map(({ labels, counts }) => [labels.session, counts.received]),
  )
}

describe('series of sessions', () => {
  test('each has one, up to a bound; the rest are one sum', () => {
    const sessions = new Sessions()
    const series = new SessionSeries(2)
    for (const [name, count] of Object.entries({ a: 5, b: 9, c: 7, 'tms-1': 1 })) {
      sessions.count(name, count)
    }
    series.update(sessions.report)
    expect(received(series)).toEqual({ b: 9, c: 7, 'tms-1': 1, other: 5 })
  })

  test('a session that gets a series later brings along nothing that was counted among others', () => {
    const sessions = new Sessions()
    const series = new SessionSeries(1)
    sessions.count('a', 9)
    sessions.count('b', 5)
    series.update(sessions.report)
    sessions.close('a')
    sessions.count('b', 3)
    series.update(sessions.report)
    sessions.count('b', 4)
    series.update(sessions.report)
    // Of its eight packets of before, three came since the others were last summed.
    expect(received(series)).toEqual({ b: 4, other: 8 })
  })

  test('a report that lacks the sessions of a thread that hangs changes nothing', () => {
    const sessions = new Sessions()
    const series = new SessionSeries()
    sessions.count('a', 9)
    series.update(sessions.report)
    series.update(new Sessions().report)
    sessions.count('a', 1)
    series.update(sessions.report)
    expect(received(series)).toEqual({ a: 10, other: 0 })
  })

  test('whatever comes and goes, no series goes back, and what is counted is in one of them', () => {
    const seed = Date.now() % 1_000_000
    const random = new Random(seed)
    const sessions = new Sessions()
    const series = new SessionSeries(4)
    let before: Record<string, number> = {}
    let gone = 0
    for (let turn = 0; turn < 300; turn++) {
      for (let change = 0; change < 5; change++) {
        const name = `${random.below(2) === 0 ? 'tms-' : 'vni-'}${random.below(12)}`
        if (random.below(4) === 0) sessions.close(name)
        else sessions.count(name, 1 + random.below(100), random.below(1000))
      }
      const { report } = sessions
      series.update(report)
      const now = received(series)
      expect(Object.keys(now).length, `seed ${seed}`).toBeLessThanOrEqual(4 + 4 + 1)
      expect(now['other'], `seed ${seed}`).toBeGreaterThanOrEqual(before['other'] ?? 0)
      const sum = Object.values(now).reduce((total, count) => total + count, 0)
      // Series that ended took along what they had counted.
      for (const [name, count] of Object.entries(before)) {
        if (now[name] === undefined || now[name] < count) gone += count
      }
      expect(sum + gone, `seed ${seed}`).toBe(report.totals.received)
      before = now
    }
  })
})
