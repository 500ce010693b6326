import { z } from 'zod'

/**
 * Kinds of fields in files that people write. What is wrong with one is said in words
 * that follow its place: "RuleAction must be accept or reject".
 */

/** For schemas that take one thing: it is missing, or something else. */
export function wanting(what: string) {
  return {
    error: ({ input }: { input?: unknown }) =>
      input === undefined ? `is missing; it must be ${what}` : `must be ${what}`,
  }
}

export const someText = z.string(wanting('a text'))

export function text(what: string, isRight: (text: string) => boolean) {
  return z.string(wanting(what)).refine(isRight, { ...wanting(what), abort: true })
}

export function whole(low: number, high: number) {
  const what = wanting(`a whole number from ${low} to ${high}`)
  return z.int(what).min(low, what).max(high, what)
}

export function oneOf<const T extends readonly string[]>(words: T) {
  return z.enum(words, wanting(words.join(' or ')))
}

export function listOf<T extends z.ZodType>(of: T) {
  return z.array(of, wanting('a list'))
}

/** An object whose members are all known: one that is not would go unheeded. */
export function fields<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, {
    error: ({ code, input }) => {
      const names = Object.keys(shape).join(', ')
      if (code === 'unrecognized_keys') return `is not known; there are ${names}`
      return input === undefined ? `is missing; it must hold ${names}` : `must hold ${names}`
    },
  })
}

/** An id as AWS spells them; people may choose what follows the prefix. */
export function id(prefix: string) {
  const pattern = new RegExp(`^${prefix}-[0-9A-Za-z-]{1,64}$`)
  return text(`an id such as ${prefix}-web: letters, digits and hyphens`, (value) =>
    pattern.test(value),
  )
}

/** Adds an issue about the member at `path`. */
export function refuse(
  context: z.core.$RefinementCtx,
  path: readonly (string | number)[],
  message: string,
  params: { isComplete?: boolean } = {},
): void {
  context.addIssue({ code: 'custom', path: [...path], message, params })
}

/** Adds an issue for every member of a list that has the same `field` as one before it. */
export function refuseTwins<T>(
  context: z.core.$RefinementCtx,
  list: { readonly path: readonly (string | number)[]; readonly members: readonly T[] },
  field: string,
  keyOf: (member: T) => string | number,
): void {
  const seen = new Set<string | number>()
  for (const [index, member] of list.members.entries()) {
    const key = keyOf(member)
    if (seen.has(key)) refuse(context, [...list.path, index, field], 'is there already')
    seen.add(key)
  }
}
