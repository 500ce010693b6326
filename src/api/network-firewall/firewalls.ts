import { createHash } from 'node:crypto'
import { type Action, ApiError, type Caller, type Input } from '../../aws/protocol/action.js'
import type { ControlPlane } from '../../control/control-plane.js'
import type { NetworkInterface } from '../../mirror/resources.js'
import { makePageToken } from '../page-token.js'
import { APPLIANCE, type Firewall, firewallNamed, firewallOf } from './firewall-arn.js'
import { tagsOf } from './firewall-tags.js'
import type { FlowOperations } from './flow-operations.js'
import {
  positionOf,
  readAnyFirewallArn,
  readFirewallArn,
  readFirewallName,
  readMaxResults,
  readNextToken,
  readVpcIds,
} from './members.js'

type Run = Action['run']

export function listFirewalls(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const maxResults = readMaxResults(input)
    const vpcIds = readVpcIds(input)
    const question = JSON.stringify(['ListFirewalls', vpcIds])
    const begin = positionOf(question, readNextToken(input)) ?? 0
    const found = [APPLIANCE, ...[...(await operations.sessions())].sort()]
      .map((name) => firewallNamed(name, caller))
      .filter((firewall) => vpcIds.length === 0 || isIn(vpcIds, interfacesOf(plane, firewall)))
    const page = found.slice(begin, begin + maxResults)
    const end = begin + page.length
    return {
      Firewalls: page.map(({ name, arn }) => ({ FirewallName: name, FirewallArn: arn })),
      NextToken: end < found.length ? makePageToken(question, String(end)) : undefined,
    }
  }
}

/**
 * The appliance, or a session of it, as a firewall. VPC, subnets and zones are those that the
 * configuration says its interfaces are in; what nobody has said is left out. A
 * firewall has a policy in AWS and none here: its ARN is of nothing that can be described.
 */
export function describeFirewall(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const firewall = readFirewall(input, caller)
    await operations.requireSession(firewall)
    const interfaces = interfacesOf(plane, firewall)
    const tags = tagsOf(plane, firewall)
    const { name, arn } = firewall
    return {
      UpdateToken: uuidOf(JSON.stringify([arn, tags, interfaces])),
      Firewall: {
        FirewallName: name,
        FirewallArn: arn,
        FirewallPolicyArn: policyArnOf(arn),
        VpcId: interfaces.find(({ vpcId }) => vpcId !== undefined)?.vpcId,
        SubnetMappings: [...groupBy(interfaces, 'subnetId')].map(([SubnetId, within]) => ({
          SubnetId,
          IPAddressType: addressTypeOf(within),
        })),
        DeleteProtection: false,
        SubnetChangeProtection: false,
        FirewallPolicyChangeProtection: false,
        Description: descriptionOf(firewall),
        FirewallId: uuidOf(arn),
        Tags: tags.map(({ key, value }) => ({ Key: key, Value: value })),
        NumberOfAssociations: 0,
      },
      FirewallStatus: {
        Status: 'READY',
        ConfigurationSyncStateSummary: 'IN_SYNC',
        SyncStates: Object.fromEntries(
          [...groupBy(interfaces, 'availabilityZoneId')].map(([zone, within]) => [
            zone,
            { Attachment: { SubnetId: within[0]!.subnetId, Status: 'READY' } },
          ]),
        ),
      },
    }
  }
}

export function describeFirewallMetadata(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const firewall = firewallOf(readFirewallArn(input), caller)
    await operations.requireSession(firewall)
    const zones = groupBy(interfacesOf(plane, firewall), 'availabilityZoneId')
    return {
      FirewallArn: firewall.arn,
      FirewallPolicyArn: policyArnOf(firewall.arn),
      Description: descriptionOf(firewall),
      Status: 'READY',
      SupportedAvailabilityZones: Object.fromEntries(
        [...zones].map(([zone, within]) => [zone, { IPAddressType: addressTypeOf(within) }]),
      ),
    }
  }
}

/** The firewall of a name or an ARN, or of both where they agree. */
function readFirewall(input: Input, caller: Caller): Firewall {
  const name = readFirewallName(input)
  const arn = readAnyFirewallArn(input)
  if (arn === undefined && name === undefined) {
    throw new ApiError('InvalidRequestException', 'FirewallName or FirewallArn is required')
  }
  if (arn === undefined) return firewallNamed(name!, caller)
  const firewall = firewallOf(arn, caller)
  if (name !== undefined && firewallNamed(name, caller).arn !== firewall.arn) {
    throw new ApiError('InvalidRequestException', 'FirewallName and FirewallArn differ')
  }
  return firewall
}

/** The interfaces that the configuration names and whose packets the firewall has. */
function interfacesOf(plane: ControlPlane, { session }: Firewall): readonly NetworkInterface[] {
  const inventory = [...plane.interfaces.values()]
  if (session === undefined) return inventory
  const registered = plane.resources.sessions.get(session)
  // One that packets have opened is named after the address they come from.
  const source = session.slice(session.indexOf('_') + 1)
  return inventory.filter(({ id, addresses }) =>
    registered === undefined ? addresses.includes(source) : id === registered.networkInterfaceId,
  )
}

function isIn(vpcIds: readonly string[], interfaces: readonly NetworkInterface[]): boolean {
  return interfaces.some(({ vpcId }) => vpcId !== undefined && vpcIds.includes(vpcId))
}

/** Interfaces by where they are, in the order of the names; those of which it is not known are left out. */
function groupBy(
  interfaces: readonly NetworkInterface[],
  member: 'subnetId' | 'availabilityZoneId',
): Map<string, NetworkInterface[]> {
  const groups = new Map<string, NetworkInterface[]>()
  for (const one of interfaces) {
    const name = one[member]
    if (name !== undefined) groups.set(name, [...(groups.get(name) ?? []), one])
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function addressTypeOf(interfaces: readonly NetworkInterface[]): 'IPV4' | 'IPV6' | 'DUALSTACK' {
  const addresses = interfaces.flatMap((one) => one.addresses)
  const hasV6 = addresses.some((address) => address.includes(':'))
  const hasV4 = addresses.some((address) => !address.includes(':'))
  if (hasV6 && hasV4) return 'DUALSTACK'
  return hasV6 ? 'IPV6' : 'IPV4'
}

function descriptionOf({ session }: Firewall): string {
  return session === undefined ? 'All sessions of this appliance' : `The mirror session ${session}`
}

function policyArnOf(arn: string): string {
  return arn.replace(':firewall/', ':firewall-policy/')
}

/** A UUID that is always the same for the same text. */
function uuidOf(text: string): string {
  const digits = createHash('sha256').update(text).digest('hex')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5')
}
