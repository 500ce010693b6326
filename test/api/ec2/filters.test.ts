import { beforeEach, describe, expect, test } from 'vitest'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { Ec2House, type Furniture, furnish, ruleFor } from './ec2-house.js'

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

const createRule = (more: object = {}) =>
  house.ask('CreateTrafficMirrorFilterRule', { ...ruleFor(has.filterId, 20), ...more })

const modifyRule = (more: object) =>
  house.ask('ModifyTrafficMirrorFilterRule', { TrafficMirrorFilterRuleId: has.ruleId, ...more })

describe('a traffic mirror filter', () => {
  test('shows its rules by direction and number', async () => {
    await createRule({ RuleNumber: '5' })
    await createRule({ RuleNumber: '5', TrafficDirection: 'egress' })
    const { trafficMirrorFilterSet } = await house.must('DescribeTrafficMirrorFilters')
    const [{ ingressFilterRuleSet, egressFilterRuleSet }] = trafficMirrorFilterSet
    const numbers = (rules: { ruleNumber: number }[]) => rules.map(({ ruleNumber }) => ruleNumber)
    expect(numbers(ingressFilterRuleSet)).toEqual([5, 10])
    expect(numbers(egressFilterRuleSet)).toEqual([5])
  })

  test('goes with its rules, but not while a session uses it', async () => {
    const request = { TrafficMirrorFilterId: has.filterId }
    const said = await house.ask('DeleteTrafficMirrorFilter', request)
    expect(said).toMatchObject({ code: 'TrafficMirrorFilterInUse', status: 400 })
    await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId })
    await house.must('DeleteTrafficMirrorFilter', request)
    expect(await modifyRule({ RuleNumber: '1' })).toMatchObject({
      code: 'InvalidTrafficMirrorFilterRuleId.NotFound',
    })
  })

  test('gets and loses network services, however often it is asked', async () => {
    const services = async (more: object) =>
      (
        await house.must('ModifyTrafficMirrorFilterNetworkServices', {
          TrafficMirrorFilterId: has.filterId,
          ...more,
        })
      ).trafficMirrorFilter.networkServiceSet
    const dns = ['amazon-dns']
    expect(await services({ AddNetworkService: ['amazon-dns', 'amazon-dns'] })).toEqual(dns)
    expect(await services({ AddNetworkService: dns })).toEqual(dns)
    expect(await services({})).toEqual(dns)
    expect(await services({ RemoveNetworkService: dns })).toEqual([])
    expect(await services({ RemoveNetworkService: dns })).toEqual([])
    const both = {
      TrafficMirrorFilterId: has.filterId,
      AddNetworkService: dns,
      RemoveNetworkService: dns,
    }
    expect(await house.ask('ModifyTrafficMirrorFilterNetworkServices', both)).toMatchObject({
      code: 'InvalidParameterCombination',
    })
  })

  test('keeps to the quotas of filters and of rules', async () => {
    house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, filters: 1, rulesPerFilter: 2 } })
    has = await furnish(house)
    expect(await createRule({ TrafficDirection: 'egress' })).toMatchObject({ status: 200 })
    expect(await createRule()).toMatchObject({ code: 'TrafficMirrorFilterRuleLimitExceeded' })
    expect(await house.ask('CreateTrafficMirrorFilter')).toMatchObject({
      code: 'TrafficMirrorFilterLimitExceeded',
    })
  })
})

describe('CreateTrafficMirrorFilterRule', () => {
  test('keeps blocks of addresses as EC2 does, without the bits behind the prefix', async () => {
    const { output } = await createRule({
      SourceCidrBlock: '10.1.2.3/8',
      DestinationCidrBlock: '192.0.2.255/31',
    })
    expect(output.trafficMirrorFilterRule).toMatchObject({
      sourceCidrBlock: '10.0.0.0/8',
      destinationCidrBlock: '192.0.2.254/31',
    })
  })

  const ports = (from: string, to: string) => ({ FromPort: from, ToPort: to })

  test.each([
    ['TCP with ports', { Protocol: '6', DestinationPortRange: ports('0', '65535') }],
    ['UDP with ports', { Protocol: '17', SourcePortRange: ports('53', '53') }],
    ['any protocol with ports', { SourcePortRange: ports('1', '2') }],
    ['any protocol', {}],
    ['ICMP', { Protocol: '1' }],
    ['protocol 0', { Protocol: '0' }],
    ['protocol 255', { Protocol: '255' }],
    ['IPv6', { SourceCidrBlock: '::/0', DestinationCidrBlock: '2001:db8::/32' }],
    ['the highest number', { RuleNumber: '2147483647' }],
    ['a number that the other direction has', { RuleNumber: '10', TrafficDirection: 'egress' }],
  ])('takes %s', async (_what, more) => {
    const { status, message } = await createRule(more)
    expect({ status, message }).toEqual({ status: 200, message: '' })
  })

  test.each([
    [
      'ICMP with ports',
      { Protocol: '1', SourcePortRange: ports('1', '2') },
      'InvalidParameterCombination',
    ],
    ['ports the wrong way round', { SourcePortRange: ports('2', '1') }, 'InvalidParameterValue'],
    ['half a range', { SourcePortRange: { FromPort: '1' } }, 'MissingParameter'],
    ['two IP versions', { SourceCidrBlock: '::/0' }, 'InvalidParameterValue'],
    ['an address without prefix', { SourceCidrBlock: '10.0.0.1' }, 'InvalidParameterValue'],
    ['a prefix too long', { SourceCidrBlock: '10.0.0.0/33' }, 'InvalidParameterValue'],
    ['a number that is there', { RuleNumber: '10' }, 'TrafficMirrorFilterRuleAlreadyExists'],
  ])('refuses %s', async (_what, more, code) => {
    expect(await createRule(more)).toMatchObject({ code, status: 400 })
  })
})

describe('ModifyTrafficMirrorFilterRule', () => {
  test('changes and clears fields, and leaves the tags out of its answer', async () => {
    await house.must('CreateTags', { ResourceId: [has.ruleId], Tag: [{ Key: 'a' }] })
    await modifyRule({
      Protocol: '6',
      SourcePortRange: { FromPort: '1', ToPort: '2' },
      DestinationPortRange: { FromPort: '3', ToPort: '4' },
      Description: 'x',
    })
    const { output } = await modifyRule({
      RemoveField: ['source-port-range', 'destination-port-range', 'protocol', 'description'],
      RuleNumber: '11',
    })
    const rule = output.trafficMirrorFilterRule
    expect(rule).toMatchObject({ ruleNumber: 11, ruleAction: 'accept' })
    for (const member of ['protocol', 'sourcePortRange', 'destinationPortRange', 'description']) {
      expect(rule[member]).toBeUndefined()
    }
    expect(rule.tagSet).toBeUndefined()
    const { rules } = house.plane.resources.filters.get(has.filterId)!
    expect(rules[0]!.tags).toEqual([{ key: 'a', value: '' }])
  })

  test('holds the rule that would come of it to the same', async () => {
    await modifyRule({ Protocol: '6', SourcePortRange: { FromPort: '1', ToPort: '2' } })
    await createRule()
    const before = house.plane.resources
    for (const [more, code] of [
      [{ Protocol: '1' }, 'InvalidParameterCombination'],
      [{ SourceCidrBlock: '::/0' }, 'InvalidParameterValue'],
      [{ RuleNumber: '20' }, 'TrafficMirrorFilterRuleAlreadyExists'],
      [{ Protocol: '17', RemoveField: ['protocol'] }, 'InvalidParameterCombination'],
    ] as const) {
      expect(await modifyRule(more), JSON.stringify(more)).toMatchObject({ code, status: 400 })
    }
    expect(house.plane.resources).toBe(before)
    expect(await modifyRule({ Protocol: '1', RemoveField: ['source-port-range'] })).toMatchObject({
      status: 200,
    })
    expect(await modifyRule({ RuleNumber: '20', TrafficDirection: 'egress' })).toMatchObject({
      status: 200,
    })
  })
})
