import { createFilter, deleteFilter, modifyNetworkServices } from '../../control/filters.js'
import { membersOf } from '../../mirror/fields.js'
import { MIRROR_FILTER, type MirrorFilter, type TrafficDirection } from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { showRule } from './filter-rules.js'
import { CLIENT_TOKEN, create, made, type Operation, onlyMade, operation } from './operation.js'
import type { Parameters } from './parameters.js'
import { filtersOf, parametersOf, replyOf } from './resource-fields.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

const FILTER_ID = {
  TrafficMirrorFilterId: { type: 'string', required: true },
} as const satisfies Parameters

const createTrafficMirrorFilter = operation({
  name: 'CreateTrafficMirrorFilter',
  parameters: { ...parametersOf(MIRROR_FILTER, 'create'), ...TAG_SPECIFICATION, ...CLIENT_TOKEN },
  check: (values) => {
    tagsFor('traffic-mirror-filter', values.TagSpecification)
  },
  run: async (values, call) => {
    const result = await create(call, {
      operation: 'CreateTrafficMirrorFilter',
      values,
      make: (draft) => {
        const tags = tagsFor('traffic-mirror-filter', values.TagSpecification)
        return made(createFilter(draft, { ...membersOf(MIRROR_FILTER, values), tags }).id)
      },
    })
    const filter = onlyMade(result.resources.filters, 'tmf', result)
    return { trafficMirrorFilter: showFilter(filter), clientToken: values.ClientToken }
  },
})

const describeTrafficMirrorFilters = describeOperation<MirrorFilter>({
  name: 'DescribeTrafficMirrorFilters',
  ids: 'TrafficMirrorFilterId',
  prefix: 'tmf',
  fields: filtersOf(MIRROR_FILTER),
  all: ({ plane }) => plane.resources.filters.values(),
  list: 'trafficMirrorFilterSet',
  show: showFilter,
})

const deleteTrafficMirrorFilter = operation({
  name: 'DeleteTrafficMirrorFilter',
  parameters: FILTER_ID,
  run: async ({ TrafficMirrorFilterId: id }, { plane }) => {
    await plane.change((draft) => deleteFilter(draft, id))
    return { trafficMirrorFilterId: id }
  },
})

/** Naming no service at all is taken, and changes nothing. */
const modifyTrafficMirrorFilterNetworkServices = operation({
  name: 'ModifyTrafficMirrorFilterNetworkServices',
  parameters: {
    ...FILTER_ID,
    AddNetworkService: MIRROR_FILTER.networkServices.is,
    RemoveNetworkService: MIRROR_FILTER.networkServices.is,
  },
  run: async (values, { plane }) => {
    const change = { add: values.AddNetworkService, remove: values.RemoveNetworkService }
    const filter = await plane.change((draft) =>
      modifyNetworkServices(draft, values.TrafficMirrorFilterId, change),
    )
    return { trafficMirrorFilter: showFilter(filter) }
  },
})

function showFilter(filter: MirrorFilter): object {
  const rules = (direction: TrafficDirection): object[] =>
    filter.rules
      .filter((rule) => rule.direction === direction)
      .sort((a, b) => a.ruleNumber - b.ruleNumber)
      .map((rule) => showRule(filter.id, rule))
  return {
    ...replyOf(MIRROR_FILTER, filter),
    ingressFilterRuleSet: rules('ingress'),
    egressFilterRuleSet: rules('egress'),
  }
}

export const FILTER_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorFilter,
  describeTrafficMirrorFilters,
  deleteTrafficMirrorFilter,
  modifyTrafficMirrorFilterNetworkServices,
]
