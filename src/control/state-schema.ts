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
  TARGET_ADDRESSES,
} from '../mirror/resources.js'
import { parseCidr } from '../wire/address.js'
import { isEc2Id } from './ids.js'

const id = (prefix: string) =>
  z.string().refine((text) => isEc2Id(prefix, text), `must be ${prefix}- and hexadecimal digits`)
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
      return id(kind.prefix)
    case 'reference':
      // May be of something declared in a configuration, where ids need only begin as AWS's do.
      return z.string().startsWith(`${kind.prefix}-`)
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
