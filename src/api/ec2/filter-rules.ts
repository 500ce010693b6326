import { ApiError } from '../../aws/protocol/action.js'
import { createRule, deleteRule, filterOfRule, modifyRule } from '../../control/filter-rules.js'
import { unknownId } from '../../control/ids.js'
import { membersOf, type Said } from '../../mirror/fields.js'
import { FILTER_RULE, type FilterRule, type MirrorFilter } from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, operation } from './operation.js'
import { invalid, type Parameters } from './parameters.js'
import { filtersOf, parametersOf, removeField, replyOf } from './resource-fields.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

const RULE_ID = {
  TrafficMirrorFilterRuleId: { type: 'string', required: true },
} as const satisfies Parameters

const createTrafficMirrorFilterRule = operation({
  name: 'CreateTrafficMirrorFilterRule',
  parameters: {
    TrafficMirrorFilterId: { type: 'string', required: true },
    ...parametersOf(FILTER_RULE, 'create'),
    ...TAG_SPECIFICATION,
    ...CLIENT_TOKEN,
  },
  check: (values) => {
    checkPorts(values)
    tagsFor('traffic-mirror-filter-rule', values.TagSpecification)
  },
  run: async (values, call) => {
    const { ids, resources } = await create(call, {
      operation: 'CreateTrafficMirrorFilterRule',
      values,
      make: (draft) => {
        const rule = createRule(draft, values.TrafficMirrorFilterId, {
          ...membersOf(FILTER_RULE, values),
          tags: tagsFor('traffic-mirror-filter-rule', values.TagSpecification),
        })
        return made(rule.id)
      },
    })
    const { filter, rule } = filterOfRule(resources, ids[0]!)
    return { trafficMirrorFilterRule: showRule(filter.id, rule), clientToken: values.ClientToken }
  },
})

type RuleOfFilter = FilterRule & { readonly filter: MirrorFilter }

const describeTrafficMirrorFilterRules = describeOperation<RuleOfFilter>({
  name: 'DescribeTrafficMirrorFilterRules',
  ids: 'TrafficMirrorFilterRuleId',
  prefix: 'tmfr',
  fields: {
    ...filtersOf(FILTER_RULE),
    'traffic-mirror-filter-id': ({ filter }) => filter.id,
  },
  parameters: { TrafficMirrorFilterId: { type: 'string' } },
  all: ({ plane }, { TrafficMirrorFilterId: id }) => rulesOf(plane.resources.filters, id),
  list: 'trafficMirrorFilterRuleSet',
  show: (rule) => showRule(rule.filter.id, rule),
})

function rulesOf(filters: ReadonlyMap<string, MirrorFilter>, id: unknown): RuleOfFilter[] {
  const only = typeof id === 'string' ? filters.get(id) : undefined
  if (typeof id === 'string' && only === undefined) throw unknownId('tmf', id)
  return (only === undefined ? [...filters.values()] : [only]).flatMap((filter) =>
    filter.rules.map((rule) => ({ ...rule, filter })),
  )
}

const modifyTrafficMirrorFilterRule = operation({
  name: 'ModifyTrafficMirrorFilterRule',
  parameters: {
    ...RULE_ID,
    ...parametersOf(FILTER_RULE, 'modify'),
    RemoveField: removeField(FILTER_RULE),
  },
  check: (values) => {
    checkPorts(values)
    // EC2 wants the protocol beside ports even where the rule has it already.
    const hasPorts = (values.DestinationPortRange ?? values.SourcePortRange) !== undefined
    if (hasPorts && values.Protocol === undefined) {
      throw new ApiError('MissingParameter', 'The request must contain the parameter Protocol')
    }
  },
  run: async (values, { plane }) => {
    const change = membersOf(FILTER_RULE, values)
    const { filter, rule } = await plane.change((draft) => {
      const { id } = modifyRule(draft, values.TrafficMirrorFilterRuleId, change, values.RemoveField)
      return filterOfRule(draft.resources, id)
    })
    // EC2 leaves out the tags here.
    return { trafficMirrorFilterRule: { ...showRule(filter.id, rule), tagSet: undefined } }
  },
})

const deleteTrafficMirrorFilterRule = operation({
  name: 'DeleteTrafficMirrorFilterRule',
  parameters: RULE_ID,
  run: async ({ TrafficMirrorFilterRuleId: id }, { plane }) => {
    await plane.change((draft) => deleteRule(draft, id))
    return { trafficMirrorFilterRuleId: id }
  },
})

type Ports = Partial<Pick<Said<typeof FILTER_RULE>, 'DestinationPortRange' | 'SourcePortRange'>>

function checkPorts(values: Ports): void {
  for (const name of ['DestinationPortRange', 'SourcePortRange'] as const) {
    const range = values[name]
    if (range === undefined || range.FromPort <= range.ToPort) continue
    const text = `${range.FromPort}-${range.ToPort}`
    throw invalid(text, name, 'Expected FromPort to be at most ToPort')
  }
}

export function showRule(filterId: string, rule: FilterRule): object {
  return { trafficMirrorFilterId: filterId, ...replyOf(FILTER_RULE, rule) }
}

export const FILTER_RULE_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorFilterRule,
  describeTrafficMirrorFilterRules,
  modifyTrafficMirrorFilterRule,
  deleteTrafficMirrorFilterRule,
]
