import { type Action, ApiError, type Caller, type Input } from '../../aws/protocol/action.js'
import type { ControlPlane } from '../../control/control-plane.js'
import { Refusal } from '../../control/refusal.js'
import {
  createTags,
  deleteTags,
  tagAppliance,
  untagAppliance,
} from '../../control/resource-tags.js'
import type { Tag } from '../../mirror/resources.js'
import { makePageToken } from '../page-token.js'
import { type Firewall, firewallOf } from './firewall-arn.js'
import type { FlowOperations } from './flow-operations.js'
import {
  positionOf,
  readNextToken,
  readResourceArn,
  readTagKeys,
  readTagPageLength,
  readTags,
} from './members.js'

type Run = Action['run']

/** A registered session has the tags that EC2 shows of it. One that packets have opened has none. */
export function tagsOf(plane: ControlPlane, { session }: Firewall): readonly Tag[] {
  if (session === undefined) return plane.applianceTags
  return plane.resources.sessions.get(session)?.tags ?? []
}

export function listTagsForResource(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const firewall = await readResource(operations, input, caller)
    const length = readTagPageLength(input)
    const question = `tags of ${firewall.arn}`
    const begin = positionOf(question, readNextToken(input)) ?? 0
    const tags = tagsOf(plane, firewall)
    const end = begin + length
    return {
      Tags: tags.slice(begin, end).map(({ key, value }) => ({ Key: key, Value: value })),
      NextToken: end < tags.length ? makePageToken(question, String(end)) : undefined,
    }
  }
}

export function tagResource(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const tags = readTags(input)
    const session = taggable(plane, await readResource(operations, input, caller))
    await changing(
      plane.change((draft) => {
        if (session === undefined) tagAppliance(draft, tags)
        else createTags(draft, [session], tags)
      }),
    )
    return {}
  }
}

export function untagResource(operations: FlowOperations, plane: ControlPlane): Run {
  return async (input, caller) => {
    const keys = readTagKeys(input)
    const session = taggable(plane, await readResource(operations, input, caller))
    await changing(
      plane.change((draft) => {
        if (session === undefined) untagAppliance(draft, keys)
        else
          deleteTags(
            draft,
            [session],
            keys.map((key) => ({ key })),
          )
      }),
    )
    return {}
  }
}

async function readResource(
  operations: FlowOperations,
  input: Input,
  caller: Caller,
): Promise<Firewall> {
  const firewall = firewallOf(readResourceArn(input), caller)
  await operations.requireSession(firewall)
  return firewall
}

/** The session whose tags can change; undefined for the appliance. */
function taggable(plane: ControlPlane, { session, name }: Firewall): string | undefined {
  if (session === undefined || plane.resources.sessions.has(session)) return session
  throw new ApiError(
    'InvalidRequestException',
    `${name} cannot have tags: it is the session of packets that no registered session mirrors`,
  )
}

/** Waits for the change; what refuses it is reported in the words of Network Firewall. */
async function changing(change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.code === 'ServiceUnavailable') {
      throw new ApiError('InternalServerError', error.message, 500)
    }
    const isGone = error.code.endsWith('.NotFound')
    throw new ApiError(
      isGone ? 'ResourceNotFoundException' : 'InvalidRequestException',
      error.message,
    )
  }
}
