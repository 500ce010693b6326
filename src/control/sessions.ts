import { randomInt } from 'node:crypto'
import {
  MIRROR_SESSION,
  type MirrorSession,
  type MirrorTarget,
  PACKET_LENGTH_MAX,
} from '../mirror/resources.js'
import { VNI_MAX } from '../wire/vxlan.js'
import type { Draft } from './draft.js'
import { modified } from './modification.js'
import { Refusal } from './refusal.js'

/** Without `virtualNetworkId` one is drawn that no session has. */
type NewSession = Omit<MirrorSession, 'id' | 'virtualNetworkId'> & {
  readonly virtualNetworkId: number | undefined
}

/** Neither the interface nor, but by the operations of tags, the tags of a session can be changed. */
type SessionChange = {
  readonly [M in keyof Omit<MirrorSession, 'id' | 'ownerId' | 'networkInterfaceId' | 'tags'>]?:
    | MirrorSession[M]
    | undefined
}

export function createSession(draft: Draft, wanted: NewSession): MirrorSession {
  draft.requireRoom('sessions')
  const tags = draft.newTags(wanted.tags)
  const session = withDefaults(draft, { ...wanted, id: draft.newId('tms'), tags })
  checkReferences(draft, session)
  checkSession(draft, session)
  draft.put('sessions', session)
  return session
}

/** Members left undefined stay as they are; those of `remove` go back to their defaults, the VNI to a new one. */
export function modifySession(
  draft: Draft,
  id: string,
  change: SessionChange,
  remove: readonly string[],
): MirrorSession {
  const session = draft.existing('sessions', id)
  const next = withDefaults(draft, modified(MIRROR_SESSION, session, change, remove))
  checkReferences(draft, next)
  checkSession(draft, next)
  draft.put('sessions', next)
  return next
}

export function deleteSession(draft: Draft, id: string): void {
  draft.existing('sessions', id)
  draft.remove('sessions', id)
}

type Incomplete = Omit<MirrorSession, 'virtualNetworkId'> & {
  readonly virtualNetworkId?: number | undefined
}

function withDefaults(draft: Draft, session: Incomplete): MirrorSession {
  const target = draft.resources.targets.get(session.targetId)
  const isBalanced = target?.kind === 'network-load-balancer'
  return {
    ...session,
    packetLength: session.packetLength ?? (isBalanced ? PACKET_LENGTH_MAX : undefined),
    virtualNetworkId: session.virtualNetworkId ?? freeVni(draft),
  }
}

/** Never 0, which some receivers take for none. */
function freeVni(draft: Draft): number {
  for (;;) {
    const vni = randomInt(1, VNI_MAX + 1)
    if (!isTaken(vni, draft)) return vni
  }
}

/** A walk over ten thousand sessions is shorter than making a set of them. */
function isTaken(vni: number, draft: Draft): boolean {
  for (const session of draft.resources.sessions.values()) {
    if (session.virtualNetworkId === vni) return true
  }
  return false
}

function checkReferences(draft: Draft, session: MirrorSession): void {
  draft.existing('targets', session.targetId)
  draft.existing('filters', session.filterId)
}

/**
 * Whether the session can be beside what there is. VNIs that clients choose need not be
 * unique: the outer source tells sessions apart too.
 */
export function checkSession(draft: Draft, session: MirrorSession): void {
  const { sessions, targets } = draft.resources
  for (const target of targets.values()) {
    if (target.kind !== 'network-interface' || target.address !== session.networkInterfaceId)
      continue
    throw new Refusal(
      'InterfaceInUseByTrafficMirrorTarget',
      `The network interface '${target.address}' is the traffic mirror target ${target.id} and cannot be a source`,
    )
  }

  const sources = new Set([session.networkInterfaceId])
  let ofInterface = 1
  for (const other of sessions.values()) {
    if (other.id === session.id) continue
    if (other.targetId === session.targetId) sources.add(other.networkInterfaceId)
    if (other.networkInterfaceId !== session.networkInterfaceId) continue
    ofInterface++
    if (other.sessionNumber !== session.sessionNumber) continue
    // EC2's list of codes has none for this.
    throw new Refusal(
      'InvalidParameterValue',
      `The session number ${session.sessionNumber} of '${other.networkInterfaceId}' is in use by ${other.id}`,
    )
  }
  if (ofInterface > draft.quotas.sessionsPerInterface) {
    throw new Refusal(
      'TrafficMirrorSessionsPerInterfaceLimitExceeded',
      `The maximum number of sessions of a network interface is ${draft.quotas.sessionsPerInterface}`,
    )
  }
  checkSources(draft, targets.get(session.targetId), sources.size)
}

function checkSources(draft: Draft, target: MirrorTarget | undefined, sources: number): void {
  if (target?.kind !== 'network-interface') return
  if (sources <= draft.quotas.sourcesPerInterfaceTarget) return
  throw new Refusal(
    'TrafficMirrorSourcesPerTargetLimitExceeded',
    `The maximum number of sources of ${target.id} is ${draft.quotas.sourcesPerInterfaceTarget}`,
  )
}
