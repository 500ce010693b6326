import type { FlowRecord } from '../flow/flow-record.js'

/**
 * Every field a VPC flow log may hold, in the order of AWS's table ("Flow log
 * records", VPC User Guide; versions 2 to 11).
 *
 * This is the only list of fields: the format parser, the session's metadata and
 * every encoder walk it. To add one, add a row and a line to
 * test/flowlog/fields.test.ts.
 */

/** The column type AWS declares for Parquet; plain text and JSON derive from it too. */
export type FieldType = 'int32' | 'int64' | 'string'

/** Where a field's value comes from. Wherever there is none, a `-` is written. */
export type Filling =
  /** The log format: one value for the whole log. */
  | { readonly from: 'format' }
  /** Configured, and true of the interface: it holds for NODATA and SKIPDATA too. `tag`: see metadata.ts. */
  | { readonly from: 'interface'; readonly tag?: true }
  /** Configured, and true of its traffic (`egress`: only of what leaves). Nothing is said of traffic that was not seen. */
  | { readonly from: 'traffic'; readonly only?: 'egress' }
  /** Differs from flow to flow and cannot be learnt from packets: always `-`. */
  | { readonly from: 'nowhere' }
  /** A count or a time. `quiet`: holds for NODATA and SKIPDATA too. */
  | {
      readonly from: 'number'
      readonly read: (record: FlowRecord) => number
      readonly quiet?: true
    }
  /** Four words, or one where the record is IPv4. */
  | { readonly from: 'address'; readonly read: (record: FlowRecord) => Uint32Array }
  /** An index into `words`; -1 for none of them. */
  | {
      readonly from: 'word'
      readonly words: readonly string[]
      readonly read: (record: FlowRecord) => number
      readonly quiet?: true
    }

export interface Field {
  /** As `${…}` spells it. */
  readonly name: FieldName
  /** The version of the flow log format that brought the field. */
  readonly version: number
  readonly type: FieldType
  readonly filling: Filling
}

const INTERFACE = { from: 'interface' } as const
const TAG = { from: 'interface', tag: true } as const
const TRAFFIC = { from: 'traffic' } as const
const NOWHERE = { from: 'nowhere' } as const

const TCP = 6

/** VPC shows the interface's primary address where it is the near end of a flow, whatever the packet said. */
function sourceAddress(record: FlowRecord): Uint32Array {
  const near = record.direction === 'egress' ? record.interfaceAddress : undefined
  return near ?? record.packetSource
}

function destinationAddress(record: FlowRecord): Uint32Array {
  const near = record.direction === 'ingress' ? record.interfaceAddress : undefined
  return near ?? record.packetDestination
}

/** NODATA and SKIPDATA have no packets to take times from: theirs are the window's. */
function startSeconds(record: FlowRecord): number {
  return record.status === 'OK' ? record.startSeconds : record.windowStart
}

/** The second a record is filed under, and its `end`. */
export function endSeconds(record: FlowRecord): number {
  return record.status === 'OK' ? record.endSeconds : record.windowEnd
}

function directionIndex(record: FlowRecord): number {
  if (record.direction === 'ingress') return 0
  return record.direction === 'egress' ? 1 : -1
}

function statusIndex(record: FlowRecord): number {
  if (record.status === 'OK') return 0
  return record.status === 'NODATA' ? 1 : 2
}

const ROWS = [
  { name: 'version', version: 2, type: 'int32', filling: { from: 'format' } },
  { name: 'account-id', version: 2, type: 'string', filling: INTERFACE },
  { name: 'interface-id', version: 2, type: 'string', filling: INTERFACE },
  {
    name: 'srcaddr',
    version: 2,
    type: 'string',
    filling: { from: 'address', read: sourceAddress },
  },
  {
    name: 'dstaddr',
    version: 2,
    type: 'string',
    filling: { from: 'address', read: destinationAddress },
  },
  {
    name: 'srcport',
    version: 2,
    type: 'int32',
    filling: { from: 'number', read: (record) => record.sourcePort },
  },
  {
    name: 'dstport',
    version: 2,
    type: 'int32',
    filling: { from: 'number', read: (record) => record.destinationPort },
  },
  {
    name: 'protocol',
    version: 2,
    type: 'int32',
    filling: { from: 'number', read: (record) => record.protocol },
  },
  {
    name: 'packets',
    version: 2,
    type: 'int64',
    filling: { from: 'number', read: (record) => record.packets },
  },
  {
    name: 'bytes',
    version: 2,
    type: 'int64',
    filling: { from: 'number', read: (record) => record.bytes },
  },
  {
    name: 'start',
    version: 2,
    type: 'int64',
    filling: { from: 'number', read: startSeconds, quiet: true },
  },
  {
    name: 'end',
    version: 2,
    type: 'int64',
    filling: { from: 'number', read: endSeconds, quiet: true },
  },
  {
    // What a security group or network ACL refuses is never mirrored, so what is seen was accepted.
    name: 'action',
    version: 2,
    type: 'string',
    filling: { from: 'word', words: ['ACCEPT'], read: () => 0 },
  },
  {
    name: 'log-status',
    version: 2,
    type: 'string',
    filling: { from: 'word', words: ['OK', 'NODATA', 'SKIPDATA'], read: statusIndex, quiet: true },
  },
  { name: 'vpc-id', version: 3, type: 'string', filling: INTERFACE },
  { name: 'subnet-id', version: 3, type: 'string', filling: INTERFACE },
  { name: 'instance-id', version: 3, type: 'string', filling: INTERFACE },
  {
    name: 'tcp-flags',
    version: 3,
    type: 'int32',
    filling: {
      from: 'number',
      read: (record) => (record.protocol === TCP ? record.vpcTcpFlags : 0),
    },
  },
  {
    name: 'type',
    version: 3,
    type: 'string',
    filling: {
      from: 'word',
      words: ['IPv4', 'IPv6'],
      read: (record) => (record.ipVersion === 4 ? 0 : 1),
    },
  },
  {
    name: 'pkt-srcaddr',
    version: 3,
    type: 'string',
    filling: { from: 'address', read: (record) => record.packetSource },
  },
  {
    name: 'pkt-dstaddr',
    version: 3,
    type: 'string',
    filling: { from: 'address', read: (record) => record.packetDestination },
  },
  { name: 'region', version: 4, type: 'string', filling: INTERFACE },
  { name: 'az-id', version: 4, type: 'string', filling: INTERFACE },
  { name: 'sublocation-type', version: 4, type: 'string', filling: INTERFACE },
  { name: 'sublocation-id', version: 4, type: 'string', filling: INTERFACE },
  { name: 'pkt-src-aws-service', version: 5, type: 'string', filling: NOWHERE },
  { name: 'pkt-dst-aws-service', version: 5, type: 'string', filling: NOWHERE },
  {
    name: 'flow-direction',
    version: 5,
    type: 'string',
    filling: { from: 'word', words: ['ingress', 'egress'], read: directionIndex },
  },
  {
    name: 'traffic-path',
    version: 5,
    type: 'int32',
    filling: { from: 'traffic', only: 'egress' },
  },
  { name: 'ecs-cluster-arn', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-cluster-name', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-container-instance-arn', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-container-instance-id', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-container-id', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-second-container-id', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-service-name', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-task-definition-arn', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-task-arn', version: 7, type: 'string', filling: INTERFACE },
  { name: 'ecs-task-id', version: 7, type: 'string', filling: INTERFACE },
  { name: 'reject-reason', version: 8, type: 'string', filling: TRAFFIC },
  { name: 'resource-id', version: 9, type: 'string', filling: INTERFACE },
  { name: 'encryption-status', version: 10, type: 'int32', filling: TRAFFIC },
  { name: 'instance-tag', version: 11, type: 'string', filling: TAG },
  { name: 'instance-tag-2', version: 11, type: 'string', filling: TAG },
  { name: 'interface-tag', version: 11, type: 'string', filling: TAG },
  { name: 'interface-tag-2', version: 11, type: 'string', filling: TAG },
  { name: 'asg-tag', version: 11, type: 'string', filling: TAG },
  { name: 'asg-tag-2', version: 11, type: 'string', filling: TAG },
  { name: 'interface-type', version: 11, type: 'string', filling: INTERFACE },
  { name: 'next-hop-interface-id', version: 11, type: 'string', filling: TRAFFIC },
  { name: 'next-hop-subnet-id', version: 11, type: 'string', filling: TRAFFIC },
  { name: 'next-hop-az-id', version: 11, type: 'string', filling: TRAFFIC },
  { name: 'next-hop-vpc-id', version: 11, type: 'string', filling: TRAFFIC },
  { name: 'next-hop-interface-type', version: 11, type: 'string', filling: TRAFFIC },
] as const satisfies readonly (Omit<Field, 'name'> & { readonly name: string })[]

type Row = (typeof ROWS)[number]

export type FieldName = Row['name']

/** Fields whose value an operator may give, because no packet carries it. */
export type ConfiguredFieldName = Extract<
  Row,
  { readonly filling: { readonly from: 'interface' | 'traffic' } }
>['name']

export const FIELDS: readonly Field[] = ROWS

const BY_NAME: ReadonlyMap<string, Field> = new Map(FIELDS.map((field) => [field.name, field]))

/** The field of that name, or undefined. */
export function fieldNamed(name: string): Field | undefined {
  return BY_NAME.get(name)
}

/** What a flow log holds when nobody says otherwise: the fields of version 2. */
export const DEFAULT_FIELDS: readonly Field[] = FIELDS.filter((field) => field.version === 2)

/** The fields a session's metadata may hold. */
export const CONFIGURED_FIELDS: readonly Field[] = FIELDS.filter(
  ({ filling }) => filling.from === 'interface' || filling.from === 'traffic',
)
