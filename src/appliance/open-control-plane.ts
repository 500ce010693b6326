import { ControlPlane } from '../control/control-plane.js'
import type { ConfiguredResources } from '../control/declared-resources.js'
import { type Change, TABLES } from '../control/state.js'
import { OperatorError } from '../errors.js'
import { type MetadataValues, SessionMetadata } from '../flowlog/metadata.js'
import type { NetworkInterface } from '../mirror/resources.js'
import type { SessionKey } from '../session/session-directory.js'
import { REGISTERED_MAX } from './column.js'
import { interfaceMetadata } from './registered-metadata.js'
import { inOrder, rivalOf } from './session-registry.js'

interface ControlPlaneSetting {
  readonly stateFile: string | undefined
  readonly declared: ConfiguredResources | undefined
  readonly sessionKey: SessionKey
  /** What is configured for every interface. */
  readonly metadata: MetadataValues
}

/**
 * The control plane with what is saved and declared. `say` takes lines for the operator, then and
 * when changes give cause for one. Throws OperatorError.
 */
export async function openControlPlane(
  { stateFile, declared, sessionKey, metadata }: ControlPlaneSetting,
  say: (line: string) => void,
): Promise<ControlPlane> {
  const interfaces = declared?.interfaces ?? []
  // Refused here, before anything is opened, rather than in a thread.
  checkInterfaces(interfaces, metadata)
  const plane = await ControlPlane.open({
    stateFile,
    interfaces,
    transitGateways: declared?.transitGateways ?? [],
    onProblem: say,
  })
  if (declared !== undefined) {
    const { targets, filters, sessions, flowLogs } = declared
    plane.declare({ targets, filters, sessions, flowLogs })
  }
  const count = plane.resources.sessions.size
  if (count > REGISTERED_MAX) {
    throw new OperatorError(
      `there are ${count} mirror sessions, and at most ${REGISTERED_MAX} are possible: remove some`,
    )
  }
  const seen = new Set<number>()
  for (const session of plane.resources.sessions.values()) {
    const { virtualNetworkId: vni } = session
    if (seen.has(vni))
      sayRival({ table: 'sessions', id: session.id, before: undefined, after: session })
    seen.add(vni)
  }
  plane.follow((changes) => {
    for (const change of changes) sayRival(change)
  })
  return plane

  function sayRival({ table, before, after }: Change): void {
    if (table !== 'sessions' || after === undefined) return
    const isAsBefore =
      before?.virtualNetworkId === after.virtualNetworkId &&
      before.sessionNumber === after.sessionNumber
    const rival = isAsBefore ? undefined : rivalOf(after, plane, sessionKey)
    if (rival === undefined) return
    const [first, second] = [after, rival].sort(inOrder)
    say(
      `${first!.id} and ${second!.id} have the VNI ${after.virtualNetworkId} and nothing else tells their ` +
        `packets apart: each is of the first whose filter accepts it, ${first!.id} before ${second!.id}; ` +
        'give each a VNI of its own, or declare their interfaces in the configuration',
    )
  }
}

/** Throws OperatorError for one of which a flow log could not say what is known. */
export function checkInterfaces(
  interfaces: readonly NetworkInterface[],
  metadata: MetadataValues,
): void {
  for (const found of interfaces) new SessionMetadata(interfaceMetadata(metadata, found))
}

/** What the control plane knows, as changes of nothing. */
export function changesTo({ resources }: Pick<ControlPlane, 'resources'>): Change[] {
  return TABLES.flatMap((table) =>
    [...resources[table]].map(([id, after]) => ({ table, id, before: undefined, after }) as Change),
  )
}
