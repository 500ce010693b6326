import {
  FLOW_LOG,
  type FlowLog,
  type MirrorSession,
  type NetworkInterface,
  type TransitGateway,
} from '../mirror/resources.js'
import type { Draft } from './draft.js'
import { flowLogsOf } from './flow-log-index.js'
import { unknownId } from './ids.js'
import { inventoryOf } from './inventory.js'
import { Refusal } from './refusal.js'

export type NewFlowLog = Omit<FlowLog, 'id' | 'createdAt'>

export function createFlowLog(draft: Draft, wanted: NewFlowLog): FlowLog {
  draft.requireRoom('flowLogs')
  checkResource(draft, wanted)
  const tags = draft.newTags(wanted.tags)
  const flowLog = { ...wanted, id: draft.newId('fl'), createdAt: draft.now, tags }
  checkFlowLog(draft, flowLog)
  draft.put('flowLogs', flowLog)
  return flowLog
}

export function deleteFlowLog(draft: Draft, id: string): void {
  draft.existing('flowLogs', id)
  draft.remove('flowLogs', id)
}

/**
 * Whether the flow log holds all records of sessions of this interface. `inventory` is
 * what the configuration says of it: an interface that it does not name is in no VPC
 * and no subnet.
 */
export function flowLogCovers(
  flowLog: Pick<FlowLog, 'resourceType' | 'resourceId'>,
  networkInterfaceId: string,
  inventory: NetworkInterface | undefined,
): boolean {
  switch (flowLog.resourceType) {
    case 'NetworkInterface':
      return flowLog.resourceId === networkInterfaceId
    case 'VPC':
      return flowLog.resourceId === inventory?.vpcId
    case 'Subnet':
      return flowLog.resourceId === inventory?.subnetId
    default:
      return false
  }
}

/** Whether its records are of what crosses a transit gateway, whichever interfaces that came from. */
export function isOfTransitGateway({ resourceType }: Pick<FlowLog, 'resourceType'>): boolean {
  return resourceType === 'TransitGateway' || resourceType === 'TransitGatewayAttachment'
}

/** Whether another flow log says all the same, and whether its resource may have one more. */
export function checkFlowLog(draft: Draft, flowLog: FlowLog): void {
  const text = configurationOf(flowLog)
  let ofResource = 1
  for (const other of flowLogsOf(draft.resources.flowLogs, flowLog.resourceId)) {
    if (other.id === flowLog.id) continue
    ofResource++
    if (configurationOf(other) === text) {
      throw new Refusal(
        'FlowLogAlreadyExists',
        'Error. There is an existing Flow Log with the same configuration and log destination.',
      )
    }
  }
  if (ofResource > draft.quotas.flowLogsPerResource) {
    throw new Refusal(
      'FlowLogsLimitExceeded',
      `The maximum number of flow logs of a resource is ${draft.quotas.flowLogsPerResource}`,
    )
  }
}

/** What says neither which records go where nor how they look. */
const ASIDE: readonly string[] = ['id', 'createdAt', 'permissionArn', 'crossAccountRole', 'tags']
const CONFIGURATION = (Object.keys(FLOW_LOG) as (keyof FlowLog)[]).filter(
  (member) => !ASIDE.includes(member),
)

/** Everything that decides which records go where, and how they look. */
function configurationOf(flowLog: FlowLog): string {
  return JSON.stringify(CONFIGURATION.map((member) => flowLog[member]))
}

/**
 * Whether there is such a resource, as far as can be known: VPCs, subnets, transit gateways and
 * their attachments are those of the inventory. An interface may be of the inventory or the source of a session;
 * without an inventory every interface is taken on trust.
 */
function checkResource(draft: Draft, { resourceType, resourceId }: NewFlowLog): void {
  switch (resourceType) {
    case 'VPC':
      if (inventoryOf(draft.interfaces).vpcs.has(resourceId)) return
      throw unknownId('vpc', resourceId)
    case 'Subnet':
      if (inventoryOf(draft.interfaces).subnets.has(resourceId)) return
      throw unknownId('subnet', resourceId)
    case 'NetworkInterface': {
      if (draft.interfaces.size === 0 || draft.interfaces.has(resourceId)) return
      if (sourcesOf(draft.resources.sessions).has(resourceId)) return
      throw unknownId('eni', resourceId)
    }
    case 'TransitGateway':
      if (draft.transitGateways.some(({ id }) => id === resourceId)) return
      throw unknownId('tgw', resourceId)
    case 'TransitGatewayAttachment':
      if (draft.transitGateways.some((gateway) => hasAttachment(gateway, resourceId))) return
      throw unknownId('tgw-attach', resourceId)
  }
}

function hasAttachment({ attachments }: TransitGateway, attachmentId: string): boolean {
  return attachments.some(({ id }) => id === attachmentId)
}

/** One request may name a thousand resources: what they are looked up in is made once. */
const sources = new WeakMap<object, ReadonlySet<string>>()

function sourcesOf(sessions: ReadonlyMap<string, MirrorSession>): ReadonlySet<string> {
  let found = sources.get(sessions)
  if (found === undefined) {
    found = new Set([...sessions.values()].map(({ networkInterfaceId }) => networkInterfaceId))
    sources.set(sessions, found)
  }
  return found
}
