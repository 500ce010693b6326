// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { beforeEach, describe, expect, test } from 'vitest'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { Ec2House, flowLogFor, furnish, SOURCE } from './ec2-house.js'

const ENI = 'eni-00000000000000007'
const ROLE = 'arn:aws:iam::111122223333:role/flow-logs'
const STREAM = 'arn:aws:firehose:us-east-1:111122223333:deliverystream/flows'
const GROUP = 'arn:aws:logs:us-east-1:111122223333:log-group:/flows:*'

let house: Ec2House

beforeEach(async () => {
  house = await Ec2House.open()
})

/** To S3; members that are undefined are left out. */
function ask(more: Record<string, unknown> = {}) {
  const input = { ...flowLogFor(ENI), ...more }
  const given = Object.entries(input).filter(([, value]) => value !== undefined)
  return house.ask('CreateFlowLogs', Object.fromEntries(given))
}

async function shown() {
  const { flowLogSet } = await house.must('DescribeFlowLogs')
  return flowLogSet[0]
}

const CLOUDWATCH = {
  LogDestinationType: undefined,
  LogDestination: undefined,
  LogGroupName: 'flows',
  DeliverLogsPermissionArn: ROLE,
}

describe('CreateFlowLogs', () => {
  test('fills in the format, the interval and the options of S3', async () => {
    const { output } = await ask()
    expect(output).toMatchObject({
      clientToken: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      unsuccessful: [],
    })
    expect(await shown()).toMatchObject({
      flowLogId: output.flowLogIdSet[0],
      creationTime: expect.any(Date),
      flowLogStatus: 'ACTIVE',
      deliverLogsStatus: 'SUCCESS',
      logFormat:
        '${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ' +
        '${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}',
      maxAggregationInterval: 600,
      destinationOptions: {
        fileFormat: 'plain-text',
        hiveCompatiblePartitions: false,
        perHourPartition: false,
      },
    })
  })

  test.each([
    [
      'to a log group by name',
      CLOUDWATCH,
      { logGroupName: 'flows', logDestinationType: 'cloud-watch-logs' },
    ],
    [
      'to a log group by ARN',
      { ...CLOUDWATCH, LogGroupName: undefined, LogDestination: GROUP },
      { logGroupName: '/flows', logDestination: GROUP },
    ],
    [
      'to a stream',
      { LogDestinationType: 'kinesis-data-firehose', LogDestination: STREAM },
      { logDestination: STREAM, destinationOptions: undefined },
    ],
    ['to a bucket alone', { LogDestination: 'arn:aws:s3:::flow-bucket' }, {}],
    ['in another partition', { LogDestination: 'arn:aws-us-gov:s3:::flow-bucket/a/b/' }, {}],
    ['of REJECT, which writes nothing', { TrafficType: 'REJECT' }, { trafficType: 'REJECT' }],
    [
      'in a format as shells want it written',
      { LogFormat: "'$${version}   $${srcaddr}'" },
      { logFormat: '${version} ${srcaddr}' },
    ],
    ['each minute', { MaxAggregationInterval: '60' }, { maxAggregationInterval: 60 }],
    [
      'in Parquet',
      { DestinationOptions: { FileFormat: 'parquet' } },
      { destinationOptions: { fileFormat: 'parquet', hiveCompatiblePartitions: false } },
    ],
    [
      'with the values of tags',
      { TagFieldSpecification: [{ ResourceType: 'instance', TagKey: ['Name'] }] },
      { tagFieldSpecificationSet: [{ resourceType: 'instance', tagKeySet: ['Name'] }] },
    ],
  ])('makes one %s', async (_what, more, expected) => {
    const { message } = await ask(more)
    expect(message).toBe('')
    expect(await shown()).toMatchObject(expected)
  })

  test.each([
    ['no traffic type', { TrafficType: undefined }, 'MissingParameter'],
    ['no resource', { ResourceId: [] }, 'MissingParameter'],
    ['a NAT gateway', { ResourceType: 'RegionalNatGateway' }, 'UnsupportedOperation'],
    ['another interval', { MaxAggregationInterval: '61' }, 'InvalidParameter'],
    ['an unknown field', { LogFormat: '${nonsense}' }, 'InvalidParameter'],
    ['an empty format', { LogFormat: '' }, 'InvalidParameter'],
    ['no bucket', { LogDestination: undefined }, 'InvalidParameter'],
    ['an empty bucket', { LogDestination: '' }, 'InvalidParameter'],
    ['a bucket that is none', { LogDestination: 'flow-bucket' }, 'InvalidParameter'],
    [
      'the folder that is AWS’s',
      { LogDestination: 'arn:aws:s3:::b-1/x/AWSLogs/' },
      'InvalidParameter',
    ],
    ['a bucket and a log group', { LogGroupName: 'flows' }, 'InvalidParameter'],
    ['a role for S3', { DeliverLogsPermissionArn: ROLE }, 'InvalidParameter'],
    [
      'no role for a log group',
      { ...CLOUDWATCH, DeliverLogsPermissionArn: undefined },
      'InvalidParameter',
    ],
    ['a role that is none', { ...CLOUDWATCH, DeliverLogsPermissionArn: 'me' }, 'InvalidParameter'],
    ['no log group', { ...CLOUDWATCH, LogGroupName: undefined }, 'InvalidParameter'],
    ['two log groups', { ...CLOUDWATCH, LogDestination: GROUP }, 'InvalidParameter'],
    ['options for a log group', { ...CLOUDWATCH, DestinationOptions: {} }, 'InvalidParameter'],
    ['a bucket for a stream', { LogDestinationType: 'kinesis-data-firehose' }, 'InvalidParameter'],
    [
      'tags of something else',
      { TagSpecification: [{ ResourceType: 'vpc', Tag: [{ Key: 'a' }] }] },
      'InvalidParameterValue',
    ],
  ])('refuses %s, also on a dry run', async (_what, more, code) => {
    for (const DryRun of ['true', 'false']) {
      expect(await ask({ ...more, DryRun })).toMatchObject({ code, status: 400 })
    }
    expect(house.plane.resources.flowLogs.size).toBe(0)
  })

  test('makes those it can, and lists the others', async () => {
    await ask()
    const { output } = await ask({
      ResourceId: [ENI, 'eni-1', 'eni-00000000000000008', 'vpc-00000001'],
    })
    expect(output.flowLogIdSet.length).toBe(1)
    expect(
      output.unsuccessful.map((one: { resourceId: string; error: { code: string } }) => [
        one.resourceId,
        one.error.code,
      ]),
    ).toEqual([
      [ENI, 'FlowLogAlreadyExists'],
      ['eni-1', 'InvalidNetworkInterfaceId.Malformed'],
      ['vpc-00000001', 'InvalidNetworkInterfaceId.Malformed'],
    ])
  })

  test('makes several of a resource as long as they differ, up to the quota', async () => {
    house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, flowLogsPerResource: 4 } })
    const variants = [
      {},
      { LogFormat: '${version}' },
      { TrafficType: 'ACCEPT' },
      { LogDestination: 'arn:aws:s3:::another' },
    ]
    for (const more of variants) {
      expect((await ask(more)).output.unsuccessful).toEqual([])
    }
    for (const more of variants) {
      const { code } = await ask({ ...more, TagSpecification: [] })
      expect(code).toBe('FlowLogAlreadyExists')
    }
    const { output } = await ask({ MaxAggregationInterval: '60' })
    expect(output.unsuccessful[0].error.code).toBe('FlowLogsLimitExceeded')
  })

  test('answers a repeated request with the same failures', async () => {
    const request = { ResourceId: [ENI, 'eni-1'], ClientToken: 'again' }
    const first = await ask(request)
    expect(first.output.unsuccessful.length).toBe(1)
    expect(await ask(request)).toEqual(first)
  })

  test('knows the interfaces of the configuration, their VPCs and subnets, and sources of sessions', async () => {
    const inventory = {
      id: ENI,
      addresses: ['10.0.0.1'],
      vpcId: 'vpc-00000001',
      subnetId: 'subnet-00000001',
    }
    house = await Ec2House.open({ interfaces: [inventory] })
    for (const [ResourceType, ResourceId, code] of [
      ['VPC', 'vpc-00000001', undefined],
      ['VPC', 'vpc-00000002', 'InvalidVpcID.NotFound'],
      ['VPC', 'vpc-2', 'InvalidVpcID.Malformed'],
      ['Subnet', 'subnet-00000001', undefined],
      ['Subnet', 'subnet-00000002', 'InvalidSubnetID.NotFound'],
      ['NetworkInterface', ENI, undefined],
      ['NetworkInterface', SOURCE, 'InvalidNetworkInterfaceID.NotFound'],
    ]) {
      const { output } = await ask({ ResourceType, ResourceId: [ResourceId] })
      expect(output.unsuccessful[0]?.error.code, ResourceId).toBe(code)
    }
    house = await Ec2House.open({ interfaces: [inventory, { id: SOURCE, addresses: [] }] })
    await furnish(house)
  })
})

describe('CreateFlowLogs of a transit gateway', () => {
  const TGW = 'tgw-00000000000000001'
  const ATTACHMENT = 'tgw-attach-00000000000000001'

  beforeEach(async () => {
    const attachment = { id: ATTACHMENT, vpcId: 'vpc-1', subnetIds: [], cidrBlocks: ['10.0.0.0/8'] }
    house = await Ec2House.open({ transitGateways: [{ id: TGW, attachments: [attachment] }] })
  })

  const askOf = (more: Record<string, unknown> = {}) =>
    ask({ ResourceType: 'TransitGateway', ResourceId: [TGW], TrafficType: undefined, ...more })

  test.each([
    ['TransitGateway', TGW],
    ['TransitGatewayAttachment', ATTACHMENT],
  ])('makes one of a %s each minute, without a traffic type', async (ResourceType, id) => {
    const { output } = await askOf({ ResourceType, ResourceId: [id] })
    expect(output.unsuccessful).toEqual([])
    const found = await shown()
    expect(found).toMatchObject({ resourceId: id, maxAggregationInterval: 60 })
    expect(found.trafficType).toBeUndefined()
    expect(found.logFormat.split(' ')).toHaveLength(36)
  })

  test.each([
    ['a traffic type', { TrafficType: 'ALL' }],
    ['ten minutes', { MaxAggregationInterval: '600' }],
    ['26 of them', { ResourceId: Array(26).fill(TGW) }],
    ['a field of interfaces', { LogFormat: '${interface-id}' }],
    ['tags', { TagFieldSpecification: [{ ResourceType: 'instance', TagKey: ['Name'] }] }],
  ])('refuses %s, also on a dry run', async (_what, more) => {
    for (const DryRun of ['true', 'false']) {
      expect(await askOf({ ...more, DryRun })).toMatchObject({ code: 'InvalidParameter' })
    }
    expect(house.plane.resources.flowLogs.size).toBe(0)
  })

  test('refuses fields of transit gateways for an interface', async () => {
    expect(await ask({ LogFormat: '${tgw-id}' })).toMatchObject({ code: 'InvalidParameter' })
  })

  test.each([
    ['TransitGateway', 'tgw-00000000000000002', 'InvalidTransitGatewayID.NotFound'],
    ['TransitGateway', ATTACHMENT, 'InvalidTransitGatewayID.Malformed'],
    ['TransitGatewayAttachment', TGW, 'InvalidTransitGatewayAttachmentID.Malformed'],
    [
      'TransitGatewayAttachment',
      'tgw-attach-00000000000000002',
      'InvalidTransitGatewayAttachmentID.NotFound',
    ],
  ])('lists a %s %s as %s', async (ResourceType, id, code) => {
    const { output } = await askOf({ ResourceType, ResourceId: [id] })
    expect(output.unsuccessful[0].error.code).toBe(code)
  })
})

describe('DeleteFlowLogs', () => {
  test('deletes those there are, and lists the others', async () => {
    const { flowLogIdSet } = (await ask()).output
    const { unsuccessful } = await house.must('DeleteFlowLogs', {
      FlowLogId: [...flowLogIdSet, 'fl-00000000000000001', 'nonsense'],
    })
    expect(unsuccessful.map((one: { resourceId: string }) => one.resourceId)).toEqual([
      'fl-00000000000000001',
      'nonsense',
    ])
    expect(unsuccessful[0].error.code).toBe('InvalidFlowLogId.NotFound')
    expect(house.plane.resources.flowLogs.size).toBe(0)
  })
})
