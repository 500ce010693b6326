import { lookup } from 'node:dns/promises'
import { Ec2Api, regionToSign } from '../../aws/follow/ec2-client.js'
import { type MirrorResources, readMirrorResources } from '../../aws/follow/mirror-resources.js'
import { SessionFollower } from '../../aws/follow/session-follower.js'
import { OperatorError } from '../../errors.js'
import type { MirrorTarget, NetworkInterface } from '../../mirror/resources.js'
import type { FilterTarget } from '../../source/interface/packet-socket-filter.js'
import { type Endpoint, type MirrorPlan, planOfInterfaces } from '../../source/mirror-plan.js'
import { GENEVE_PORT } from '../../wire/geneve.js'
import { VXLAN_PORT } from '../../wire/vxlan.js'
import type { MirrorOptions } from './options.js'

/** Where the datagrams of targets go, as addresses: names are looked up once, so that what may be mirrored is known. */
class Inventory {
  readonly #byId: ReadonlyMap<string, Endpoint>
  readonly #others: Endpoint | undefined
  readonly #controlHost: string

  private constructor(
    byId: ReadonlyMap<string, Endpoint>,
    others: Endpoint | undefined,
    controlHost: string,
  ) {
    this.#byId = byId
    this.#others = others
    this.#controlHost = controlHost
  }

  /** Of `--target`, else of the session file, else `--to`, else the host of the control plane. Rejects with OperatorError. */
  static async of(
    named: ReadonlyMap<string, Endpoint>,
    { to, control }: MirrorOptions,
  ): Promise<Inventory> {
    const byId = new Map<string, Endpoint>()
    for (const [id, { host, port }] of named) byId.set(id, { host: await addressOf(host), port })
    const others = to && { host: await addressOf(to.host), port: to.port }
    const name = new URL(control!).hostname.replace(/^\[(.*)\]$/, '$1')
    return new Inventory(byId, others, others?.host ?? (await addressOf(name)))
  }

  get all(): Endpoint[] {
    const controlled = [VXLAN_PORT, GENEVE_PORT].map((port) => ({ host: this.#controlHost, port }))
    return [...this.#byId.values(), ...(this.#others === undefined ? controlled : [this.#others])]
  }

  endpointOf({ id, kind }: MirrorTarget): Endpoint {
    const port = kind === 'gateway-load-balancer-endpoint' ? GENEVE_PORT : VXLAN_PORT
    return this.#byId.get(id) ?? this.#others ?? { host: this.#controlHost, port }
  }
}

/** The sessions of a control plane, as plans. */
export interface ControlledSessions {
  /** Everywhere that datagrams may go, now or later. */
  readonly targets: readonly FilterTarget[]
  /** Resolves when the first plan was taken, or all is to stop. Rejects with OperatorError. */
  start(): Promise<void>
  /** Takes plans until all is to stop. */
  run(): Promise<void>
}

/**
 * Follows the sessions of an interface at the control plane that the options name. `take` is
 * called with the first plan and whenever there is another. Rejects with OperatorError.
 */
export async function openControl(
  options: MirrorOptions,
  take: (plan: MirrorPlan) => Promise<void>,
  parts: { say: (line: string) => void; signal: AbortSignal },
): Promise<ControlledSessions> {
  const { say, signal } = parts
  const client = await clientOf(options)
  const { networkInterface, endpoints } = await writtenOf(options)
  const inventory = await Inventory.of(endpoints, options)
  const follower = new SessionFollower({
    read: (until) => readMirrorResources(client, networkInterface.id, until),
    async onChange(resources) {
      const plan = planOfInterfaces(
        { interfaces: [networkInterface], ...withoutBroken(resources) },
        (target) => inventory.endpointOf(target),
        options,
      )
      await take(plan)
      say(sentenceOf(networkInterface.id, plan))
    },
    say,
    intervalMs: options.controlInterval * 1000,
    signal,
  })
  return {
    targets: inventory.all,
    start: () => follower.start(),
    run: () => follower.run().finally(() => client.close()),
  }
}

function clientOf(options: MirrorOptions): Promise<Ec2Api> {
  const { credentials: credentialsFile, profile, region } = options
  const url = new URL(options.control!)
  return Ec2Api.open({ url, region: regionToSign(url, region), credentialsFile, profile })
}

/** What the control plane does not know: addresses of the interface and of targets. */
async function writtenOf(
  options: MirrorOptions,
): Promise<{ networkInterface: NetworkInterface; endpoints: Map<string, Endpoint> }> {
  const id = options.networkInterfaceId!
  const endpoints = new Map<string, Endpoint>()
  let networkInterface: NetworkInterface = { id, addresses: [] }
  if (options.session !== undefined) {
    const { readSessionFile } = await import('../../control/declared-resources.js')
    const { interfaces, targets, filters, sessions } = readSessionFile(options.session)
    if (sessions.length > 0 || filters.length > 0) {
      throw new OperatorError(
        `${options.session}: with --control, sessions and filters come from there; leave those two lists empty`,
        { exitCode: 2 },
      )
    }
    networkInterface = interfaces.find((one) => one.id === id) ?? networkInterface
    for (const { id: targetId, endpoint } of targets) {
      if (endpoint !== undefined) endpoints.set(targetId, endpoint)
    }
  }
  for (const [targetId, endpoint] of options.target ?? []) endpoints.set(targetId, endpoint)
  return { networkInterface, endpoints }
}

/** A session whose filter or target was deleted mirrors nothing. */
function withoutBroken({ sessions, filters, targets }: MirrorResources): MirrorResources {
  const whole = sessions.filter(
    ({ filterId, targetId }) =>
      filters.some(({ id }) => id === filterId) && targets.some(({ id }) => id === targetId),
  )
  return { sessions: whole, filters, targets }
}

function sentenceOf(interfaceId: string, plan: MirrorPlan): string {
  const sessions = plan.flatMap(({ evaluator }) => evaluator.sessions)
  const each = sessions.map(
    ({ session, endpoint: { host, port } }) =>
      `${session.id} (number ${session.sessionNumber}, VNI ${session.virtualNetworkId}) to ${host} port ${port}`,
  )
  return `sessions of ${interfaceId}: ${each.length === 0 ? 'none' : each.join(', ')}`
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new OperatorError(
      `cannot resolve ${host} (${code}); give an address or a name that this machine knows`,
      { cause },
    )
  }
}
