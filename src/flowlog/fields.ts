import {
  ACTION,
  BYTES,
  DESTINATION,
  DESTINATION_PORT,
  END,
  FLOW_DIRECTION,
  LOG_STATUS,
  PACKET_DESTINATION,
  PACKET_SOURCE,
  PACKETS,
  PROTOCOL,
  SOURCE,
  SOURCE_PORT,
  START,
  TCP_FLAGS,
  TYPE,
} from './record-values.js'

/**
 * Every field a VPC flow log may hold, in the order of AWS's table ("Flow log
 * records", VPC User Guide; versions 2 to 11).
 *
 * The format parser, the session's metadata and every encoder walk this list, or that of
 * transit-gateway-fields.ts. To add one, add a row, where packets tell it
 * a value in record-values.ts, and a line to test/flowlog/fields.test.ts.
 */

/** The column type AWS declares for Parquet; plain text and JSON derive from it too. */
export type FieldType = 'int32' | 'int64' | 'string'

/** Where a field's value comes from. Wherever there is none, a `-` is written. */
type Filling =
  /** The log format: one value for the whole log. */
  | { readonly from: 'format' }
  /** Configured, and true of the interface: it holds for NODATA and SKIPDATA too. `tag`: see metadata.ts. */
  | { readonly from: 'interface'; readonly tag?: true }
  /** Configured, and true of its traffic (`egress`: only of what leaves). Nothing is said of traffic that was not seen. */
  | { readonly from: 'traffic'; readonly only?: 'egress' }
  /** Differs from flow to flow and cannot be learnt from packets: always `-`. */
  | { readonly from: 'nowhere' }
  /** A count or a time, see `numberOf`. `quiet`: holds for NODATA and SKIPDATA too. */
  | { readonly from: 'number'; readonly value: number; readonly quiet?: true }
  /** See `addressOf`. */
  | { readonly from: 'address'; readonly value: number }
  /** One of `words`, see `wordOf`. */
  | {
      readonly from: 'word'
      readonly words: readonly string[]
      readonly value: number
      readonly quiet?: true
    }

export interface Field {
  /** As `${…}` spells it. */
  readonly name: string
  /** The version of the flow log format that brought the field. */
  readonly version: number
  readonly type: FieldType
  readonly filling: Filling
}

const INTERFACE = { from: 'interface' } as const
const TAG = { from: 'interface', tag: true } as const
const TRAFFIC = { from: 'traffic' } as const
const NOWHERE = { from: 'nowhere' } as const

const ROWS = [
  { name: 'version', version: 2, type: 'int32', filling: { from: 'format' } },
  { name: 'account-id', version: 2, type: 'string', filling: INTERFACE },
  { name: 'interface-id', version: 2, type: 'string', filling: INTERFACE },
  {
    name: 'srcaddr',
    version: 2,
    type: 'string',
    filling: { from: 'address', value: SOURCE },
  },
  {
    name: 'dstaddr',
    version: 2,
    type: 'string',
    filling: { from: 'address', value: DESTINATION },
  },
  {
    name: 'srcport',
    version: 2,
    type: 'int32',
    filling: { from: 'number', value: SOURCE_PORT },
  },
  {
    name: 'dstport',
    version: 2,
    type: 'int32',
    filling: { from: 'number', value: DESTINATION_PORT },
  },
  {
    name: 'protocol',
    version: 2,
    type: 'int32',
    filling: { from: 'number', value: PROTOCOL },
  },
  {
    name: 'packets',
    version: 2,
    type: 'int64',
    filling: { from: 'number', value: PACKETS },
  },
  {
    name: 'bytes',
    version: 2,
    type: 'int64',
    filling: { from: 'number', value: BYTES },
  },
  {
    name: 'start',
    version: 2,
    type: 'int64',
    filling: { from: 'number', value: START, quiet: true },
  },
  {
    name: 'end',
    version: 2,
    type: 'int64',
    filling: { from: 'number', value: END, quiet: true },
  },
  {
    // What a security group or network ACL refuses is never mirrored, so what is seen was accepted.
    name: 'action',
    version: 2,
    type: 'string',
    filling: { from: 'word', words: ['ACCEPT'], value: ACTION },
  },
  {
    name: 'log-status',
    version: 2,
    type: 'string',
    filling: { from: 'word', words: ['OK', 'NODATA', 'SKIPDATA'], value: LOG_STATUS, quiet: true },
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
      value: TCP_FLAGS,
    },
  },
  {
    name: 'type',
    version: 3,
    type: 'string',
    filling: {
      from: 'word',
      words: ['IPv4', 'IPv6'],
      value: TYPE,
    },
  },
  {
    name: 'pkt-srcaddr',
    version: 3,
    type: 'string',
    filling: { from: 'address', value: PACKET_SOURCE },
  },
  {
    name: 'pkt-dstaddr',
    version: 3,
    type: 'string',
    filling: { from: 'address', value: PACKET_DESTINATION },
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
    filling: { from: 'word', words: ['ingress', 'egress'], value: FLOW_DIRECTION },
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
export const CONFIGURED_FIELDS = configuredOf(FIELDS) as readonly (Field & {
  readonly name: ConfiguredFieldName
})[]

/** The fields of a kind of flow log. */
export interface FieldSet {
  readonly all: readonly Field[]
  /** What it holds when nobody says otherwise. */
  readonly defaults: readonly Field[]
}

export const VPC_FIELDS: FieldSet = { all: FIELDS, defaults: DEFAULT_FIELDS }

/** Those whose values no packet carries. */
export function configuredOf(fields: readonly Field[]): readonly Field[] {
  return fields.filter(({ filling }) => filling.from === 'interface' || filling.from === 'traffic')
}
