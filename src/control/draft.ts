import type { NetworkInterface } from '../mirror/resources.js'
import { type IdPrefix, makeId } from './ids.js'
import type { Quotas } from './quotas.js'
import { Refusal } from './refusal.js'
import type { Change, ResourceOf, Resources, State, Table, TokenUse } from './state.js'

/** What an operation may look at beside the state. */
export interface Surroundings {
  readonly quotas: Quotas
  /** Those the configuration names, by id. */
  readonly interfaces: ReadonlyMap<string, NetworkInterface>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * The state as one operation would leave it. Dropped when the operation throws, so
 * that an operation happens whole or not at all.
 */
export class Draft {
  readonly quotas: Quotas
  readonly interfaces: ReadonlyMap<string, NetworkInterface>
  readonly now: number
  readonly changes: Change[] = []
  #state: State
  /** Tables that are copies of this draft's own. */
  readonly #copied = new Set<Table | 'tokens'>()

  constructor(state: State, surroundings: Surroundings) {
    this.quotas = surroundings.quotas
    this.interfaces = surroundings.interfaces
    this.now = surroundings.now
    this.#state = state
  }

  get state(): State {
    return this.#state
  }

  get resources(): Resources {
    return this.#state.resources
  }

  /** An id that nothing has. */
  newId(prefix: IdPrefix): string {
    const { sessions, targets, filters, flowLogs } = this.resources
    for (;;) {
      const id = makeId(prefix)
      if (![sessions, targets, filters, flowLogs].some((table) => table.has(id))) return id
    }
  }

  /** Adds the resource or replaces the one of its id. */
  put<T extends Table>(table: T, resource: ResourceOf[T]): void {
    const map = this.#writable(table, resource.id)
    this.#note(table, resource.id, map.get(resource.id), resource)
    map.set(resource.id, resource)
  }

  remove<T extends Table>(table: T, id: string): void {
    const map = this.#writable(table, id)
    this.#note(table, id, map.get(id), undefined)
    map.delete(id)
  }

  setTokens(tokens: ReadonlyMap<string, TokenUse>): void {
    this.#state = { ...this.#state, tokens }
  }

  #note<T extends Table>(
    table: T,
    id: string,
    before: ResourceOf[T] | undefined,
    after: ResourceOf[T] | undefined,
  ): void {
    this.changes.push({ table, id, before, after } as Change)
  }

  #writable<T extends Table>(table: T, id: string): Map<string, ResourceOf[T]> {
    if (this.#state.declared.has(id)) {
      throw new Refusal(
        'OperationNotPermitted',
        `${id} is declared in the configuration of the appliance: change it there`,
      )
    }
    if (!this.#copied.has(table)) {
      this.#copied.add(table)
      const resources = {
        ...this.resources,
        [table]: new Map(this.resources[table] as ReadonlyMap<string, ResourceOf[T]>),
      }
      this.#state = { ...this.#state, resources }
    }
    return this.resources[table] as unknown as Map<string, ResourceOf[T]>
  }
}
