import { describe, expect, test } from 'vitest'
import { formatLedger } from '../../../src/cli/listen/ledger-text.js'
import { Ledger } from '../../../src/session/ledger.js'
import { Session } from '../../../src/session/session.js'

function reportOf(received: readonly number[]) {
  const ledger = new Ledger()
  const sessions = received.map((count, vni) => {
    const session = new Session(vni + 1, vni, Uint32Array.of(0, 0, 0xffff, 0x0a00_0001))
    session.counters.received = count
    return session.report()
  })
  ledger.captureLosses['no-file'] = 7
  ledger.captureLosses.disk = 2
  return ledger.report({ kernelLost: 0, sessions })
}

const rows = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.startsWith('vni-')).map((line) => line.split('_')[0]!)

describe('formatLedger', () => {
  test('lists the sessions with most packets where there are many, and says how many it leaves out', () => {
    const received = Array.from({ length: 5000 }, (_, vni) => (vni % 50 === 3 ? 20 : 1))
    const lines = formatLedger(reportOf(received))
    expect(rows(lines)).toEqual(Array.from({ length: 100 }, (_, at) => `vni-${at * 50 + 3}`))
    expect(lines).toContain('sessions with fewer packets: 4900; --stats lists them all')
    expect(lines.length).toBeLessThan(110)
  })

  test('lists all where there are few', () => {
    const lines = formatLedger(reportOf([1, 0, 3]))
    expect(rows(lines)).toEqual(['vni-0', 'vni-2'])
    expect(lines.join('\n')).not.toContain('--stats')
  })

  test('says what kept packets out of captures', () => {
    expect(formatLedger(reportOf([1]))).toContain(
      'lost to captures: 2 by the disk, 7 as too many files were open',
    )
  })
})
