import type { Tag } from '../mirror/resources.js'
import { Refusal } from './refusal.js'

/** Unicode characters, not bytes. The guide says 128 for keys, the API's own page 127. */
const KEY_LENGTH_MAX = 128
const VALUE_LENGTH_MAX = 256

/**
 * The tags of a resource after `added` were put on it; a key it has gets the new
 * value in its place. Throws Refusal for tags that break the rules of
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
 */
export function withTags(tags: readonly Tag[], added: readonly Tag[], tagsMax: number): Tag[] {
  const byKey = new Map(tags.map((tag) => [tag.key, tag.value]))
  const seen = new Set<string>()
  for (const { key, value } of added) {
    checkTag(key, value)
    if (seen.has(key)) {
      throw new Refusal('InvalidParameterValue', `Duplicate tag key '${key}' specified.`)
    }
    seen.add(key)
    byKey.set(key, value)
  }
  if (byKey.size > tagsMax) {
    throw new Refusal(
      'TagLimitExceeded',
      `The maximum number of tags for a resource is ${tagsMax}.`,
    )
  }
  return [...byKey].map(([key, value]) => ({ key, value }))
}

function checkTag(key: string, value: string): void {
  if (key === '' || key.toLowerCase().startsWith('aws:')) {
    throw new Refusal(
      'InvalidTagKey.Malformed',
      `The tag key '${key}' is not valid. Tag keys cannot be empty and cannot start with aws:`,
    )
  }
  if ([...key].length > KEY_LENGTH_MAX) {
    throw new Refusal(
      'InvalidParameterValue',
      `Tag key exceeds the maximum length of ${KEY_LENGTH_MAX} characters`,
    )
  }
  if ([...value].length > VALUE_LENGTH_MAX) {
    throw new Refusal(
      'InvalidParameterValue',
      `Tag value exceeds the maximum length of ${VALUE_LENGTH_MAX} characters`,
    )
  }
}
