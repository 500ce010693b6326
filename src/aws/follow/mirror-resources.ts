import type { Filter } from '@aws-sdk/client-ec2'
import { z } from 'zod'
import { writtenShape } from '../../control/written-fields.js'
import { type Fields, membersOf } from '../../mirror/fields.js'
import {
  addressesIn,
  FILTER_RULE,
  type FilterRule,
  MIRROR_FILTER,
  MIRROR_SESSION,
  MIRROR_TARGET,
  type MirrorFilter,
  type MirrorSession,
  type MirrorTarget,
  TARGET_ADDRESSES,
} from '../../mirror/resources.js'
import { CallFailure, type Ec2Api } from './ec2-client.js'

/** The mirror sessions of an interface, and what they name: what decides about packets, without tags and descriptions. */
export interface MirrorResources {
  readonly sessions: readonly MirrorSession[]
  readonly filters: readonly MirrorFilter[]
  readonly targets: readonly MirrorTarget[]
}

/** Values that a filter of EC2's may have. */
const VALUES_MAX = 200
/** Entries asked for at a time. */
const PAGE_LEN = 1000
/** AWS's quotas allow at most ten. */
const PAGES_MAX = 100

/** The fields that decide about packets: no others are read, so that a change of those is none. */
function decisive<F extends Fields>(fields: F): Omit<F, 'description' | 'tags'> {
  const { description: _, tags: __, ...rest } = fields
  return rest as Omit<F, 'description' | 'tags'>
}

const SESSION_FIELDS = decisive(MIRROR_SESSION)
const SESSION = z.object(writtenShape(SESSION_FIELDS)).transform(
  (said): MirrorSession => ({
    ...membersOf(SESSION_FIELDS, said),
    ownerId: said.OwnerId ?? '',
    tags: [],
  }),
)

const RULE_FIELDS = decisive(FILTER_RULE)
const RULE = z
  .object(writtenShape(RULE_FIELDS))
  .transform((said): FilterRule => ({ ...membersOf(RULE_FIELDS, said), tags: [] }))

const FILTER_FIELDS = decisive(MIRROR_FILTER)
const FILTER = z
  .object({
    ...writtenShape(FILTER_FIELDS),
    IngressFilterRules: z.array(RULE).default([]),
    EgressFilterRules: z.array(RULE).default([]),
    NetworkServices: z
      .array(z.string())
      .default([])
      // Which packets belong to another service is not known here.
      .transform((services) => services.filter((service) => service === 'amazon-dns')),
  })
  .transform(
    (said): MirrorFilter => ({
      ...membersOf(FILTER_FIELDS, said),
      rules: [...said.IngressFilterRules, ...said.EgressFilterRules],
      tags: [],
    }),
  )

const TARGET_FIELDS = decisive(MIRROR_TARGET)
const TARGET = z
  .object({ ...writtenShape(TARGET_FIELDS), ...writtenShape(TARGET_ADDRESSES) })
  .refine((said) => addressesIn(said).length === 1, 'does not say what it is')
  .transform(
    (said): MirrorTarget => ({
      ...membersOf(TARGET_FIELDS, said),
      ...addressesIn(said)[0]!,
      ownerId: said.OwnerId ?? '',
      tags: [],
    }),
  )

/**
 * Asks for the sessions of an interface, then for their filters and targets. Sessions whose
 * filter or target is gone are there without it. Rejects with CallFailure or OperatorError.
 */
export async function readMirrorResources(
  api: Ec2Api,
  networkInterfaceId: string,
  signal: AbortSignal,
  pageLen = PAGE_LEN,
): Promise<MirrorResources> {
  const first = await readOnce(api, networkInterfaceId, signal, pageLen)
  // A session that was changed between two calls is whole the next time.
  return isWhole(first) ? first : readOnce(api, networkInterfaceId, signal, pageLen)
}

async function readOnce(
  api: Ec2Api,
  networkInterfaceId: string,
  signal: AbortSignal,
  pageLen: number,
): Promise<MirrorResources> {
  const { DescribeTrafficMirrorSessionsCommand: Sessions } = api.sdk
  const { DescribeTrafficMirrorFiltersCommand: Filters } = api.sdk
  const { DescribeTrafficMirrorTargetsCommand: Targets } = api.sdk

  const own = await readAll('TrafficMirrorSessions', SESSION, async (page) => {
    const input = {
      ...page,
      Filters: [{ Name: 'network-interface-id', Values: [networkInterfaceId] }],
    }
    return api.ask(signal, (options) => api.client.send(new Sessions(input), options))
  })
  const sessions = own.filter((session) => session.networkInterfaceId === networkInterfaceId)
  const [filters, targets] = await Promise.all([
    byIds(
      'traffic-mirror-filter-id',
      sessions.map(({ filterId }) => filterId),
      (some) =>
        readAll('TrafficMirrorFilters', FILTER, (page) =>
          api.ask(signal, (options) =>
            api.client.send(new Filters({ ...page, Filters: [some] }), options),
          ),
        ),
    ),
    byIds(
      'traffic-mirror-target-id',
      sessions.map(({ targetId }) => targetId),
      (some) =>
        readAll('TrafficMirrorTargets', TARGET, (page) =>
          api.ask(signal, (options) =>
            api.client.send(new Targets({ ...page, Filters: [some] }), options),
          ),
        ),
    ),
  ])
  return { sessions: inOrder(sessions), filters: inOrder(filters), targets: inOrder(targets) }

  /** All entries of `list`, page by page, as `schema` has them. */
  async function readAll<List extends string, T>(
    list: List,
    schema: z.ZodType<T>,
    ask: (page: {
      MaxResults: number
      NextToken?: string
    }) => Promise<
      { readonly [key in List]?: unknown } & { readonly NextToken?: string | undefined }
    >,
  ): Promise<T[]> {
    const entries: T[] = []
    let token: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const next = token === undefined ? {} : { NextToken: token }
      const reply = await ask({ MaxResults: pageLen, ...next })
      const read = z.array(schema).safeParse(reply[list] ?? [])
      if (!read.success) {
        const { path, message } = read.error.issues[0]!
        const [index, ...members] = path
        throw new CallFailure(
          `${api.name} does not answer as EC2 does: ${list}[${String(index)}].${members.join('.')}: ${message}`,
        )
      }
      entries.push(...read.data)
      token = reply.NextToken || undefined
      if (token === undefined) return entries
    }
    throw new CallFailure(`${api.name} gives page after page of ${list}, without an end`)
  }
}

/** Reads in as many calls as the values of a filter need. */
async function byIds<T>(
  name: string,
  ids: readonly string[],
  read: (filter: Filter) => Promise<T[]>,
): Promise<T[]> {
  const values = [...new Set(ids)]
  const found: T[] = []
  for (let at = 0; at < values.length; at += VALUES_MAX) {
    found.push(...(await read({ Name: name, Values: values.slice(at, at + VALUES_MAX) })))
  }
  return found
}

function isWhole({ sessions, filters, targets }: MirrorResources): boolean {
  return sessions.every(
    ({ filterId, targetId }) =>
      filters.some(({ id }) => id === filterId) && targets.some(({ id }) => id === targetId),
  )
}

/** So that the same resources are the same text, whatever order they were listed in. */
function inOrder<T extends { readonly id: string }>(resources: readonly T[]): T[] {
  return [...resources].sort((a, b) => (a.id < b.id ? -1 : 1))
}
