import type {
  FilterRule,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  PortRange,
} from '../../mirror/resources.js'
import { VNI_MAX } from '../../wire/vxlan.js'
import { CallFailure, type Ec2Client } from './ec2-client.js'
import { BadReply, type ReplyElement } from './reply-element.js'

/** The mirror sessions of an interface, and what they name: what decides about packets, without tags and descriptions. */
export interface MirrorResources {
  readonly sessions: readonly MirrorSession[]
  readonly filters: readonly MirrorFilter[]
  readonly targets: readonly MirrorTarget[]
}

/** Values that a filter of EC2's may have. */
const VALUES_MAX = 200

/**
 * Asks for the sessions of an interface, then for their filters and targets. Sessions whose
 * filter or target is gone are there without it. Rejects with CallFailure.
 */
export async function readMirrorResources(
  client: Ec2Client,
  networkInterfaceId: string,
  signal: AbortSignal,
): Promise<MirrorResources> {
  const first = await readOnce(client, networkInterfaceId, signal)
  // A session that was changed between two calls is whole the next time.
  return isWhole(first) ? first : readOnce(client, networkInterfaceId, signal)
}

async function readOnce(
  client: Ec2Client,
  networkInterfaceId: string,
  signal: AbortSignal,
): Promise<MirrorResources> {
  const all = async <T>(
    what: 'Session' | 'Filter' | 'Target',
    [field, values]: [field: string, values: readonly string[]],
    read: (element: ReplyElement) => T,
  ): Promise<T[]> => {
    const found: T[] = []
    for (let at = 0; at < values.length; at += VALUES_MAX) {
      const parameters = filterBy(field, values.slice(at, at + VALUES_MAX))
      const action = `DescribeTrafficMirror${what}s`
      const list = `trafficMirror${what}Set`
      const entries = await client.describe(action, parameters, list, signal)
      found.push(...readAll(client, entries, read))
    }
    return found
  }
  const own = await all('Session', ['network-interface-id', [networkInterfaceId]], sessionOf)
  const sessions = own.filter((session) => session.networkInterfaceId === networkInterfaceId)
  const filterIds = idsOf(sessions, ({ filterId }) => filterId)
  const targetIds = idsOf(sessions, ({ targetId }) => targetId)
  const [filters, targets] = await Promise.all([
    all('Filter', ['traffic-mirror-filter-id', filterIds], filterOf),
    all('Target', ['traffic-mirror-target-id', targetIds], targetOf),
  ])
  return { sessions: inOrder(sessions), filters: inOrder(filters), targets: inOrder(targets) }
}

function isWhole({ sessions, filters, targets }: MirrorResources): boolean {
  return sessions.every(
    ({ filterId, targetId }) =>
      filters.some(({ id }) => id === filterId) && targets.some(({ id }) => id === targetId),
  )
}

function readAll<T>(
  client: Ec2Client,
  entries: readonly ReplyElement[],
  read: (element: ReplyElement) => T,
): T[] {
  try {
    return entries.map(read)
  } catch (error) {
    if (!(error instanceof BadReply)) throw error
    const message = `${client.name} does not answer as EC2 does: ${error.message}`
    throw new CallFailure(message, false, error)
  }
}

function sessionOf(element: ReplyElement): MirrorSession {
  return {
    id: element.someText('trafficMirrorSessionId'),
    ownerId: element.text('ownerId') ?? '',
    networkInterfaceId: element.someText('networkInterfaceId'),
    targetId: element.someText('trafficMirrorTargetId'),
    filterId: element.someText('trafficMirrorFilterId'),
    packetLength: element.whole('packetLength', 1, 0xffff),
    sessionNumber: element.someWhole('sessionNumber', 1, 0x7fff_ffff),
    virtualNetworkId: element.someWhole('virtualNetworkId', 0, VNI_MAX),
    tags: [],
  }
}

function filterOf(element: ReplyElement): MirrorFilter {
  const rules = [...element.items('ingressFilterRuleSet'), ...element.items('egressFilterRuleSet')]
  const services = element.texts('networkServiceSet')
  return {
    id: element.someText('trafficMirrorFilterId'),
    // Of a service that is not known nobody could say which packets are its own.
    networkServices: services.filter((service) => service === 'amazon-dns'),
    rules: rules.map(ruleOf),
    tags: [],
  }
}

function ruleOf(element: ReplyElement): FilterRule {
  return {
    id: element.someText('trafficMirrorFilterRuleId'),
    direction: element.oneOf('trafficDirection', ['ingress', 'egress']),
    ruleNumber: element.someWhole('ruleNumber', 0, 0x7fff_ffff),
    action: element.oneOf('ruleAction', ['accept', 'reject']),
    protocol: element.whole('protocol', 0, 255),
    sourcePortRange: rangeOf(element.child('sourcePortRange')),
    destinationPortRange: rangeOf(element.child('destinationPortRange')),
    sourceCidr: element.someText('sourceCidrBlock'),
    destinationCidr: element.someText('destinationCidrBlock'),
    tags: [],
  }
}

function rangeOf(element: ReplyElement | undefined): PortRange | undefined {
  if (element === undefined) return undefined
  const from = element.someWhole('fromPort', 0, 65_535)
  return { from, to: element.someWhole('toPort', from, 65_535) }
}

function targetOf(element: ReplyElement): MirrorTarget {
  const base = {
    id: element.someText('trafficMirrorTargetId'),
    ownerId: element.text('ownerId') ?? '',
    tags: [],
  }
  const kind = element.oneOf('type', [
    'network-interface',
    'network-load-balancer',
    'gateway-load-balancer-endpoint',
  ])
  return { ...base, kind, address: element.someText(ADDRESS_OF[kind]) }
}

const ADDRESS_OF: Readonly<Record<MirrorTarget['kind'], string>> = {
  'network-interface': 'networkInterfaceId',
  'network-load-balancer': 'networkLoadBalancerArn',
  'gateway-load-balancer-endpoint': 'gatewayLoadBalancerEndpointId',
}

function filterBy(name: string, values: readonly string[]): Record<string, string> {
  const numbered = values.map((value, index) => [`Filter.1.Value.${index + 1}`, value])
  return { 'Filter.1.Name': name, ...Object.fromEntries(numbered) }
}

function idsOf(
  sessions: readonly MirrorSession[],
  of: (session: MirrorSession) => string,
): string[] {
  return [...new Set(sessions.map(of))]
}

/** So that the same resources are the same text, whatever order they were listed in. */
function inOrder<T extends { readonly id: string }>(resources: readonly T[]): T[] {
  return [...resources].sort((a, b) => (a.id < b.id ? -1 : 1))
}
