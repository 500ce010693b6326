import { type Instance, inventoryOf, type Subnet, type Vpc } from '../../control/inventory.js'
import { NETWORK_INTERFACE, type NetworkInterface, type Tag } from '../../mirror/resources.js'
import { describeOperation, type FilterFields } from './describe.js'
import type { Operation } from './operation.js'
import { filtersOf, replyOf } from './resource-fields.js'

/**
 * What is known of the interfaces that are or may be mirrored and of what they are in. It can be
 * looked at, and not be changed here. What is not known is left out of the answers.
 */

type Tagged<R> = R & { readonly tags: readonly Tag[] }

const isIpv6 = (address: string): boolean => address.includes(':')
const ipv4Of = ({ addresses }: NetworkInterface) => addresses.filter((one) => !isIpv6(one))
const ipv6Of = ({ addresses }: NetworkInterface) => addresses.filter(isIpv6)

const INTERFACE_FILTERS: FilterFields<NetworkInterface> = {
  ...filtersOf(NETWORK_INTERFACE),
  'addresses.private-ip-address': ipv4Of,
  'attachment.instance-id': ({ instanceId }) => instanceId,
  'ipv6-addresses.ipv6-address': ipv6Of,
  'private-ip-address': ipv4Of,
}

const describeNetworkInterfaces = describeOperation<Tagged<NetworkInterface>>({
  name: 'DescribeNetworkInterfaces',
  ids: 'NetworkInterfaceId',
  prefix: 'eni',
  fields: INTERFACE_FILTERS,
  all: ({ plane }) =>
    [...plane.interfaces.values()].map((found) => ({ ...found, tags: found.tags ?? [] })),
  list: 'networkInterfaceSet',
  show: (found) => ({
    ...replyOf(NETWORK_INTERFACE, found),
    ...addressesOf(found),
    attachment: found.instanceId === undefined ? undefined : { instanceId: found.instanceId },
  }),
})

const describeSubnets = describeOperation<Subnet>({
  name: 'DescribeSubnets',
  ids: 'SubnetId',
  prefix: 'subnet',
  fields: {
    'availability-zone-id': ({ availabilityZoneId }) => availabilityZoneId,
    'subnet-id': ({ id }) => id,
    'vpc-id': ({ vpcId }) => vpcId,
  },
  all: ({ plane }) => inventoryOf(plane.interfaces).subnets.values(),
  list: 'subnetSet',
  show: ({ id, vpcId, availabilityZoneId, tags }) => ({
    subnetId: id,
    vpcId,
    availabilityZoneId,
    tagSet: tags,
  }),
})

const describeVpcs = describeOperation<Vpc>({
  name: 'DescribeVpcs',
  ids: 'VpcId',
  prefix: 'vpc',
  fields: {
    cidr: ({ cidrBlock }) => cidrBlock,
    'vpc-id': ({ id }) => id,
  },
  all: ({ plane }) => inventoryOf(plane.interfaces).vpcs.values(),
  list: 'vpcSet',
  show: ({ id, cidrBlock, tags }) => ({ vpcId: id, cidrBlock, tagSet: tags }),
})

const each =
  (field: keyof NetworkInterface & ('id' | 'subnetId' | 'vpcId' | 'accountId')) =>
  ({ interfaces }: Instance): string[] =>
    interfaces.map((found) => found[field]).filter((value) => value !== undefined)

/** Each in a reservation of its own: which were launched together is not known. */
const describeInstances = describeOperation<Instance>({
  name: 'DescribeInstances',
  ids: 'InstanceId',
  prefix: 'i',
  fields: {
    'instance-id': ({ id }) => id,
    'network-interface.addresses.private-ip-address': ({ interfaces }) =>
      interfaces.flatMap(ipv4Of),
    'network-interface.network-interface-id': each('id'),
    'network-interface.subnet-id': each('subnetId'),
    'network-interface.vpc-id': each('vpcId'),
    'owner-id': each('accountId'),
    'private-ip-address': ({ interfaces }) => interfaces.flatMap(ipv4Of),
    'subnet-id': each('subnetId'),
    'vpc-id': each('vpcId'),
  },
  all: ({ plane }) => inventoryOf(plane.interfaces).instances.values(),
  list: 'reservationSet',
  show: (instance) => ({
    ownerId: each('accountId')(instance)[0],
    instancesSet: [showInstance(instance)],
  }),
})

function showInstance({ id, interfaces, tags }: Instance): object {
  return {
    instanceId: id,
    vpcId: interfaces[0]?.vpcId,
    subnetId: interfaces[0]?.subnetId,
    networkInterfaceSet: interfaces.map((found) => {
      const { id: networkInterfaceId, macAddress, accountId, subnetId, vpcId } = found
      return {
        networkInterfaceId,
        macAddress,
        ownerId: accountId,
        subnetId,
        vpcId,
        ...addressesOf(found),
      }
    }),
    tagSet: tags,
  }
}

function addressesOf(found: NetworkInterface): object {
  const ipv4 = ipv4Of(found)
  return {
    privateIpAddress: ipv4[0],
    privateIpAddressesSet: ipv4.map((privateIpAddress, index) => ({
      privateIpAddress,
      primary: index === 0,
    })),
    ipv6AddressesSet: ipv6Of(found).map((ipv6Address) => ({ ipv6Address })),
  }
}

export const INVENTORY_OPERATIONS: readonly Operation[] = [
  describeNetworkInterfaces,
  describeSubnets,
  describeVpcs,
  describeInstances,
]
