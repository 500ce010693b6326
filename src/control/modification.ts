import { type Fields, type Members, removableFields } from '../mirror/fields.js'
import { Refusal } from './refusal.js'

/** A resource whose chosen members may be gone. */
type Incomplete<F extends Fields> = {
  readonly [M in keyof Members<F>]:
    | Members<F>[M]
    | (M extends keyof F ? (F[M] extends { chosen: true } ? undefined : never) : never)
}

/**
 * The resource with the members of `change` that are not undefined, and without those that
 * `remove` names in the API's words. Throws Refusal when one is to be set and removed at once;
 * EC2 does not say what it answers then.
 */
export function modified<F extends Fields>(
  fields: F,
  resource: Members<F>,
  change: { readonly [M in keyof Members<F>]?: Members<F>[M] | undefined },
  remove: readonly string[],
): Incomplete<F> {
  const removable = removableFields(fields)
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  const cleared = remove.map((word) => {
    const member = removable.get(word)!
    if (change[member as keyof Members<F>] === undefined) return [member, undefined]
    throw new Refusal(
      'InvalidParameterCombination',
      `The field '${word}' cannot be modified and removed at the same time`,
    )
  })
  return { ...resource, ...Object.fromEntries(given), ...Object.fromEntries(cleared) }
}
