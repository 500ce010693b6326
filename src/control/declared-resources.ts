import type { PortRange } from '../mirror/fields.js'
import type {
  FilterRule,
  FlowLog,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
  Tag,
  TrafficDirection,
  TransitGateway,
} from '../mirror/resources.js'
import { isOfTransitGateway } from './flow-logs.js'
import {
  endpointOf,
  flowLogResourceType,
  INVENTORY,
  type WrittenConfiguration,
  type WrittenFlowLog,
  type WrittenResources,
} from './resource-schema.js'

/** A target, and where its datagrams go when the file says so. */
export interface DeclaredTarget extends MirrorTarget {
  readonly endpoint: { readonly host: string; readonly port: number } | undefined
}

/** The resources of a file. All that sessions name is there. */
export interface DeclaredResources {
  readonly interfaces: readonly NetworkInterface[]
  readonly targets: readonly DeclaredTarget[]
  readonly filters: readonly MirrorFilter[]
  readonly sessions: readonly MirrorSession[]
}

type Written<List extends keyof WrittenResources> = NonNullable<WrittenResources[List]>[number]
type WrittenRule = NonNullable<Written<'TrafficMirrorFilters'>['IngressFilterRules']>[number]

/** Whose resources they are when the file does not say. */
const OWNER = '000000000000'

/** The model's resources of a value that RESOURCES took. */
export function declaredResources(written: WrittenResources): DeclaredResources {
  return {
    interfaces: written.NetworkInterfaces.map(interfaceOf),
    targets: written.TrafficMirrorTargets.map(targetOf),
    filters: written.TrafficMirrorFilters.map(filterOf),
    sessions: written.TrafficMirrorSessions.map(sessionOf),
  }
}

/** Those of a configuration, of which any may be missing. */
export interface ConfiguredResources extends DeclaredResources {
  /** Their log formats are as written, empty where none is. */
  readonly flowLogs: readonly FlowLog[]
  readonly transitGateways: readonly TransitGateway[]
}

/** The same of a value that CONFIGURED_RESOURCES took. `now`: milliseconds since the epoch. */
export function configuredResources(
  written: WrittenConfiguration,
  now: number,
): ConfiguredResources {
  const { FlowLogs = [], TrafficMirrorTargets = [], TrafficMirrorFilters = [] } = written
  return {
    ...declaredResources({
      NetworkInterfaces: written.NetworkInterfaces ?? written[INVENTORY] ?? [],
      TrafficMirrorTargets,
      TrafficMirrorFilters,
      TrafficMirrorSessions: written.TrafficMirrorSessions ?? [],
    }),
    flowLogs: FlowLogs.map((flowLog) => flowLogOf(flowLog, now)),
    transitGateways: transitGatewaysOf(written),
  }
}

function flowLogOf(written: WrittenFlowLog, now: number): FlowLog {
  const { DestinationOptions = {}, LogDestinationType = 's3' } = written
  const resourceType = flowLogResourceType(written.ResourceId)
  const isOfGateway = isOfTransitGateway({ resourceType })
  return {
    id: written.FlowLogId,
    createdAt: now,
    resourceId: written.ResourceId,
    resourceType,
    trafficType: written.TrafficType ?? (isOfGateway ? undefined : 'ALL'),
    destinationType: LogDestinationType,
    destination: written.LogDestination,
    logGroupName: written.LogGroupName,
    logFormat: written.LogFormat ?? '',
    maxAggregationSeconds: written.MaxAggregationInterval ?? (isOfGateway ? 60 : 600),
    destinationOptions:
      LogDestinationType !== 's3'
        ? undefined
        : {
            fileFormat: DestinationOptions.FileFormat ?? 'plain-text',
            hiveCompatiblePartitions: DestinationOptions.HiveCompatiblePartitions ?? false,
            perHourPartition: DestinationOptions.PerHourPartition ?? false,
          },
    tagFields: [],
    tags: tagsOf(written.Tags),
  }
}

function transitGatewaysOf(written: WrittenConfiguration): TransitGateway[] {
  const { TransitGateways = [], TransitGatewayAttachments = [] } = written
  return TransitGateways.map(({ TransitGatewayId, OwnerId }) => ({
    id: TransitGatewayId,
    ownerId: OwnerId,
    attachments: TransitGatewayAttachments.filter(
      (attachment) => attachment.TransitGatewayId === TransitGatewayId,
    ).map((attachment) => ({
      id: attachment.TransitGatewayAttachmentId,
      vpcId: attachment.ResourceId,
      vpcOwnerId: attachment.ResourceOwnerId,
      subnetIds: attachment.SubnetIds ?? [],
      cidrBlocks: attachment.CidrBlocks,
    })),
  }))
}

function interfaceOf(written: Written<'NetworkInterfaces'>): NetworkInterface {
  const { PrivateIpAddress, PrivateIpAddresses = [], Ipv6Addresses = [] } = written
  const primary = PrivateIpAddress === undefined ? [] : [PrivateIpAddress]
  return {
    id: written.NetworkInterfaceId,
    addresses: [...new Set([...primary, ...PrivateIpAddresses, ...Ipv6Addresses])],
    macAddress: written.MacAddress,
    vpcId: written.VpcId,
    vpcCidrBlock: written.VpcCidrBlock,
    subnetId: written.SubnetId,
    instanceId: written.InstanceId,
    accountId: written.OwnerId,
    availabilityZoneId: written.AvailabilityZoneId,
    tags: written.TagSet && tagsOf(written.TagSet),
    instanceTags: written.InstanceTags && tagsOf(written.InstanceTags),
  }
}

function targetOf(written: Written<'TrafficMirrorTargets'>): DeclaredTarget {
  const { Address, NetworkLoadBalancerArn, GatewayLoadBalancerEndpointId } = written
  const base = {
    id: written.TrafficMirrorTargetId,
    description: written.Description,
    ownerId: written.OwnerId ?? OWNER,
    tags: tagsOf(written.Tags),
    endpoint: Address === undefined ? undefined : endpointOf(Address),
  }
  if (NetworkLoadBalancerArn !== undefined) {
    return { ...base, kind: 'network-load-balancer', address: NetworkLoadBalancerArn }
  }
  if (GatewayLoadBalancerEndpointId !== undefined) {
    const kind = 'gateway-load-balancer-endpoint'
    return { ...base, kind, address: GatewayLoadBalancerEndpointId }
  }
  return { ...base, kind: 'network-interface', address: written.NetworkInterfaceId ?? Address! }
}

function filterOf(written: Written<'TrafficMirrorFilters'>): MirrorFilter {
  const { TrafficMirrorFilterId, IngressFilterRules = [], EgressFilterRules = [] } = written
  return {
    id: TrafficMirrorFilterId,
    description: written.Description,
    networkServices: written.NetworkServices ?? [],
    rules: [
      ...IngressFilterRules.map((rule) => ruleOf(rule, 'ingress', TrafficMirrorFilterId)),
      ...EgressFilterRules.map((rule) => ruleOf(rule, 'egress', TrafficMirrorFilterId)),
    ],
    tags: tagsOf(written.Tags),
  }
}

function ruleOf(written: WrittenRule, direction: TrafficDirection, filterId: string): FilterRule {
  const { RuleNumber, TrafficMirrorFilterRuleId } = written
  const name = filterId.replace(/^tmf-/, '')
  return {
    id: TrafficMirrorFilterRuleId ?? `tmfr-${name}-${direction}-${RuleNumber}`,
    direction,
    ruleNumber: RuleNumber,
    action: written.RuleAction,
    protocol: written.Protocol,
    sourcePortRange: rangeOf(written.SourcePortRange),
    destinationPortRange: rangeOf(written.DestinationPortRange),
    sourceCidr: written.SourceCidrBlock,
    destinationCidr: written.DestinationCidrBlock,
    description: written.Description,
    tags: tagsOf(written.Tags),
  }
}

function sessionOf(written: Written<'TrafficMirrorSessions'>): MirrorSession {
  return {
    id: written.TrafficMirrorSessionId,
    description: written.Description,
    ownerId: written.OwnerId ?? OWNER,
    networkInterfaceId: written.NetworkInterfaceId,
    targetId: written.TrafficMirrorTargetId,
    filterId: written.TrafficMirrorFilterId,
    packetLength: written.PacketLength,
    sessionNumber: written.SessionNumber,
    virtualNetworkId: written.VirtualNetworkId,
    tags: tagsOf(written.Tags),
  }
}

function rangeOf(written: WrittenRule['SourcePortRange']): PortRange | undefined {
  return written && { from: written.FromPort, to: written.ToPort }
}

function tagsOf(written: readonly { Key: string; Value: string }[] = []): Tag[] {
  return written.map(({ Key, Value }) => ({ key: Key, value: Value }))
}
