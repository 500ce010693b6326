import { membersOf } from '../mirror/fields.js'
import {
  addressesIn,
  FILTER_RULE,
  type FilterRule,
  FLOW_LOG,
  type FlowLog,
  MIRROR_FILTER,
  MIRROR_SESSION,
  MIRROR_TARGET,
  type MirrorFilter,
  type MirrorSession,
  type MirrorTarget,
  NETWORK_INTERFACE,
  type NetworkInterface,
  type TrafficDirection,
  type TransitGateway,
} from '../mirror/resources.js'
import { isOfTransitGateway } from './flow-logs.js'
import {
  endpointOf,
  flowLogResourceType,
  INVENTORY,
  RESOURCES,
  type WrittenConfiguration,
  type WrittenFlowLog,
  type WrittenResources,
} from './resource-schema.js'
import { YamlFile } from './yaml-file.js'

/** A target, and where its datagrams go when the file says so. */
interface DeclaredTarget extends MirrorTarget {
  readonly endpoint: { readonly host: string; readonly port: number } | undefined
}

/** The resources of a file. All that sessions name is there. */
interface DeclaredResources {
  readonly interfaces: readonly NetworkInterface[]
  readonly targets: readonly DeclaredTarget[]
  readonly filters: readonly MirrorFilter[]
  readonly sessions: readonly MirrorSession[]
}

type Written<List extends keyof WrittenResources> = NonNullable<WrittenResources[List]>[number]
type WrittenRule = NonNullable<Written<'TrafficMirrorFilters'>['IngressFilterRules']>[number]

/** Whose resources they are when the file does not say. */
const OWNER = '000000000000'

/** The mirror resources of a YAML file. Throws ReadError, or OperatorError (exit code 2). */
export function readSessionFile(path: string): DeclaredResources {
  return declaredResources(YamlFile.read('the session file', path).valueOf(RESOURCES))
}

/** The model's resources of a value that RESOURCES took. */
function declaredResources(written: WrittenResources): DeclaredResources {
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
  const { DestinationOptions = {}, LogDestinationType: destinationType = 's3' } = written
  const resourceType = flowLogResourceType(written.ResourceId)
  const isOfGateway = isOfTransitGateway({ resourceType })
  return {
    ...membersOf(FLOW_LOG, written),
    createdAt: now,
    resourceType,
    trafficType: written.TrafficType ?? (isOfGateway ? undefined : 'ALL'),
    destinationType,
    logFormat: written.LogFormat ?? '',
    maxAggregationSeconds: written.MaxAggregationInterval ?? (isOfGateway ? 60 : 600),
    destinationOptions:
      destinationType === 's3'
        ? membersOf(FLOW_LOG.destinationOptions.is.fields, DestinationOptions)
        : undefined,
    tagFields: [],
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
    ...membersOf(NETWORK_INTERFACE, written),
    addresses: [...new Set([...primary, ...PrivateIpAddresses, ...Ipv6Addresses])],
  }
}

function targetOf(written: Written<'TrafficMirrorTargets'>): DeclaredTarget {
  const { Address, OwnerId = OWNER } = written
  const [named] = addressesIn(written)
  return {
    ...membersOf(MIRROR_TARGET, written),
    ownerId: OwnerId,
    ...(named ?? { kind: 'network-interface', address: Address! }),
    endpoint: Address === undefined ? undefined : endpointOf(Address),
  }
}

function filterOf(written: Written<'TrafficMirrorFilters'>): MirrorFilter {
  const { IngressFilterRules, EgressFilterRules } = written
  const filter = membersOf(MIRROR_FILTER, written)
  return {
    ...filter,
    rules: [
      ...IngressFilterRules.map((rule) => ruleOf(rule, 'ingress', filter.id)),
      ...EgressFilterRules.map((rule) => ruleOf(rule, 'egress', filter.id)),
    ],
  }
}

function ruleOf(written: WrittenRule, direction: TrafficDirection, filterId: string): FilterRule {
  const name = filterId.replace(/^tmf-/, '')
  return {
    ...membersOf(FILTER_RULE, written),
    id: written.TrafficMirrorFilterRuleId ?? `tmfr-${name}-${direction}-${written.RuleNumber}`,
    direction,
  }
}

function sessionOf(written: Written<'TrafficMirrorSessions'>): MirrorSession {
  return { ...membersOf(MIRROR_SESSION, written), ownerId: written.OwnerId ?? OWNER }
}
