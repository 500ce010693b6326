import {
  CreateFlowLogsCommand,
  CreateTagsCommand,
  CreateTrafficMirrorFilterCommand,
  CreateTrafficMirrorFilterRuleCommand,
  CreateTrafficMirrorSessionCommand,
  CreateTrafficMirrorTargetCommand,
  DeleteFlowLogsCommand,
  DeleteTagsCommand,
  DeleteTrafficMirrorFilterCommand,
  DeleteTrafficMirrorFilterRuleCommand,
  DeleteTrafficMirrorSessionCommand,
  DeleteTrafficMirrorTargetCommand,
  DescribeFlowLogsCommand,
  DescribeTagsCommand,
  DescribeTrafficMirrorFilterRulesCommand,
  DescribeTrafficMirrorFiltersCommand,
  DescribeTrafficMirrorSessionsCommand,
  DescribeTrafficMirrorTargetsCommand,
  EC2Client,
  ModifyTrafficMirrorFilterNetworkServicesCommand,
  ModifyTrafficMirrorFilterRuleCommand,
  ModifyTrafficMirrorSessionCommand,
  paginateDescribeFlowLogs,
  paginateDescribeTags,
  paginateDescribeTrafficMirrorFilters,
  paginateDescribeTrafficMirrorSessions,
  paginateDescribeTrafficMirrorTargets,
} from '@aws-sdk/client-ec2'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { ACCOUNT, ALICE, REGION, startApi } from '../running-api.js'
import { SOURCE, TARGET } from './ec2-house.js'

async function startEc2(): Promise<EC2Client> {
  const plane = await ControlPlane.open({
    onProblem: (line) => expect.unreachable(line),
    interfaces: [{ id: SOURCE, addresses: ['10.0.0.1'], vpcId: 'vpc-0123456789abcdef0' }],
  })
  const { url } = await startApi({ ec2: ec2Actions(plane) })
  const client = new EC2Client({
    endpoint: url,
    region: REGION,
    credentials: ALICE,
    maxAttempts: 1,
  })
  onTestFinished(() => client.destroy())
  return client
}

/** The error of a call, as programs see it. */
async function errorOf(call: Promise<unknown>): Promise<{ name: string; status: number }> {
  try {
    await call
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata: { httpStatusCode: number } }
    return { name, status: $metadata.httpStatusCode }
  }
  throw new Error('the call succeeded')
}

const anyId = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}-[0-9a-f]{17}$`))

describe('ec2Actions, called by the AWS SDK', () => {
  test('live through a session, from filter to end', async () => {
    const ec2 = await startEc2()
    const specification = (type: 'traffic-mirror-filter' | 'traffic-mirror-session') => [
      {
        ResourceType: type,
        Tags: [
          { Key: 'Name', Value: 'a <&> "b"' },
          { Key: 'empty', Value: '' },
        ],
      },
    ]
    const tags = [
      { Key: 'Name', Value: 'a <&> "b"' },
      { Key: 'empty', Value: '' },
    ]

    const { TrafficMirrorFilter: filter } = await ec2.send(
      new CreateTrafficMirrorFilterCommand({
        Description: 'tëst ✓',
        TagSpecifications: specification('traffic-mirror-filter'),
      }),
    )
    const filterId = filter!.TrafficMirrorFilterId!
    expect(filter).toEqual({
      TrafficMirrorFilterId: anyId('tmf'),
      Description: 'tëst ✓',
      IngressFilterRules: [],
      EgressFilterRules: [],
      NetworkServices: [],
      Tags: tags,
    })

    const { TrafficMirrorFilterRule: rule } = await ec2.send(
      new CreateTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterId: filterId,
        TrafficDirection: 'ingress',
        RuleNumber: 10,
        RuleAction: 'accept',
        Protocol: 6,
        DestinationPortRange: { FromPort: 443, ToPort: 444 },
        SourceCidrBlock: '10.1.2.3/8',
        DestinationCidrBlock: '0.0.0.0/0',
      }),
    )
    const shownRule = {
      TrafficMirrorFilterRuleId: anyId('tmfr'),
      TrafficMirrorFilterId: filterId,
      TrafficDirection: 'ingress',
      RuleNumber: 10,
      RuleAction: 'accept',
      Protocol: 6,
      DestinationPortRange: { FromPort: 443, ToPort: 444 },
      SourceCidrBlock: '10.0.0.0/8',
      DestinationCidrBlock: '0.0.0.0/0',
      Tags: [],
    }
    expect(rule).toEqual(shownRule)
    const ruleId = rule!.TrafficMirrorFilterRuleId!

    const modifiedRule = await ec2.send(
      new ModifyTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterRuleId: ruleId,
        RuleNumber: 20,
        RemoveFields: ['destination-port-range', 'protocol'],
      }),
    )
    const { Tags: _, Protocol: __, DestinationPortRange: ___, ...rest } = shownRule
    expect(modifiedRule.TrafficMirrorFilterRule).toEqual({ ...rest, RuleNumber: 20 })
    const { TrafficMirrorFilterRules: rules } = await ec2.send(
      new DescribeTrafficMirrorFilterRulesCommand({ TrafficMirrorFilterId: filterId }),
    )
    expect(rules).toEqual([{ ...rest, RuleNumber: 20, Tags: [] }])

    const services = await ec2.send(
      new ModifyTrafficMirrorFilterNetworkServicesCommand({
        TrafficMirrorFilterId: filterId,
        AddNetworkServices: ['amazon-dns'],
      }),
    )
    expect(services.TrafficMirrorFilter!.NetworkServices).toEqual(['amazon-dns'])
    expect(services.TrafficMirrorFilter!.IngressFilterRules).toEqual(rules)

    const { TrafficMirrorTarget: target } = await ec2.send(
      new CreateTrafficMirrorTargetCommand({ NetworkInterfaceId: TARGET }),
    )
    expect(target).toEqual({
      TrafficMirrorTargetId: anyId('tmt'),
      NetworkInterfaceId: TARGET,
      Type: 'network-interface',
      OwnerId: ACCOUNT,
      Tags: [],
    })
    const targetId = target!.TrafficMirrorTargetId!

    const created = await ec2.send(
      new CreateTrafficMirrorSessionCommand({
        NetworkInterfaceId: SOURCE,
        TrafficMirrorTargetId: targetId,
        TrafficMirrorFilterId: filterId,
        SessionNumber: 1,
        PacketLength: 100,
        TagSpecifications: specification('traffic-mirror-session'),
      }),
    )
    const session = created.TrafficMirrorSession!
    // The SDK makes a token up.
    expect(created.ClientToken).toMatch(/^[0-9a-f-]{36}$/)
    expect(session).toEqual({
      TrafficMirrorSessionId: anyId('tms'),
      TrafficMirrorTargetId: targetId,
      TrafficMirrorFilterId: filterId,
      NetworkInterfaceId: SOURCE,
      OwnerId: ACCOUNT,
      PacketLength: 100,
      SessionNumber: 1,
      VirtualNetworkId: expect.any(Number),
      Tags: tags,
    })
    const sessionId = session.TrafficMirrorSessionId!

    const modified = await ec2.send(
      new ModifyTrafficMirrorSessionCommand({
        TrafficMirrorSessionId: sessionId,
        VirtualNetworkId: 7,
        RemoveFields: ['packet-length'],
      }),
    )
    const { PacketLength: ____, ...whole } = session
    expect(modified.TrafficMirrorSession).toEqual({ ...whole, VirtualNetworkId: 7 })

    const inUse = ec2.send(
      new DeleteTrafficMirrorTargetCommand({ TrafficMirrorTargetId: targetId }),
    )
    expect(await errorOf(inUse)).toEqual({ name: 'TrafficMirrorTargetInUse', status: 400 })
    const dry = ec2.send(
      new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: sessionId, DryRun: true }),
    )
    expect(await errorOf(dry)).toEqual({ name: 'DryRunOperation', status: 412 })

    for (const [command, answer] of [
      [
        new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: sessionId }),
        { TrafficMirrorSessionId: sessionId },
      ],
      [
        new DeleteTrafficMirrorTargetCommand({ TrafficMirrorTargetId: targetId }),
        { TrafficMirrorTargetId: targetId },
      ],
      [
        new DeleteTrafficMirrorFilterRuleCommand({ TrafficMirrorFilterRuleId: ruleId }),
        { TrafficMirrorFilterRuleId: ruleId },
      ],
      [
        new DeleteTrafficMirrorFilterCommand({ TrafficMirrorFilterId: filterId }),
        { TrafficMirrorFilterId: filterId },
      ],
    ] as const) {
      expect(await ec2.send(command as DeleteTrafficMirrorFilterCommand)).toMatchObject(answer)
    }
    const gone = ec2.send(
      new DescribeTrafficMirrorSessionsCommand({ TrafficMirrorSessionIds: [sessionId] }),
    )
    expect(await errorOf(gone)).toEqual({
      name: 'InvalidTrafficMirrorSessionId.NotFound',
      status: 400,
    })
    expect(await ec2.send(new DescribeTrafficMirrorSessionsCommand({}))).toMatchObject({
      TrafficMirrorSessions: [],
    })
  })

  test('keep flow logs, and say which could not be', async () => {
    const ec2 = await startEc2()
    const created = await ec2.send(
      new CreateFlowLogsCommand({
        ResourceIds: ['vpc-0123456789abcdef0', 'vpc-00000000000000009'],
        ResourceType: 'VPC',
        TrafficType: 'ALL',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::flow-bucket/site-a/',
        LogFormat: '${version} ${interface-id}',
        MaxAggregationInterval: 60,
        DestinationOptions: {
          FileFormat: 'parquet',
          HiveCompatiblePartitions: true,
          PerHourPartition: true,
        },
        TagFieldSpecifications: [{ ResourceType: 'instance', TagKeys: ['Name', 'env'] }],
        TagSpecifications: [{ ResourceType: 'vpc-flow-log', Tags: [{ Key: 'a', Value: 'b' }] }],
      }),
    )
    expect(created.FlowLogIds).toEqual([anyId('fl')])
    expect(created.ClientToken).toMatch(/^[A-Za-z0-9+/]{43}=$/)
    expect(created.Unsuccessful).toEqual([
      {
        ResourceId: 'vpc-00000000000000009',
        Error: { Code: 'InvalidVpcID.NotFound', Message: expect.stringContaining('vpc-') },
      },
    ])
    const { FlowLogs: flowLogs } = await ec2.send(
      new DescribeFlowLogsCommand({ Filter: [{ Name: 'tag:a', Values: ['?'] }] }),
    )
    expect(flowLogs).toEqual([
      {
        CreationTime: expect.any(Date),
        DeliverLogsStatus: 'SUCCESS',
        FlowLogId: created.FlowLogIds![0],
        FlowLogStatus: 'ACTIVE',
        ResourceId: 'vpc-0123456789abcdef0',
        TrafficType: 'ALL',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::flow-bucket/site-a/',
        LogFormat: '${version} ${interface-id}',
        Tags: [{ Key: 'a', Value: 'b' }],
        MaxAggregationInterval: 60,
        DestinationOptions: {
          FileFormat: 'parquet',
          HiveCompatiblePartitions: true,
          PerHourPartition: true,
        },
        TagFieldSpecifications: [{ ResourceType: 'instance', TagKeys: ['Name', 'env'] }],
      },
    ])
    const deleted = await ec2.send(
      new DeleteFlowLogsCommand({ FlowLogIds: [...created.FlowLogIds!, 'fl-00000000000000001'] }),
    )
    expect(deleted.Unsuccessful).toMatchObject([
      { ResourceId: 'fl-00000000000000001', Error: { Code: 'InvalidFlowLogId.NotFound' } },
    ])
  })

  test('page through everything with the paginators', async () => {
    const client = await startEc2()
    for (let at = 0; at < 12; at++) {
      const { TrafficMirrorFilter: filter } = await client.send(
        new CreateTrafficMirrorFilterCommand({}),
      )
      await client.send(
        new CreateTagsCommand({
          Resources: [filter!.TrafficMirrorFilterId!],
          Tags: [{ Key: 'n', Value: String(at) }],
        }),
      )
    }
    const config = { client, pageSize: 5 }
    const lengths: number[] = []
    const ids = new Set<string>()
    for await (const page of paginateDescribeTrafficMirrorFilters(config, {})) {
      lengths.push(page.TrafficMirrorFilters!.length)
      for (const filter of page.TrafficMirrorFilters!) ids.add(filter.TrafficMirrorFilterId!)
    }
    expect(lengths).toEqual([5, 5, 2])
    expect(ids.size).toBe(12)

    const values: (string | undefined)[] = []
    const named = { Filters: [{ Name: 'key', Values: ['n'] }] }
    for await (const page of paginateDescribeTags(config, named)) {
      values.push(...page.Tags!.map((tag) => tag.Value))
    }
    expect(values.map(Number).sort((a, b) => a - b)).toEqual([...Array(12).keys()])

    for (const pages of [
      paginateDescribeTrafficMirrorSessions(config, {}),
      paginateDescribeTrafficMirrorTargets(config, {}),
      paginateDescribeFlowLogs(config, {}),
    ]) {
      let count = 0
      for await (const _ of pages) count++
      expect(count).toBe(1)
    }
  })

  test('delete tags by key, by key and value, and all', async () => {
    const ec2 = await startEc2()
    const { TrafficMirrorTarget: target } = await ec2.send(
      new CreateTrafficMirrorTargetCommand({
        GatewayLoadBalancerEndpointId: 'vpce-0123456789abcdef0',
      }),
    )
    const Resources = [target!.TrafficMirrorTargetId!]
    const keys = async () => {
      const { TrafficMirrorTargets: [found] = [] } = await ec2.send(
        new DescribeTrafficMirrorTargetsCommand({ TrafficMirrorTargetIds: Resources }),
      )
      return found!.Tags!.map(({ Key }) => Key)
    }
    const Tags = ['a', 'b', 'c', 'd'].map((Key) => ({ Key, Value: Key === 'a' ? '' : 'full' }))
    await ec2.send(new CreateTagsCommand({ Resources, Tags }))
    expect(await keys()).toEqual(['a', 'b', 'c', 'd'])
    const remove = (...tags: { Key: string; Value?: string }[]) =>
      ec2.send(new DeleteTagsCommand({ Resources, Tags: tags }))
    await remove({ Key: 'a', Value: '' }, { Key: 'b', Value: '' }, { Key: 'c', Value: 'other' })
    expect(await keys()).toEqual(['b', 'c', 'd'])
    await remove({ Key: 'b' }, { Key: 'c', Value: 'full' }, { Key: 'never' })
    expect(await keys()).toEqual(['d'])
    await ec2.send(new DeleteTagsCommand({ Resources }))
    expect(await keys()).toEqual([])
    expect(await ec2.send(new DescribeTagsCommand({}))).toMatchObject({ Tags: [] })
    expect(
      await ec2.send(new DescribeTrafficMirrorFiltersCommand({ MaxResults: 5 })),
    ).toMatchObject({ TrafficMirrorFilters: [] })
  })
})
