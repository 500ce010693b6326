import { readFile } from 'node:fs/promises'
import { STATE_SCHEMA } from '../../control/state-schema.js'
import { OperatorError } from '../../errors.js'
import type { MirrorSessionRow } from '../../query/query.js'
import { ReadError } from '../../sink/read-error.js'

/** The sessions in a control plane's state file. Throws OperatorError where it is none. */
export async function readMirrorSessions(path: string): Promise<MirrorSessionRow[]> {
  const { sessions } = await readState(path)
  return sessions.map((session) => ({
    description: session.description ?? null,
    network_interface_id: session.networkInterfaceId,
    owner_id: session.ownerId,
    packet_length: session.packetLength ?? null,
    session_number: session.sessionNumber,
    tags: JSON.stringify(session.tags.map(({ key, value }) => ({ Key: key, Value: value }))),
    traffic_mirror_filter_id: session.filterId,
    traffic_mirror_session_id: session.id,
    traffic_mirror_target_id: session.targetId,
    virtual_network_id: session.virtualNetworkId,
  }))
}

async function readState(path: string) {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new ReadError('the state', path, error)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new OperatorError(`${path} is no state file: it is not JSON`)
  }
  const checked = STATE_SCHEMA.safeParse(content)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]!
  throw new OperatorError(
    `${path} is no state file of this version: ${issue.path.join('.') || 'the whole'}: ${issue.message}`,
  )
}
