import type { Change, ResourceOf, Table } from '../../src/control/state.js'
import type {
  FilterRule,
  FlowLog,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
} from '../../src/mirror/resources.js'

/** Resources as the control plane tells of them, for columns. */

export function sessionResource(
  of: Partial<MirrorSession> & Pick<MirrorSession, 'id'>,
): MirrorSession {
  return {
    ownerId: '111122223333',
    networkInterfaceId: `eni-of-${of.id}`,
    targetId: 'tmt-1',
    filterId: 'tmf-all',
    sessionNumber: 1,
    virtualNetworkId: 7,
    tags: [],
    ...of,
  }
}

/** `in accept 6 443`: direction, action, protocol and destination port, `*` for any. */
export function rule(text: string, ruleNumber: number): FilterRule {
  const [direction, action, protocol, port] = text.split(' ') as [string, 'accept', string, string]
  return {
    id: `tmfr-${ruleNumber}`,
    direction: direction === 'in' ? 'ingress' : 'egress',
    ruleNumber,
    action,
    protocol: protocol === '*' ? undefined : Number(protocol),
    destinationPortRange: port === '*' ? undefined : { from: Number(port), to: Number(port) },
    sourceCidr: '0.0.0.0/0',
    destinationCidr: '0.0.0.0/0',
    tags: [],
  }
}

export function filterResource(id: string, ...rules: string[]): MirrorFilter {
  return { id, networkServices: [], rules: rules.map((text, at) => rule(text, at + 1)), tags: [] }
}

export const ALL = filterResource('tmf-all', 'in accept * *', 'out accept * *')

export const TARGET: MirrorTarget = {
  id: 'tmt-1',
  ownerId: '111122223333',
  kind: 'network-interface',
  address: 'eni-target',
  tags: [],
}

export function flowLogResource(of: Partial<FlowLog> & Pick<FlowLog, 'resourceId'>): FlowLog {
  return {
    id: 'fl-0123456789abcdef0',
    createdAt: 0,
    resourceType: 'NetworkInterface',
    trafficType: 'ALL',
    destinationType: 's3',
    destination: 'arn:aws:s3:::bucket',
    logFormat: '${log-status} ${interface-id} ${srcport} ${packets}',
    maxAggregationSeconds: 60,
    tagFields: [],
    tags: [],
    ...of,
  }
}

export function inventoryOf(
  ...interfaces: (Partial<NetworkInterface> & Pick<NetworkInterface, 'id'>)[]
): ReadonlyMap<string, NetworkInterface> {
  return new Map(interfaces.map((of) => [of.id, { addresses: [], ...of }]))
}

/** A resource made or modified. */
export function made<T extends Table>(table: T, after: ResourceOf[T]): Change {
  return { table, id: after.id, before: undefined, after } as Change
}

export function deleted(table: Table, id: string): Change {
  return { table, id, before: undefined, after: undefined } as Change
}
