import { ApiError } from '../../aws/protocol/action.js'
import {
  createRule,
  deleteRule,
  filterOfRule,
  modifyRule,
  REMOVABLE_RULE_FIELDS,
  type RemovableRuleField,
} from '../../control/filter-rules.js'
import { unknownId } from '../../control/ids.js'
import type { FilterRule, MirrorFilter, PortRange } from '../../mirror/resources.js'
import { formatCidr, parseCidr } from '../../wire/address.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, operation } from './operation.js'
import { DESCRIPTION, invalid, type Parameters, type Values } from './parameters.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

/** EC2 does not say what numbers it takes: any positive one of 32 bits. */
const RULE_NUMBER = { type: 'integer', min: 1, max: 2 ** 31 - 1 } as const
const DIRECTION = { type: 'choice', values: ['ingress', 'egress'] } as const
const ACTION = { type: 'choice', values: ['accept', 'reject'] } as const
const CIDR = { type: 'format', format: 'cidr' } as const
const PORT = { type: 'integer', min: 0, max: 65535, required: true } as const
const PORT_RANGE = { type: 'structure', members: { FromPort: PORT, ToPort: PORT } } as const

/** Common to creating and modifying, where none is required. */
const OPTIONAL = {
  DestinationPortRange: PORT_RANGE,
  SourcePortRange: PORT_RANGE,
  Protocol: { type: 'integer', min: 0, max: 255 },
  Description: DESCRIPTION,
} as const satisfies Parameters

const RULE_ID = {
  TrafficMirrorFilterRuleId: { type: 'string', required: true },
} as const satisfies Parameters

const createTrafficMirrorFilterRule = operation({
  name: 'CreateTrafficMirrorFilterRule',
  parameters: {
    TrafficMirrorFilterId: { type: 'string', required: true },
    TrafficDirection: { ...DIRECTION, required: true },
    RuleNumber: { ...RULE_NUMBER, required: true },
    RuleAction: { ...ACTION, required: true },
    DestinationCidrBlock: { ...CIDR, required: true },
    SourceCidrBlock: { ...CIDR, required: true },
    ...OPTIONAL,
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
          direction: values.TrafficDirection,
          ruleNumber: values.RuleNumber,
          action: values.RuleAction,
          sourceCidr: canonical(values.SourceCidrBlock),
          destinationCidr: canonical(values.DestinationCidrBlock),
          ...optionalOf(values),
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
    'traffic-mirror-filter-rule-id': ({ id }) => id,
    'traffic-mirror-filter-id': ({ filter }) => filter.id,
    'rule-number': ({ ruleNumber }) => ruleNumber,
    'rule-action': ({ action }) => action,
    'traffic-direction': ({ direction }) => direction,
    protocol: ({ protocol }) => protocol,
    'source-cidr-block': ({ sourceCidr }) => sourceCidr,
    'destination-cidr-block': ({ destinationCidr }) => destinationCidr,
    description: ({ description }) => description,
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
    TrafficDirection: DIRECTION,
    RuleNumber: RULE_NUMBER,
    RuleAction: ACTION,
    DestinationCidrBlock: CIDR,
    SourceCidrBlock: CIDR,
    ...OPTIONAL,
    RemoveField: {
      type: 'list',
      lengthMax: 10,
      of: { type: 'choice', values: Object.keys(REMOVABLE_RULE_FIELDS) as RemovableRuleField[] },
    },
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
    const { SourceCidrBlock: source, DestinationCidrBlock: destination } = values
    const change = {
      direction: values.TrafficDirection,
      ruleNumber: values.RuleNumber,
      action: values.RuleAction,
      sourceCidr: source === undefined ? undefined : canonical(source),
      destinationCidr: destination === undefined ? undefined : canonical(destination),
      ...optionalOf(values),
    }
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

type OptionalValues = Values<typeof OPTIONAL>

function optionalOf(values: OptionalValues) {
  return {
    destinationPortRange: rangeOf(values.DestinationPortRange),
    sourcePortRange: rangeOf(values.SourcePortRange),
    protocol: values.Protocol,
    description: values.Description,
  }
}

function rangeOf(range: OptionalValues['SourcePortRange']): PortRange | undefined {
  return range === undefined ? undefined : { from: range.FromPort, to: range.ToPort }
}

function checkPorts(values: OptionalValues): void {
  for (const name of ['DestinationPortRange', 'SourcePortRange'] as const) {
    const range = values[name]
    if (range === undefined || range.FromPort <= range.ToPort) continue
    const text = `${range.FromPort}-${range.ToPort}`
    throw invalid(text, name, 'Expected FromPort to be at most ToPort')
  }
}

/** Without the bits behind the prefix, as EC2 keeps blocks of addresses. */
function canonical(cidr: string): string {
  return formatCidr(parseCidr(cidr)!)
}

export function showRule(filterId: string, rule: FilterRule): object {
  return {
    trafficMirrorFilterRuleId: rule.id,
    trafficMirrorFilterId: filterId,
    trafficDirection: rule.direction,
    ruleNumber: rule.ruleNumber,
    ruleAction: rule.action,
    protocol: rule.protocol,
    destinationPortRange: showRange(rule.destinationPortRange),
    sourcePortRange: showRange(rule.sourcePortRange),
    destinationCidrBlock: rule.destinationCidr,
    sourceCidrBlock: rule.sourceCidr,
    description: rule.description,
    tagSet: rule.tags,
  }
}

function showRange(range: PortRange | undefined): object | undefined {
  return range === undefined ? undefined : { fromPort: range.from, toPort: range.to }
}

export const FILTER_RULE_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorFilterRule,
  describeTrafficMirrorFilterRules,
  modifyTrafficMirrorFilterRule,
  deleteTrafficMirrorFilterRule,
]
