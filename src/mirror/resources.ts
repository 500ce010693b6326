import { VNI_MAX } from '../wire/vxlan.js'
import {
  choice,
  type Fields,
  format,
  id,
  integer,
  list,
  type Members,
  membersOf,
  reference,
  type Said,
  structure,
  text,
} from './fields.js'

/**
 * What AWS calls the parts of Traffic Mirroring, as data: what the API creates,
 * what a session file declares, what a state file keeps and what receiver and
 * mirror source evaluate. A row of these tables is a field in all of them.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-how-it-works.html
 */

const TAG = {
  key: { aws: 'Key', is: text() },
  value: { aws: 'Value', is: text() },
} as const satisfies Fields

/** A tag of a resource. */
export type Tag = Members<typeof TAG>

/** Requests have them in `TagSpecification`, for resources of all kinds alike. */
const TAGS = {
  aws: 'Tags',
  is: list(1000, structure(TAG)),
  request: 'never',
  reply: 'tagSet',
} as const

/** AWS names no limit for these; elsewhere in EC2 a description has 255 characters. */
const DESCRIPTION = { aws: 'Description', is: text(255), optional: true, filter: true } as const

/** `10.0.0.0/8`, `::/0`. */
const CIDR = format('cidr')

export const FILTER_RULE = {
  id: { aws: 'TrafficMirrorFilterRuleId', is: id('tmfr'), filter: true },
  /** As seen from the mirrored interface. */
  direction: { aws: 'TrafficDirection', is: choice('ingress', 'egress'), filter: true },
  /** Rules of a direction are tried by ascending number. EC2 does not say what numbers it takes. */
  ruleNumber: { aws: 'RuleNumber', is: integer(1, 2 ** 31 - 1), filter: true },
  action: { aws: 'RuleAction', is: choice('accept', 'reject'), filter: true },
  /** A rule sees packets of this IP version only. */
  destinationCidr: { aws: 'DestinationCidrBlock', is: CIDR, filter: true },
  sourceCidr: { aws: 'SourceCidrBlock', is: CIDR, filter: true },
  destinationPortRange: { aws: 'DestinationPortRange', is: { type: 'ports' }, optional: true },
  sourcePortRange: { aws: 'SourcePortRange', is: { type: 'ports' }, optional: true },
  /** IANA number; undefined is every protocol. */
  protocol: { aws: 'Protocol', is: integer(0, 255), optional: true, filter: true },
  description: DESCRIPTION,
  tags: TAGS,
} as const satisfies Fields

/** A rule of a mirror filter; fields mean what they mean in EC2's TrafficMirrorFilterRule. */
export type FilterRule = Members<typeof FILTER_RULE>

/** Of a rule, seen from the mirrored interface. */
export type TrafficDirection = FilterRule['direction']

export const MIRROR_FILTER = {
  id: { aws: 'TrafficMirrorFilterId', is: id('tmf'), filter: true },
  description: DESCRIPTION,
  /** Traffic of services that is mirrored only on request. */
  networkServices: {
    aws: 'NetworkServices',
    is: list(10, choice('amazon-dns')),
    request: 'never',
    reply: 'networkServiceSet',
  },
  tags: TAGS,
} as const satisfies Fields

/** A mirror filter with its rules; EC2's TrafficMirrorFilter. */
export type MirrorFilter = Members<typeof MIRROR_FILTER> & { readonly rules: readonly FilterRule[] }

/** A service whose traffic is mirrored only on request. */
export type NetworkService = MirrorFilter['networkServices'][number]

/** Requests do not say it: it is the account of the caller. */
const OWNER = { aws: 'OwnerId', is: { type: 'account' }, request: 'never', filter: true } as const

/** How the address of a target of each kind is said. */
export const TARGET_ADDRESSES = {
  'network-interface': {
    aws: 'NetworkInterfaceId',
    is: format('network-interface-id'),
    optional: true,
    filter: true,
  },
  'network-load-balancer': {
    aws: 'NetworkLoadBalancerArn',
    is: format('network-load-balancer-arn'),
    optional: true,
    filter: true,
  },
  'gateway-load-balancer-endpoint': {
    aws: 'GatewayLoadBalancerEndpointId',
    is: format('endpoint-id'),
    optional: true,
  },
} as const satisfies Fields

export const MIRROR_TARGET = {
  id: { aws: 'TrafficMirrorTargetId', is: id('tmt'), filter: true },
  description: DESCRIPTION,
  ownerId: OWNER,
  tags: TAGS,
} as const satisfies Fields

/** Where mirrored packets go; EC2's TrafficMirrorTarget. */
export type MirrorTarget = Members<typeof MIRROR_TARGET> & {
  readonly kind: keyof typeof TARGET_ADDRESSES
  /** `eni-…`, the load balancer's ARN, or `vpce-…`, by `kind`. */
  readonly address: string
}

/** The addresses that are said under AWS's names; a target has one. */
export function addressesIn(
  said: Said<typeof TARGET_ADDRESSES>,
): readonly Pick<MirrorTarget, 'kind' | 'address'>[] {
  const members = Object.entries(membersOf(TARGET_ADDRESSES, said))
  return (members as [MirrorTarget['kind'], string][]).map(([kind, address]) => ({ kind, address }))
}

/** The members of TARGET_ADDRESSES, of which a target has one. */
export function addressOf({ kind, address }: MirrorTarget): Members<typeof TARGET_ADDRESSES> {
  return { [kind]: address }
}

/**
 * The largest PacketLength of a session, in bytes. A load balancer passes on no more, so it is
 * also the length of a session to one that names none (EC2 API, CreateTrafficMirrorSession).
 */
export const PACKET_LENGTH_MAX = 8500

export const MIRROR_SESSION = {
  id: { aws: 'TrafficMirrorSessionId', is: id('tms'), filter: true },
  /** Of the mirrored interface. */
  networkInterfaceId: {
    aws: 'NetworkInterfaceId',
    is: format('network-interface-id'),
    request: 'create',
    filter: true,
  },
  targetId: { aws: 'TrafficMirrorTargetId', is: reference('tmt'), filter: true },
  filterId: { aws: 'TrafficMirrorFilterId', is: reference('tmf'), filter: true },
  /**
   * Bytes kept of each frame, after the VXLAN header; undefined keeps all. The guide wants at least
   * 35 of IPv4 and 55 of IPv6, and does not say that EC2 insists.
   */
  packetLength: {
    aws: 'PacketLength',
    is: integer(1, PACKET_LENGTH_MAX),
    optional: true,
    filter: true,
  },
  /** Of an interface's sessions the one with the lowest number whose filter accepts gets the packet. */
  sessionNumber: { aws: 'SessionNumber', is: integer(1, 32_766), filter: true },
  /** Whether EC2 takes 0 is not said; it is a VNI like any other (RFC 7348 §5). */
  virtualNetworkId: {
    aws: 'VirtualNetworkId',
    is: integer(0, VNI_MAX),
    chosen: true,
    filter: true,
  },
  description: DESCRIPTION,
  ownerId: OWNER,
  tags: TAGS,
} as const satisfies Fields

/** A mirror session; EC2's TrafficMirrorSession. `packetLength` is in bytes. */
export type MirrorSession = Members<typeof MIRROR_SESSION>

/** As long as IAM lets ARNs be. */
export const ARN_LENGTH_MAX = 2048

const ROLE_ARN = format('role-arn')

/** How the files of a flow log are written and named. */
const DESTINATION_OPTIONS = {
  fileFormat: { aws: 'FileFormat', is: choice('plain-text', 'parquet'), default: 'plain-text' },
  hiveCompatiblePartitions: {
    aws: 'HiveCompatiblePartitions',
    is: { type: 'boolean' },
    default: false,
  },
  perHourPartition: { aws: 'PerHourPartition', is: { type: 'boolean' }, default: false },
} as const satisfies Fields

/** Tag keys whose values a flow log's tag fields hold. */
const TAG_FIELDS = {
  resourceType: {
    aws: 'ResourceType',
    is: choice('network-interface', 'instance', 'auto-scaling-group'),
  },
  tagKeys: { aws: 'TagKey', is: list(2, text(128)), reply: 'tagKeySet' },
} as const satisfies Fields

export type FlowLogTagFields = Members<typeof TAG_FIELDS>

/** Immutable but for its tags, as AWS's are. */
export const FLOW_LOG = {
  id: { aws: 'FlowLogId', is: id('fl'), filter: true },
  /** Milliseconds since the epoch. */
  createdAt: {
    aws: 'CreationTime',
    is: integer(0, Number.MAX_SAFE_INTEGER),
    request: 'never',
    file: false,
  },
  /** `eni-…`, `subnet-…`, `vpc-…`, `tgw-…` or `tgw-attach-…`, by `resourceType`. One request may have several. */
  resourceId: { aws: 'ResourceId', is: text(), request: 'never', filter: true },
  /**
   * A VPC or subnet stands for each of its interfaces that is mirrored, a transit gateway for what
   * crosses it between two VPCs, its attachment for what does so there.
   */
  resourceType: {
    aws: 'ResourceType',
    is: choice('VPC', 'Subnet', 'NetworkInterface', 'TransitGateway', 'TransitGatewayAttachment'),
    file: false,
    reply: false,
  },
  /** Of REJECT there are no records: what is rejected is not mirrored. Those of transit gateways have none. */
  trafficType: {
    aws: 'TrafficType',
    is: choice('ACCEPT', 'REJECT', 'ALL'),
    optional: true,
    filter: true,
  },
  destinationType: {
    aws: 'LogDestinationType',
    is: choice('cloud-watch-logs', 's3', 'kinesis-data-firehose'),
    chosen: true,
    filter: true,
  },
  /** ARN of bucket (and folder), log group or delivery stream. */
  destination: { aws: 'LogDestination', is: text(ARN_LENGTH_MAX), optional: true },
  logGroupName: { aws: 'LogGroupName', is: format('log-group-name'), optional: true, filter: true },
  permissionArn: { aws: 'DeliverLogsPermissionArn', is: ROLE_ARN, optional: true, file: false },
  crossAccountRole: { aws: 'DeliverCrossAccountRole', is: ROLE_ARN, optional: true, file: false },
  /**
   * `${version} ${account-id} …`, never empty. AWS names no limit; the longest format that there
   * can be, written without waste, is shorter.
   */
  logFormat: { aws: 'LogFormat', is: text(4096), chosen: true },
  maxAggregationSeconds: {
    aws: 'MaxAggregationInterval',
    is: { type: 'numbers', values: [60, 600] },
    chosen: true,
  },
  destinationOptions: {
    aws: 'DestinationOptions',
    is: structure(DESTINATION_OPTIONS),
    optional: true,
  },
  tagFields: {
    aws: 'TagFieldSpecification',
    is: list(3, structure(TAG_FIELDS)),
    chosen: true,
    file: false,
    reply: 'tagFieldSpecificationSet',
  },
  tags: TAGS,
} as const satisfies Fields

export type FlowLog = Members<typeof FLOW_LOG>

/** How the id of a resource of each type begins; of two that an id begins with, the longer is first. */
export const FLOW_LOG_PREFIXES = {
  VPC: 'vpc',
  Subnet: 'subnet',
  NetworkInterface: 'eni',
  TransitGatewayAttachment: 'tgw-attach',
  TransitGateway: 'tgw',
} as const satisfies Record<FlowLog['resourceType'], string>

const TEXT = text()

/** An interface that may be mirrored: how its packets are known, and what their records say of it. */
export const NETWORK_INTERFACE = {
  id: { aws: 'NetworkInterfaceId', is: id('eni'), filter: true },
  /** `aa:bb:cc:dd:ee:ff`. */
  macAddress: { aws: 'MacAddress', is: TEXT, optional: true, filter: true },
  vpcId: { aws: 'VpcId', is: reference('vpc'), optional: true, filter: true },
  /** Primary IPv4 block of the VPC; its base plus two is the address of the VPC's resolver. */
  vpcCidrBlock: { aws: 'VpcCidrBlock', is: TEXT, optional: true, reply: false },
  subnetId: { aws: 'SubnetId', is: reference('subnet'), optional: true, filter: true },
  instanceId: { aws: 'InstanceId', is: reference('i'), optional: true, reply: false },
  accountId: { aws: 'OwnerId', is: { type: 'account' }, optional: true, filter: true },
  availabilityZoneId: { aws: 'AvailabilityZoneId', is: TEXT, optional: true, filter: true },
  tags: { ...TAGS, aws: 'TagSet', optional: true },
  /** Of its instance. */
  instanceTags: { ...TAGS, aws: 'InstanceTags', optional: true, reply: false },
} as const satisfies Fields

/** A mirrored interface, as far as it is known. */
export type NetworkInterface = Members<typeof NETWORK_INTERFACE> & {
  /** Primary address first; the outer source of what it mirrors. */
  readonly addresses: readonly string[]
}

/** The VPCs it joins, as the configuration names them. */
export interface TransitGateway {
  /** `tgw-…`. */
  readonly id: string
  readonly ownerId?: string | undefined
  readonly attachments: readonly TransitGatewayAttachment[]
}

/** A VPC at a transit gateway. */
export interface TransitGatewayAttachment {
  /** `tgw-attach-…`. */
  readonly id: string
  readonly vpcId: string
  readonly vpcOwnerId?: string | undefined
  /** Those that the gateway has an interface in. */
  readonly subnetIds: readonly string[]
  /** Of the VPC: whose addresses are behind it. */
  readonly cidrBlocks: readonly string[]
}
