import { ApiError } from '../../aws/protocol/action.js'
import { createTarget, deleteTarget } from '../../control/targets.js'
import type { MirrorTarget } from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, onlyMade, operation } from './operation.js'
import { DESCRIPTION } from './parameters.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

/** The parameter that names a target of each kind. */
const KINDS = [
  ['NetworkInterfaceId', 'network-interface'],
  ['NetworkLoadBalancerArn', 'network-load-balancer'],
  ['GatewayLoadBalancerEndpointId', 'gateway-load-balancer-endpoint'],
] as const

type Addresses = { readonly [K in (typeof KINDS)[number][0]]: string | undefined }

const createTrafficMirrorTarget = operation({
  name: 'CreateTrafficMirrorTarget',
  parameters: {
    NetworkInterfaceId: { type: 'format', format: 'network-interface-id' },
    NetworkLoadBalancerArn: { type: 'format', format: 'network-load-balancer-arn' },
    GatewayLoadBalancerEndpointId: { type: 'format', format: 'endpoint-id' },
    Description: DESCRIPTION,
    ...TAG_SPECIFICATION,
    ...CLIENT_TOKEN,
  },
  check: (values) => {
    addressOf(values)
    tagsFor('traffic-mirror-target', values.TagSpecification)
  },
  run: async (values, call) => {
    const result = await create(call, {
      operation: 'CreateTrafficMirrorTarget',
      values,
      make: (draft) =>
        made(
          createTarget(draft, {
            ...addressOf(values),
            description: values.Description,
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
function addressOf(values: Addresses): Pick<MirrorTarget, 'kind' | 'address'> {
  const given = KINDS.flatMap(([parameter, kind]) => {
    const address = values[parameter]
    return address === undefined ? [] : [{ kind, address }]
  })
  const names = KINDS.map(([parameter]) => parameter).join(', ')
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
    description: ({ description }) => description,
    'network-interface-id': (target) => addressIf(target, 'network-interface'),
    'network-load-balancer-arn': (target) => addressIf(target, 'network-load-balancer'),
    'owner-id': ({ ownerId }) => ownerId,
    'traffic-mirror-target-id': ({ id }) => id,
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
    trafficMirrorTargetId: target.id,
    networkInterfaceId: addressIf(target, 'network-interface'),
    networkLoadBalancerArn: addressIf(target, 'network-load-balancer'),
    gatewayLoadBalancerEndpointId: addressIf(target, 'gateway-load-balancer-endpoint'),
    type: target.kind,
    description: target.description,
    ownerId: target.ownerId,
    tagSet: target.tags,
  }
}

function addressIf(target: MirrorTarget, kind: MirrorTarget['kind']): string | undefined {
  return target.kind === kind ? target.address : undefined
}

export const TARGET_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorTarget,
  describeTrafficMirrorTargets,
  deleteTrafficMirrorTarget,
]
