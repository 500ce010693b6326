import { z } from 'zod'
import {
  addressesIn,
  FILTER_RULE,
  FLOW_LOG,
  FLOW_LOG_PREFIXES,
  type FlowLog,
  MIRROR_FILTER,
  MIRROR_SESSION,
  MIRROR_TARGET,
  NETWORK_INTERFACE,
  TARGET_ADDRESSES,
} from '../mirror/resources.js'
import { parseCidr, parseIpv4, parseIpv6, parseMac } from '../wire/address.js'
import { type HostPort, parseHostPort } from '../wire/host-port.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { isEc2Id } from './ids.js'
import { fields, id, listOf, oneOf, refuse, refuseTwins, text, wanting } from './schema-fields.js'
import { account, cidr, writtenShape } from './written-fields.js'

/**
 * Mirror resources as a person writes them down: a session file, or what a
 * configuration declares. Names and nesting are those of EC2's Describe… answers,
 * and so are the bounds. Ours are, for what AWS knows by itself: `Address` of a
 * target, where its datagrams go; `VpcCidrBlock` of an interface; ids that only
 * begin as AWS's do.
 */

/** `HOST`, `HOST:PORT`, `[v6]:PORT`; the port is VXLAN's unless given. */
export function endpointOf(address: string): HostPort | undefined {
  return parseHostPort(address, { defaultPort: VXLAN_PORT })
}

const ipv4 = text('an IPv4 address', (value) => parseIpv4(value) !== undefined)
const ipv6 = text('an IPv6 address', (value) => parseIpv6(value) !== undefined)

const ruleShape = writtenShape(FILTER_RULE)
const rule = fields({
  ...ruleShape,
  TrafficMirrorFilterRuleId: ruleShape.TrafficMirrorFilterRuleId.optional(),
  TrafficMirrorFilterId: id('tmf').optional(),
  /** The list that the rule is in says it. */
  TrafficDirection: ruleShape.TrafficDirection.optional(),
}).superRefine((value, context) => {
  const { Protocol, SourcePortRange, DestinationPortRange } = value
  const hasPorts = SourcePortRange !== undefined || DestinationPortRange !== undefined
  if (hasPorts && Protocol !== undefined && ![PROTOCOL_TCP, PROTOCOL_UDP].includes(Protocol)) {
    const message = `must be ${PROTOCOL_TCP} (TCP), ${PROTOCOL_UDP} (UDP) or left out where there are ports`
    refuse(context, ['Protocol'], message)
  }
  const { version } = parseCidr(value.SourceCidrBlock)!
  if (parseCidr(value.DestinationCidrBlock)!.version !== version) {
    refuse(context, ['DestinationCidrBlock'], `must be an IPv${version} block like SourceCidrBlock`)
  }
})

const filter = fields({
  ...writtenShape(MIRROR_FILTER),
  IngressFilterRules: listOf(rule).default([]),
  EgressFilterRules: listOf(rule).default([]),
}).superRefine((value, context) => {
  for (const direction of ['ingress', 'egress'] as const) {
    const name = direction === 'ingress' ? 'IngressFilterRules' : 'EgressFilterRules'
    const rules = value[name]
    const list = { path: [name], members: rules }
    refuseTwins(context, list, 'RuleNumber', ({ RuleNumber }) => RuleNumber)
    for (const [index, { TrafficDirection = direction }] of rules.entries()) {
      if (TrafficDirection === direction) continue
      refuse(context, [name, index, 'TrafficDirection'], `must be ${direction} in this list`)
    }
  }
})

const target = fields({
  ...writtenShape(MIRROR_TARGET),
  ...writtenShape(TARGET_ADDRESSES),
  Address: text(
    'HOST:PORT, such as 10.0.0.5:4789',
    (value) => endpointOf(value) !== undefined,
  ).optional(),
}).superRefine((value, context) => {
  const count = addressesIn(value).length
  if (count > 1 || (count === 0 && value.Address === undefined)) {
    const names = Object.values(TARGET_ADDRESSES).map(({ aws }) => aws)
    const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
    refuse(context, [], `must have one of ${list}, or none and an Address`)
  }
})

const session = fields(writtenShape(MIRROR_SESSION))

/** An address by itself, or in the object that AWS has around it. */
function addressIn<T extends z.ZodType>(member: string, address: T) {
  const taken = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && member in value
      ? (value as Record<string, unknown>)[member]
      : value
  return z.preprocess(taken, address)
}

const networkInterface = fields({
  ...writtenShape(NETWORK_INTERFACE),
  PrivateIpAddress: ipv4.optional(),
  PrivateIpAddresses: listOf(addressIn('PrivateIpAddress', ipv4)).optional(),
  Ipv6Addresses: listOf(addressIn('Ipv6Address', ipv6)).optional(),
  MacAddress: text(
    'a MAC address such as 02:85:69:c2:ab:02',
    (value) => parseMac(value) !== undefined,
  ).optional(),
  VpcCidrBlock: text(
    'an IPv4 block such as 10.0.0.0/16',
    (value) => value.includes('/') && parseCidr(value)?.version === 4,
  ).optional(),
})

const transitGateway = fields({
  TransitGatewayId: id('tgw'),
  OwnerId: account.optional(),
})

const transitGatewayAttachment = fields({
  TransitGatewayAttachmentId: id('tgw-attach'),
  TransitGatewayId: id('tgw'),
  /** Of what is behind others no interface can be mirrored. */
  ResourceType: oneOf(['vpc']).optional(),
  ResourceId: id('vpc'),
  ResourceOwnerId: account.optional(),
  SubnetIds: listOf(id('subnet')).optional(),
  CidrBlocks: listOf(cidr).min(1, wanting("a list of the VPC's CIDR blocks")),
})

const TRANSIT_GATEWAYS = {
  TransitGateways: listOf(transitGateway).optional(),
  TransitGatewayAttachments: listOf(transitGatewayAttachment).optional(),
}

interface WrittenTransitGateways {
  readonly TransitGateways?: z.output<typeof transitGateway>[] | undefined
  readonly TransitGatewayAttachments?: z.output<typeof transitGatewayAttachment>[] | undefined
}

/** An attachment is of a gateway of the file, and a VPC has one at each. */
function checkTransitGateways(value: WrittenTransitGateways, context: z.core.$RefinementCtx): void {
  const { TransitGateways: gateways = [], TransitGatewayAttachments: attachments = [] } = value
  refuseTwins(
    context,
    { path: ['TransitGateways'], members: gateways },
    'TransitGatewayId',
    ({ TransitGatewayId }) => TransitGatewayId,
  )
  const list = { path: ['TransitGatewayAttachments'], members: attachments }
  const idOf = (one: (typeof attachments)[number]) => one.TransitGatewayAttachmentId
  refuseTwins(context, list, 'TransitGatewayAttachmentId', idOf)
  const vpcOf = (one: (typeof attachments)[number]) => `${one.ResourceId} ${one.TransitGatewayId}`
  refuseTwins(context, list, 'ResourceId', vpcOf)
  const known = gateways.map(({ TransitGatewayId }) => TransitGatewayId)
  for (const [index, { TransitGatewayId }] of attachments.entries()) {
    if (known.includes(TransitGatewayId)) continue
    const there = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`
    const path = ['TransitGatewayAttachments', index, 'TransitGatewayId']
    refuse(context, path, `is not in TransitGateways; ${there}`)
  }
}

/**
 * What a file may hold. Of a value that passes, `declaredResources` makes the model's
 * resources. Every id that a session names is declared in the same value.
 */
export const RESOURCES = fields({
  NetworkInterfaces: listOf(networkInterface),
  TrafficMirrorTargets: listOf(target),
  TrafficMirrorFilters: listOf(filter),
  TrafficMirrorSessions: listOf(session),
  /** Of no use to a mirror source, but the file may be written for an appliance too. */
  ...TRANSIT_GATEWAYS,
}).superRefine((value, context) => {
  checkTransitGateways(value, context)
  const lists = {
    NetworkInterfaceId: ['NetworkInterfaces', value.NetworkInterfaces],
    TrafficMirrorTargetId: ['TrafficMirrorTargets', value.TrafficMirrorTargets],
    TrafficMirrorFilterId: ['TrafficMirrorFilters', value.TrafficMirrorFilters],
    TrafficMirrorSessionId: ['TrafficMirrorSessions', value.TrafficMirrorSessions],
  } as const
  for (const [field, [name, members]] of Object.entries(lists)) {
    const keyOf = (member: object) => (member as Record<string, string>)[field]!
    refuseTwins(context, { path: [name], members }, field, keyOf)
    if (field === 'TrafficMirrorSessionId') continue
    const known = members.map(keyOf)
    for (const [index, session] of value.TrafficMirrorSessions.entries()) {
      if (known.includes(keyOf(session))) continue
      const there = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`
      refuse(context, ['TrafficMirrorSessions', index, field], `is not in ${name}; ${there}`)
    }
  }
  const sessions = { path: ['TrafficMirrorSessions'], members: value.TrafficMirrorSessions }
  refuseTwins(
    context,
    sessions,
    'SessionNumber',
    ({ NetworkInterfaceId, SessionNumber }) => `${SessionNumber} ${NetworkInterfaceId}`,
  )
})

export type WrittenResources = z.output<typeof RESOURCES>

export function flowLogResourceType(resourceId: string): FlowLog['resourceType'] {
  const types = Object.entries(FLOW_LOG_PREFIXES) as [FlowLog['resourceType'], string][]
  return types.find(([, prefix]) => resourceId.startsWith(`${prefix}-`))![0]
}

const flowLogShape = writtenShape(FLOW_LOG)
const flowLog = fields({
  ...flowLogShape,
  FlowLogId: text('fl- and 17 hexadecimal digits', (value) => isEc2Id('fl', value)),
  ResourceId: text(
    'the id of an interface, a subnet, a VPC, a transit gateway or its attachment',
    (value) =>
      Object.values(FLOW_LOG_PREFIXES).some((prefix) => id(prefix).safeParse(value).success),
  ),
  LogDestinationType: flowLogShape.LogDestinationType.optional(),
  LogFormat: flowLogShape.LogFormat.optional(),
  MaxAggregationInterval: flowLogShape.MaxAggregationInterval.optional(),
}).superRefine((value, context) => {
  if (!flowLogResourceType(value.ResourceId).startsWith('TransitGateway')) return
  if (value.TrafficType !== undefined) {
    refuse(context, ['TrafficType'], 'must be left out for a transit gateway')
  }
  if ((value.MaxAggregationInterval ?? 60) !== 60) {
    refuse(context, ['MaxAggregationInterval'], 'must be 60 for a transit gateway')
  }
})

const CONFIGURED = {
  NetworkInterfaces: listOf(networkInterface).optional(),
  TrafficMirrorTargets: listOf(target).optional(),
  TrafficMirrorFilters: listOf(filter).optional(),
  TrafficMirrorSessions: listOf(session).optional(),
  FlowLogs: listOf(flowLog).optional(),
  ...TRANSIT_GATEWAYS,
}

/** In a configuration, the other name of the list of interfaces. */
export const INVENTORY = 'interfaces'

/** Keys of a configuration that hold resources. */
export const CONFIGURED_LISTS: readonly string[] = [INVENTORY, ...Object.keys(CONFIGURED)]

/**
 * The resources of a file that holds other things besides. Each list may be left out; what
 * sessions name may be declared here or made by the API, which whoever puts them together checks.
 */
export const CONFIGURED_RESOURCES = z
  .preprocess(
    // A file that is all comments holds nothing.
    (value) => value ?? {},
    z.looseObject({ [INVENTORY]: listOf(networkInterface).optional(), ...CONFIGURED }),
  )
  .superRefine((value, context) => {
    const ids = {
      NetworkInterfaces: 'NetworkInterfaceId',
      TrafficMirrorTargets: 'TrafficMirrorTargetId',
      TrafficMirrorFilters: 'TrafficMirrorFilterId',
      TrafficMirrorSessions: 'TrafficMirrorSessionId',
      FlowLogs: 'FlowLogId',
      [INVENTORY]: 'NetworkInterfaceId',
    } as const
    for (const [name, field] of Object.entries(ids)) {
      const members = (value[name] as readonly object[] | undefined) ?? []
      const keyOf = (member: object) => (member as Record<string, string>)[field]!
      refuseTwins(context, { path: [name], members }, field, keyOf)
    }
    if (value[INVENTORY] !== undefined && value.NetworkInterfaces !== undefined) {
      refuse(context, ['NetworkInterfaces'], `and ${INVENTORY} are the same: give one of them`)
    }
    checkTransitGateways(value, context)
  })

export type WrittenFlowLog = z.output<typeof flowLog>
export type WrittenConfiguration = z.output<typeof CONFIGURED_RESOURCES>
