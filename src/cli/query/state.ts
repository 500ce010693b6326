import type { State } from '../../control/state.js'
import { journalOf } from '../../control/state-journal.js'
import { readStateFiles } from '../../control/state-reader.js'
import { OperatorError } from '../../errors.js'
import type { MirrorSessionRow } from '../../query/query.js'

/** The sessions in a control plane's state file. Throws OperatorError where it is none. */
export async function readMirrorSessions(path: string): Promise<MirrorSessionRow[]> {
  const { resources } = await readState(path)
  return [...resources.sessions.values()].map((session) => ({
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

async function readState(path: string): Promise<State> {
  const found = await readStateFiles(path)
  if (found === undefined) {
    throw new OperatorError(`cannot read the state ${path}: it does not exist; check the path`)
  }
  if (typeof found === 'string') {
    throw new OperatorError(`${path} is not a state file of this version: ${found}`)
  }
  if (found.damage !== undefined) {
    throw new OperatorError(`${journalOf(path)} is damaged (${found.damage})`)
  }
  return found.state
}
