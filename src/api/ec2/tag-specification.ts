import { ApiError } from '../../aws/protocol/action.js'
import type { ResourceType } from '../../control/ids.js'
import { withTags } from '../../control/tags.js'
import type { Tag } from '../../mirror/resources.js'
import type { Parameters, Values } from './parameters.js'

/** Tags to create a resource with. */
export const TAG_SPECIFICATION = {
  TagSpecification: {
    type: 'list',
    lengthMax: 1000,
    of: {
      type: 'structure',
      members: {
        ResourceType: { type: 'string' },
        Tag: {
          type: 'list',
          lengthMax: 1000,
          of: {
            type: 'structure',
            members: { Key: { type: 'string', required: true }, Value: { type: 'string' } },
          },
        },
      },
    },
  },
} as const satisfies Parameters

type Specifications = Values<typeof TAG_SPECIFICATION>['TagSpecification']

/** The tags for what is created, a missing value being an empty one. Throws ApiError
 * when any are for something else, and Refusal for those that break the rules of tags. */
export function tagsFor(type: ResourceType, specifications: Specifications): Tag[] {
  const tags: Tag[] = []
  for (const [index, { ResourceType, Tag }] of specifications.entries()) {
    if (ResourceType === undefined || ResourceType === '') {
      throw wrong('Tag specification resource type must have a value')
    }
    if (ResourceType !== type) {
      throw wrong(
        `'${ResourceType.slice(0, 100)}' is not a valid taggable resource type for this operation.`,
      )
    }
    if (Tag.length === 0) throw wrong('Tag specification must have at least one tag')
    if (index > 0) {
      throw wrong(
        'The same resource type may not be specified more than once in tag specifications',
      )
    }
    tags.push(...Tag.map(({ Key, Value }) => ({ key: Key, value: Value ?? '' })))
  }
  // For the rules of keys and values: that there are too many depends on the quota.
  return withTags([], tags, Number.POSITIVE_INFINITY)
}

function wrong(message: string): ApiError {
  return new ApiError('InvalidParameterValue', message)
}
