import type { MirrorFilter, NetworkService } from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { unknownId } from './ids.js'
import { Refusal } from './refusal.js'
import { withTags } from './tags.js'

export type NewFilter = Pick<MirrorFilter, 'description' | 'tags'>

/** A filter without rules accepts nothing. */
export function createFilter(draft: Draft, wanted: NewFilter): MirrorFilter {
  if (draft.resources.filters.size >= draft.quotas.filters) {
    throw new Refusal(
      'TrafficMirrorFilterLimitExceeded',
      `The maximum number of traffic mirror filters is ${draft.quotas.filters}`,
    )
  }
  const filter = {
    id: draft.newId('tmf'),
    description: wanted.description,
    networkServices: [],
    rules: [],
    tags: withTags([], wanted.tags, draft.quotas.tagsPerResource),
  }
  draft.put('filters', filter)
  return filter
}

/** With its rules. */
export function deleteFilter(draft: Draft, id: string): void {
  existingFilter(draft, id)
  for (const session of draft.resources.sessions.values()) {
    if (session.filterId !== id) continue
    throw new Refusal(
      'TrafficMirrorFilterInUse',
      `Cannot delete ${id} . Filter is in use by ${session.id}`,
    )
  }
  draft.remove('filters', id)
}

/** Adds and takes away services; one that is there already, or is not there, is no error. */
export function modifyNetworkServices(
  draft: Draft,
  id: string,
  change: { add: readonly NetworkService[]; remove: readonly NetworkService[] },
): MirrorFilter {
  const filter = existingFilter(draft, id)
  const both = change.add.find((service) => change.remove.includes(service))
  if (both !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      `The network service '${both}' cannot be added and removed at the same time`,
    )
  }
  const kept = filter.networkServices.filter((service) => !change.remove.includes(service))
  const modified = { ...filter, networkServices: [...new Set([...kept, ...change.add])] }
  draft.put('filters', modified)
  return modified
}

export function existingFilter(draft: Draft, id: string): MirrorFilter {
  const filter = draft.resources.filters.get(id)
  if (filter === undefined) throw unknownId('tmf', id)
  return filter
}
