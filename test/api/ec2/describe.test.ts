import { beforeEach, describe, expect, test } from 'vitest'
import { Ec2House, type Furniture, furnish, SOURCE } from './ec2-house.js'

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

const found = async (name: string, Filter: object[]) =>
  Object.values(await house.must(name, { Filter }))[0] as object[]

describe('describeOperation', () => {
  test.each([
    ['DescribeTrafficMirrorSessions', 'network-interface-id', SOURCE],
    ['DescribeTrafficMirrorSessions', 'session-number', '1'],
    ['DescribeTrafficMirrorSessions', 'owner-id', '1111*'],
    ['DescribeTrafficMirrorSessions', 'traffic-mirror-session-id', 'tms-*'],
    ['DescribeTrafficMirrorSessions', 'traffic-mirror-filter-id', 'tmf-*'],
    ['DescribeTrafficMirrorSessions', 'traffic-mirror-target-id', 'tmt-*'],
    ['DescribeTrafficMirrorSessions', 'virtual-network-id', '*'],
    ['DescribeTrafficMirrorTargets', 'network-interface-id', 'eni-*'],
    ['DescribeTrafficMirrorTargets', 'owner-id', '111122223333'],
    ['DescribeTrafficMirrorTargets', 'traffic-mirror-target-id', 'tmt-*'],
    ['DescribeTrafficMirrorFilters', 'traffic-mirror-filter-id', 'tmf-*'],
    ['DescribeTrafficMirrorFilterRules', 'traffic-mirror-filter-rule-id', 'tmfr-*'],
    ['DescribeTrafficMirrorFilterRules', 'traffic-mirror-filter-id', 'tmf-*'],
    ['DescribeTrafficMirrorFilterRules', 'rule-number', '10'],
    ['DescribeTrafficMirrorFilterRules', 'rule-action', 'accept'],
    ['DescribeTrafficMirrorFilterRules', 'traffic-direction', 'ingress'],
    ['DescribeTrafficMirrorFilterRules', 'source-cidr-block', '0.0.0.0/?'],
    ['DescribeTrafficMirrorFilterRules', 'destination-cidr-block', '0.0.0.0/0'],
    ['DescribeFlowLogs', 'deliver-log-status', 'SUCCESS'],
    ['DescribeFlowLogs', 'log-destination-type', 's3'],
    ['DescribeFlowLogs', 'flow-log-id', 'fl-*'],
    ['DescribeFlowLogs', 'resource-id', SOURCE],
    ['DescribeFlowLogs', 'traffic-type', 'ALL'],
  ])('%s filters by %s', async (name, Name, value) => {
    expect((await found(name, [{ Name, Value: ['other', value] }])).length).toBe(1)
    expect(await found(name, [{ Name, Value: ['other'] }])).toEqual([])
  })

  test.each([
    ['DescribeTrafficMirrorSessions', 'packet-length'],
    ['DescribeTrafficMirrorSessions', 'description'],
    ['DescribeTrafficMirrorTargets', 'network-load-balancer-arn'],
    ['DescribeTrafficMirrorTargets', 'description'],
    ['DescribeTrafficMirrorFilters', 'description'],
    ['DescribeTrafficMirrorFilterRules', 'protocol'],
    ['DescribeTrafficMirrorFilterRules', 'description'],
    ['DescribeFlowLogs', 'log-group-name'],
    ['DescribeFlowLogs', 'tag-key'],
    ['DescribeFlowLogs', 'tag:a'],
  ])('%s finds nothing by %s where there is none', async (name, Name) => {
    expect(await found(name, [{ Name, Value: ['*'] }])).toEqual([])
  })

  test('lets all filters hold at once, and any value of one', async () => {
    const all = [
      { Name: 'session-number', Value: ['1', '2'] },
      { Name: 'owner-id', Value: ['111122223333'] },
    ]
    expect((await found('DescribeTrafficMirrorSessions', all)).length).toBe(1)
    const none = [...all, { Name: 'session-number', Value: ['2'] }]
    expect(await found('DescribeTrafficMirrorSessions', none)).toEqual([])
  })

  test('refuses a filter that there is not, also with nothing to filter', async () => {
    house = await Ec2House.open()
    for (const Name of ['nonsense', 'Owner-Id', 'constructor', '__proto__']) {
      const Filter = [{ Name, Value: ['x'] }]
      expect(await house.ask('DescribeTrafficMirrorTargets', { Filter })).toMatchObject({
        code: 'InvalidParameterValue',
        status: 400,
      })
    }
  })

  test('gives those of the ids that pass the filters, each once', async () => {
    const ids = { TrafficMirrorSessionId: [has.sessionId, has.sessionId] }
    const { trafficMirrorSessionSet } = await house.must('DescribeTrafficMirrorSessions', ids)
    expect(trafficMirrorSessionSet.length).toBe(1)
    const Filter = [{ Name: 'session-number', Value: ['9'] }]
    expect(await house.must('DescribeTrafficMirrorSessions', { ...ids, Filter })).toMatchObject({
      trafficMirrorSessionSet: [],
    })
  })

  test('refuses ids and pages together', async () => {
    expect(
      await house.ask('DescribeTrafficMirrorSessions', {
        TrafficMirrorSessionId: [has.sessionId],
        MaxResults: '5',
      }),
    ).toMatchObject({ code: 'InvalidParameterCombination', status: 400 })
  })

  test('pages, and takes a token for the same question alone', async () => {
    for (let at = 0; at < 6; at++) await house.must('CreateTrafficMirrorFilter')
    const first = await house.must('DescribeTrafficMirrorFilters', { MaxResults: '5' })
    expect(first.trafficMirrorFilterSet.length).toBe(5)
    const { nextToken: NextToken } = first
    const second = await house.must('DescribeTrafficMirrorFilters', { NextToken })
    expect(second.trafficMirrorFilterSet.length).toBe(2)
    expect(second.nextToken).toBeUndefined()
    for (const [name, more] of [
      ['DescribeTrafficMirrorTargets', {}],
      ['DescribeTrafficMirrorFilters', { Filter: [{ Name: 'description', Value: ['*'] }] }],
      ['DescribeTrafficMirrorFilters', { NextToken: '' }],
      ['DescribeTrafficMirrorFilters', { NextToken: 'nonsense' }],
    ] as const) {
      expect(await house.ask(name, { NextToken, ...more })).toMatchObject({
        code: 'InvalidNextToken',
        status: 400,
      })
    }
  })
})
