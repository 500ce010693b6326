import { ApiError } from '../../aws/protocol/action.js'
import { createTarget, deleteTarget } from '../../control/targets.js'
import { membersOf, type Said } from '../../mirror/fields.js'
import {
  addressesIn,
  addressOf,
  MIRROR_TARGET,
  type MirrorTarget,
  TARGET_ADDRESSES,
} from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, onlyMade, operation } from './operation.js'
import { filtersOf, parametersOf, replyOf } from './resource-fields.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

const createTrafficMirrorTarget = operation({
  name: 'CreateTrafficMirrorTarget',
  parameters: {
    ...parametersOf(TARGET_ADDRESSES, 'create'),
    ...parametersOf(MIRROR_TARGET, 'create'),
    ...TAG_SPECIFICATION,
    ...CLIENT_TOKEN,
  },
  check: (values) => {
    namedBy(values)
    tagsFor('traffic-mirror-target', values.TagSpecification)
  },
  run: async (values, call) => {
    const result = await create(call, {
      operation: 'CreateTrafficMirrorTarget',
      values,
      make: (draft) =>
        made(
          createTarget(draft, {
            ...namedBy(values),
            ...membersOf(MIRROR_TARGET, values),
            ownerId: call.caller.accountId,
            tags: tagsFor('traffic-mirror-target', values.TagSpecification),
          }).id,
        ),
    })
    const target = onlyMade(result.resources.targets, 'tmt', result)
    return { trafficMirrorTarget: showTarget(target), clientToken: values.ClientToken }
  },
})

/** EC2 does not say with which codes it refuses none and several; these are its usual ones. */
function namedBy(values: Said<typeof TARGET_ADDRESSES>): Pick<MirrorTarget, 'kind' | 'address'> {
  const given = addressesIn(values)
  const names = Object.values(TARGET_ADDRESSES)
    .map(({ aws }) => aws)
    .join(', ')
  if (given.length === 0) {
    throw new ApiError(
      'MissingParameter',
      `The request must contain one of the parameters ${names}`,
    )
  }
  if (given.length > 1) {
    throw new ApiError(
      'InvalidParameterCombination',
      `Only one of the parameters ${names} may be given`,
    )
  }
  return given[0]!
}

const describeTrafficMirrorTargets = describeOperation<MirrorTarget>({
  name: 'DescribeTrafficMirrorTargets',
  ids: 'TrafficMirrorTargetId',
  prefix: 'tmt',
  fields: {
    ...filtersOf(MIRROR_TARGET),
    ...filtersOf(TARGET_ADDRESSES, addressOf),
  },
  all: ({ plane }) => plane.resources.targets.values(),
  list: 'trafficMirrorTargetSet',
  show: showTarget,
})

const deleteTrafficMirrorTarget = operation({
  name: 'DeleteTrafficMirrorTarget',
  parameters: { TrafficMirrorTargetId: { type: 'string', required: true } },
  run: async ({ TrafficMirrorTargetId: id }, { plane }) => {
    await plane.change((draft) => deleteTarget(draft, id))
    return { trafficMirrorTargetId: id }
  },
})

function showTarget(target: MirrorTarget): object {
  return {
    ...replyOf(MIRROR_TARGET, target),
    ...replyOf(TARGET_ADDRESSES, addressOf(target)),
    type: target.kind,
  }
}

export const TARGET_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorTarget,
  describeTrafficMirrorTargets,
  deleteTrafficMirrorTarget,
]
