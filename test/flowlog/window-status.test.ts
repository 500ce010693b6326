import { describe, expect, test } from 'vitest'
import { type SessionWindow, WindowStatus } from '../../src/flowlog/window-status.js'

function emitted(sessions: readonly SessionWindow[]): string[] {
  const lines: string[] = []
  const status = new WindowStatus((record) => {
    lines.push(`${record.session} ${record.status} ${record.windowStart} ${record.windowEnd}`)
  })
  status.end(1200, 1260, sessions)
  return lines
}

describe('WindowStatus', () => {
  test.each<[string, SessionWindow, string[]]>([
    ['nothing of a session with records', { session: 7, records: 3, lost: 0 }, []],
    ['NODATA of a quiet session', { session: 7, records: 0, lost: 0 }, ['7 NODATA 1200 1260']],
    [
      'SKIPDATA beside the records of a session with loss',
      { session: 7, records: 3, lost: 1 },
      ['7 SKIPDATA 1200 1260'],
    ],
    [
      'SKIPDATA and not NODATA when all there was may be lost',
      { session: 7, records: 0, lost: 9 },
      ['7 SKIPDATA 1200 1260'],
    ],
  ])('says %s', (_what, session, lines) => {
    expect(emitted([session])).toEqual(lines)
  })

  test('says it of each session, once, in their order', () => {
    expect(
      emitted([
        { session: 0, records: 0, lost: 0 },
        { session: 1, records: 1, lost: 0 },
        { session: 2, records: 1, lost: 5 },
        { session: 3, records: 0, lost: 0 },
      ]),
    ).toEqual(['0 NODATA 1200 1260', '2 SKIPDATA 1200 1260', '3 NODATA 1200 1260'])
  })

  test('says nothing when no session is known', () => {
    expect(emitted([])).toEqual([])
  })
})
