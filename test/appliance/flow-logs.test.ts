import { describe, expect, test } from 'vitest'
import type { FlowLog } from '../../src/mirror/resources.js'
import { deleted, flowLogResource, inventoryOf, made, sessionResource } from './registered.js'
import { HERE, inbound, RegisteredColumn, T } from './registered-column.js'

const SESSION = sessionResource({ id: 'tms-1', networkInterfaceId: 'eni-1' })
const OTHER = sessionResource({ id: 'tms-2', networkInterfaceId: 'eni-2', virtualNetworkId: 8 })
const DEFAULT = 'fl-00000000000000000'
const SHORT = flowLogResource({ id: 'fl-00000000000000060', resourceId: 'eni-1' })
const LONG = { ...SHORT, id: 'fl-00000000000000600', maxAggregationSeconds: 600 }

const log = (of: Partial<FlowLog>) => made('flowLogs', { ...SHORT, ...of })

describe('FlowLogs', () => {
  test('keeps the default flow log for sessions that no other covers', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      made('sessions', OTHER),
      log({}),
    )
    for (const vni of [7, 8, 9]) run.packet(vni, 1000 + vni)
    await run.close()
    expect(run.records(SHORT.id)).toEqual(['OK eni-1 1007 1'])
    expect(run.records(DEFAULT).sort()).toEqual(['OK - 1009 1', 'OK eni-2 1008 1'])
  })

  test('writes a session into every flow log that covers it, each with its interval', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      log({}),
      made('flowLogs', LONG),
      log({ id: 'fl-00000000000000061', logFormat: '${start} ${end} ${bytes}' }),
    )
    for (const second of [10, 20, 70, 130, 610]) {
      run.at(T + second).packet(7)
      run.tick(T + second + 1)
    }
    await run.close()
    expect(run.records(SHORT.id)).toEqual([
      'OK eni-1 1000 2',
      'OK eni-1 1000 1',
      'OK eni-1 1000 1',
      'OK eni-1 1000 1',
    ])
    // Idle time-outs of 30 s end a flow, and a flow's end ends its record.
    expect(run.records(LONG.id).map((line) => line.at(-1))).toEqual(['2', '1', '1', '1'])
    expect(run.records('fl-00000000000000061')[0]).toBe(`${T + 10} ${T + 20} 256`)
    expect(run.records(DEFAULT)).toEqual([])
  })

  test('adds up the records of a flow that lives, for as long as a flow log wants', async () => {
    const run = await new RegisteredColumn({ capture: undefined as never }).begin(
      made('sessions', SESSION),
      made('flowLogs', LONG),
      log({}),
    )
    for (let second = 5; second < 1300; second += 25) {
      run.packet(7, 1000)
      run.tick(T + second, T + second + 24)
    }
    await run.close()
    const packets = (id: string) => run.records(id).map((line) => Number(line.split(' ')[3]))
    expect(packets(LONG.id)).toEqual([24, 24, 4])
    expect(packets(SHORT.id)).toHaveLength(22)
    expect(packets(SHORT.id).reduce((sum, count) => sum + count)).toBe(52)
  })

  test('holds what is between the calls that make and delete it, to the packet', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION))
    const steps: [count: number, ...changes: Parameters<RegisteredColumn['apply']>][] = [
      [1, log({})],
      [2, made('flowLogs', LONG)],
      [4, deleted('flowLogs', SHORT.id)],
      [8, deleted('flowLogs', LONG.id)],
      [16],
    ]
    const sums = () =>
      [DEFAULT, SHORT.id, LONG.id].map((id) =>
        run.records(id).reduce((sum, line) => sum + Number(line.split(' ')[3]), 0),
      )
    for (const [count, ...changes] of steps) {
      for (let packet = 0; packet < count; packet++) run.packet(7)
      await run.apply(...changes)
      // The files of what was deleted have their names when that is answered.
      if (count === 4) expect(sums()).toEqual([0, 6, 0])
      if (count === 8) expect(sums()).toEqual([0, 6, 12])
    }
    const { flows } = await run.close()
    expect(sums()).toEqual([1 + 16, 2 + 4, 4 + 8])
    expect(flows).toMatchObject({ recordsLost: 0, recordsWritten: 5 + 1 })
  })

  test('has no records of rejected traffic, and leaves those sessions to the default one', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      log({ trafficType: 'REJECT' }),
      log({ id: LONG.id, trafficType: 'ACCEPT', resourceId: 'eni-2' }),
    )
    run.packet(7)
    await run.apply(deleted('flowLogs', SHORT.id))
    await run.close()
    expect([run.logFiles(SHORT.id), run.logFiles(LONG.id)]).toEqual([[], []])
    expect(run.records(DEFAULT)).toEqual(['OK eni-1 1000 1'])
  })

  test.each([
    {
      resourceType: 'VPC' as const,
      resourceId: 'vpc-1',
      expected: ['OK eni-1 1007 1', 'OK eni-2 1008 1'],
    },
    { resourceType: 'Subnet' as const, resourceId: 'subnet-2', expected: ['OK eni-2 1008 1'] },
  ])('covers the interfaces of a $resourceType by the inventory', async ({ expected, ...of }) => {
    const interfaces = inventoryOf(
      { id: 'eni-1', vpcId: 'vpc-1', subnetId: 'subnet-1' },
      { id: 'eni-2', vpcId: 'vpc-1', subnetId: 'subnet-2' },
    )
    const elsewhere = sessionResource({ id: 'tms-3', virtualNetworkId: 9 })
    const run = await new RegisteredColumn({ interfaces }).begin(
      log(of),
      made('sessions', SESSION),
      made('sessions', OTHER),
      made('sessions', elsewhere),
    )
    for (const vni of [7, 8, 9]) run.packet(vni, 1000 + vni)
    await run.close()
    expect(run.records(SHORT.id).sort()).toEqual(expected)
  })

  test.each([
    {
      destinationOptions: undefined,
      path: /^AWSLogs\/111122223333\/vpcflowlogs\/eu-west-1\/2026\/08\/21\/111122223333_vpcflowlogs_eu-west-1_fl-00000000000000060_20260821T1000Z_[0-9a-f]{8}\.log\.gz$/,
    },
    {
      destinationOptions: {
        fileFormat: 'plain-text' as const,
        hiveCompatiblePartitions: true,
        perHourPartition: true,
      },
      path: /^AWSLogs\/aws-account-id=111122223333\/aws-service=vpcflowlogs\/aws-region=eu-west-1\/year=2026\/month=08\/day=21\/hour=10\/[^/]+\.log\.gz$/,
    },
  ])('lays files out as asked: $destinationOptions', async ({ destinationOptions, path }) => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      log({ destinationOptions }),
    )
    run.packet(7)
    await run.close()
    const files = run.logFiles(SHORT.id)
    expect(files).toHaveLength(1)
    expect(files[0]).toMatch(path)
  })

  const FIELDS =
    '${account-id} ${interface-id} ${vpc-id} ${subnet-id} ${instance-id} ${az-id} ${region} ' +
    '${interface-tag} ${interface-tag-2} ${instance-tag} ${srcaddr} ${pkt-srcaddr} ${flow-direction}'
  const TAG_FIELDS = [
    { resourceType: 'network-interface' as const, tagKeys: ['Name', 'Team'] },
    { resourceType: 'instance' as const, tagKeys: ['Name'] },
  ]

  test('says of the interface what the inventory knows', async () => {
    const interfaces = inventoryOf({
      id: 'eni-1',
      addresses: [HERE],
      vpcId: 'vpc-1',
      subnetId: 'subnet-1',
      instanceId: 'i-1',
      accountId: '999988887777',
      availabilityZoneId: 'use1-az1',
      tags: [{ key: 'Team', value: 'net ops' }],
      instanceTags: [{ key: 'Name', value: 'web-1' }],
    })
    const run = await new RegisteredColumn({ interfaces }).begin(
      made('sessions', SESSION),
      log({ logFormat: FIELDS, tagFields: TAG_FIELDS }),
    )
    run.packet(7)
    run.packet(7, 0, inbound())
    await run.close()
    const known = '999988887777 eni-1 vpc-1 subnet-1 i-1 use1-az1 eu-west-1 - net%20ops web-1'
    expect(run.records(SHORT.id).sort()).toEqual([
      `${known} ${HERE} ${HERE} egress`,
      `${known} 192.0.2.1 192.0.2.1 ingress`,
    ])
  })

  test('says of another interface what its session and the options know', async () => {
    const tags = [{ key: 'Name', value: 'mirror-1' }]
    const metadata = { 'vpc-id': 'vpc-9', 'account-id': '000000000000', region: 'us-west-2' }
    const run = await new RegisteredColumn({}, { metadata }).begin(
      made('sessions', { ...SESSION, tags }),
      log({ logFormat: FIELDS, tagFields: TAG_FIELDS }),
    )
    run.packet(7)
    await run.close()
    const known = '111122223333 eni-1 vpc-9 - - - us-west-2 mirror-1 - -'
    expect(run.records(SHORT.id)).toEqual([`${known} ${HERE} ${HERE} egress`])
  })

  test.each([
    { share: undefined, expected: ['eni-1', 'eni-2'] },
    { share: { index: 1, of: 2 }, expected: ['eni-1'] },
    { share: { index: 0, of: 2 }, expected: ['eni-2'] },
  ])('says that a session was quiet where its packets would come: $share', async (of) => {
    const { share } = of
    const flowLog = {
      wholeSessions: true,
      maxAggregationInterval: 60,
      ...(share && { share }),
    } as const
    const run = await new RegisteredColumn({}, flowLog).begin(
      made('sessions', SESSION),
      made('sessions', OTHER),
    )
    run.tick(T, T + 65)
    await run.close()
    expect(run.records(DEFAULT).sort()).toEqual(of.expected.map((eni) => `NODATA ${eni} - -`))
  })

  test('says so of windows of either length, in the flow logs that have it', async () => {
    const run = await new RegisteredColumn({}, { wholeSessions: true }).begin(
      made('sessions', SESSION),
      log({}),
      made('flowLogs', LONG),
    )
    run.tick(T, T + 30)
    run.packet(7)
    run.tick(T + 31, T + 1210)
    await run.close()
    const statuses = (id: string) => run.records(id).map((line) => line.split(' ')[0])
    expect(statuses(LONG.id)).toEqual(['OK', 'NODATA'])
    expect(statuses(SHORT.id)).toEqual(['OK', ...new Array(19).fill('NODATA')])
  })

  test('says in the window at hand that records were removed before they were delivered', async () => {
    const run = await new RegisteredColumn().begin(made('sessions', SESSION), log({}))
    run.packet(7)
    run.tick(T + 1, T + 70)
    run.column.noteRecordsLost(2, T + 70)
    run.tick(T + 71, T + 130)
    await run.close()
    expect(run.records(SHORT.id).map((line) => line.split(' ')[0])).toEqual(['OK', 'SKIPDATA'])
  })

  test('says of windows of either length that something was lost', async () => {
    const run = await new RegisteredColumn().begin(
      made('sessions', SESSION),
      log({}),
      made('flowLogs', LONG),
    )
    run.packet(7)
    run.tick(T + 1, T + 130)
    run.column.tick(T + 131, 5)
    for (let now = T + 132; now < T + 610; now++) run.column.tick(now, 5)
    await run.close()
    const lines = (id: string) => run.records(id).map((line) => line.split(' ')[0])
    expect([lines(SHORT.id), lines(LONG.id)]).toEqual([
      ['OK', 'SKIPDATA'],
      ['OK', 'SKIPDATA'],
    ])
  })

  test('makes none where nobody may', async () => {
    const run = await new RegisteredColumn({ flowLog: undefined as never }).begin(
      made('sessions', SESSION),
      log({}),
    )
    run.packet(7)
    await run.apply(deleted('flowLogs', SHORT.id))
    expect((await run.close()).flows).toMatchObject({ recordsWritten: 0, recordsLost: 0 })
  })
})
