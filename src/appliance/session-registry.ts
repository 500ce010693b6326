import type { ControlPlane } from '../control/control-plane.js'
import type { Change } from '../control/state.js'
import { packetLengthOf } from '../mirror/evaluator.js'
import type {
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
} from '../mirror/resources.js'
import { RuleSet } from '../mirror/rule-set.js'
import type { KnownInterface } from '../session/interface-identity.js'
import type { Session } from '../session/session.js'
import type { SessionAddress, SessionDirectory, SessionKey } from '../session/session-directory.js'
import { parseAddress, parseMac } from '../wire/address.js'

interface SessionRegistryOptions {
  readonly sessions: SessionDirectory
  /** What tells sessions apart; by VNI alone interfaces have no say. */
  readonly key: SessionKey
  /** As they are; `interfaceChanged` tells of one that has changed. */
  readonly interfaces: ReadonlyMap<string, NetworkInterface>
  /** Is told of a session that was registered or modified; `before` is undefined for a new one. */
  readonly onChange: (
    session: Session,
    now: MirrorSession,
    before: MirrorSession | undefined,
  ) => void
}

interface Registration {
  readonly session: Session
  resource: MirrorSession
  addresses: ReadonlyMap<string, SessionAddress>
}

/** Those that want an address, and in which order they have it. */
interface Claim {
  readonly address: SessionAddress
  readonly wanted: Set<Registration>
  holders: readonly Session[]
}

/** Of a session whose filter or target is gone. */
const NO_RULES = new RuleSet({ rules: [], networkServices: [] })

/**
 * The sessions that the control plane has registered, in the directory of one column:
 * which packets are theirs, which of those are wanted, how much of them is kept.
 *
 * A session's packets are those with its VNI from an address of its interface. Of an
 * interface of which no address is known it has those from everywhere,
 * but for what sessions of known interfaces have. Where several want the same packets, they
 * share them as they do at a mirror source: by session number (then id), the first whose
 * filter accepts a packet has it.
 */
export class SessionRegistry {
  readonly #options: SessionRegistryOptions
  readonly #targets = new Map<string, MirrorTarget>()
  readonly #filters = new Map<string, MirrorFilter>()
  readonly #registrations = new Map<string, Registration>()
  readonly #claims = new Map<string, Claim>()
  /** By filter and the VPC's block: many sessions may share one. */
  readonly #ruleSets = new WeakMap<MirrorFilter, Map<string | undefined, RuleSet>>()

  constructor(options: SessionRegistryOptions) {
    this.#options = options
  }

  /** Does what a change says. What it closes has been closed when this returns, its files apart. */
  apply(change: Change, nowSeconds: number): void {
    const { table, id, after } = change
    if (table === 'sessions') this.#change(id, after, nowSeconds)
    else if (table === 'targets') {
      put(this.#targets, id, after)
      this.#configureAll(({ targetId }) => targetId === id)
    } else if (table === 'filters') {
      put(this.#filters, id, after)
      this.#configureAll(({ filterId }) => filterId === id)
    }
  }

  /** Its sessions have the packets from the addresses that it has now. */
  interfaceChanged(id: string): void {
    const known = knownInterface(this.#options.interfaces.get(id))
    for (const registration of this.#registrations.values()) {
      if (registration.resource.networkInterfaceId !== id) continue
      registration.session.identify(known)
      this.#modify(registration, registration.resource)
    }
  }

  #change(id: string, resource: MirrorSession | undefined, nowSeconds: number): void {
    const known = this.#registrations.get(id)
    if (resource === undefined) {
      if (known !== undefined) this.#close(id, known)
    } else if (known === undefined) this.#open(resource, nowSeconds)
    else this.#modify(known, resource)
  }

  #open(resource: MirrorSession, nowSeconds: number): void {
    const { id, virtualNetworkId, networkInterfaceId } = resource
    const networkInterface = knownInterface(this.#options.interfaces.get(networkInterfaceId))
    const session = this.#options.sessions.register(
      { id, networkInterface },
      virtualNetworkId,
      nowSeconds,
    )
    const registration = { session, resource, addresses: this.#addressesOf(resource) }
    this.#registrations.set(id, registration)
    this.#configure(registration)
    this.#options.onChange(session, resource, undefined)
    for (const [key, address] of registration.addresses) this.#claim(key, address, registration)
  }

  #modify(registration: Registration, resource: MirrorSession): void {
    const { session, resource: before, addresses } = registration
    registration.resource = resource
    registration.addresses = this.#addressesOf(resource)
    session.vni = resource.virtualNetworkId
    this.#configure(registration)
    for (const key of addresses.keys()) {
      if (!registration.addresses.has(key)) this.#release(key, registration)
    }
    for (const [key, address] of registration.addresses) this.#claim(key, address, registration)
    this.#options.onChange(session, resource, before)
  }

  #close(id: string, registration: Registration): void {
    for (const key of registration.addresses.keys()) this.#release(key, registration)
    this.#registrations.delete(id)
    this.#options.sessions.deregister(registration.session)
  }

  #configureAll(concerns: (resource: MirrorSession) => boolean): void {
    for (const registration of this.#registrations.values()) {
      if (concerns(registration.resource)) this.#configure(registration)
    }
  }

  #configure({ session, resource }: Registration): void {
    const target = this.#targets.get(resource.targetId)
    const filter = this.#filters.get(resource.filterId)
    session.packetLength = packetLengthOf({ session: resource, filter, target })
    session.rules =
      target === undefined || filter === undefined ? NO_RULES : this.#ruleSetOf(filter, resource)
  }

  #ruleSetOf(filter: MirrorFilter, { networkInterfaceId }: MirrorSession): RuleSet {
    const { vpcCidrBlock } = this.#options.interfaces.get(networkInterfaceId) ?? {}
    let byBlock = this.#ruleSets.get(filter)
    if (byBlock === undefined) {
      byBlock = new Map()
      this.#ruleSets.set(filter, byBlock)
    }
    let ruleSet = byBlock.get(vpcCidrBlock)
    if (ruleSet === undefined) {
      ruleSet = new RuleSet(filter, { vpcCidrBlock })
      byBlock.set(vpcCidrBlock, ruleSet)
    }
    return ruleSet
  }

  #addressesOf(resource: MirrorSession): ReadonlyMap<string, SessionAddress> {
    const { virtualNetworkId: vni, networkInterfaceId } = resource
    const { key, interfaces } = this.#options
    const sources = interfaces.get(networkInterfaceId)?.addresses ?? []
    const addresses: SessionAddress[] =
      sources.length === 0 || key === 'vni'
        ? [{ vni, source: null }]
        : sources.map((source) => ({ vni, source: parseAddress(source)! }))
    return new Map(addresses.map((address) => [`${vni} ${address.source?.join() ?? '*'}`, address]))
  }

  #claim(key: string, address: SessionAddress, registration: Registration): void {
    let claim = this.#claims.get(key)
    if (claim === undefined) {
      claim = { address, wanted: new Set(), holders: [] }
      this.#claims.set(key, claim)
    }
    claim.wanted.add(registration)
    this.#settle(claim)
  }

  #release(key: string, registration: Registration): void {
    const claim = this.#claims.get(key)!
    claim.wanted.delete(registration)
    this.#settle(claim)
    if (claim.wanted.size === 0) this.#claims.delete(key)
  }

  #settle(claim: Claim): void {
    const { sessions } = this.#options
    const holders = [...claim.wanted]
      .sort((a, b) => inOrder(a.resource, b.resource))
      .map(({ session }) => session)
    const [first, ...others] = holders
    const isAsBefore =
      holders.length === claim.holders.length &&
      holders.every((session, index) => session === claim.holders[index])
    if (isAsBefore) return
    if (claim.holders.length > 0) sessions.unbind(claim.address)
    if (first !== undefined) sessions.bind([first, ...others], claim.address)
    claim.holders = holders
  }
}

function put<R>(table: Map<string, R>, id: string, after: R | undefined): void {
  if (after === undefined) table.delete(id)
  else table.set(id, after)
}

/**
 * A session of another interface whose packets nothing tells from those of `resource`: they
 * share them, where two sessions of one interface do so in AWS too. `inOrder` says which
 * of the two is asked first.
 */
export function rivalOf(
  resource: MirrorSession,
  { resources, interfaces }: Pick<ControlPlane, 'resources' | 'interfaces'>,
  key: SessionKey,
): MirrorSession | undefined {
  const isKnown = ({ networkInterfaceId }: MirrorSession) =>
    key !== 'vni' && (interfaces.get(networkInterfaceId)?.addresses.length ?? 0) > 0
  for (const other of resources.sessions.values()) {
    if (other.virtualNetworkId !== resource.virtualNetworkId || other.id === resource.id) continue
    if (other.networkInterfaceId === resource.networkInterfaceId) continue
    if (!isKnown(resource) && !isKnown(other)) return other
  }
  return undefined
}

/** Which of two sessions that share packets comes first. */
export function inOrder(a: MirrorSession, b: MirrorSession): number {
  if (a.sessionNumber !== b.sessionNumber) return a.sessionNumber - b.sessionNumber
  return a.id < b.id ? -1 : 1
}

function knownInterface(found: NetworkInterface | undefined): KnownInterface | undefined {
  if (found === undefined) return undefined
  const addresses = found.addresses.map((address) => parseAddress(address)!)
  return { addresses, mac: found.macAddress === undefined ? undefined : parseMac(found.macAddress) }
}
