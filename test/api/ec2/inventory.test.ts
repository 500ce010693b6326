import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeTagsCommand,
  DescribeVpcsCommand,
  EC2Client,
  paginateDescribeInstances,
  paginateDescribeNetworkInterfaces,
} from '@aws-sdk/client-ec2'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import type { NetworkInterface } from '../../../src/mirror/resources.js'
import { ALICE, REGION, startApi } from '../running-api.js'
import { Ec2House } from './ec2-house.js'

const ENI = 'eni-0aa11bb22cc33dd44'
const WEB: NetworkInterface = {
  id: ENI,
  addresses: ['10.0.1.20', '10.0.1.21', '2001:db8::20'],
  macAddress: '02:85:69:c2:ab:02',
  vpcId: 'vpc-0aa11bb22cc33dd44',
  vpcCidrBlock: '10.0.0.0/16',
  subnetId: 'subnet-0aa11bb22cc33dd44',
  instanceId: 'i-0aa11bb22cc33dd44',
  accountId: '111122223333',
  availabilityZoneId: 'use1-az1',
  tags: [{ key: 'Name', value: 'web' }],
  instanceTags: [{ key: 'Team', value: 'a&b' }],
}
/** Of the same instance; nothing is known but that. */
const SECOND: NetworkInterface = {
  id: 'eni-00000000000000002',
  addresses: [],
  instanceId: 'i-0aa11bb22cc33dd44',
}
const BARE: NetworkInterface = { id: 'eni-00000000000000003', addresses: ['10.9.0.1'] }

async function clientOf(interfaces: readonly NetworkInterface[]): Promise<EC2Client> {
  const plane = await ControlPlane.open({
    onProblem: (line) => expect.unreachable(line),
    interfaces,
  })
  const { url } = await startApi({ ec2: ec2Actions(plane) })
  const client = new EC2Client({ endpoint: url, region: REGION, credentials: ALICE })
  onTestFinished(() => client.destroy())
  return client
}

describe('the inventory, asked for by the AWS SDK', () => {
  test('is shown as EC2 shows it, and what is not known is left out', async () => {
    const ec2 = await clientOf([WEB, SECOND, BARE])
    const { NetworkInterfaces } = await ec2.send(new DescribeNetworkInterfacesCommand({}))
    expect(NetworkInterfaces!.map((one) => one.NetworkInterfaceId)).toEqual(
      [BARE.id, SECOND.id, ENI].sort(),
    )
    expect(NetworkInterfaces!.at(-1)).toEqual({
      NetworkInterfaceId: ENI,
      MacAddress: '02:85:69:c2:ab:02',
      VpcId: 'vpc-0aa11bb22cc33dd44',
      SubnetId: 'subnet-0aa11bb22cc33dd44',
      OwnerId: '111122223333',
      AvailabilityZoneId: 'use1-az1',
      PrivateIpAddress: '10.0.1.20',
      PrivateIpAddresses: [
        { PrivateIpAddress: '10.0.1.20', Primary: true },
        { PrivateIpAddress: '10.0.1.21', Primary: false },
      ],
      Ipv6Addresses: [{ Ipv6Address: '2001:db8::20' }],
      Attachment: { InstanceId: 'i-0aa11bb22cc33dd44' },
      TagSet: [{ Key: 'Name', Value: 'web' }],
    })
    expect(NetworkInterfaces![1]).toEqual({
      NetworkInterfaceId: BARE.id,
      PrivateIpAddress: '10.9.0.1',
      PrivateIpAddresses: [{ PrivateIpAddress: '10.9.0.1', Primary: true }],
      Ipv6Addresses: [],
      TagSet: [],
    })

    const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}))
    expect(Subnets).toEqual([
      {
        SubnetId: 'subnet-0aa11bb22cc33dd44',
        VpcId: 'vpc-0aa11bb22cc33dd44',
        AvailabilityZoneId: 'use1-az1',
        Tags: [],
      },
    ])
    const { Vpcs } = await ec2.send(new DescribeVpcsCommand({}))
    expect(Vpcs).toEqual([{ VpcId: 'vpc-0aa11bb22cc33dd44', CidrBlock: '10.0.0.0/16', Tags: [] }])

    const { Reservations } = await ec2.send(
      new DescribeInstancesCommand({ InstanceIds: ['i-0aa11bb22cc33dd44'] }),
    )
    expect(Reservations).toHaveLength(1)
    expect(Reservations![0]).toMatchObject({ OwnerId: '111122223333' })
    const [instance] = Reservations![0]!.Instances!
    expect(instance).toMatchObject({
      InstanceId: 'i-0aa11bb22cc33dd44',
      VpcId: 'vpc-0aa11bb22cc33dd44',
      Tags: [{ Key: 'Team', Value: 'a&b' }],
    })
    expect(instance!.NetworkInterfaces!.map((one) => one.NetworkInterfaceId)).toEqual([
      ENI,
      SECOND.id,
    ])

    const { Tags } = await ec2.send(new DescribeTagsCommand({}))
    expect(Tags).toEqual([
      { ResourceId: ENI, ResourceType: 'network-interface', Key: 'Name', Value: 'web' },
      { ResourceId: WEB.instanceId, ResourceType: 'instance', Key: 'Team', Value: 'a&b' },
    ])
  })

  test('pages, each entry once', async () => {
    const interfaces = Array.from({ length: 13 }, (_, at) => {
      const digits = at.toString(16).padStart(17, '0')
      return { id: `eni-${digits}`, addresses: [], instanceId: `i-${digits}` }
    })
    const config = { client: await clientOf(interfaces), pageSize: 5 }
    const ids: (string | undefined)[] = []
    for await (const page of paginateDescribeNetworkInterfaces(config, {})) {
      ids.push(...page.NetworkInterfaces!.map((one) => one.NetworkInterfaceId))
    }
    expect(ids).toEqual(interfaces.map(({ id }) => id))
    let instances = 0
    for await (const page of paginateDescribeInstances(config, {})) {
      instances += page.Reservations!.length
    }
    expect(instances).toBe(13)
  })
})

describe('the inventory, filtered', () => {
  let house: Ec2House
  beforeAll(async () => {
    house = await Ec2House.open({ interfaces: [WEB, SECOND, BARE] })
  })

  test.each([
    ['DescribeNetworkInterfaces', 'network-interface-id', ENI],
    ['DescribeNetworkInterfaces', 'mac-address', '02:85:69:*'],
    ['DescribeNetworkInterfaces', 'vpc-id', 'vpc-*'],
    ['DescribeNetworkInterfaces', 'subnet-id', 'subnet-*'],
    ['DescribeNetworkInterfaces', 'owner-id', '111122223333'],
    ['DescribeNetworkInterfaces', 'availability-zone-id', 'use1-az?'],
    ['DescribeNetworkInterfaces', 'addresses.private-ip-address', '10.0.1.21'],
    ['DescribeNetworkInterfaces', 'private-ip-address', '10.0.1.20'],
    ['DescribeNetworkInterfaces', 'ipv6-addresses.ipv6-address', '2001:db8::20'],
    ['DescribeNetworkInterfaces', 'tag:Name', 'web'],
    ['DescribeNetworkInterfaces', 'tag-key', 'Name'],
    ['DescribeSubnets', 'subnet-id', 'subnet-0aa11bb22cc33dd44'],
    ['DescribeSubnets', 'vpc-id', 'vpc-*'],
    ['DescribeSubnets', 'availability-zone-id', 'use1-az1'],
    ['DescribeVpcs', 'vpc-id', 'vpc-*'],
    ['DescribeVpcs', 'cidr', '10.0.0.0/16'],
    ['DescribeInstances', 'instance-id', 'i-*'],
    ['DescribeInstances', 'network-interface.network-interface-id', SECOND.id],
    ['DescribeInstances', 'network-interface.addresses.private-ip-address', '10.0.1.21'],
    ['DescribeInstances', 'network-interface.subnet-id', 'subnet-*'],
    ['DescribeInstances', 'network-interface.vpc-id', 'vpc-*'],
    ['DescribeInstances', 'private-ip-address', '10.0.1.20'],
    ['DescribeInstances', 'subnet-id', 'subnet-*'],
    ['DescribeInstances', 'vpc-id', 'vpc-*'],
    ['DescribeInstances', 'owner-id', '1111*'],
    ['DescribeInstances', 'tag:Team', 'a&b'],
  ])('%s finds one by %s', async (name, Name, value) => {
    const found = async (Value: string[]) =>
      Object.values(await house.must(name, { Filter: [{ Name, Value }] }))[0]
    expect(await found(['other', value])).toHaveLength(1)
    expect(await found(['other'])).toEqual([])
  })

  test('shows both interfaces of an instance by its id', async () => {
    const Filter = [{ Name: 'attachment.instance-id', Value: ['i-0aa11bb22cc33dd44'] }]
    const { networkInterfaceSet } = await house.must('DescribeNetworkInterfaces', { Filter })
    expect(networkInterfaceSet).toHaveLength(2)
  })

  test('is nothing to tag or change here', async () => {
    const tag = { ResourceId: [ENI], Tag: [{ Key: 'a', Value: 'b' }] }
    expect(await house.ask('CreateTags', tag)).toMatchObject({ status: 400, code: 'InvalidID' })
  })
})
