import { describe, expect, test } from 'vitest'
import { ethernet, tcp4, udp4 } from '../support/frames.js'
import {
  deleted,
  filterResource,
  flowLogResource,
  inventoryOf,
  made,
  sessionResource,
  TARGET,
} from './registered.js'
import { HERE, inbound, outbound, RegisteredColumn, T, THERE } from './registered-column.js'

const FRAME = ethernet(outbound()).length
const SESSION = sessionResource({ id: 'tms-1', networkInterfaceId: 'eni-1' })

/** An interface whose address is HERE, so that packets have a direction from the first on. */
const KNOWN = inventoryOf({ id: 'eni-1', addresses: [HERE, '10.0.0.10'] })

describe('Column, registered sessions', () => {
  test('puts their id wherever a session has a name', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    run.packet(7)
    run.packet(8)
    expect(run.report('tms-1')).toMatchObject({ vni: 7, source: HERE, received: 1, captured: 1 })
    const flows: (string | null)[] = []
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T + 1, atNanoseconds: 0 }
    for (const session of ['tms-1', undefined]) {
      const outcome = await run.column.captureFlows({ ...request, session }, ({ labels }) =>
        flows.push(...labels.map(({ sessionName }) => sessionName)),
      )
      expect(outcome.status).toBe('COMPLETED')
    }
    expect(flows.sort()).toEqual(['tms-1', 'tms-1', `vni-8_${HERE}`])
    await run.close()
    expect(run.captures()).toEqual([
      'tms-1/20260821T100000Z.pcap',
      `vni-8_${HERE}/20260821T100000Z.pcap`,
    ])
  })

  test('are there before their first packet', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    expect(run.report('tms-1')).toMatchObject({ vni: 7, source: null, received: 0 })
    await run.close()
    expect(run.captures).toThrow()
  })

  test('follow what becomes known of their interface, whose flow logs begin with that', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      made(
        'flowLogs',
        flowLogResource({
          resourceType: 'VPC',
          resourceId: 'vpc-1',
          logFormat: '${interface-id} ${subnet-id} ${srcport} ${flow-direction} ${packets}',
        }),
      ),
    )
    run.packet(7, 1000, outbound(1000), '10.0.0.77')
    expect(run.report('tms-1')).toMatchObject({ source: '10.0.0.77', received: 1 })
    const known = { id: 'eni-1', addresses: [HERE], vpcId: 'vpc-1', subnetId: 'subnet-1' }
    await run.apply(made('interfaces', known))
    run.packet(7, 1001)
    run.packet(7, 1002, outbound(1002), '10.0.0.77')
    expect(run.report('tms-1')).toMatchObject({ source: HERE, received: 2 })
    await run.apply(made('interfaces', { ...known, subnetId: 'subnet-2' }))
    run.packet(7, 1003)
    await run.apply(deleted('interfaces', 'eni-1'))
    run.packet(7, 1004, outbound(1004), '10.0.0.78')
    expect(run.report('tms-1')).toMatchObject({ source: '10.0.0.78', received: 4 })
    await run.close()
    expect(run.records('fl-0123456789abcdef0').sort()).toEqual([
      'eni-1 subnet-1 1001 egress 1',
      'eni-1 subnet-2 1003 egress 1',
    ])
  })

  test('let nothing else in where unknown ones are dropped', async () => {
    const run = await new RegisteredColumn({ unknownSessions: 'drop', interfaces: KNOWN }).begin(
      made('sessions', SESSION),
    )
    run.packet(7)
    run.packet(8)
    run.packet(7, 1000, outbound(), '10.0.0.11')
    await run.apply(deleted('sessions', 'tms-1'))
    run.packet(7)
    expect(await run.close()).toMatchObject({
      received: 4,
      accepted: 1,
      unknownSession: 3,
      sessions: [],
      deletedSessions: { sessions: 1, received: 1 },
    })
  })

  test('go on with what had come unregistered, whose files are whole by then', async () => {
    const run = await new RegisteredColumn().begin()
    run.packet(7)
    run.packet(7)
    await run.apply(made('sessions', SESSION))
    expect(run.captures()).toEqual([`vni-7_${HERE}/20260821T100000Z.pcap`])
    run.packet(7)
    const report = await run.close()
    expect(report).toMatchObject({ received: 3, deletedSessions: { sessions: 1, received: 2 } })
    expect(report.flows.ended).toEqual({ 'session-deleted': 1, shutdown: 1 })
    expect(await run.lengths('tms-1')).toHaveLength(1)
    // The flow of either has its record, each with what was known of it.
    expect(run.records()).toEqual(['OK - 1000 2', 'OK eni-1 1000 1'])
  })

  test('end when they are deleted: their files are whole and their records written by then', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    run.packet(7)
    await run.apply(deleted('sessions', 'tms-1'))
    expect(run.captures()).toEqual(['tms-1/20260821T100000Z.pcap'])
    expect(run.column.report().flows).toMatchObject({
      live: 0,
      ended: { 'session-deleted': 1 },
    })
    run.packet(7)
    expect(run.report(`vni-7_${HERE}`).received).toBe(1)
    await run.close()
  })

  test('keep counts and flows when their VNI changes, and begin another file', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    run.packet(7)
    await run.apply(made('sessions', { ...SESSION, virtualNetworkId: 9 }))
    run.packet(9)
    expect(run.report('tms-1')).toMatchObject({ vni: 9, received: 2, captured: 2 })
    const report = await run.close()
    expect(report.flows.ended).toEqual({ shutdown: 1 })
    expect(run.captures()).toEqual(['tms-1/20260821T100000Z-1.pcap', 'tms-1/20260821T100000Z.pcap'])
  })
})

describe('Column, mirror filters', () => {
  const tcp = (dport: number) => tcp4({ src: HERE, dst: THERE, sport: 2000, dport })

  test('lets in what the rules of the direction accept, the first that matches', async () => {
    const filter = filterResource(
      'tmf-all',
      'out reject 6 22',
      'out accept 6 *',
      'in accept 17 1000',
    )
    const run = await new RegisteredColumn({ interfaces: KNOWN }).begin(
      made('filters', filter),
      made('sessions', SESSION),
    )
    const cases: [Buffer, boolean][] = [
      [tcp(22), false],
      [tcp(443), true],
      [outbound(), false],
      [inbound(1000), true],
      [inbound(1001), false],
      // From another of its addresses.
      [tcp4({ src: '10.0.0.10', dst: THERE, sport: 1, dport: 443 }), true],
    ]
    for (const [packet, isWanted] of cases) {
      const { accepted, filtered } = run.report('tms-1')
      run.packet(7, 0, packet)
      const change = isWanted ? [1, 0] : [0, 1]
      const after = run.report('tms-1')
      expect([after.accepted - accepted, after.filtered - filtered]).toEqual(change)
    }
    run.packet(7, 0, Buffer.from('not IP'))
    expect(run.report('tms-1')).toMatchObject({
      received: 7,
      filtered: 4,
      captured: 3,
      flowPackets: 3,
      unknownDirection: 0,
    })
    expect((await run.close()).filtered).toBe(4)
  })

  test('lets either list of rules accept while the direction is not known, and counts that', async () => {
    const filter = filterResource('tmf-all', 'in accept 17 53', 'out reject 17 53')
    const run = await new RegisteredColumn().begin(
      made('filters', filter),
      made('sessions', SESSION),
    )
    // Between others: neither address is the source's, and both MACs may be the interface's.
    const passing = udp4({ src: '10.1.1.1', dst: '10.2.2.2', sport: 1, dport: 53 })
    run.packet(7, 0, passing)
    expect(run.report('tms-1')).toMatchObject({ accepted: 1, unknownDirection: 1 })
    // The outer source is its own address: known now, by address and then by MAC.
    run.packet(7)
    run.packet(7, 0, passing)
    expect(run.report('tms-1')).toMatchObject({ accepted: 1, filtered: 2, unknownDirection: 1 })
    await run.close()
  })

  test('follows changes of rules from the next packet on, and only for sessions of the filter', async () => {
    const other = sessionResource({ id: 'tms-2', virtualNetworkId: 8, filterId: 'tmf-other' })
    const run = await new RegisteredColumn().begin(
      made('filters', filterResource('tmf-other', 'out accept 17 53')),
      made('sessions', SESSION),
      made('sessions', other),
    )
    const both = () => {
      run.packet(7)
      run.packet(8)
      return ['tms-1', 'tms-2'].map((name) => run.report(name).filtered)
    }
    expect(both()).toEqual([0, 0])
    await run.apply(made('filters', filterResource('tmf-all', 'out accept 17 54')))
    expect(both()).toEqual([1, 0])
    await run.apply(made('sessions', { ...other, filterId: 'tmf-all' }))
    expect(both()).toEqual([2, 1])
    await run.apply(made('filters', filterResource('tmf-all', 'out accept 17 *')))
    expect(both()).toEqual([2, 1])
    await run.close()
  })

  test.each([
    { gone: 'filter', change: deleted('filters', 'tmf-all') },
    { gone: 'target', change: deleted('targets', 'tmt-1') },
  ])('lets nothing in while the $gone is missing', async ({ change }) => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    run.packet(7)
    await run.apply(change)
    run.packet(7)
    await run.begin()
    run.packet(7)
    expect(run.report('tms-1')).toMatchObject({ received: 3, filtered: 1, accepted: 2 })
    await run.close()
  })

  test('comes before an expression, which must be passed too', async () => {
    const filter = filterResource('tmf-all', 'out accept 17 *')
    const run = await new RegisteredColumn({ filters: { filter: 'src port 1000 or tcp' } }).begin(
      made('filters', filter),
      made('sessions', SESSION),
    )
    for (const packet of [outbound(1000), outbound(1001), tcp(443)]) {
      run.packet(7, 0, packet)
      run.packet(8, 0, packet)
    }
    expect(run.report('tms-1')).toMatchObject({ accepted: 1, filtered: 2 })
    expect(run.report(`vni-8_${HERE}`)).toMatchObject({ accepted: 2, filtered: 1 })
    await run.close()
  })
})

describe('Column, PacketLength', () => {
  test('cuts what is captured from the next packet on, and nothing that is counted', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', { ...SESSION, packetLength: 60 }),
    )
    run.packet(7)
    await run.apply(made('sessions', { ...SESSION, packetLength: 50 }))
    run.packet(7)
    await run.apply(made('sessions', SESSION))
    run.packet(7)
    expect(run.report('tms-1')).toMatchObject({ captured: 3, cut: 0, bytes: 3 * FRAME })
    await run.close()
    expect(await run.lengths('tms-1')).toEqual([
      [60, FRAME],
      [50, FRAME],
      [FRAME, FRAME],
    ])
  })

  test('is 8500 for a load balancer where the session does not say', async () => {
    const balanced = { ...TARGET, kind: 'network-load-balancer' } as const
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    const long = outbound(1000, 9000 - 28)
    run.packet(7, 0, long)
    await run.apply(made('targets', balanced))
    run.packet(7, 0, long)
    await run.close()
    expect((await run.lengths('tms-1')).map(([captured]) => captured)).toEqual([9014, 8500])
  })
})
