import { beforeEach, describe, expect, test } from 'vitest'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { Ec2House, type Furniture, furnish, SOURCE, TARGET } from './ec2-house.js'

const NLB =
  'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/n/50dc6c495c0c9188'
const ENDPOINT = 'vpce-0123456789abcdef0'

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

describe('CreateTrafficMirrorTarget', () => {
  test.each([
    ['NetworkInterfaceId', 'eni-00000001', 'networkInterfaceId', 'network-interface'],
    ['NetworkLoadBalancerArn', NLB, 'networkLoadBalancerArn', 'network-load-balancer'],
    [
      'GatewayLoadBalancerEndpointId',
      ENDPOINT,
      'gatewayLoadBalancerEndpointId',
      'gateway-load-balancer-endpoint',
    ],
  ])('makes one of %s %s', async (parameter, address, member, type) => {
    const { trafficMirrorTarget } = await house.must('CreateTrafficMirrorTarget', {
      [parameter]: address,
      Description: 'sensor',
    })
    const shown = Object.fromEntries(
      Object.entries(trafficMirrorTarget).filter(([, value]) => value !== undefined),
    )
    expect(shown).toEqual({
      trafficMirrorTargetId: expect.stringMatching(/^tmt-[0-9a-f]{17}$/),
      [member]: address,
      type,
      description: 'sensor',
      ownerId: '111122223333',
      tagSet: [],
    })
  })

  test.each([
    ['no kind of target', {}, 'MissingParameter'],
    [
      'two kinds',
      { NetworkInterfaceId: 'eni-00000001', NetworkLoadBalancerArn: NLB },
      'InvalidParameterCombination',
    ],
    [
      'an interface that is one',
      { NetworkInterfaceId: TARGET },
      'InterfaceInUseByTrafficMirrorTarget',
    ],
    ['a source', { NetworkInterfaceId: SOURCE }, 'InterfaceInUseByTrafficMirrorSession'],
    ['no id', { NetworkInterfaceId: 'eni-1' }, 'InvalidNetworkInterfaceId.Malformed'],
    [
      'another load balancer',
      { NetworkLoadBalancerArn: NLB.replace('/net/', '/app/') },
      'InvalidNetworkLoadBalancerArn.Malformed',
    ],
    [
      'no endpoint',
      { GatewayLoadBalancerEndpointId: 'vpc-00000001' },
      'InvalidVpcEndpointId.Malformed',
    ],
  ])('refuses %s', async (_what, input, code) => {
    expect(await house.ask('CreateTrafficMirrorTarget', input)).toMatchObject({ code, status: 400 })
  })

  test('refuses a load balancer twice, and takes an endpoint twice', async () => {
    await house.must('CreateTrafficMirrorTarget', { NetworkLoadBalancerArn: NLB })
    expect(
      await house.ask('CreateTrafficMirrorTarget', { NetworkLoadBalancerArn: NLB }),
    ).toMatchObject({ code: 'NlbInUseByTrafficMirrorTargetException' })
    for (const _ of [1, 2]) {
      await house.must('CreateTrafficMirrorTarget', { GatewayLoadBalancerEndpointId: ENDPOINT })
    }
  })

  test('keeps to the quota', async () => {
    house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, targets: 1 } })
    await house.must('CreateTrafficMirrorTarget', { NetworkLoadBalancerArn: NLB })
    expect(
      await house.ask('CreateTrafficMirrorTarget', { NetworkInterfaceId: TARGET }),
    ).toMatchObject({ code: 'TrafficMirrorTargetLimitExceeded' })
  })
})

describe('DeleteTrafficMirrorTarget', () => {
  test('refuses while a session uses it, naming the session, and lets go then', async () => {
    const request = { TrafficMirrorTargetId: has.targetId }
    const said = await house.ask('DeleteTrafficMirrorTarget', request)
    expect(said).toMatchObject({ code: 'TrafficMirrorTargetInUse', status: 400 })
    expect(said.message).toContain(has.sessionId)
    await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId })
    await house.must('DeleteTrafficMirrorTarget', request)
    // Now the interface can be a source.
    await house.must('CreateTrafficMirrorTarget', { NetworkInterfaceId: SOURCE })
  })
})
