import { z } from 'zod'
import type { FlowLog, MirrorFilter, MirrorSession, MirrorTarget } from '../mirror/resources.js'
import { PACKET_LENGTH_MAX } from '../mirror/resources.js'
import { parseCidr } from '../wire/address.js'
import { VNI_MAX } from '../wire/vxlan.js'
import { isEc2Id } from './ids.js'

const id = (prefix: string) =>
  z.string().refine((text) => isEc2Id(prefix, text), `must be ${prefix}- and hexadecimal digits`)
/** May be of something declared in a configuration, where ids need only begin as AWS's do. */
const reference = (prefix: string) => z.string().startsWith(`${prefix}-`)
const integer = (min: number, max: number) => z.number().int().min(min).max(max)
const text = z.string()
const tags = z.array(z.strictObject({ key: text, value: text }))
const cidr = text.refine((value) => parseCidr(value) !== undefined, 'must be a block of addresses')
const portRange = z.strictObject({ from: integer(0, 65535), to: integer(0, 65535) })

const target: z.ZodType<MirrorTarget> = z.strictObject({
  id: id('tmt'),
  description: text.optional(),
  ownerId: text,
  kind: z.enum(['network-interface', 'network-load-balancer', 'gateway-load-balancer-endpoint']),
  address: text,
  tags,
})

const filter: z.ZodType<MirrorFilter> = z.strictObject({
  id: id('tmf'),
  description: text.optional(),
  networkServices: z.array(z.literal('amazon-dns')),
  rules: z.array(
    z.strictObject({
      id: id('tmfr'),
      direction: z.enum(['ingress', 'egress']),
      ruleNumber: integer(1, 2 ** 31 - 1),
      action: z.enum(['accept', 'reject']),
      protocol: integer(0, 255).optional(),
      sourcePortRange: portRange.optional(),
      destinationPortRange: portRange.optional(),
      sourceCidr: cidr,
      destinationCidr: cidr,
      description: text.optional(),
      tags,
    }),
  ),
  tags,
})

const session: z.ZodType<MirrorSession> = z.strictObject({
  id: id('tms'),
  description: text.optional(),
  ownerId: text,
  networkInterfaceId: id('eni'),
  targetId: reference('tmt'),
  filterId: reference('tmf'),
  packetLength: integer(1, PACKET_LENGTH_MAX).optional(),
  sessionNumber: integer(1, 32766),
  virtualNetworkId: integer(0, VNI_MAX),
  tags,
})

const flowLog: z.ZodType<FlowLog> = z.strictObject({
  id: id('fl'),
  createdAt: integer(0, Number.MAX_SAFE_INTEGER),
  resourceId: text,
  resourceType: z.enum([
    'VPC',
    'Subnet',
    'NetworkInterface',
    'TransitGateway',
    'TransitGatewayAttachment',
  ]),
  trafficType: z.enum(['ACCEPT', 'REJECT', 'ALL']).optional(),
  destinationType: z.enum(['cloud-watch-logs', 's3', 'kinesis-data-firehose']),
  destination: text.optional(),
  logGroupName: text.optional(),
  permissionArn: text.optional(),
  crossAccountRole: text.optional(),
  logFormat: text.min(1),
  maxAggregationSeconds: z.union([z.literal(60), z.literal(600)]),
  destinationOptions: z
    .strictObject({
      fileFormat: z.enum(['plain-text', 'parquet']),
      hiveCompatiblePartitions: z.boolean(),
      perHourPartition: z.boolean(),
    })
    .optional(),
  tagFields: z.array(
    z.strictObject({
      resourceType: z.enum(['network-interface', 'instance', 'auto-scaling-group']),
      tagKeys: z.array(text),
    }),
  ),
  tags,
})

const tokenUse = z.strictObject({
  key: text,
  fingerprint: text,
  ids: z.array(text),
  failures: z.array(z.strictObject({ resourceId: text, code: text, message: text })),
  usedAt: integer(0, Number.MAX_SAFE_INTEGER),
})

/** What every version of the file has. */
export const STATE_HEADER = z.looseObject({ version: integer(1, Number.MAX_SAFE_INTEGER) })

/** Version 1 had no journal. */
export const STATE_VERSION = 2

/** The state file. Nothing more may be in it: what is not understood would be lost at the next change. */
export const STATE_SCHEMA = z.strictObject({
  version: z.union([z.literal(1), z.literal(STATE_VERSION)]),
  /** Of the journal that continues this file. */
  journal: text.optional(),
  targets: z.array(target),
  filters: z.array(filter),
  sessions: z.array(session),
  flowLogs: z.array(flowLog),
  tokens: z.array(tokenUse),
  /** Left out where there are none. */
  applianceTags: tags.optional(),
})

const tokenUseOfJournal = tokenUse.omit({ key: true })

/** A line of the journal: what a resource became, or null where it is gone. */
export const CHANGES_SCHEMA = z.strictObject({
  changes: z.array(
    z.union([
      z.tuple([z.literal('targets'), text, target.nullable()]),
      z.tuple([z.literal('filters'), text, filter.nullable()]),
      z.tuple([z.literal('sessions'), text, session.nullable()]),
      z.tuple([z.literal('flowLogs'), text, flowLog.nullable()]),
    ]),
  ),
  tokens: z.array(z.tuple([text, tokenUseOfJournal])),
})
