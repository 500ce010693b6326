import { createSession, deleteSession, modifySession } from '../../control/sessions.js'
import { membersOf } from '../../mirror/fields.js'
import { MIRROR_SESSION } from '../../mirror/resources.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, onlyMade, operation } from './operation.js'
import type { Parameters } from './parameters.js'
import { filtersOf, parametersOf, removeField, replyOf } from './resource-fields.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

const SESSION_ID = {
  TrafficMirrorSessionId: { type: 'string', required: true },
} as const satisfies Parameters

const createTrafficMirrorSession = operation({
  name: 'CreateTrafficMirrorSession',
  parameters: {
    ...parametersOf(MIRROR_SESSION, 'create'),
    ...TAG_SPECIFICATION,
    ...CLIENT_TOKEN,
  },
  check: (values) => {
    tagsFor('traffic-mirror-session', values.TagSpecification)
  },
  run: async (values, call) => {
    const result = await create(call, {
      operation: 'CreateTrafficMirrorSession',
      values,
      make: (draft) =>
        made(
          createSession(draft, {
            ...membersOf(MIRROR_SESSION, values),
            virtualNetworkId: values.VirtualNetworkId,
            ownerId: call.caller.accountId,
            tags: tagsFor('traffic-mirror-session', values.TagSpecification),
          }).id,
        ),
    })
    const session = onlyMade(result.resources.sessions, 'tms', result)
    return {
      trafficMirrorSession: replyOf(MIRROR_SESSION, session),
      clientToken: values.ClientToken,
    }
  },
})

const describeTrafficMirrorSessions = describeOperation({
  name: 'DescribeTrafficMirrorSessions',
  ids: 'TrafficMirrorSessionId',
  prefix: 'tms',
  fields: filtersOf(MIRROR_SESSION),
  all: ({ plane }) => plane.resources.sessions.values(),
  list: 'trafficMirrorSessionSet',
  show: (session) => replyOf(MIRROR_SESSION, session),
})

const modifyTrafficMirrorSession = operation({
  name: 'ModifyTrafficMirrorSession',
  parameters: {
    ...SESSION_ID,
    ...parametersOf(MIRROR_SESSION, 'modify'),
    RemoveField: removeField(MIRROR_SESSION),
  },
  run: async (values, { plane }) => {
    const change = membersOf(MIRROR_SESSION, values)
    const session = await plane.change((draft) =>
      modifySession(draft, values.TrafficMirrorSessionId, change, values.RemoveField),
    )
    return { trafficMirrorSession: replyOf(MIRROR_SESSION, session) }
  },
})

const deleteTrafficMirrorSession = operation({
  name: 'DeleteTrafficMirrorSession',
  parameters: SESSION_ID,
  run: async ({ TrafficMirrorSessionId: id }, { plane }) => {
    await plane.change((draft) => deleteSession(draft, id))
    return { trafficMirrorSessionId: id }
  },
})

export const SESSION_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorSession,
  describeTrafficMirrorSessions,
  modifyTrafficMirrorSession,
  deleteTrafficMirrorSession,
]
