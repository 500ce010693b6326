import { isDeepStrictEqual } from 'node:util'
import type {
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
} from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { Refusal } from './refusal.js'
import { type Followed, type ResourceOf, TABLES, type Table } from './state.js'

/** What another control plane has. */
export interface FollowedResources {
  readonly interfaces: readonly NetworkInterface[]
  readonly targets: readonly MirrorTarget[]
  readonly filters: readonly MirrorFilter[]
  readonly sessions: readonly MirrorSession[]
}

/**
 * Has the followed resources be these: what is new is made, what is no more is gone, and what
 * is as before is no change. What the configuration declares under the same id counts, as it does
 * against what is saved. AWS has made sure of its quotas; more sessions than
 * `sessionsMax`, with those that are not followed, are refused.
 */
export function follow(
  draft: Draft,
  source: string,
  resources: FollowedResources,
  sessionsMax: number,
): void {
  const before = draft.followed
  const wanted = { ...resources, flowLogs: [] }
  const ids = new Set<string>()
  for (const table of TABLES) {
    for (const { id } of wanted[table]) if (!draft.isDeclared(id)) ids.add(id)
  }
  draft.follow(() => {
    // Sessions first, so that nothing is gone that something names.
    for (const table of TABLES.toReversed()) removeOthers(draft, table, before, ids)
    for (const table of TABLES) {
      for (const resource of wanted[table]) {
        if (ids.has(resource.id)) put(draft, table, resource)
      }
    }
    const isAsBefore = before?.source === source && draft.changes.length === 0
    return isAsBefore ? before : { source, ids, readAt: draft.now }
  })
  if (draft.resources.sessions.size > sessionsMax) {
    throw new Refusal(
      'TrafficMirrorSessionLimitExceeded',
      `there are ${draft.resources.sessions.size} mirror sessions, and at most ${sessionsMax} are possible: remove some`,
    )
  }
}

/** Nothing is followed any more: what was is gone. */
export function unfollow(draft: Draft): void {
  const before = draft.followed
  if (before === undefined) return
  draft.follow(() => {
    for (const table of TABLES.toReversed()) removeOthers(draft, table, before, new Set())
    return undefined
  })
}

function removeOthers(
  draft: Draft,
  table: Table,
  before: Followed | undefined,
  wanted: ReadonlySet<string>,
): void {
  for (const id of before?.ids ?? []) {
    if (wanted.has(id) || draft.isDeclared(id)) continue
    if (draft.resources[table].has(id)) draft.remove(table, id)
  }
}

function put<T extends Table>(draft: Draft, table: T, resource: ResourceOf[T]): void {
  const known = draft.resources[table].get(resource.id)
  if (known !== undefined && isDeepStrictEqual(asKept(known), asKept(resource))) return
  draft.put(table, resource)
}

/** Without members that are undefined: what was saved does not have them. */
function asKept(resource: object): unknown {
  return JSON.parse(JSON.stringify(resource))
}
