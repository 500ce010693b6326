import type { Filter } from '@aws-sdk/client-ec2'
import { z } from 'zod'
import {
  type MirrorFilter,
  type MirrorSession,
  type MirrorTarget,
  PACKET_LENGTH_MAX,
} from '../../mirror/resources.js'
import { PORT_MAX } from '../../wire/ports.js'
import { VNI_MAX } from '../../wire/vxlan.js'
import { CallFailure, type Ec2Api } from './ec2-client.js'

/** The mirror sessions of an interface, and what they name: what decides about packets, without tags and descriptions. */
export interface MirrorResources {
  readonly sessions: readonly MirrorSession[]
  readonly filters: readonly MirrorFilter[]
  readonly targets: readonly MirrorTarget[]
}

/** Values that a filter of EC2's may have. */
const VALUES_MAX = 200
/** Entries asked for at a time. */
const PAGE_LEN = 1000
/** AWS's quotas allow at most ten. */
const PAGES_MAX = 100

const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const id = z.string().min(1)
const ports = z
  .object({ FromPort: whole(0, PORT_MAX), ToPort: whole(0, PORT_MAX) })
  .refine(({ FromPort, ToPort }) => FromPort <= ToPort, 'FromPort is above ToPort')
  .transform(({ FromPort, ToPort }) => ({ from: FromPort, to: ToPort }))

const SESSION = z
  .object({
    TrafficMirrorSessionId: id,
    OwnerId: z.string().default(''),
    NetworkInterfaceId: id,
    TrafficMirrorTargetId: id,
    TrafficMirrorFilterId: id,
    PacketLength: whole(1, PACKET_LENGTH_MAX).optional(),
    SessionNumber: whole(1, 0x7fff_ffff),
    VirtualNetworkId: whole(0, VNI_MAX),
  })
  .transform(
    (said): MirrorSession => ({
      id: said.TrafficMirrorSessionId,
      ownerId: said.OwnerId,
      networkInterfaceId: said.NetworkInterfaceId,
      targetId: said.TrafficMirrorTargetId,
      filterId: said.TrafficMirrorFilterId,
      packetLength: said.PacketLength,
      sessionNumber: said.SessionNumber,
      virtualNetworkId: said.VirtualNetworkId,
      tags: [],
    }),
  )

const RULE = z
  .object({
    TrafficMirrorFilterRuleId: id,
    TrafficDirection: z.enum(['ingress', 'egress']),
    RuleNumber: whole(0, 0x7fff_ffff),
    RuleAction: z.enum(['accept', 'reject']),
    Protocol: whole(0, 255).optional(),
    SourcePortRange: ports.optional(),
    DestinationPortRange: ports.optional(),
    SourceCidrBlock: id,
    DestinationCidrBlock: id,
  })
  .transform((said) => ({
    id: said.TrafficMirrorFilterRuleId,
    direction: said.TrafficDirection,
    ruleNumber: said.RuleNumber,
    action: said.RuleAction,
    protocol: said.Protocol,
    sourcePortRange: said.SourcePortRange,
    destinationPortRange: said.DestinationPortRange,
    sourceCidr: said.SourceCidrBlock,
    destinationCidr: said.DestinationCidrBlock,
    tags: [],
  }))

const FILTER = z
  .object({
    TrafficMirrorFilterId: id,
    IngressFilterRules: z.array(RULE).default([]),
    EgressFilterRules: z.array(RULE).default([]),
    NetworkServices: z.array(z.string()).default([]),
  })
  .transform(
    (said): MirrorFilter => ({
      id: said.TrafficMirrorFilterId,
      // Which packets belong to another service is not known here.
      networkServices: said.NetworkServices.filter((service) => service === 'amazon-dns'),
      rules: [...said.IngressFilterRules, ...said.EgressFilterRules],
      tags: [],
    }),
  )

const TARGET_BASE = { TrafficMirrorTargetId: id, OwnerId: z.string().default('') }
const TARGET = z
  .discriminatedUnion('Type', [
    z.object({ ...TARGET_BASE, Type: z.literal('network-interface'), NetworkInterfaceId: id }),
    z.object({
      ...TARGET_BASE,
      Type: z.literal('network-load-balancer'),
      NetworkLoadBalancerArn: id,
    }),
    z.object({
      ...TARGET_BASE,
      Type: z.literal('gateway-load-balancer-endpoint'),
      GatewayLoadBalancerEndpointId: id,
    }),
  ])
  .transform((said): MirrorTarget => {
    const base = { id: said.TrafficMirrorTargetId, ownerId: said.OwnerId, tags: [] }
    switch (said.Type) {
      case 'network-interface':
        return { ...base, kind: said.Type, address: said.NetworkInterfaceId }
      case 'network-load-balancer':
        return { ...base, kind: said.Type, address: said.NetworkLoadBalancerArn }
      case 'gateway-load-balancer-endpoint':
        return { ...base, kind: said.Type, address: said.GatewayLoadBalancerEndpointId }
    }
  })

/**
 * Asks for the sessions of an interface, then for their filters and targets. Sessions whose
 * filter or target is gone are there without it. Rejects with CallFailure or OperatorError.
 */
export async function readMirrorResources(
  api: Ec2Api,
  networkInterfaceId: string,
  signal: AbortSignal,
  pageLen = PAGE_LEN,
): Promise<MirrorResources> {
  const first = await readOnce(api, networkInterfaceId, signal, pageLen)
  // A session that was changed between two calls is whole the next time.
  return isWhole(first) ? first : readOnce(api, networkInterfaceId, signal, pageLen)
}

async function readOnce(
  api: Ec2Api,
  networkInterfaceId: string,
  signal: AbortSignal,
  pageLen: number,
): Promise<MirrorResources> {
  const { DescribeTrafficMirrorSessionsCommand: Sessions } = api.sdk
  const { DescribeTrafficMirrorFiltersCommand: Filters } = api.sdk
  const { DescribeTrafficMirrorTargetsCommand: Targets } = api.sdk

  const own = await readAll('TrafficMirrorSessions', SESSION, async (page) => {
    const input = {
      ...page,
      Filters: [{ Name: 'network-interface-id', Values: [networkInterfaceId] }],
    }
    return api.ask(signal, (options) => api.client.send(new Sessions(input), options))
  })
  const sessions = own.filter((session) => session.networkInterfaceId === networkInterfaceId)
  const [filters, targets] = await Promise.all([
    byIds(
      'traffic-mirror-filter-id',
      sessions.map(({ filterId }) => filterId),
      (some) =>
        readAll('TrafficMirrorFilters', FILTER, (page) =>
          api.ask(signal, (options) =>
            api.client.send(new Filters({ ...page, Filters: [some] }), options),
          ),
        ),
    ),
    byIds(
      'traffic-mirror-target-id',
      sessions.map(({ targetId }) => targetId),
      (some) =>
        readAll('TrafficMirrorTargets', TARGET, (page) =>
          api.ask(signal, (options) =>
            api.client.send(new Targets({ ...page, Filters: [some] }), options),
          ),
        ),
    ),
  ])
  return { sessions: inOrder(sessions), filters: inOrder(filters), targets: inOrder(targets) }

  /** All entries of `list`, page by page, as `schema` has them. */
  async function readAll<List extends string, T>(
    list: List,
    schema: z.ZodType<T>,
    ask: (page: {
      MaxResults: number
      NextToken?: string
    }) => Promise<
      { readonly [key in List]?: unknown } & { readonly NextToken?: string | undefined }
    >,
  ): Promise<T[]> {
    const entries: T[] = []
    let token: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const next = token === undefined ? {} : { NextToken: token }
      const reply = await ask({ MaxResults: pageLen, ...next })
      const read = z.array(schema).safeParse(reply[list] ?? [])
      if (!read.success) {
        const { path, message } = read.error.issues[0]!
        const [index, ...members] = path
        throw new CallFailure(
          `${api.name} does not answer as EC2 does: ${list}[${String(index)}].${members.join('.')}: ${message}`,
        )
      }
      entries.push(...read.data)
      token = reply.NextToken || undefined
      if (token === undefined) return entries
    }
    throw new CallFailure(`${api.name} gives page after page of ${list}, without an end`)
  }
}

/** Reads in as many calls as the values of a filter need. */
async function byIds<T>(
  name: string,
  ids: readonly string[],
  read: (filter: Filter) => Promise<T[]>,
): Promise<T[]> {
  const values = [...new Set(ids)]
  const found: T[] = []
  for (let at = 0; at < values.length; at += VALUES_MAX) {
    found.push(...(await read({ Name: name, Values: values.slice(at, at + VALUES_MAX) })))
  }
  return found
}

function isWhole({ sessions, filters, targets }: MirrorResources): boolean {
  return sessions.every(
    ({ filterId, targetId }) =>
      filters.some(({ id }) => id === filterId) && targets.some(({ id }) => id === targetId),
  )
}

/** So that the same resources are the same text, whatever order they were listed in. */
function inOrder<T extends { readonly id: string }>(resources: readonly T[]): T[] {
  return [...resources].sort((a, b) => (a.id < b.id ? -1 : 1))
}
