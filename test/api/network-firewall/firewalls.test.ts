import { join } from 'node:path'
import {
  DescribeFirewallCommand,
  DescribeFirewallMetadataCommand,
  ListFirewallsCommand,
  ListTagsForResourceCommand,
  NetworkFirewallClient,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-network-firewall'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { networkFirewallActions } from '../../../src/api/network-firewall/actions.js'
import { firewallNamed } from '../../../src/api/network-firewall/firewall-arn.js'
import { FlowOperations } from '../../../src/api/network-firewall/flow-operations.js'
import { ControlPlane, type ControlPlaneOptions } from '../../../src/control/control-plane.js'
import { createFilter } from '../../../src/control/filters.js'
import { createSession } from '../../../src/control/sessions.js'
import { createTarget } from '../../../src/control/targets.js'
import type { NetworkInterface } from '../../../src/mirror/resources.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { ALICE, startApi } from '../running-api.js'
import { arnOf, CALLER, REGION } from './caller.js'
import { FlowStandIn } from './flow-stand-in.js'

/** Two subnets of one VPC and one of another, the latter known by nothing but that. */
const INTERFACES: readonly NetworkInterface[] = [
  {
    id: 'eni-0000000a',
    addresses: ['10.0.0.1', '2001:db8::1'],
    vpcId: 'vpc-00000001',
    subnetId: 'subnet-00000002',
    availabilityZoneId: 'use1-az2',
  },
  {
    id: 'eni-0000000b',
    addresses: ['10.0.0.9'],
    vpcId: 'vpc-00000001',
    subnetId: 'subnet-00000001',
    availabilityZoneId: 'use1-az1',
  },
  { id: 'eni-0000000c', addresses: ['fd00::1'], vpcId: 'vpc-0000000c' },
]

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/
const NAME = /^[a-zA-Z0-9-]+$/

class Appliance {
  readonly client: NetworkFirewallClient
  readonly plane: ControlPlane
  /** Id of a session of the first interface. */
  readonly registered: string

  private constructor(client: NetworkFirewallClient, plane: ControlPlane, registered: string) {
    this.client = client
    this.plane = plane
    this.registered = registered
  }

  static async start(options: Partial<ControlPlaneOptions> = {}): Promise<Appliance> {
    const plane = await ControlPlane.open({
      interfaces: INTERFACES,
      onProblem: (line) => expect.unreachable(line),
      ...options,
    })
    const owner = { ownerId: CALLER.accountId, tags: [] }
    const { id } = await plane.change((draft) => {
      const target = createTarget(draft, {
        ...owner,
        kind: 'network-interface',
        address: 'eni-0000000d',
      })
      const filter = createFilter(draft, { description: undefined, tags: [] })
      return createSession(draft, {
        ...owner,
        networkInterfaceId: 'eni-0000000a',
        targetId: target.id,
        filterId: filter.id,
        sessionNumber: 1,
        virtualNetworkId: 7,
      })
    })
    const source = new FlowStandIn()
    source.names = [id, 'vni-8_10.0.0.9', 'vni-9_fd00::1', 'vni-10_192.0.2.1', 'vni-11_any']
    const networkFirewall = networkFirewallActions(new FlowOperations(source), plane)
    const { url } = await startApi({ networkFirewall })
    const client = new NetworkFirewallClient({
      endpoint: url,
      region: REGION,
      credentials: ALICE,
      maxAttempts: 1,
    })
    onTestFinished(() => client.destroy())
    return new Appliance(client, plane, id)
  }

  async names(VpcIds?: string[]): Promise<string[]> {
    const { Firewalls: found } = await this.client.send(new ListFirewallsCommand({ VpcIds }))
    return found!.map(({ FirewallName: name }) => name!)
  }

  async tags(name: string): Promise<Record<string, string>> {
    const ask = new ListTagsForResourceCommand({ ResourceArn: arnOf(name) })
    const { Tags: tags } = await this.client.send(ask)
    return Object.fromEntries(tags!.map(({ Key, Value }) => [Key, Value]))
  }
}

let run: Appliance

beforeEach(async () => {
  run = await Appliance.start()
})

describe('ListFirewalls', () => {
  test('names everything as the model allows', async () => {
    const names = await run.names()
    expect(names).toEqual([
      'mirrortap',
      run.registered,
      'vni-10-192-0-2-1',
      'vni-11-any',
      'vni-8-10-0-0-9',
      'vni-9-fd00--1',
    ])
    for (const name of names) expect(name).toMatch(NAME)
  })

  test('has those of the VPCs that are named, of which the appliance is one', async () => {
    const both = ['mirrortap', run.registered, 'vni-8-10-0-0-9']
    expect(await run.names(['vpc-00000001'])).toEqual(both)
    expect(await run.names(['vpc-0000000c'])).toEqual(['mirrortap', 'vni-9-fd00--1'])
    expect(await run.names(['vpc-00000002', 'vpc-00000001'])).toEqual(both)
    expect(await run.names(['vpc-00000002'])).toEqual([])
    expect(await run.names([])).toHaveLength(6)
    await expect(run.names(['vpc-x'])).rejects.toMatchObject({ name: 'InvalidRequestException' })
  })

  test('takes the token of a page for the same VPCs alone', async () => {
    const first = new ListFirewallsCommand({ MaxResults: 1, VpcIds: ['vpc-00000001'] })
    const { NextToken } = await run.client.send(first)
    const second = new ListFirewallsCommand({ NextToken, VpcIds: ['vpc-00000001'] })
    expect((await run.client.send(second)).Firewalls).toHaveLength(2)
    const other = run.client.send(new ListFirewallsCommand({ NextToken }))
    await expect(other).rejects.toMatchObject({ name: 'InvalidRequestException' })
  })
})

describe('firewallNamed', () => {
  test.each([
    'mirrortap',
    'tms-0a1b2c3d4e5f60718',
    'vni-0_10.1.2.3',
    'vni-16777215_255.255.255.255',
    'vni-7_2001:db8::1',
    'vni-7_::',
    'vni-7_::1',
    'vni-7_fe80::',
    'vni-7_1:2:3:4:5:6:7:8',
    'vni-7_1::2:3:4',
    'vni-7_any',
  ])('finds %s again by the name that it has', (session) => {
    const firewall = firewallNamed(session, CALLER)
    expect(firewall.name).toMatch(NAME)
    expect(firewall.session).toBe(session === 'mirrortap' ? undefined : session)
    expect(firewallNamed(firewall.name, CALLER)).toEqual(firewall)
  })
})

describe('DescribeFirewall', () => {
  test('shows where the interfaces of the appliance are', async () => {
    const asked = new DescribeFirewallCommand({ FirewallName: 'mirrortap' })
    const { Firewall: firewall, FirewallStatus: status, UpdateToken } = await run.client.send(asked)
    expect(firewall).toEqual({
      FirewallName: 'mirrortap',
      FirewallArn: arnOf('mirrortap'),
      FirewallPolicyArn: arnOf('mirrortap').replace(':firewall/', ':firewall-policy/'),
      FirewallId: expect.stringMatching(UUID),
      VpcId: 'vpc-00000001',
      SubnetMappings: [
        { SubnetId: 'subnet-00000001', IPAddressType: 'IPV4' },
        { SubnetId: 'subnet-00000002', IPAddressType: 'DUALSTACK' },
      ],
      Description: 'All sessions of this appliance',
      DeleteProtection: false,
      SubnetChangeProtection: false,
      FirewallPolicyChangeProtection: false,
      NumberOfAssociations: 0,
      Tags: [],
    })
    expect(status).toEqual({
      Status: 'READY',
      ConfigurationSyncStateSummary: 'IN_SYNC',
      SyncStates: {
        'use1-az1': { Attachment: { SubnetId: 'subnet-00000001', Status: 'READY' } },
        'use1-az2': { Attachment: { SubnetId: 'subnet-00000002', Status: 'READY' } },
      },
    })
    expect(UpdateToken).toMatch(UUID)
  })

  test.each([
    ['by its name', { FirewallName: 'vni-8-10-0-0-9' }],
    ['by its ARN', { FirewallArn: arnOf('vni-8-10-0-0-9') }],
    ['by the name of its session', { FirewallName: 'vni-8_10.0.0.9' }],
    ['by the ARN with that name', { FirewallArn: arnOf('vni-8_10.0.0.9') }],
    ['by both', { FirewallArn: arnOf('vni-8-10-0-0-9'), FirewallName: 'vni-8_10.0.0.9' }],
  ])('shows a session %s', async (_how, asked) => {
    const { Firewall: firewall } = await run.client.send(new DescribeFirewallCommand(asked))
    expect(firewall).toMatchObject({
      FirewallName: 'vni-8-10-0-0-9',
      FirewallArn: arnOf('vni-8-10-0-0-9'),
      VpcId: 'vpc-00000001',
      SubnetMappings: [{ SubnetId: 'subnet-00000001', IPAddressType: 'IPV4' }],
      Description: 'The mirror session vni-8_10.0.0.9',
    })
  })

  test('says nothing of a place that nobody has told', async () => {
    const asked = new DescribeFirewallCommand({ FirewallName: 'vni-10-192-0-2-1' })
    const { Firewall: firewall, FirewallStatus: status } = await run.client.send(asked)
    expect(firewall).toMatchObject({ SubnetMappings: [] })
    expect(firewall!.VpcId).toBeUndefined()
    expect(status!.SyncStates).toEqual({})
  })

  test.each([
    ['neither name nor ARN', {}, 'InvalidRequestException'],
    ['a name that is none', { FirewallName: 'a b' }, 'InvalidRequestException'],
    [
      'a name of another firewall',
      { FirewallName: 'mirrortap', FirewallArn: arnOf('vni-8-10-0-0-9') },
      'InvalidRequestException',
    ],
    [
      'a firewall that there is not',
      { FirewallName: 'vni-1-1-1-1-1' },
      'ResourceNotFoundException',
    ],
    ['an ARN of something else', { FirewallArn: 'arn:aws:s3:::a' }, 'InvalidRequestException'],
  ])('refuses %s', async (_what, asked, name) => {
    const refused = run.client.send(new DescribeFirewallCommand(asked))
    await expect(refused).rejects.toMatchObject({ name, $metadata: { httpStatusCode: 400 } })
  })
})

describe('DescribeFirewallMetadata', () => {
  test('shows the zones of a firewall', async () => {
    const zonesOf = async (name: string) => {
      const asked = new DescribeFirewallMetadataCommand({ FirewallArn: arnOf(name) })
      const { Status: status, FirewallArn: arn, ...told } = await run.client.send(asked)
      expect([status, arn]).toEqual(['READY', arnOf(name)])
      return told.SupportedAvailabilityZones
    }
    const [ofA, ofB] = [{ IPAddressType: 'DUALSTACK' }, { IPAddressType: 'IPV4' }]
    expect(await zonesOf('mirrortap')).toEqual({ 'use1-az1': ofB, 'use1-az2': ofA })
    expect(await zonesOf(run.registered)).toEqual({ 'use1-az2': ofA })
    expect(await zonesOf('vni-9-fd00--1')).toEqual({})
    await expect(zonesOf('tms-none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })
})

describe('TagResource', () => {
  const put = (name: string, ...Tags: { Key: string; Value: string }[]) =>
    run.client.send(new TagResourceCommand({ ResourceArn: arnOf(name), Tags }))
  const take = (name: string, ...TagKeys: string[]) =>
    run.client.send(new UntagResourceCommand({ ResourceArn: arnOf(name), TagKeys }))

  test('gives the appliance tags, which a restart does not take', async () => {
    const stateFile = join(temporaryDirectory(), 'state.json')
    run = await Appliance.start({ stateFile })
    await put('mirrortap', { Key: 'env', Value: 'prod' }, { Key: 'Name', Value: '' })
    await put('mirrortap', { Key: 'env', Value: 'test' })
    expect(await run.tags('mirrortap')).toEqual({ env: 'test', Name: '' })
    await take('mirrortap', 'Name', 'never there')
    const shown = new DescribeFirewallCommand({ FirewallName: 'mirrortap' })
    const Tags = [{ Key: 'env', Value: 'test' }]
    expect((await run.client.send(shown)).Firewall).toMatchObject({ Tags })

    await run.plane.close()
    const again = await ControlPlane.open({ stateFile, onProblem: (line) => expect.fail(line) })
    expect(again.applianceTags).toEqual([{ key: 'env', value: 'test' }])
  })

  test('gives a registered session the tags that EC2 shows, and takes them', async () => {
    await put(run.registered, { Key: 'a', Value: '1' }, { Key: 'b', Value: '2' })
    await take(run.registered, 'a')
    expect(await run.tags(run.registered)).toEqual({ b: '2' })
    expect(run.plane.resources.sessions.get(run.registered)!.tags).toEqual([
      { key: 'b', value: '2' },
    ])
  })

  test('shows tags in pages', async () => {
    await put('mirrortap', ...[...'abc'].map((Key) => ({ Key, Value: Key })))
    const asked = { ResourceArn: arnOf('mirrortap'), MaxResults: 2 }
    const first = await run.client.send(new ListTagsForResourceCommand(asked))
    const { NextToken } = first
    const second = await run.client.send(new ListTagsForResourceCommand({ ...asked, NextToken }))
    expect([...first.Tags!, ...second.Tags!].map(({ Key }) => Key)).toEqual(['a', 'b', 'c'])
    expect(second.NextToken).toBeUndefined()
    const all = { ...asked, MaxResults: 0 }
    expect((await run.client.send(new ListTagsForResourceCommand(all))).Tags).toHaveLength(3)
  })

  test('refuses tags that break the rules, and those of what has none', async () => {
    const invalid = { name: 'InvalidRequestException', $metadata: { httpStatusCode: 400 } }
    const many = Array.from({ length: 51 }, (_, at) => ({ Key: `k${at}`, Value: '' }))
    for (const tags of [[{ Key: 'aws:a', Value: '' }], [{ Key: '', Value: '' }], many, []]) {
      await expect(put('mirrortap', ...tags)).rejects.toMatchObject(invalid)
      await expect(put(run.registered, ...tags)).rejects.toMatchObject(invalid)
    }
    await expect(put('vni-8-10-0-0-9', { Key: 'a', Value: '' })).rejects.toMatchObject(invalid)
    await expect(take('mirrortap')).rejects.toMatchObject(invalid)
    await expect(run.tags('tms-none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    expect(await run.tags('vni-8-10-0-0-9')).toEqual({})
    expect(await run.tags('mirrortap')).toEqual({})
  })
})
