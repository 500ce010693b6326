import type { ControlPlane } from '../../control/control-plane.js'
import type { ResourceType } from '../../control/ids.js'
import { inventoryOf } from '../../control/inventory.js'
import { createTags as putTags, deleteTags as takeTags } from '../../control/resource-tags.js'
import { withTags } from '../../control/tags.js'
import type { Tag } from '../../mirror/resources.js'
import { checkFilters, FILTER_PARAMETERS, type FilterFields, filterBy } from './describe.js'
import { type Operation, operation } from './operation.js'
import { PAGE_PARAMETERS, pageOf } from './page.js'
import type { Parameters } from './parameters.js'

const LENGTH_MAX = 1000

const TAG = {
  type: 'structure',
  members: { Key: { type: 'string', required: true }, Value: { type: 'string' } },
} as const

const RESOURCE_IDS = {
  ResourceId: { type: 'list', lengthMax: LENGTH_MAX, of: { type: 'string' }, required: true },
} as const satisfies Parameters

const createTags = operation({
  name: 'CreateTags',
  parameters: {
    ...RESOURCE_IDS,
    Tag: { type: 'list', lengthMax: LENGTH_MAX, of: TAG, required: true },
  },
  check: ({ Tag: tags }) => {
    withTags([], tags.map(tagOf), Number.POSITIVE_INFINITY)
  },
  run: async ({ ResourceId: ids, Tag: tags }, { plane }) => {
    await plane.change((draft) => putTags(draft, ids, tags.map(tagOf)))
    return { return: true }
  },
})

/** Those of `aws:` are nobody's to delete, and cannot have been created here. */
const deleteTags = operation({
  name: 'DeleteTags',
  parameters: { ...RESOURCE_IDS, Tag: { type: 'list', lengthMax: LENGTH_MAX, of: TAG } },
  run: async ({ ResourceId: ids, Tag: tags }, { plane }) => {
    const choices = tags.map(({ Key, Value }) => ({ key: Key, value: Value }))
    await plane.change((draft) => takeTags(draft, ids, choices))
    return { return: true }
  },
})

interface TagOfResource extends Tag {
  readonly resourceId: string
  readonly resourceType: ResourceType | 'network-interface' | 'instance'
}

const FIELDS: FilterFields<TagOfResource> = {
  key: ({ key }) => key,
  value: ({ value }) => value,
  'resource-id': ({ resourceId }) => resourceId,
  'resource-type': ({ resourceType }) => resourceType,
}

const describeTags = operation({
  name: 'DescribeTags',
  parameters: { ...PAGE_PARAMETERS, ...FILTER_PARAMETERS },
  check: ({ Filter: filters }) => checkFilters(filters, FIELDS),
  run: ({ Filter: filters, MaxResults: maxResults, NextToken: nextToken }, { plane, options }) => {
    // `tag:<key>` asks for that one tag, not for all tags of what has it.
    const passes = filterBy(filters, FIELDS, (tag) => [tag], options)
    const found = allTags(plane).filter(passes)
    const question = JSON.stringify(['DescribeTags', filters])
    const keyOf = ({ resourceId, key }: TagOfResource): string => `${resourceId} ${key}`
    const show = ({ resourceId, resourceType, key, value }: TagOfResource): object => ({
      resourceId,
      resourceType,
      key,
      value,
    })
    const page = pageOf(found, keyOf, show, { question, maxResults, nextToken })
    return {
      tagSet: page.items,
      nextToken: page.nextToken,
    }
  },
})

function allTags({ resources, interfaces }: ControlPlane): TagOfResource[] {
  const { sessions, targets, filters, flowLogs } = resources
  const rules = [...filters.values()].flatMap((filter) => filter.rules)
  return [
    ...tagsOf('traffic-mirror-session', sessions.values()),
    ...tagsOf('traffic-mirror-target', targets.values()),
    ...tagsOf('traffic-mirror-filter', filters.values()),
    ...tagsOf('traffic-mirror-filter-rule', rules),
    ...tagsOf('vpc-flow-log', flowLogs.values()),
    ...tagsOf('network-interface', interfaces.values()),
    ...tagsOf('instance', inventoryOf(interfaces).instances.values()),
  ]
}

function tagsOf(
  resourceType: TagOfResource['resourceType'],
  resources: Iterable<{ readonly id: string; readonly tags?: readonly Tag[] | undefined }>,
): TagOfResource[] {
  return [...resources].flatMap(({ id, tags = [] }) =>
    tags.map(({ key, value }) => ({ resourceId: id, resourceType, key, value })),
  )
}

function tagOf({ Key: key, Value: value }: { Key: string; Value: string | undefined }): Tag {
  return { key, value: value ?? '' }
}

export const TAG_OPERATIONS: readonly Operation[] = [createTags, describeTags, deleteTags]
