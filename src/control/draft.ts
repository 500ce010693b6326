import type { FlowLog, NetworkInterface, Tag, TransitGateway } from '../mirror/resources.js'
import { noteFlowLog } from './flow-log-index.js'
import { type IdPrefix, makeId, unknownId } from './ids.js'
import { LayeredMap } from './layered-map.js'
import type { Quotas } from './quotas.js'
import { Refusal, type RefusalCode } from './refusal.js'
import type { Change, Followed, ResourceOf, Resources, State, Table, TokenUse } from './state.js'
import { noteEntry, sizeOf, sizeOfResources } from './stored-size.js'
import { withTags } from './tags.js'

/** What an operation may look at beside the state. */
interface Surroundings {
  readonly quotas: Quotas
  readonly transitGateways: readonly TransitGateway[]
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** What the refusals of a table's resources say. */
const KINDS = {
  sessions: {
    prefix: 'tms',
    limit: 'TrafficMirrorSessionLimitExceeded',
    plural: 'traffic mirror sessions',
  },
  targets: {
    prefix: 'tmt',
    limit: 'TrafficMirrorTargetLimitExceeded',
    plural: 'traffic mirror targets',
  },
  filters: {
    prefix: 'tmf',
    limit: 'TrafficMirrorFilterLimitExceeded',
    plural: 'traffic mirror filters',
  },
  flowLogs: { prefix: 'fl', limit: 'FlowLogsLimitExceeded', plural: 'flow logs' },
} as const satisfies Partial<
  Record<Table, { prefix: IdPrefix; limit: RefusalCode; plural: string }>
>

/** What clients make. */
type MadeTable = keyof typeof KINDS

const USED_BY_SESSIONS = {
  targets: { member: 'targetId', inUse: 'TrafficMirrorTargetInUse', name: 'Target' },
  filters: { member: 'filterId', inUse: 'TrafficMirrorFilterInUse', name: 'Filter' },
} as const

/**
 * The state as one operation would leave it. Dropped when the operation throws, so
 * that an operation happens whole or not at all.
 */
export class Draft {
  readonly quotas: Quotas
  readonly transitGateways: readonly TransitGateway[]
  readonly now: number
  readonly changes: Change[] = []
  /** Client tokens used, by their keys. */
  readonly tokenUses: [key: string, use: TokenUse][] = []
  #state: State
  #isFollowing = false

  constructor(state: State, surroundings: Surroundings) {
    this.quotas = surroundings.quotas
    this.transitGateways = surroundings.transitGateways
    this.now = surroundings.now
    this.#state = state
  }

  get state(): State {
    return this.#state
  }

  get resources(): Resources {
    return this.#state.resources
  }

  get interfaces(): ReadonlyMap<string, NetworkInterface> {
    return this.resources.interfaces
  }

  /** An id that nothing has. */
  newId(prefix: IdPrefix): string {
    const { sessions, targets, filters, flowLogs } = this.resources
    for (;;) {
      const id = makeId(prefix)
      if (![sessions, targets, filters, flowLogs].some((table) => table.has(id))) return id
    }
  }

  /** The tags of a new resource. Throws Refusal where they are too many or not allowed. */
  newTags(wanted: readonly Tag[]): Tag[] {
    return withTags([], wanted, this.quotas.tagsPerResource)
  }

  /** Throws Refusal when the table has no room for one more. */
  requireRoom(table: MadeTable): void {
    if (this.resources[table].size < this.quotas[table]) return
    const { limit, plural } = KINDS[table]
    throw new Refusal(limit, `The maximum number of ${plural} is ${this.quotas[table]}`)
  }

  /** The resource of that id. Throws Refusal when there is none. */
  existing<T extends MadeTable>(table: T, id: string): ResourceOf[T] {
    const resource = (this.resources[table] as ReadonlyMap<string, ResourceOf[T]>).get(id)
    if (resource === undefined) throw unknownId(KINDS[table].prefix, id)
    return resource
  }

  /** Throws Refusal when a session names the target or filter. */
  requireUnused(table: 'targets' | 'filters', id: string): void {
    const { member, inUse, name } = USED_BY_SESSIONS[table]
    for (const session of this.resources.sessions.values()) {
      if (session[member] !== id) continue
      throw new Refusal(inUse, `Cannot delete ${id} . ${name} is in use by ${session.id}`)
    }
  }

  /** Adds the resource or replaces the one of its id. */
  put<T extends Table>(table: T, resource: ResourceOf[T]): void {
    const map = this.#changeable(table, resource.id)
    const before = map.get(resource.id)
    const growth = sizeOf(resource) - (before === undefined ? 0 : sizeOf(before))
    if (growth > 0 && sizeOfResources(this.resources) + growth > this.quotas.storedBytes) {
      throw new Refusal(
        'ResourceLimitExceeded',
        `All resources together may have ${this.quotas.storedBytes} bytes of descriptions, tags and other text`,
      )
    }
    this.#replace(table, resource.id, map, map.with(resource.id, resource))
    this.#note(table, resource.id, before, resource)
  }

  remove<T extends Table>(table: T, id: string): void {
    const map = this.#changeable(table, id)
    this.#replace(table, id, map, map.without(id))
    this.#note(table, id, map.get(id), undefined)
  }

  /** `tokens` are those with this use. */
  useToken(key: string, use: TokenUse, tokens: ReadonlyMap<string, TokenUse>): void {
    this.tokenUses.push([key, use])
    this.#state = { ...this.#state, tokens }
  }

  get followed(): Followed | undefined {
    return this.#state.followed
  }

  /** Has `change` change what is followed, as nobody else may. It answers with what is followed then. */
  follow(change: () => Followed | undefined): void {
    this.#isFollowing = true
    const followed = change()
    this.#isFollowing = false
    if (followed !== this.#state.followed) this.#state = { ...this.#state, followed }
  }

  isDeclared(id: string): boolean {
    return this.#state.declared.has(id)
  }

  get applianceTags(): readonly Tag[] {
    return this.#state.applianceTags
  }

  set applianceTags(applianceTags: readonly Tag[]) {
    this.#state = { ...this.#state, applianceTags }
  }

  #note<T extends Table>(
    table: T,
    id: string,
    before: ResourceOf[T] | undefined,
    after: ResourceOf[T] | undefined,
  ): void {
    this.changes.push({ table, id, before, after } as Change)
  }

  #changeable<T extends Table>(table: T, id: string): LayeredMap<string, ResourceOf[T]> {
    if (this.#state.declared.has(id)) {
      throw new Refusal(
        'OperationNotPermitted',
        `${id} is declared in the configuration of the appliance: change it there`,
      )
    }
    const { followed } = this.#state
    if (!this.#isFollowing && followed?.ids.has(id)) {
      throw new Refusal(
        'OperationNotPermitted',
        `${id} is followed from ${followed.source}: change it there`,
      )
    }
    return LayeredMap.of(this.resources[table] as ReadonlyMap<string, ResourceOf[T]>)
  }

  #replace<T extends Table>(
    table: T,
    id: string,
    before: LayeredMap<string, ResourceOf[T]>,
    after: LayeredMap<string, ResourceOf[T]>,
  ): void {
    noteEntry(this.resources[table], after, id)
    this.#state = { ...this.#state, resources: { ...this.resources, [table]: after } }
    if (table === 'flowLogs') {
      const [old, next] = [before, after] as unknown as ReadonlyMap<string, FlowLog>[]
      noteFlowLog(old!, next!, id)
    }
  }
}
