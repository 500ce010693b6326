import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { formatTimeName } from '../../src/pcap/time-name.js'
import { hasTool } from '../support/tools.js'

const LETTERS = 'aAbBCdeFgGhHIjmMpRsSTuUVwWyYzZ%'

/** Ends and beginnings of years, weeks, months, days and hours, a leap day, noon and midnight. */
const MOMENTS = [
  '1970-01-01T00:00:00Z',
  '1999-12-31T23:59:59Z',
  '2000-01-01T00:00:00Z',
  '2004-02-29T12:00:00Z',
  '2005-01-02T11:59:59Z',
  '2010-01-03T13:01:02Z',
  '2012-12-31T00:30:00Z',
  '2020-12-31T01:09:09Z',
  '2026-11-20T18:34:05Z',
]

describe('formatTimeName', () => {
  test('puts the time into a name', () => {
    const date = new Date('2026-11-20T08:04:05Z')
    expect(formatTimeName('x-%Y%m%dT%H%M%SZ.pcap', date)).toBe('x-20261120T080405Z.pcap')
    expect(formatTimeName('100%%-%s', date)).toBe('100%-1795161845')
    expect(formatTimeName('plain', date)).toBe('plain')
  })

  test.skipIf(!hasTool('date'))('agrees with the C library (needs date)', () => {
    const pattern = [...LETTERS].map((letter) => `%${letter}`).join('|')
    for (const moment of MOMENTS) {
      const date = new Date(moment)
      const judged = execFileSync(
        'date',
        ['-u', '-d', `@${date.getTime() / 1000}`, `+${pattern}`],
        {
          encoding: 'utf8',
          env: { ...process.env, LC_ALL: 'C' },
        },
      )
      expect(formatTimeName(pattern, date), moment).toBe(judged.trimEnd())
    }
  })

  test.each(['%D', '%', 'x%q.pcap', '%toString', '%é', '%_'])(
    'refuses %s in one line',
    (pattern) => {
      const refused = () => formatTimeName(pattern, new Date(0))
      expect(refused).toThrow(OperatorError)
      expect(refused).toThrow(
        /^%.? in [^\n]* is not a conversion [^\n]*write such as %Y%m%dT%H%M%SZ[^\n]*$/u,
      )
    },
  )
})
