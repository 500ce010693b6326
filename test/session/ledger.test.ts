import { describe, expect, test } from 'vitest'
import { CAPTURE_LOSSES } from '../../src/pcap/capture-loss.js'
import {
  addReport,
  Ledger,
  type LedgerReport,
  type SessionReport,
} from '../../src/session/ledger.js'
import { FAULTS } from '../../src/wire/fault.js'
import { sessionReport } from '../support/session-report.js'

/** Every count of a report is `base` and a number of its own, so that one added to another's place shows. */
function reportFrom(base: number, sessions: SessionReport[] = []): LedgerReport {
  let next = base
  const ledger = new Ledger()
  ledger.received = next++
  ledger.accepted = next++
  ledger.filtered = next++
  ledger.unknownSession = next++
  ledger.noRoom = next++
  ledger.duplicate = next++
  ledger.reservedBits = next++
  ledger.inDoubt = next++
  for (const name of [
    'joined',
    'parts',
    'leftover',
    'overlapping',
    'repeated',
    'unclaimed',
  ] as const) {
    ledger.fragments[name] = next++
  }
  ledger.cutDatagrams = next++
  for (const closed of [ledger.evictedSessions, ledger.deletedSessions]) {
    for (const name of Object.keys(closed) as (keyof typeof closed)[]) closed[name] = next++
  }
  ledger.malformed['vxlan-truncated'] = next++
  for (const why of CAPTURE_LOSSES) ledger.captureLosses[why] = next++
  return ledger.report({
    kernelLost: next++,
    sessions,
    flows: {
      live: next++,
      capacity: next++,
      ended: { idle: next++ },
      emergencies: next++,
      inEmergency: false,
      recordsWritten: next++,
      recordsLost: next++,
      longestPauseMs: next++,
    },
  })
}

describe('Ledger', () => {
  test('knows every fault, and sums them', () => {
    const ledger = new Ledger()
    expect(Object.keys(ledger.malformed)).toEqual([...FAULTS])
    expect(ledger.malformedTotal).toBe(0)
    FAULTS.forEach((fault, index) => {
      ledger.malformed[fault] = 2 ** index
    })
    expect(ledger.malformedTotal).toBe(2 ** FAULTS.length - 1)
  })

  test('reports faults that occurred, and no others', () => {
    const ledger = new Ledger()
    ledger.malformed['ipv4-truncated'] = 3
    const report = ledger.report({ kernelLost: null, sessions: [] })
    expect(report.malformed).toEqual({ 'ipv4-truncated': 3 })
    expect(report.kernelLost).toBeNull()
    expect(report.flows).toMatchObject({ live: 0, ended: {}, inEmergency: false })
  })
})

describe('addReport', () => {
  test('adds each count to its own', () => {
    const into = reportFrom(1000)
    addReport(into, reportFrom(1))
    const sums = (left: unknown, right: unknown): unknown => {
      if (typeof left === 'number') return left + (right as number)
      if (typeof left !== 'object' || left === null || Array.isArray(left)) return left
      const entries = Object.entries(left).map(([name, value]) => [
        name,
        sums(value, (right as Record<string, unknown>)[name]),
      ])
      return Object.fromEntries(entries)
    }
    const expected = sums(reportFrom(1000), reportFrom(1)) as LedgerReport
    // The longest pause of several threads is the longest of them.
    expected.flows.longestPauseMs = reportFrom(1000).flows.longestPauseMs
    expect(into).toEqual(expected)
  })

  test('adds reasons that only one of them has', () => {
    const [into, from] = [reportFrom(0), reportFrom(0)]
    into.malformed = { 'link-type': 1 }
    from.malformed = { 'link-type': 2, 'ip-version': 3 }
    into.flows.ended = { idle: 1 }
    from.flows.ended = { evicted: 4 }
    addReport(into, from)
    expect(into.malformed).toEqual({ 'link-type': 3, 'ip-version': 3 })
    expect(into.flows.ended).toEqual({ idle: 1, evicted: 4 })
  })

  test.each([
    { left: 1, right: 2, sum: 3 },
    { left: null, right: 2, sum: null },
    { left: 1, right: null, sum: null },
  ])('does not know the loss of $left and $right better than $sum', ({ left, right, sum }) => {
    const [into, from] = [reportFrom(0), reportFrom(0)]
    into.kernelLost = left
    from.kernelLost = right
    addReport(into, from)
    expect(into.kernelLost).toBe(sum)
  })

  test('is in an emergency when one of them is', () => {
    const [into, from] = [reportFrom(0), reportFrom(0)]
    from.flows.inEmergency = true
    addReport(into, from)
    expect(into.flows.inEmergency).toBe(true)
    addReport(into, reportFrom(0))
    expect(into.flows.inEmergency).toBe(true)
  })

  test('joins a session that several saw, and keeps the others apart', () => {
    const into = reportFrom(0, [
      sessionReport({ session: 'a', received: 1, bytes: 10, cut: 1, cutCauses: { unknown: 1 } }),
      sessionReport({ session: 'b', received: 2 }),
    ])
    const from = reportFrom(0, [
      sessionReport({ session: 'c', received: 4 }),
      sessionReport({
        session: 'a',
        received: 8,
        bytes: 20,
        cut: 3,
        cutCauses: { unknown: 1, targetMtu: 2 },
        macAddress: '02:00:00:00:00:0a',
        packetLength: 96,
      }),
    ])
    addReport(into, from)
    expect(into.sessions).toEqual([
      sessionReport({
        session: 'a',
        received: 9,
        bytes: 30,
        cut: 4,
        cutCauses: { unknown: 2, targetMtu: 2 },
        macAddress: '02:00:00:00:00:0a',
        packetLength: 96,
      }),
      sessionReport({ session: 'b', received: 2 }),
      sessionReport({ session: 'c', received: 4 }),
    ])
    // A copy: the report it came from stays as it was.
    into.sessions[2]!.received = 99
    expect(from.sessions[0]!.received).toBe(4)
  })

  test('joins every count of a session', () => {
    const counts = Object.entries(sessionReport({ session: 'a' })).filter(
      ([, value]) => typeof value === 'number',
    )
    const numbered = sessionReport({ session: 'a' })
    counts.forEach(([name], index) => {
      if (name !== 'vni') (numbered as unknown as Record<string, number>)[name] = index + 1
    })
    const into = reportFrom(0, [structuredClone(numbered)])
    addReport(into, reportFrom(0, [numbered]))
    for (const [name] of counts) {
      const [sum, one] = [into.sessions[0]!, numbered].map(
        (report) => (report as unknown as Record<string, number>)[name]!,
      )
      // Of ports the greater number: both may have had the same.
      const expected = name === 'vni' ? 1 : name === 'outerPorts' ? one : 2 * one!
      expect([name, sum]).toEqual([name, expected])
    }
  })

  test('joins the packets that were not mirrored', () => {
    const unmirrored = { session: null, vni: null, source: null }
    const into = reportFrom(0, [sessionReport({ ...unmirrored, received: 1 })])
    addReport(into, reportFrom(0, [sessionReport({ ...unmirrored, received: 2 })]))
    expect(into.sessions).toHaveLength(1)
    expect(into.sessions[0]!.received).toBe(3)
  })
})
