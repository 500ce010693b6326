import { describe, expect, test } from 'vitest'
import { Column } from '../../src/appliance/column.js'
import type { Change } from '../../src/control/state.js'
import { OperatorError } from '../../src/errors.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { type FilterOptions, openSessionFilter } from '../../src/session/session-filter.js'
import { ethernet, geneve, icmp4, tcp4, udp4, vxlan } from '../support/frames.js'
import { datagramOf } from './datagrams.js'

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2' }
const WEB = ethernet(tcp4({ ...ENDS, sport: 40_000, dport: 443 }))
const DNS = ethernet(udp4({ ...ENDS, sport: 5000, dport: 53 }))
const PING = ethernet(icmp4({ ...ENDS, type: 8 }))
const SOURCE = '10.9.0.1'

function columnWith(filters: FilterOptions | undefined, problems: string[] = []): Column {
  return new Column(
    {
      sessionKey: 'source+vni',
      unknownSessions: 'accept',
      maxSessions: 8,
      maxFlows: 1000,
      sessionQuota: 1000,
      lifetime: LIFETIMES.nfw,
      duplicates: 'keep',
      ...(filters && { filters }),
    },
    (line) => problems.push(line),
  )
}

/** What each session accepted and filtered of web, DNS and ping, by VNI. */
function countsOf(column: Column, vnis: readonly number[]): Record<number, [number, number]> {
  for (const vni of vnis) {
    for (const frame of [WEB, DNS, PING]) {
      column.demux.acceptVxlan(datagramOf(vxlan(vni, frame), { source: SOURCE, seconds: 1 }))
    }
  }
  const report = column.report()
  const filtered = report.sessions.reduce((sum, session) => sum + session.filtered, 0)
  expect(report.filtered).toBe(filtered)
  expect(report.received).toBe(report.accepted + report.filtered)
  return Object.fromEntries(
    report.sessions.map((session) => [session.vni, [session.accepted, session.filtered]]),
  )
}

describe('openSessionFilter', () => {
  test.each<{ filters: FilterOptions | undefined; counts: Record<number, [number, number]> }>([
    { filters: undefined, counts: { 7: [3, 0], 8: [3, 0] } },
    { filters: {}, counts: { 7: [3, 0], 8: [3, 0] } },
    { filters: { filter: 'not icmp' }, counts: { 7: [2, 1], 8: [2, 1] } },
    { filters: { filter: 'vni 7 or tcp' }, counts: { 7: [3, 0], 8: [1, 2] } },
    { filters: { filters: [{ vni: 7, filter: 'tcp' }] }, counts: { 7: [1, 2], 8: [3, 0] } },
    {
      filters: { filter: 'udp', filters: [{ vni: 7, filter: 'not udp' }] },
      counts: { 7: [2, 1], 8: [1, 2] },
    },
    // The first that names a session is its filter.
    {
      filters: {
        filters: [
          { session: `vni-8_${SOURCE}`, filter: 'icmp or udp' },
          { vni: 8, filter: 'tcp port 1' },
          { vni: 7, session: 'vni-7_10.9.0.2', filter: 'tcp port 1' },
        ],
      },
      counts: { 7: [3, 0], 8: [2, 1] },
    },
  ])('gives sessions theirs: $filters', ({ filters, counts }) => {
    expect(countsOf(columnWith(filters), [7, 8])).toEqual(counts)
  })

  test('has registered sessions pass the rules of their mirror filter too', async () => {
    const column = columnWith({ filters: [{ session: 'tms-web', filter: 'tcp or udp' }] })
    const any = { protocol: undefined, sourceCidr: '0.0.0.0/0', destinationCidr: '0.0.0.0/0' }
    const filter = {
      id: 'tmf-1',
      networkServices: [],
      rules: (['ingress', 'egress'] as const).flatMap((direction) => [
        {
          ...any,
          id: `tmfr-${direction}1`,
          direction,
          ruleNumber: 1,
          action: 'reject' as const,
          protocol: 17,
          tags: [],
        },
        {
          ...any,
          id: `tmfr-${direction}2`,
          direction,
          ruleNumber: 2,
          action: 'accept' as const,
          tags: [],
        },
      ]),
      tags: [],
    }
    const target = {
      id: 'tmt-1',
      ownerId: '1',
      kind: 'network-interface' as const,
      address: 'eni-t',
      tags: [],
    }
    const session = {
      id: 'tms-web',
      ownerId: '1',
      networkInterfaceId: 'eni-1',
      targetId: 'tmt-1',
      filterId: 'tmf-1',
      sessionNumber: 1,
      virtualNetworkId: 7,
      tags: [],
    }
    const changes: Change[] = [
      { table: 'targets', id: target.id, before: undefined, after: target },
      { table: 'filters', id: filter.id, before: undefined, after: filter },
      { table: 'sessions', id: session.id, before: undefined, after: session },
    ]
    await column.apply(changes, 1)
    // The rules leave DNS out, the expression ping.
    expect(countsOf(column, [7, 8])).toEqual({ 7: [1, 2], 8: [3, 0] })
  })

  test('says once what it cannot be asked about', () => {
    const problems: string[] = []
    const column = columnWith({ filter: 'ether host 02:00:00:00:00:0a' }, problems)
    const raw = geneve(WEB.subarray(14))
    for (let packet = 0; packet < 3; packet++) column.demux.acceptGeneve(datagramOf(raw))
    column.demux.acceptVxlan(datagramOf(vxlan(7, WEB)))
    expect(column.report()).toMatchObject({ received: 4, accepted: 1, filtered: 3 })
    expect(problems).toEqual([
      expect.stringMatching(/^frames of RAW \(101\) are left out: .*"ether"/),
    ])
  })

  test.each<FilterOptions>([
    { filter: 'tcp prot 80' },
    {
      filters: [
        { vni: 1, filter: 'tcp' },
        { vni: 2, filter: 'tcp prot 80' },
      ],
    },
  ])('refuses $filter $filters', (options) => {
    expect(() => openSessionFilter(options, () => undefined)).toThrow(OperatorError)
  })
})
