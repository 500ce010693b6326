import type { MirrorTarget } from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { Refusal } from './refusal.js'

type NewTarget = Omit<MirrorTarget, 'id'>

export function createTarget(draft: Draft, wanted: NewTarget): MirrorTarget {
  draft.requireRoom('targets')
  const tags = draft.newTags(wanted.tags)
  const target = { ...wanted, id: draft.newId('tmt'), tags }
  checkTarget(draft, target)
  draft.put('targets', target)
  return target
}

export function deleteTarget(draft: Draft, id: string): void {
  draft.existing('targets', id)
  draft.requireUnused('targets', id)
  draft.remove('targets', id)
}

/**
 * Whether the target can be beside what there is. EC2 has a code for an interface and for a
 * network load balancer that is a target already, none for an endpoint: of one endpoint
 * there may be several targets.
 */
export function checkTarget(draft: Draft, target: MirrorTarget): void {
  const { kind, address } = target
  for (const other of draft.resources.targets.values()) {
    if (other.id === target.id || other.kind !== kind || other.address !== address) continue
    if (kind === 'network-interface') {
      throw new Refusal(
        'InterfaceInUseByTrafficMirrorTarget',
        `The network interface '${address}' is the traffic mirror target ${other.id} already`,
      )
    }
    if (kind === 'network-load-balancer') {
      throw new Refusal(
        'NlbInUseByTrafficMirrorTargetException',
        `The load balancer '${address}' is the traffic mirror target ${other.id} already`,
      )
    }
  }
  if (kind !== 'network-interface') return
  for (const session of draft.resources.sessions.values()) {
    if (session.networkInterfaceId !== address) continue
    throw new Refusal(
      'InterfaceInUseByTrafficMirrorSession',
      `The network interface '${address}' is the source of ${session.id} and cannot be a target`,
    )
  }
}
