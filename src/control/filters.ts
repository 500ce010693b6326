import type { MirrorFilter, NetworkService } from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { Refusal } from './refusal.js'

type NewFilter = Pick<MirrorFilter, 'description' | 'tags'>

/** A filter without rules accepts nothing. */
export function createFilter(draft: Draft, wanted: NewFilter): MirrorFilter {
  draft.requireRoom('filters')
  const filter = {
    id: draft.newId('tmf'),
    description: wanted.description,
    networkServices: [],
    rules: [],
    tags: draft.newTags(wanted.tags),
  }
  draft.put('filters', filter)
  return filter
}

/** With its rules. */
export function deleteFilter(draft: Draft, id: string): void {
  draft.existing('filters', id)
  draft.requireUnused('filters', id)
  draft.remove('filters', id)
}

/** Adds and takes away services; one that is there already, or is not there, is no error. */
export function modifyNetworkServices(
  draft: Draft,
  id: string,
  change: { add: readonly NetworkService[]; remove: readonly NetworkService[] },
): MirrorFilter {
  const filter = draft.existing('filters', id)
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
