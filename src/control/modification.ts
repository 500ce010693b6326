import { Refusal } from './refusal.js'

/**
 * The resource with the members of `change` that are not undefined, and without those that
 * `remove` names in the API's words (`fields` says which member that is). Throws Refusal
 * when one is to be set and removed at once; EC2 does not say what it answers then.
 */
export function modified<R extends object, M extends keyof R, F extends string>(
  resource: R,
  change: { readonly [K in keyof R]?: R[K] | undefined },
  remove: readonly F[],
  fields: Readonly<Record<F, M>>,
): Omit<R, M> & { [K in M]?: R[K] | undefined } {
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  const cleared = remove.map((field) => {
    if (change[fields[field]] === undefined) return [fields[field], undefined]
    throw new Refusal(
      'InvalidParameterCombination',
      `The field '${field}' cannot be modified and removed at the same time`,
    )
  })
  return { ...resource, ...Object.fromEntries(given), ...Object.fromEntries(cleared) }
}
