import { z } from 'zod'
import type { FollowedResources } from '../../control/followed-resources.js'
import { writtenShape } from '../../control/written-fields.js'
import { membersOf } from '../../mirror/fields.js'
import { NETWORK_INTERFACE, type NetworkInterface, type Tag } from '../../mirror/resources.js'
import { parseCidr, parseIpv4, parseIpv6, parseMac } from '../../wire/address.js'
import { CallFailure, type Ec2Api } from './ec2-client.js'
import { inOrder, readResourcesOfTargets, targetsOfInterfaces } from './mirror-resources.js'
import { SAID_TAGS } from './mirror-schemas.js'
import { PagedReading } from './paged-reading.js'

/** Whose sessions to ask for. */
export interface FollowedTargets {
  /** `tmt-…`. */
  readonly targets: readonly string[]
  /** Interfaces that may be targets. */
  readonly networkInterfaceIds: readonly string[]
}

const id = z.string().optional()
const ipv4 = z.string().refine((text) => parseIpv4(text) !== undefined, 'must be an IPv4 address')
const ipv6 = z.string().refine((text) => parseIpv6(text) !== undefined, 'must be an IPv6 address')

const INTERFACE_FIELDS = {
  ...writtenShape(NETWORK_INTERFACE),
  MacAddress: z
    .string()
    .refine((text) => parseMac(text) !== undefined, 'must be a MAC address')
    .optional(),
  TagSet: SAID_TAGS,
}

const INTERFACE = z
  .object({
    ...INTERFACE_FIELDS,
    Attachment: z.object({ InstanceId: id }).optional(),
    PrivateIpAddress: ipv4.optional(),
    PrivateIpAddresses: z.array(z.object({ PrivateIpAddress: ipv4.optional() })).default([]),
    Ipv6Addresses: z.array(z.object({ Ipv6Address: ipv6.optional() })).default([]),
  })
  .transform(({ Attachment, PrivateIpAddress, PrivateIpAddresses, Ipv6Addresses, ...said }) => {
    const addresses = [
      PrivateIpAddress,
      ...PrivateIpAddresses.map((one) => one.PrivateIpAddress),
      ...Ipv6Addresses.map((one) => one.Ipv6Address),
    ].filter((address) => address !== undefined)
    const found: NetworkInterface = {
      ...membersOf(NETWORK_INTERFACE, said),
      ...(Attachment?.InstanceId && { instanceId: Attachment.InstanceId }),
      // The primary one is among those that follow.
      addresses: [...new Set(addresses)],
    }
    return found
  })

const RESERVATION = z.object({
  Instances: z.array(z.object({ InstanceId: z.string(), Tags: SAID_TAGS })).default([]),
})

const VPC = z.object({
  VpcId: z.string(),
  CidrBlock: z
    .string()
    .refine((text) => parseCidr(text)?.version === 4, 'must be an IPv4 block')
    .optional(),
})

const SUBNET = z.object({ SubnetId: z.string(), AvailabilityZoneId: id })

/**
 * Reads the sessions of targets, what they name, and what is known of the interfaces behind
 * them. What an account may not ask about interfaces and instances (or another control plane
 * does not know) is left out, and `onRefusal` gets why; all else rejects with CallFailure or
 * OperatorError.
 */
export async function readTargetResources(
  api: Ec2Api,
  { targets, networkInterfaceIds }: FollowedTargets,
  signal: AbortSignal,
  onRefusal: (why: string) => void,
): Promise<FollowedResources> {
  const reading = new PagedReading(api, signal)
  const own = await targetsOfInterfaces(api, networkInterfaceIds, reading)
  const targetIds = [...new Set([...targets, ...own])]
  const mirror = await readResourcesOfTargets(api, targetIds, reading)
  const sources = mirror.sessions.map(({ networkInterfaceId }) => networkInterfaceId)
  return { ...mirror, interfaces: await readInterfaces(api, sources, reading, onRefusal) }
}

async function readInterfaces(
  api: Ec2Api,
  ids: readonly string[],
  reading: PagedReading,
  onRefusal: (why: string) => void,
): Promise<NetworkInterface[]> {
  const { client, sdk } = api
  const orNone = async <T>(read: Promise<T[]>): Promise<T[]> => {
    try {
      return await read
    } catch (error) {
      if (!(error instanceof CallFailure) || !error.isRefusal) throw error
      onRefusal(error.message)
      return []
    }
  }
  const interfaces = await orNone(
    reading.by('network-interface-id', ids, {
      list: 'NetworkInterfaces',
      schema: INTERFACE,
      ask: (page, options) => client.send(new sdk.DescribeNetworkInterfacesCommand(page), options),
    }),
  )
  const [reservations, vpcs, subnets] = await Promise.all([
    orNone(
      reading.by(
        'instance-id',
        interfaces.map(({ instanceId }) => instanceId),
        {
          list: 'Reservations',
          schema: RESERVATION,
          ask: (page, options) => client.send(new sdk.DescribeInstancesCommand(page), options),
        },
      ),
    ),
    orNone(
      reading.by(
        'vpc-id',
        interfaces.map(({ vpcId }) => vpcId),
        {
          list: 'Vpcs',
          schema: VPC,
          ask: (page, options) => client.send(new sdk.DescribeVpcsCommand(page), options),
        },
      ),
    ),
    orNone(
      reading.by(
        'subnet-id',
        interfaces
          .filter(({ availabilityZoneId }) => availabilityZoneId === undefined)
          .map(({ subnetId }) => subnetId),
        {
          list: 'Subnets',
          schema: SUBNET,
          ask: (page, options) => client.send(new sdk.DescribeSubnetsCommand(page), options),
        },
      ),
    ),
  ])
  const instanceTags = new Map<string | undefined, readonly Tag[]>(
    reservations
      .flatMap(({ Instances }) => Instances)
      .map(({ InstanceId, Tags }) => [
        InstanceId,
        Tags.map(({ Key, Value }) => ({ key: Key, value: Value })),
      ]),
  )
  const blocks = new Map<string | undefined, string | undefined>(
    vpcs.map(({ VpcId, CidrBlock }) => [VpcId, CidrBlock]),
  )
  const zones = new Map<string | undefined, string | undefined>(
    subnets.map(({ SubnetId, AvailabilityZoneId }) => [SubnetId, AvailabilityZoneId]),
  )
  return inOrder(
    interfaces.map((found) => ({
      ...found,
      vpcCidrBlock: blocks.get(found.vpcId),
      availabilityZoneId: found.availabilityZoneId ?? zones.get(found.subnetId),
      instanceTags: instanceTags.get(found.instanceId),
    })),
  )
}
