import type { NetworkInterface, Tag } from '../mirror/resources.js'

/** A VPC, as far as its interfaces tell. */
export interface Vpc {
  readonly id: string
  readonly cidrBlock: string | undefined
  readonly tags: readonly Tag[]
}

export interface Subnet {
  readonly id: string
  readonly vpcId: string | undefined
  readonly availabilityZoneId: string | undefined
  readonly tags: readonly Tag[]
}

export interface Instance {
  readonly id: string
  /** In the order of the inventory. */
  readonly interfaces: readonly NetworkInterface[]
  readonly tags: readonly Tag[]
}

/** What the interfaces that are known are in. */
interface Inventory {
  readonly vpcs: ReadonlyMap<string, Vpc>
  readonly subnets: ReadonlyMap<string, Subnet>
  readonly instances: ReadonlyMap<string, Instance>
}

const inventories = new WeakMap<object, Inventory>()

/** Made once for each map, which never changes. */
export function inventoryOf(interfaces: ReadonlyMap<string, NetworkInterface>): Inventory {
  let inventory = inventories.get(interfaces)
  if (inventory === undefined) {
    inventory = read(interfaces.values())
    inventories.set(interfaces, inventory)
  }
  return inventory
}

/** Where interfaces differ in what they say, the first that says something counts. */
function read(interfaces: Iterable<NetworkInterface>): Inventory {
  const vpcs = new Map<string, Vpc>()
  const subnets = new Map<string, Subnet>()
  const instances = new Map<string, Instance>()
  for (const found of interfaces) {
    const { vpcId, subnetId, instanceId, instanceTags = [] } = found
    if (vpcId !== undefined) {
      const cidrBlock = vpcs.get(vpcId)?.cidrBlock ?? found.vpcCidrBlock
      vpcs.set(vpcId, { id: vpcId, cidrBlock, tags: [] })
    }
    if (subnetId !== undefined) {
      const known = subnets.get(subnetId)
      subnets.set(subnetId, {
        id: subnetId,
        vpcId: known?.vpcId ?? vpcId,
        availabilityZoneId: known?.availabilityZoneId ?? found.availabilityZoneId,
        tags: [],
      })
    }
    if (instanceId !== undefined) {
      const known = instances.get(instanceId)
      instances.set(instanceId, {
        id: instanceId,
        interfaces: [...(known?.interfaces ?? []), found],
        tags: known === undefined || known.tags.length === 0 ? instanceTags : known.tags,
      })
    }
  }
  return { vpcs, subnets, instances }
}
