import { randomUUID } from 'node:crypto'
import {
  CreateFlowLogsCommand,
  CreateTagsCommand,
  CreateTrafficMirrorFilterCommand,
  CreateTrafficMirrorFilterRuleCommand,
  CreateTrafficMirrorSessionCommand,
  CreateTrafficMirrorTargetCommand,
  DeleteFlowLogsCommand,
  DeleteTagsCommand,
  DeleteTrafficMirrorFilterCommand,
  DeleteTrafficMirrorFilterRuleCommand,
  DeleteTrafficMirrorSessionCommand,
  DeleteTrafficMirrorTargetCommand,
  DescribeFlowLogsCommand,
  DescribeTrafficMirrorFiltersCommand,
  DescribeTrafficMirrorSessionsCommand,
  DescribeTrafficMirrorTargetsCommand,
  type EC2Client,
  ModifyTrafficMirrorFilterRuleCommand,
  ModifyTrafficMirrorSessionCommand,
} from '@aws-sdk/client-ec2'
import type { Random } from '../support/random.js'

/** What is to be there: each resource with its kind, by id. */
export type Model = ReadonlyMap<string, Shown>
type Shown = Readonly<Record<string, unknown>>
type Kind = 'target' | 'filter' | 'rule' | 'session' | 'flow log'

/** A change that can be made where it was drawn. */
export interface Change {
  /** Whether it makes something; the same asked again then makes nothing more. */
  readonly makes: boolean
  /** Resolves with the id of what it made, or concerns. */
  ask(ec2: EC2Client): Promise<string>
  /** What is there when it is done. */
  after(model: Model, id: string): Model
}

const CIDRS = { SourceCidrBlock: '0.0.0.0/0', DestinationCidrBlock: '0.0.0.0/0' }
const BUCKET = { LogDestinationType: 's3', LogDestination: 'arn:aws:s3:::flow-bucket' } as const
/** AWS's quota. */
const RULES_MAX = 10

/** What the API says is there. */
export async function everything(ec2: EC2Client): Promise<Model> {
  const [targets, filters, sessions, logs] = await Promise.all([
    ec2.send(new DescribeTrafficMirrorTargetsCommand({})),
    ec2.send(new DescribeTrafficMirrorFiltersCommand({})),
    ec2.send(new DescribeTrafficMirrorSessionsCommand({})),
    ec2.send(new DescribeFlowLogsCommand({})),
  ])
  const found = new Map<string, Shown>()
  const add = (kind: Kind, id: string | undefined, of: Shown): void => {
    found.set(id!, { kind, ...of })
  }
  for (const { TrafficMirrorTargetId, NetworkInterfaceId } of targets.TrafficMirrorTargets!) {
    add('target', TrafficMirrorTargetId, { NetworkInterfaceId })
  }
  for (const filter of filters.TrafficMirrorFilters!) {
    add('filter', filter.TrafficMirrorFilterId, { Description: filter.Description })
    for (const rule of [...filter.IngressFilterRules!, ...filter.EgressFilterRules!]) {
      const { TrafficMirrorFilterRuleId, Tags, ...of } = rule
      add('rule', TrafficMirrorFilterRuleId, of)
    }
  }
  for (const session of sessions.TrafficMirrorSessions!) {
    const { TrafficMirrorSessionId, OwnerId, ...of } = session
    add('session', TrafficMirrorSessionId, of)
  }
  for (const { FlowLogId, ResourceId, TrafficType } of logs.FlowLogs!) {
    add('flow log', FlowLogId, { ResourceId, TrafficType })
  }
  return found
}

/** Changes in a random order, each of which can be made when those before it were. */
export class RandomChanges {
  readonly #random: Random
  #number = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(model: Model): Change {
    for (;;) {
      const change = this.#random.below(3) > 0 ? this.#creation(model) : this.#alteration(model)
      if (change !== undefined) return change
    }
  }

  #creation(model: Model): Change | undefined {
    const number = ++this.#number
    const ClientToken = randomUUID()
    const eni = `eni-${number.toString(16).padStart(17, '0')}`
    const TrafficMirrorFilterId = this.#pick(model, 'filter')
    const TrafficMirrorTargetId = this.#pick(model, 'target')
    switch (this.#random.below(6)) {
      case 0: {
        const of = { NetworkInterfaceId: eni }
        return making('target', of, async (ec2) => {
          const command = new CreateTrafficMirrorTargetCommand({ ...of, ClientToken })
          return (await ec2.send(command)).TrafficMirrorTarget!.TrafficMirrorTargetId!
        })
      }
      case 1: {
        const of = { Description: `number ${number}` }
        return making('filter', of, async (ec2) => {
          const command = new CreateTrafficMirrorFilterCommand({ ...of, ClientToken })
          return (await ec2.send(command)).TrafficMirrorFilter!.TrafficMirrorFilterId!
        })
      }
      case 2: {
        if (TrafficMirrorFilterId === undefined) return undefined
        if (rulesOf(model, TrafficMirrorFilterId).length === RULES_MAX) return undefined
        const TrafficDirection = this.#random.pick(['ingress', 'egress'] as const)
        const rule = { TrafficDirection, RuleNumber: number, RuleAction: 'accept' } as const
        const of = { TrafficMirrorFilterId, ...rule, ...CIDRS }
        return making('rule', of, async (ec2) => {
          const command = new CreateTrafficMirrorFilterRuleCommand({ ...of, ClientToken })
          return (await ec2.send(command)).TrafficMirrorFilterRule!.TrafficMirrorFilterRuleId!
        })
      }
      case 3: {
        const of = { ResourceId: eni, TrafficType: this.#random.pick(['ALL', 'ACCEPT'] as const) }
        return making('flow log', of, async (ec2) => {
          const { TrafficType } = of
          const command = new CreateFlowLogsCommand({
            ResourceIds: [eni],
            ResourceType: 'NetworkInterface',
            TrafficType,
            ...BUCKET,
            ClientToken,
          })
          return (await ec2.send(command)).FlowLogIds![0]!
        })
      }
      default: {
        if (TrafficMirrorFilterId === undefined || TrafficMirrorTargetId === undefined) {
          return undefined
        }
        const named = { NetworkInterfaceId: eni, TrafficMirrorFilterId, TrafficMirrorTargetId }
        const of = { ...named, SessionNumber: 1, VirtualNetworkId: number }
        return making('session', { ...of, Tags: [] }, async (ec2) => {
          const command = new CreateTrafficMirrorSessionCommand({ ...of, ClientToken })
          return (await ec2.send(command)).TrafficMirrorSession!.TrafficMirrorSessionId!
        })
      }
    }
  }

  #alteration(model: Model): Change | undefined {
    const number = ++this.#number
    const kind = this.#random.pick(['target', 'filter', 'rule', 'session', 'flow log'] as const)
    const id = this.#pick(model, kind)
    if (id === undefined) return undefined
    if (this.#random.below(2) === 0) return this.#removal(model, kind, id)
    if (kind === 'rule') {
      const of = { RuleAction: 'reject', Protocol: this.#random.pick([6, 17]) } as const
      const asked = { TrafficMirrorFilterRuleId: id, ...of }
      return altering(id, of, (ec2) => ec2.send(new ModifyTrafficMirrorFilterRuleCommand(asked)))
    }
    if (kind !== 'session') return undefined
    if (this.#random.below(2) === 0) {
      const of = { PacketLength: number, VirtualNetworkId: number }
      const asked = { TrafficMirrorSessionId: id, ...of }
      return altering(id, of, (ec2) => ec2.send(new ModifyTrafficMirrorSessionCommand(asked)))
    }
    const Resources = [id]
    if ((model.get(id)!['Tags'] as unknown[]).length > 0) {
      return altering(id, { Tags: [] }, (ec2) => ec2.send(new DeleteTagsCommand({ Resources })))
    }
    const Tags = [{ Key: 'number', Value: String(number) }]
    const asked = { Resources, Tags }
    return altering(id, { Tags }, (ec2) => ec2.send(new CreateTagsCommand(asked)))
  }

  #removal(model: Model, kind: Kind, id: string): Change | undefined {
    const isUsed = [...model.values()].some(
      (of) => of['kind'] === 'session' && Object.values(of).includes(id),
    )
    if (isUsed) return undefined
    const delete_ = {
      target: (ec2: EC2Client) =>
        ec2.send(new DeleteTrafficMirrorTargetCommand({ TrafficMirrorTargetId: id })),
      filter: (ec2: EC2Client) =>
        ec2.send(new DeleteTrafficMirrorFilterCommand({ TrafficMirrorFilterId: id })),
      rule: (ec2: EC2Client) =>
        ec2.send(new DeleteTrafficMirrorFilterRuleCommand({ TrafficMirrorFilterRuleId: id })),
      session: (ec2: EC2Client) =>
        ec2.send(new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: id })),
      'flow log': (ec2: EC2Client) => ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [id] })),
    } satisfies Record<Kind, unknown>
    return {
      makes: false,
      ask: async (ec2) => {
        await delete_[kind](ec2)
        return id
      },
      after: (before) => {
        const gone = new Set([id, ...rulesOf(before, id)])
        return new Map([...before].filter(([one]) => !gone.has(one)))
      },
    }
  }

  #pick(model: Model, kind: Kind): string | undefined {
    const ids = [...model].filter(([, of]) => of['kind'] === kind).map(([id]) => id)
    return ids.length === 0 ? undefined : this.#random.pick(ids)
  }
}

function making(kind: Kind, of: Shown, ask: Change['ask']): Change {
  return { makes: true, ask, after: (model, id) => new Map(model).set(id, { kind, ...of }) }
}

function altering(id: string, of: Shown, ask: (ec2: EC2Client) => Promise<unknown>): Change {
  return {
    makes: false,
    ask: async (ec2) => {
      await ask(ec2)
      return id
    },
    after: (model) => new Map(model).set(id, { ...model.get(id), ...of }),
  }
}

/** Ids of the rules of a filter. */
function rulesOf(model: Model, filter: string): string[] {
  return [...model]
    .filter(([, of]) => of['kind'] === 'rule' && of['TrafficMirrorFilterId'] === filter)
    .map(([id]) => id)
}
