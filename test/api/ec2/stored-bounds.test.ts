import { describe, expect, test } from 'vitest'
import type { Input } from '../../../src/aws/protocol/action.js'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { Ec2House, flowLogFor, furnish, ruleFor } from './ec2-house.js'

const LONG = 'x'.repeat(100_000)
const ARN = `arn:aws:s3:::flow-bucket/${LONG}`
const LOG_GROUP = 'arn:aws:logs:us-east-1:111122223333:log-group:'
const ROLE = 'arn:aws:iam::111122223333:role/'

describe('what clients store', () => {
  test('has no string without a limit', async () => {
    const house = await Ec2House.open()
    const { filterId, targetId, sessionId, ruleId } = await furnish(house)
    const session = {
      NetworkInterfaceId: 'eni-00000000000000002',
      TrafficMirrorTargetId: targetId,
      TrafficMirrorFilterId: filterId,
      SessionNumber: '2',
    }
    const toS3 = flowLogFor('eni-00000000000000005')
    const { LogDestination: _, LogDestinationType: __, ...plain } = toS3
    const toLogs = { ...plain, LogGroupName: 'g', DeliverLogsPermissionArn: `${ROLE}r` }
    const nlb = 'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net'
    const tag = (of: object) => ({ ResourceId: [sessionId], Tag: [of] })
    const requests: [name: string, input: Input][] = [
      ['CreateTrafficMirrorFilter', { Description: LONG }],
      ['CreateTrafficMirrorFilter', { ClientToken: LONG }],
      ['CreateTrafficMirrorFilterRule', { ...ruleFor(filterId, 20), Description: LONG }],
      [
        'CreateTrafficMirrorFilterRule',
        { ...ruleFor(filterId, 20), SourceCidrBlock: `10.0.0.0/${'0'.repeat(100_000)}8` },
      ],
      ['ModifyTrafficMirrorFilterRule', { TrafficMirrorFilterRuleId: ruleId, Description: LONG }],
      [
        'CreateTrafficMirrorTarget',
        { NetworkInterfaceId: 'eni-00000000000000003', Description: LONG },
      ],
      ['CreateTrafficMirrorTarget', { NetworkLoadBalancerArn: `${nlb}/${LONG}/50dc6c495c0c9188` }],
      ['CreateTrafficMirrorTarget', { NetworkLoadBalancerArn: `${nlb}/n/${'5'.repeat(100_000)}` }],
      ['CreateTrafficMirrorSession', { ...session, Description: LONG }],
      ['ModifyTrafficMirrorSession', { TrafficMirrorSessionId: sessionId, Description: LONG }],
      ['CreateFlowLogs', { ...toS3, LogDestination: ARN }],
      ['CreateFlowLogs', { ...toS3, LogFormat: `\${srcaddr}${' '.repeat(100_000)}` }],
      ['CreateFlowLogs', { ...toS3, ResourceId: ['eni-00000000000000005', LONG] }],
      ['CreateFlowLogs', { ...toLogs, LogGroupName: LONG }],
      [
        'CreateFlowLogs',
        { ...plain, LogDestination: `${LOG_GROUP}${LONG}`, DeliverLogsPermissionArn: `${ROLE}r` },
      ],
      ['CreateFlowLogs', { ...toLogs, DeliverLogsPermissionArn: `${ROLE}${LONG}` }],
      [
        'CreateFlowLogs',
        {
          ...toS3,
          TagFieldSpecification: [{ ResourceType: 'network-interface', TagKey: [LONG] }],
        },
      ],
      ['CreateTags', tag({ Key: LONG })],
      ['CreateTags', tag({ Key: 'k', Value: LONG })],
    ]
    const before = house.plane.resources
    for (const [name, input] of requests) {
      const said = await house.ask(name, input)
      const what = `${name} ${Object.keys(input)}`
      expect(said.code, what).toMatch(/^(Invalid\w*(\.Malformed)?)$/)
      expect(said.message.length, what).toBeLessThan(700)
    }
    expect(house.plane.resources).toBe(before)
    await house.must('CreateTrafficMirrorFilter', { Description: 'ö'.repeat(255) })
    await house.must('CreateFlowLogs', toLogs)
  })

  test('comes back from a refusal, and gets into the audit log, with a bound too', async () => {
    const house = await Ec2House.open()
    const requests: [name: string, input: Input][] = [
      ['DeleteTrafficMirrorFilter', { TrafficMirrorFilterId: LONG }],
      ['DescribeTrafficMirrorSessions', { TrafficMirrorSessionId: [LONG] }],
      ['CreateTrafficMirrorFilter', { [LONG]: 'value' }],
      [
        'DeleteFlowLogs',
        { FlowLogId: Array.from({ length: 500 }, (_, id) => `fl-${id}${'0'.repeat(200)}`) },
      ],
    ]
    for (const [name, input] of requests) {
      const { message } = await house.ask(name, input)
      expect(message.length, name).toBeGreaterThan(40)
      expect(message.length, name).toBeLessThan(5000)
    }
  })

  test('is refused where all of it together would be more than its quota', async () => {
    const house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, storedBytes: 3000 } })
    const Description = 'd'.repeat(250)
    const ids: string[] = []
    let code: string | undefined
    for (let count = 0; count < 20 && code === undefined; count++) {
      const said = await house.ask('CreateTrafficMirrorFilter', { Description })
      code = said.code
      if (code === undefined) ids.push(said.output.trafficMirrorFilter.trafficMirrorFilterId)
    }
    expect(code).toBe('ResourceLimitExceeded')
    expect(ids.length).toBeGreaterThan(5)
    const ResourceId = [ids[0]!]
    const Tag = [{ Key: 'k', Value: 'v'.repeat(256) }]
    expect(await house.ask('CreateTags', { ResourceId, Tag })).toMatchObject({
      code: 'ResourceLimitExceeded',
    })
    // What makes room is never refused.
    await house.must('DeleteTrafficMirrorFilter', { TrafficMirrorFilterId: ids[1] })
    await house.must('CreateTags', { ResourceId, Tag })
    await house.must('DeleteTags', { ResourceId, Tag })
  })

  test('has a quota of flow logs in all, and those beyond it are listed as not made', async () => {
    const house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, flowLogs: 2 } })
    const ResourceId = [1, 2, 3].map((at) => `eni-0000000000000000${at}`)
    const made = await house.must('CreateFlowLogs', { ...flowLogFor(ResourceId[0]!), ResourceId })
    expect(made.flowLogIdSet.length).toBe(2)
    expect(made.unsuccessful).toMatchObject([
      { resourceId: ResourceId[2], error: { code: 'FlowLogsLimitExceeded' } },
    ])
    await house.must('DeleteFlowLogs', { FlowLogId: [made.flowLogIdSet[0]] })
    await house.must('CreateFlowLogs', flowLogFor(ResourceId[2]!))
  })

  test('is described in pages of bounded size, every resource on one', async () => {
    const house = await Ec2House.open()
    const Tag = Array.from({ length: 50 }, (_, at) => ({
      Key: `key ${at}`,
      Value: 'v'.repeat(256),
    }))
    const TagSpecification = [{ ResourceType: 'traffic-mirror-filter', Tag }]
    const ids: string[] = []
    for (let count = 0; count < 700; count++) {
      const made = await house.must('CreateTrafficMirrorFilter', { TagSpecification })
      ids.push(made.trafficMirrorFilter.trafficMirrorFilterId)
    }
    const found: string[] = []
    let NextToken: string | undefined
    do {
      const page = await house.must('DescribeTrafficMirrorFilters', {
        ...(NextToken && { NextToken }),
      })
      expect(JSON.stringify(page).length).toBeLessThan(5 * 1024 * 1024)
      for (const { trafficMirrorFilterId } of page.trafficMirrorFilterSet) {
        found.push(trafficMirrorFilterId)
      }
      NextToken = page.nextToken
    } while (NextToken !== undefined)
    expect(found).toEqual(ids.sort())
  })

  test('keeps at most so much of what client tokens were used for', async () => {
    const house = await Ec2House.open()
    const bad = Array.from({ length: 999 }, (_, at) => `${at}`.padEnd(255, '-'))
    const ask = (at: number) => {
      const eni = `eni-${at.toString(16).padStart(17, '0')}`
      const ResourceId = [eni, ...bad]
      return house.must('CreateFlowLogs', { ...flowLogFor(eni), ResourceId, ClientToken: `t${at}` })
    }
    const first = await ask(0)
    expect(await ask(0)).toEqual(first)
    for (let at = 1; at < 30; at++) await ask(at)
    const last = await ask(30)
    expect(await ask(30)).toEqual(last)
    // The first is forgotten, so that the same is asked for anew.
    const eni = 'eni-00000000000000000'
    const again = await house.ask('CreateFlowLogs', {
      ...flowLogFor(eni),
      ResourceId: [eni],
      ClientToken: 't0',
    })
    expect(again.code).toBe('FlowLogAlreadyExists')
  })
})
