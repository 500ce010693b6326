import { z } from 'zod'
import type { Fields, Kind, ValueOf } from '../mirror/fields.js'
import {
  FILTER_RULE,
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
  TARGET_ADDRESSES,
} from '../mirror/resources.js'
import { parseAddress, parseCidr } from '../wire/address.js'

/** May be of something that a configuration declares, here or where it is followed: ids need only begin as AWS's do. */
const id = (prefix: string) => z.string().startsWith(`${prefix}-`)
const integer = (min: number, max: number) => z.number().int().min(min).max(max)
const text = z.string()
const cidr = text.refine((value) => parseCidr(value) !== undefined, 'must be a block of addresses')
const port = integer(0, 65535)

/** How each kind is kept. */
function keptAs(kind: Kind): z.ZodType {
  switch (kind.type) {
    case 'integer':
      return integer(kind.min, kind.max)
    case 'numbers':
      return z.literal(kind.values)
    case 'boolean':
      return z.boolean()
    case 'choice':
      return z.enum(kind.values)
    case 'ports':
      return z.strictObject({ from: port, to: port })
    case 'id':
    case 'reference':
      return id(kind.prefix)
    case 'format':
      if (kind.format === 'network-interface-id') return id('eni')
      return kind.format === 'cidr' ? cidr : text
    case 'list':
      return z.array(keptAs(kind.of))
    case 'structure':
      return z.strictObject(keptShape(kind.fields))
    case 'string':
    case 'account':
      return text
  }
}

type KeptShape<F extends Fields> = {
  [M in keyof F]: F[M] extends { optional: true }
    ? z.ZodOptional<z.ZodType<ValueOf<F[M]['is']>>>
    : z.ZodType<ValueOf<F[M]['is']>>
}

function keptShape<F extends Fields>(fields: F): KeptShape<F> {
  const shape: Record<string, z.ZodType> = {}
  for (const [name, { is, optional }] of Object.entries(fields)) {
    shape[name] = optional ? keptAs(is).optional() : keptAs(is)
  }
  return shape as KeptShape<F>
}

const target: z.ZodType<MirrorTarget> = z.strictObject({
  ...keptShape(MIRROR_TARGET),
  kind: z.enum(Object.keys(TARGET_ADDRESSES) as MirrorTarget['kind'][]),
  address: text,
})

const filter: z.ZodType<MirrorFilter> = z.strictObject({
  ...keptShape(MIRROR_FILTER),
  rules: z.array(z.strictObject(keptShape(FILTER_RULE))),
})

const session: z.ZodType<MirrorSession> = z.strictObject(keptShape(MIRROR_SESSION))

const tags = keptAs(MIRROR_FILTER.tags.is) as z.ZodType<MirrorFilter['tags']>

const flowLog: z.ZodType<FlowLog> = z.strictObject({
  ...keptShape(FLOW_LOG),
  logFormat: text.min(1),
})

const networkInterface: z.ZodType<NetworkInterface> = z.strictObject({
  ...keptShape(NETWORK_INTERFACE),
  addresses: z.array(text.refine((value) => parseAddress(value) !== undefined)),
})

const followed = z.strictObject({
  source: text,
  ids: z.array(text),
  readAt: integer(0, Number.MAX_SAFE_INTEGER),
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

/** Version 1 had no journal, version 2 no interfaces and nothing that is followed. */
export const STATE_VERSION = 3

/** The state file. Nothing more may be in it: what is not understood would be lost at the next change. */
export const STATE_SCHEMA = z.strictObject({
  version: z.literal([1, 2, STATE_VERSION]),
  /** Of the journal that continues this file. */
  journal: text.optional(),
  interfaces: z.array(networkInterface).default([]),
  targets: z.array(target),
  filters: z.array(filter),
  sessions: z.array(session),
  flowLogs: z.array(flowLog),
  tokens: z.array(tokenUse),
  /** Left out where nothing is. */
  followed: followed.optional(),
  /** Left out where there are none. */
  applianceTags: tags.optional(),
})

const tokenUseOfJournal = tokenUse.omit({ key: true })

/** A line of the journal: what a resource became, or null where it is gone. */
export const CHANGES_SCHEMA = z.strictObject({
  changes: z.array(
    z.union([
      z.tuple([z.literal('interfaces'), text, networkInterface.nullable()]),
      z.tuple([z.literal('targets'), text, target.nullable()]),
      z.tuple([z.literal('filters'), text, filter.nullable()]),
      z.tuple([z.literal('sessions'), text, session.nullable()]),
      z.tuple([z.literal('flowLogs'), text, flowLog.nullable()]),
    ]),
  ),
  tokens: z.array(z.tuple([text, tokenUseOfJournal])),
})
