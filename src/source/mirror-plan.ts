import { OperatorError } from '../errors.js'
import { MirrorEvaluator, type SessionParts } from '../mirror/evaluator.js'
import { InterfaceMatcher } from '../mirror/packet-direction.js'
import type {
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
} from '../mirror/resources.js'

/** Where a mirror target receives. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What a plan is made from: a session file, or one session and its target. */
export interface PlanOptions {
  /** Path of a session file. */
  session?: string
  to?: Endpoint
  vni?: number
  /** Bytes. */
  packetLength?: number
  gateway?: true
  neverMirrored?: 'leave-out' | 'mirror'
}

/** A session and where its copies go. */
export interface PlannedSession extends SessionParts {
  readonly endpoint: Endpoint
  /** Whether a Gateway Load Balancer stands in between. */
  readonly isGateway: boolean
}

/** A mirrored interface with its sessions. */
export interface PlannedInterface {
  /** As the session file has it; undefined without one. */
  readonly networkInterface: NetworkInterface | undefined
  /** Undefined where nothing tells the direction of a packet but its source. */
  readonly matcher: InterfaceMatcher | undefined
  readonly evaluator: MirrorEvaluator<PlannedSession>
}

export type MirrorPlan = readonly PlannedInterface[]

/** What the options want mirrored, and where to. Throws OperatorError. */
export function planOf(options: PlanOptions): Promise<MirrorPlan> | MirrorPlan {
  return options.session === undefined
    ? planOfOptions(options)
    : planOfFile(options.session, options)
}

/** One session without a filter. */
function planOfOptions(options: PlanOptions): MirrorPlan {
  const session: MirrorSession = {
    id: `vni-${options.vni}`,
    ownerId: '',
    networkInterfaceId: '',
    targetId: '',
    filterId: '',
    packetLength: options.packetLength,
    sessionNumber: 1,
    virtualNetworkId: options.vni!,
    tags: [],
  }
  const { neverMirrored = 'mirror', to } = options
  const parts = { session, filter: undefined, endpoint: to!, isGateway: options.gateway === true }
  const evaluator = new MirrorEvaluator([parts], { neverMirrored })
  return [{ networkInterface: undefined, matcher: undefined, evaluator }]
}

async function planOfFile(path: string, options: PlanOptions): Promise<MirrorPlan> {
  const { readSessionFile } = await import('../control/declared-resources.js')
  const written = readSessionFile(path)
  const plan = planOfInterfaces(
    written,
    (target) => {
      const endpoint = target.endpoint ?? options.to
      if (endpoint !== undefined) return endpoint
      throw new OperatorError(
        `${path}: the target ${target.id} has no Address; give it one (HOST:PORT), or give --to`,
        { exitCode: 2 },
      )
    },
    options,
  )
  return plan.filter(({ evaluator }) => evaluator.sessions.length > 0)
}

/** Each interface with its sessions, of which every filter and target must be there. */
export function planOfInterfaces<Target extends MirrorTarget>(
  resources: {
    readonly interfaces: readonly NetworkInterface[]
    readonly sessions: readonly MirrorSession[]
    readonly filters: readonly MirrorFilter[]
    readonly targets: readonly Target[]
  },
  endpointOf: (target: Target) => Endpoint,
  options: Pick<PlanOptions, 'gateway' | 'neverMirrored'>,
): MirrorPlan {
  const { interfaces, sessions, filters, targets } = resources
  const { neverMirrored = 'leave-out' } = options
  return interfaces.map((networkInterface) => {
    const own = sessions.filter((session) => session.networkInterfaceId === networkInterface.id)
    const parts = own.map((session) => {
      const target = targets.find(({ id }) => id === session.targetId)!
      const filter = filters.find(({ id }) => id === session.filterId)!
      const endpoint = endpointOf(target)
      const isGateway = options.gateway === true || target.kind === 'gateway-load-balancer-endpoint'
      return { session, filter, target, endpoint, isGateway }
    })
    const { vpcCidrBlock } = networkInterface
    return {
      networkInterface,
      matcher: new InterfaceMatcher(networkInterface),
      evaluator: new MirrorEvaluator(parts, { vpcCidrBlock, neverMirrored }),
    }
  })
}
