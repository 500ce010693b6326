import { describe, expect, test } from 'vitest'
import { oneWay, outerPorts } from '../../src/doctor/appliance.js'
import { sessionReport } from '../support/session-report.js'

const of = (session: string, counts: Partial<Parameters<typeof sessionReport>[0]>) =>
  sessionReport({ session, ...counts })

describe('of a running appliance', () => {
  test('a session of which one direction comes is a problem, and says which rules are missing', () => {
    const both = of('tms-1', { ingressPackets: 800, egressPackets: 900 })
    const quiet = of('tms-2', { ingressPackets: 0, egressPackets: 20 })
    expect(oneWay({ sessions: [quiet] })).toEqual([])
    expect(oneWay({ sessions: [both, quiet] })).toMatchObject([{ check: 'halves', level: 'ok' }])
    const sent = of('tms-3', { ingressPackets: 9, egressPackets: 1500 })
    expect(oneWay({ sessions: [both, quiet, sent] })).toMatchObject([
      {
        level: 'problem',
        what: '1 of 2 sessions bring one direction: tms-3 9 packets in and 1500 out',
        fix: expect.stringContaining('rules for ingress'),
      },
    ])
  })

  test('a session that comes from one outer port is a warning', () => {
    const spread = of('tms-1', { received: 5000, outerPorts: 16 })
    const few = of('tms-2', { received: 5, outerPorts: 1 })
    expect(outerPorts({ sessions: [few] })).toEqual([])
    expect(outerPorts({ sessions: [spread, few] })).toMatchObject([{ level: 'ok' }])
    const single = of('tms-3', { received: 5000, outerPorts: 1 })
    expect(outerPorts({ sessions: [spread, few, single] })).toMatchObject([
      { level: 'warning', what: '1 of 2 sessions come from one outer port, tms-3 among them' },
    ])
  })
})
