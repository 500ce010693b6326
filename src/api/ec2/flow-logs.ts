import { randomBytes } from 'node:crypto'
import { ApiError } from '../../aws/protocol/action.js'
import type { Made } from '../../control/client-tokens.js'
import type { Draft } from '../../control/draft.js'
import { createFlowLog, deleteFlowLog } from '../../control/flow-logs.js'
import { Refusal } from '../../control/refusal.js'
import type { PartFailure } from '../../control/state.js'
import { FLOW_LOG, type FlowLog } from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { checkResourceId, FLOW_LOG_PARAMETERS, flowLogOf } from './flow-log-request.js'
import { type Call, CLIENT_TOKEN, create, type Operation, operation } from './operation.js'
import { PAGE_PARAMETERS } from './page.js'
import { filtersOf, replyOf } from './resource-fields.js'

/**
 * One flow log for each resource; those that cannot be are listed in the answer, which is 200
 * for all that. Where a flow log exists already and none was made, that is the answer. A flow log of a VPC or subnet is for those of its interfaces that the
 * configuration names and sessions mirror.
 */
const createFlowLogs = operation({
  name: 'CreateFlowLogs',
  parameters: { ...FLOW_LOG_PARAMETERS, ...CLIENT_TOKEN },
  check: (values) => {
    flowLogOf(values)
  },
  run: async (values, call) => {
    const wanted = flowLogOf(values)
    const { ids, failures } = await create(call, {
      operation: 'CreateFlowLogs',
      values,
      make: (draft) => {
        const made = forEach(values.ResourceId, (resourceId) => {
          checkResourceId(wanted.resourceType, resourceId)
          return createFlowLog(draft, { ...wanted, resourceId }).id
        })
        const duplicate = made.failures.find(({ code }) => code === 'FlowLogAlreadyExists')
        if (made.ids.length > 0 || duplicate === undefined) return made
        throw new ApiError(duplicate.code, duplicate.message)
      },
    })
    return {
      // SDKs send none here; then EC2 makes one up.
      clientToken: values.ClientToken ?? randomBytes(32).toString('base64'),
      flowLogIdSet: ids,
      unsuccessful: failures.map(showFailure),
    }
  },
})

const describeFlowLogs = describeOperation<FlowLog>({
  name: 'DescribeFlowLogs',
  ids: 'FlowLogId',
  prefix: 'fl',
  unknownIds: 'left-out',
  // Elsewhere EC2 says that a page has 5 at least; here it does not.
  parameters: { MaxResults: { ...PAGE_PARAMETERS.MaxResults, min: 1 } },
  fields: {
    ...filtersOf(FLOW_LOG),
    'deliver-log-status': ({ id }, options) => statusOf(options.deliveryError?.(id)),
  },
  all: ({ plane }) => plane.resources.flowLogs.values(),
  list: 'flowLogSet',
  show: showFlowLog,
})

/** Those there are; the others are listed in the answer, or are the error when there are only such. */
const deleteFlowLogs = operation({
  name: 'DeleteFlowLogs',
  parameters: {
    FlowLogId: { type: 'list', lengthMax: 1000, of: { type: 'string' }, required: true },
  },
  run: async ({ FlowLogId: ids }, { plane }) => {
    const { failures } = await plane.change((draft: Draft) =>
      forEach(ids, (id) => {
        deleteFlowLog(draft, id)
        return id
      }),
    )
    const unknown = failures.filter(({ code }) => code === 'InvalidFlowLogId.NotFound')
    if (unknown.length === ids.length) {
      const list = unknown.map(({ resourceId }) => resourceId).join(' ')
      throw new ApiError(
        'InvalidFlowLogId.NotFound',
        `These flow log ids in the input list are not found: [TotalCount: ${ids.length}] ${list}`,
      )
    }
    return { unsuccessful: failures.map(showFailure) }
  },
})

/** Does `work` for each; what refuses one leaves the others alone. */
function forEach(resourceIds: readonly string[], work: (resourceId: string) => string): Made {
  const ids: string[] = []
  const failures: PartFailure[] = []
  for (const resourceId of resourceIds) {
    try {
      ids.push(work(resourceId))
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof ApiError)) throw error
      failures.push({ resourceId, code: error.code, message: error.message })
    }
  }
  return { ids, failures }
}

function showFailure({ resourceId, code, message }: PartFailure): object {
  return { resourceId, error: { code, message } }
}

function statusOf(error: string | undefined): string {
  return error === undefined ? 'SUCCESS' : 'FAILED'
}

function showFlowLog(flowLog: FlowLog, { options }: Call): object {
  const error = options.deliveryError?.(flowLog.id)
  return {
    ...replyOf(FLOW_LOG, flowLog),
    ...(flowLog.tagFields.length === 0 && { tagFieldSpecificationSet: undefined }),
    creationTime: new Date(flowLog.createdAt),
    deliverLogsErrorMessage: error,
    deliverLogsStatus: statusOf(error),
    flowLogStatus: 'ACTIVE',
  }
}

export const FLOW_LOG_OPERATIONS: readonly Operation[] = [
  createFlowLogs,
  describeFlowLogs,
  deleteFlowLogs,
]
