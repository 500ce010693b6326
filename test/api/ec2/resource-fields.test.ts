import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Input } from '../../../src/aws/protocol/action.js'
import { configuredResources } from '../../../src/control/declared-resources.js'
import { CONFIGURED_RESOURCES } from '../../../src/control/resource-schema.js'
import type { Resources } from '../../../src/control/state.js'
import type { Replay } from '../../../src/control/state-journal.js'
import { readStateFiles } from '../../../src/control/state-reader.js'
import { YamlFile } from '../../../src/control/yaml-file.js'
import type { Field, Fields } from '../../../src/mirror/fields.js'
import { FILTER_RULE, MIRROR_SESSION } from '../../../src/mirror/resources.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { Ec2House, type Furniture, furnish } from './ec2-house.js'

/** A value as requests and files have it, and as the model and replies do; none is a default. */
interface Sample {
  readonly said: unknown
  readonly kept: unknown
  readonly shown: unknown
}

const same = (value: unknown): Sample => ({ said: value, kept: value, shown: value })

function sampleOf({ is, aws }: Field, has: Furniture): Sample {
  switch (is.type) {
    case 'string':
      return same(`some ${aws}`)
    case 'integer':
      // Also a protocol that has ports.
      return same(6)
    case 'choice':
      return same(is.values.at(-1))
    case 'ports':
      return {
        said: { FromPort: 80, ToPort: 443 },
        kept: { from: 80, to: 443 },
        shown: { fromPort: 80, toPort: 443 },
      }
    case 'format':
      return same(is.format === 'cidr' ? '10.0.0.0/8' : 'eni-00000000000000077')
    case 'reference':
      return same(is.prefix === 'tmt' ? has.targetId : has.filterId)
    default:
      throw new Error(`there is no sample of ${is.type}`)
  }
}

/** As a query has it: numbers are text. */
function inQuery(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inQuery(one)]))
}

const small = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)
const hyphenated = (name: string): string =>
  small(name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const KINDS = [
  {
    name: 'TrafficMirrorFilterRule',
    fields: FILTER_RULE,
    besides: (has: Furniture): Input => ({ TrafficMirrorFilterId: has.filterId }),
    declare: (rule: object) => ({
      TrafficMirrorFilters: [{ TrafficMirrorFilterId: 'tmf-a', EgressFilterRules: [rule] }],
    }),
    find: ({ filters }: Pick<Resources, 'filters'>, id: string) =>
      [...filters.values()].flatMap(({ rules }) => rules).find((rule) => rule.id === id),
  },
  {
    name: 'TrafficMirrorSession',
    fields: MIRROR_SESSION,
    besides: (): Input => ({}),
    declare: (session: object) => ({ TrafficMirrorSessions: [session] }),
    find: ({ sessions }: Pick<Resources, 'sessions'>, id: string) => sessions.get(id),
  },
]

/** The rows that requests have: those of ids and owners they do not. */
const ROWS = KINDS.flatMap((kind) =>
  Object.entries<Field>(kind.fields)
    .filter(([, { is, request }]) => is.type !== 'id' && request !== 'never')
    .map(([member, field]) => ({ ...kind, member, field, aws: field.aws })),
)

describe('every field', () => {
  test.each(ROWS)(
    'a $name has $aws in requests, replies, the saved state and files',
    async (row) => {
      const { name, member, field, aws } = row
      const stateFile = join(temporaryDirectory(), 'state.json')
      const house = await Ec2House.open({ stateFile })
      const has = await furnish(house)
      const sample = sampleOf(field, has)
      const all = Object.values<Field>(row.fields as Fields)
        .filter(({ is, request }) => is.type !== 'id' && request !== 'never')
        .map((one) => [one.aws, sampleOf(one, has).said] as const)

      const request = Object.fromEntries(all.map(([key, value]) => [key, inQuery(value)]))
      const { [small(name)]: made } = await house.must(`Create${name}`, {
        ...row.besides(has),
        ...request,
      })
      expect(made[small(aws)]).toEqual(sample.shown)
      const id: string = made[`${small(name)}Id`]
      const memberOf = (resource: object | undefined) =>
        (resource as Record<string, unknown>)[member]
      expect(memberOf(row.find(house.plane.resources, id))).toEqual(sample.kept)

      const { state } = (await readStateFiles(stateFile)) as Replay
      expect(memberOf(row.find(state.resources, id))).toEqual(sample.kept)

      if (field.filter) {
        const Filter = [{ Name: hyphenated(aws), Value: [String(sample.said)] }]
        const { [`${small(name)}Set`]: found } = await house.must(`Describe${name}s`, { Filter })
        expect(found.map((one: Record<string, string>) => one[`${small(name)}Id`])).toContain(id)
      }
      if (field.optional) {
        const { [small(name)]: without } = await house.must(`Modify${name}`, {
          [`${name}Id`]: id,
          RemoveField: [hyphenated(aws)],
        })
        expect(without[small(aws)]).toBeUndefined()
      }

      const written = row.declare({
        [`${name}Id`]: `${name === 'TrafficMirrorSession' ? 'tms' : 'tmfr'}-a`,
        ...Object.fromEntries(all),
      })
      const declared = configuredResources(
        new YamlFile('x', stringify(written)).valueOf(CONFIGURED_RESOURCES),
        0,
      )
      const [resource] = [...declared.filters.flatMap(({ rules }) => rules), ...declared.sessions]
      expect(memberOf(resource)).toEqual(sample.kept)
    },
  )
})
