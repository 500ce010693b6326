import type {
  FilterRule,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
} from '../../mirror/resources.js'
import type { Ec2Api } from './ec2-client.js'
import { FILTER, SESSION, TARGET } from './mirror-schemas.js'
import { type Listing, PagedReading } from './paged-reading.js'

/** Mirror sessions, and what they name. */
export interface MirrorResources {
  readonly sessions: readonly MirrorSession[]
  readonly filters: readonly MirrorFilter[]
  readonly targets: readonly MirrorTarget[]
}

/**
 * Asks for the sessions of an interface, then for their filters and targets: what decides about
 * packets, without tags and descriptions, so that a change of those is none. Sessions whose
 * filter or target is gone are there without it. Rejects with CallFailure or OperatorError.
 */
export async function readMirrorResources(
  api: Ec2Api,
  networkInterfaceId: string,
  signal: AbortSignal,
  pageLen?: number,
): Promise<MirrorResources> {
  const reading = new PagedReading(api, signal, pageLen)
  const { sessions, filters, targets } = await readWhole(
    async () => {
      const listed = await reading.by('network-interface-id', [networkInterfaceId], sessionsOf(api))
      return listed.filter((session) => session.networkInterfaceId === networkInterfaceId)
    },
    { api, reading },
  )
  return {
    sessions: sessions.map(plain),
    filters: filters.map((filter) => ({ ...plain(filter), rules: filter.rules.map(plain) })),
    targets: targets.map(plain),
  }
}

/**
 * Asks for the sessions of these targets, and for what they name, tags and descriptions included.
 * Targets that have no sessions are there too. Rejects with CallFailure or OperatorError.
 */
export function readResourcesOfTargets(
  api: Ec2Api,
  targetIds: readonly string[],
  reading: PagedReading,
): Promise<MirrorResources> {
  return readWhole(
    async () => {
      const listed = await reading.by('traffic-mirror-target-id', targetIds, sessionsOf(api))
      return listed.filter(({ targetId }) => targetIds.includes(targetId))
    },
    { api, reading, targetIds },
  )
}

/** The targets that these interfaces are. */
export async function targetsOfInterfaces(
  api: Ec2Api,
  networkInterfaceIds: readonly string[],
  reading: PagedReading,
): Promise<string[]> {
  const targets = await reading.by('network-interface-id', networkInterfaceIds, targetsOf(api))
  return targets
    .filter(
      ({ kind, address }) => kind === 'network-interface' && networkInterfaceIds.includes(address),
    )
    .map(({ id }) => id)
}

interface Readers {
  readonly api: Ec2Api
  readonly reading: PagedReading
  readonly targetIds?: readonly string[]
}

async function readWhole(
  readSessions: () => Promise<MirrorSession[]>,
  readers: Readers,
): Promise<MirrorResources> {
  const first = await readOnce(readSessions, readers)
  // A session that was changed between two calls is whole the next time.
  return isWhole(first) ? first : readOnce(readSessions, readers)
}

async function readOnce(
  readSessions: () => Promise<MirrorSession[]>,
  { api, reading, targetIds = [] }: Readers,
): Promise<MirrorResources> {
  const sessions = await readSessions()
  const named = sessions.map(({ targetId }) => targetId)
  const [filters, targets] = await Promise.all([
    reading.by(
      'traffic-mirror-filter-id',
      sessions.map(({ filterId }) => filterId),
      filtersOf(api),
    ),
    reading.by('traffic-mirror-target-id', [...targetIds, ...named], targetsOf(api)),
  ])
  return { sessions: inOrder(sessions), filters: inOrder(filters), targets: inOrder(targets) }
}

function sessionsOf({ client, sdk }: Ec2Api): Listing<'TrafficMirrorSessions', MirrorSession> {
  const { DescribeTrafficMirrorSessionsCommand: Sessions } = sdk
  return {
    list: 'TrafficMirrorSessions',
    schema: SESSION,
    ask: (page, options) => client.send(new Sessions(page), options),
  }
}

function filtersOf({ client, sdk }: Ec2Api): Listing<'TrafficMirrorFilters', MirrorFilter> {
  const { DescribeTrafficMirrorFiltersCommand: Filters } = sdk
  return {
    list: 'TrafficMirrorFilters',
    schema: FILTER,
    ask: (page, options) => client.send(new Filters(page), options),
  }
}

function targetsOf({ client, sdk }: Ec2Api): Listing<'TrafficMirrorTargets', MirrorTarget> {
  const { DescribeTrafficMirrorTargetsCommand: Targets } = sdk
  return {
    list: 'TrafficMirrorTargets',
    schema: TARGET,
    ask: (page, options) => client.send(new Targets(page), options),
  }
}

function isWhole({ sessions, filters, targets }: MirrorResources): boolean {
  return sessions.every(
    ({ filterId, targetId }) =>
      filters.some(({ id }) => id === filterId) && targets.some(({ id }) => id === targetId),
  )
}

/** So that the same resources are the same text, whatever order they were listed in. */
export function inOrder<T extends { readonly id: string }>(resources: readonly T[]): T[] {
  return [...resources].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function plain<R extends MirrorSession | MirrorFilter | MirrorTarget | FilterRule>(resource: R): R {
  const { description: _, ...rest } = resource
  return { ...rest, tags: [] } as unknown as R
}
