import { ApiError, type Output } from '../../aws/protocol/action.js'
import { type KnownPrefix, unknownId } from '../../control/ids.js'
import type { Tag } from '../../mirror/resources.js'
import { type Call, type Ec2Options, type Operation, operation } from './operation.js'
import { PAGE_PARAMETERS, pageOf } from './page.js'
import type { Parameter, Parameters, Values } from './parameters.js'
import { matchesWildcard } from './wildcard.js'

/** EC2 takes 50 filters at a time, and 200 values in all. */
const FILTERS_MAX = 50
const FILTER_VALUES_MAX = 200

export const FILTER_PARAMETERS = {
  Filter: {
    type: 'list',
    lengthMax: FILTERS_MAX,
    of: {
      type: 'structure',
      members: {
        Name: { type: 'string', required: true },
        Value: {
          type: 'list',
          required: true,
          lengthMax: FILTER_VALUES_MAX,
          of: { type: 'string' },
        },
      },
    },
  },
} as const satisfies Parameters

type Filters = Values<typeof FILTER_PARAMETERS>['Filter']

/** What a filter's name stands for: of several values any may match, undefined matches nothing. */
export type FilterFields<R> = Readonly<
  Record<
    string,
    (resource: R, options: Ec2Options) => string | number | readonly string[] | undefined
  >
>

/**
 * Whether all filters hold: of one, any value. `fields` says what the names mean; a resource's
 * tags are filtered by `tag:<key>` and `tag-key`, for every kind of resource though
 * AWS's pages list it for flow logs alone. Throws ApiError for other names; EC2 has also
 * `InvalidFilter`, and does not say where.
 */
export function filterBy<R>(
  filters: Filters,
  fields: FilterFields<R>,
  tagsOf: (resource: R) => readonly Tag[],
  options: Ec2Options,
): (resource: R) => boolean {
  const tests = filters.map(({ Name: name, Value: patterns }) => {
    const valuesOf = valuesBy(name, fields, tagsOf, options)
    return (resource: R) =>
      valuesOf(resource).some((value) => patterns.some((text) => matchesWildcard(text, value)))
  })
  return (resource) => tests.every((test) => test(resource))
}

function valuesBy<R>(
  name: string,
  fields: FilterFields<R>,
  tagsOf: (resource: R) => readonly Tag[],
  options: Ec2Options,
): (resource: R) => readonly string[] {
  if (Object.hasOwn(fields, name)) {
    const read = fields[name]!
    return (resource) => {
      const value = read(resource, options)
      if (typeof value === 'object') return value
      return value === undefined ? [] : [String(value)]
    }
  }
  if (name === 'tag-key') return (resource) => tagsOf(resource).map(({ key }) => key)
  if (name.startsWith('tag:')) {
    const wanted = name.slice('tag:'.length)
    return (resource) =>
      tagsOf(resource)
        .filter(({ key }) => key === wanted)
        .map(({ value }) => value)
  }
  throw new ApiError('InvalidParameterValue', `The filter '${name.slice(0, 100)}' is invalid`)
}

interface Description<R extends { readonly id: string; readonly tags: readonly Tag[] }> {
  readonly name: string
  /** Of the parameter that lists ids. */
  readonly ids: string
  readonly prefix: KnownPrefix
  /** EC2 refuses an id that nothing has, but for flow logs, where it leaves it out. */
  readonly unknownIds?: 'left-out'
  readonly fields: FilterFields<R>
  /** Parameters beside those that all have. */
  readonly parameters?: Parameters
  /** In any order. `extra` has the values of `parameters`. */
  all(call: Call, extra: Readonly<Record<string, unknown>>): Iterable<R>
  /** Name of the list in the answer. */
  readonly list: string
  show(resource: R, call: Call): Output
}

/** An operation that lists resources: by their ids, or by filters and pages. */
export function describeOperation<R extends { readonly id: string; readonly tags: readonly Tag[] }>(
  description: Description<R>,
): Operation {
  const ids: Parameter = { type: 'list', lengthMax: 1000, of: { type: 'string' } }
  return operation({
    name: description.name,
    parameters: {
      ...PAGE_PARAMETERS,
      ...FILTER_PARAMETERS,
      ...description.parameters,
      [description.ids]: ids,
    } as typeof PAGE_PARAMETERS & typeof FILTER_PARAMETERS,
    check: (values) => {
      if (idsIn(values, description.ids).length > 0 && values.MaxResults !== undefined) {
        throw new ApiError(
          'InvalidParameterCombination',
          `The parameter ${description.ids} cannot be used with the parameter MaxResults`,
        )
      }
      checkFilters(values.Filter, description.fields)
    },
    run: (values, call) => {
      const { MaxResults: maxResults, NextToken: nextToken, Filter: filters, ...extra } = values
      const all = new Map([...description.all(call, extra)].map((found) => [found.id, found]))
      const wanted = new Set(idsIn(values, description.ids))
      if (description.unknownIds === undefined) {
        for (const id of wanted) if (!all.has(id)) throw unknownId(description.prefix, id)
      }
      const passes = filterBy(filters, description.fields, ({ tags }: R) => tags, call.options)
      const named = [...all.values()].filter(({ id }) => wanted.size === 0 || wanted.has(id))
      const found = named.filter(passes)
      const question = JSON.stringify([description.name, filters, extra])
      const show = (resource: R): Output => description.show(resource, call)
      const request = { question, maxResults, nextToken }
      const page = pageOf(found, ({ id }) => id, show, request)
      return {
        [description.list]: page.items,
        nextToken: page.nextToken,
      }
    },
  })
}

/** Throws ApiError for a filter that there is not. */
export function checkFilters<R>(filters: Filters, fields: FilterFields<R>): void {
  filterBy(filters, fields, () => [], {})
}

function idsIn(values: Readonly<Record<string, unknown>>, name: string): readonly string[] {
  return values[name] as readonly string[]
}
