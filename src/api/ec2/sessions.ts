import {
  createSession,
  deleteSession,
  modifySession,
  REMOVABLE_SESSION_FIELDS,
  type RemovableSessionField,
} from '../../control/sessions.js'
import type { MirrorSession } from '../../mirror/resources.js'
import { PACKET_LENGTH_MAX } from '../../mirror/resources.js'
import { VNI_MAX } from '../../wire/vxlan.js'
import { describeOperation } from './describe.js'
import { CLIENT_TOKEN, create, made, type Operation, onlyMade, operation } from './operation.js'
import { DESCRIPTION, type Parameters } from './parameters.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

/** The guide wants at least 35 octets of IPv4 and 55 of IPv6, and does not say that EC2 insists. */
const PACKET_LENGTH = { type: 'integer', min: 1, max: PACKET_LENGTH_MAX } as const
const SESSION_NUMBER = { type: 'integer', min: 1, max: 32766 } as const
/** Whether EC2 takes 0 is not said; it is a VNI like any other (RFC 7348 §5). */
const VIRTUAL_NETWORK_ID = { type: 'integer', min: 0, max: VNI_MAX } as const

const SESSION_ID = {
  TrafficMirrorSessionId: { type: 'string', required: true },
} as const satisfies Parameters

const createTrafficMirrorSession = operation({
  name: 'CreateTrafficMirrorSession',
  parameters: {
    NetworkInterfaceId: { type: 'format', format: 'network-interface-id', required: true },
    TrafficMirrorTargetId: { type: 'string', required: true },
    TrafficMirrorFilterId: { type: 'string', required: true },
    PacketLength: PACKET_LENGTH,
    SessionNumber: { ...SESSION_NUMBER, required: true },
    VirtualNetworkId: VIRTUAL_NETWORK_ID,
    Description: DESCRIPTION,
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
            networkInterfaceId: values.NetworkInterfaceId,
            targetId: values.TrafficMirrorTargetId,
            filterId: values.TrafficMirrorFilterId,
            packetLength: values.PacketLength,
            sessionNumber: values.SessionNumber,
            virtualNetworkId: values.VirtualNetworkId,
            description: values.Description,
            ownerId: call.caller.accountId,
            tags: tagsFor('traffic-mirror-session', values.TagSpecification),
          }).id,
        ),
    })
    const session = onlyMade(result.resources.sessions, 'tms', result)
    return { trafficMirrorSession: showSession(session), clientToken: values.ClientToken }
  },
})

const describeTrafficMirrorSessions = describeOperation<MirrorSession>({
  name: 'DescribeTrafficMirrorSessions',
  ids: 'TrafficMirrorSessionId',
  prefix: 'tms',
  fields: {
    description: ({ description }) => description,
    'network-interface-id': ({ networkInterfaceId }) => networkInterfaceId,
    'owner-id': ({ ownerId }) => ownerId,
    'packet-length': ({ packetLength }) => packetLength,
    'session-number': ({ sessionNumber }) => sessionNumber,
    'traffic-mirror-filter-id': ({ filterId }) => filterId,
    'traffic-mirror-session-id': ({ id }) => id,
    'traffic-mirror-target-id': ({ targetId }) => targetId,
    'virtual-network-id': ({ virtualNetworkId }) => virtualNetworkId,
  },
  all: ({ plane }) => plane.resources.sessions.values(),
  list: 'trafficMirrorSessionSet',
  show: showSession,
})

const modifyTrafficMirrorSession = operation({
  name: 'ModifyTrafficMirrorSession',
  parameters: {
    ...SESSION_ID,
    TrafficMirrorTargetId: { type: 'string' },
    TrafficMirrorFilterId: { type: 'string' },
    PacketLength: PACKET_LENGTH,
    SessionNumber: SESSION_NUMBER,
    VirtualNetworkId: VIRTUAL_NETWORK_ID,
    Description: DESCRIPTION,
    RemoveField: {
      type: 'list',
      lengthMax: 10,
      of: {
        type: 'choice',
        values: Object.keys(REMOVABLE_SESSION_FIELDS) as RemovableSessionField[],
      },
    },
  },
  run: async (values, { plane }) => {
    const change = {
      targetId: values.TrafficMirrorTargetId,
      filterId: values.TrafficMirrorFilterId,
      packetLength: values.PacketLength,
      sessionNumber: values.SessionNumber,
      virtualNetworkId: values.VirtualNetworkId,
      description: values.Description,
    }
    const session = await plane.change((draft) =>
      modifySession(draft, values.TrafficMirrorSessionId, change, values.RemoveField),
    )
    return { trafficMirrorSession: showSession(session) }
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

function showSession(session: MirrorSession): object {
  return {
    trafficMirrorSessionId: session.id,
    trafficMirrorTargetId: session.targetId,
    trafficMirrorFilterId: session.filterId,
    networkInterfaceId: session.networkInterfaceId,
    ownerId: session.ownerId,
    packetLength: session.packetLength,
    sessionNumber: session.sessionNumber,
    virtualNetworkId: session.virtualNetworkId,
    description: session.description,
    tagSet: session.tags,
  }
}

export const SESSION_OPERATIONS: readonly Operation[] = [
  createTrafficMirrorSession,
  describeTrafficMirrorSessions,
  modifyTrafficMirrorSession,
  deleteTrafficMirrorSession,
]
