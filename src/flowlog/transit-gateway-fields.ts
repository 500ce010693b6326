import { type Field, type FieldSet, fieldNamed, VPC_FIELDS } from './fields.js'
import { PACKET_DESTINATION, PACKET_SOURCE, TRANSIT_GATEWAY_TCP_FLAGS } from './record-values.js'

/**
 * Every field a flow log of a transit gateway may hold, in the order of its default format, which
 * has them all ("Transit Gateway Flow Log records", Transit Gateway guide). What VPC flow logs have
 * too is theirs; the others came with version 6.
 *
 * What a mirrored packet met behind the interface (the gateway's interfaces, packets lost) is not
 * known, and is written `-`.
 */

const GATEWAY = { from: 'interface' } as const

const OWN = [
  'resource-type',
  'tgw-id',
  'tgw-attachment-id',
  'tgw-src-vpc-account-id',
  'tgw-dst-vpc-account-id',
  'tgw-src-vpc-id',
  'tgw-dst-vpc-id',
  'tgw-src-subnet-id',
  'tgw-dst-subnet-id',
  'tgw-src-az-id',
  'tgw-dst-az-id',
  'tgw-pair-attachment-id',
] as const

/** What is known of a crossing of the gateway beside its packets. */
export type TransitGatewayValues = {
  readonly [Name in (typeof OWN)[number] | 'account-id' | 'region' | 'flow-direction']?:
    | string
    | undefined
}

const lost = (name: string): Field => ({
  name,
  version: 6,
  type: 'int64',
  filling: { from: 'nowhere' },
})
const unknown = (name: string): Field => ({ ...lost(name), type: 'string' })
const own = (name: (typeof OWN)[number]): Field => ({
  name,
  version: 6,
  type: 'string',
  filling: GATEWAY,
})
const shared = (name: string): Field => fieldNamed(name)!

const ALL: readonly Field[] = [
  shared('version'),
  own('resource-type'),
  shared('account-id'),
  own('tgw-id'),
  own('tgw-attachment-id'),
  own('tgw-src-vpc-account-id'),
  own('tgw-dst-vpc-account-id'),
  own('tgw-src-vpc-id'),
  own('tgw-dst-vpc-id'),
  own('tgw-src-subnet-id'),
  own('tgw-dst-subnet-id'),
  unknown('tgw-src-eni'),
  unknown('tgw-dst-eni'),
  own('tgw-src-az-id'),
  own('tgw-dst-az-id'),
  own('tgw-pair-attachment-id'),
  // A gateway has no interface address to put in the place of the packet's.
  { ...shared('srcaddr'), filling: { from: 'address', value: PACKET_SOURCE } },
  { ...shared('dstaddr'), filling: { from: 'address', value: PACKET_DESTINATION } },
  shared('srcport'),
  shared('dstport'),
  shared('protocol'),
  shared('packets'),
  shared('bytes'),
  shared('start'),
  shared('end'),
  shared('log-status'),
  shared('type'),
  lost('packets-lost-no-route'),
  lost('packets-lost-blackhole'),
  lost('packets-lost-mtu-exceeded'),
  lost('packets-lost-ttl-expired'),
  { ...shared('tcp-flags'), filling: { from: 'number', value: TRANSIT_GATEWAY_TCP_FLAGS } },
  shared('region'),
  // Seen from the gateway, not from the mirrored interface.
  { ...shared('flow-direction'), filling: GATEWAY },
  shared('pkt-src-aws-service'),
  shared('pkt-dst-aws-service'),
]

export const TRANSIT_GATEWAY_FIELDS: FieldSet = { all: ALL, defaults: ALL }

/** The fields that a flow log of this type of resource may hold. */
export function fieldsOfResource(resourceType: string): FieldSet {
  return resourceType.startsWith('TransitGateway') ? TRANSIT_GATEWAY_FIELDS : VPC_FIELDS
}
