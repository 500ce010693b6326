import type { Tag } from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { filterOfRule, replaceRule } from './filter-rules.js'
import { prefixOf } from './ids.js'
import { Refusal } from './refusal.js'
import { withTags } from './tags.js'

/** A tag to delete. Without a value any value will do; an empty one stands for itself. */
interface TagChoice {
  readonly key: string
  readonly value?: string | undefined
}

/** Puts tags on resources, on all of them or, when one is unknown or has too many, on none. */
export function createTags(draft: Draft, ids: readonly string[], tags: readonly Tag[]): void {
  for (const id of ids) {
    retag(draft, id, (before) => withTags(before, tags, draft.quotas.tagsPerResource))
  }
}

/** Takes tags off; no choice takes all. What is not there is not missed. */
export function deleteTags(draft: Draft, ids: readonly string[], tags: readonly TagChoice[]): void {
  const goes = (tag: Tag): boolean =>
    tags.length === 0 ||
    tags.some(({ key, value }) => key === tag.key && (value === undefined || value === tag.value))
  for (const id of ids) retag(draft, id, (before) => before.filter((tag) => !goes(tag)))
}

export function tagAppliance(draft: Draft, tags: readonly Tag[]): void {
  draft.applianceTags = withTags(draft.applianceTags, tags, draft.quotas.tagsPerResource)
}

export function untagAppliance(draft: Draft, keys: readonly string[]): void {
  draft.applianceTags = draft.applianceTags.filter(({ key }) => !keys.includes(key))
}

function retag(draft: Draft, id: string, change: (tags: readonly Tag[]) => Tag[]): void {
  const prefix = prefixOf(id)
  if (prefix === undefined) throw new Refusal('InvalidID', `The ID '${id}' is not valid`)
  if (prefix === 'tmfr') {
    const { filter, rule } = filterOfRule(draft.resources, id)
    replaceRule(draft, filter, { ...rule, tags: change(rule.tags) })
    return
  }
  const table = ({ tms: 'sessions', tmt: 'targets', tmf: 'filters', fl: 'flowLogs' } as const)[
    prefix
  ]
  const resource = draft.existing(table, id)
  draft.put(table, { ...resource, tags: change(resource.tags) })
}
