import { type Resources, TABLES } from './state.js'

/** Nothing that is kept ever changes, so each is measured once. */
const sizes = new WeakMap<object, number>()
const totals = new WeakMap<object, number>()

/** Characters of its JSON: near enough to what keeping it takes, and what it takes in the state file. */
export function sizeOf(kept: object): number {
  let size = sizes.get(kept)
  if (size === undefined) {
    size = JSON.stringify(kept).length
    sizes.set(kept, size)
  }
  return size
}

/** Of all entries of a map together. */
export function sizeOfMap(map: ReadonlyMap<string, object>): number {
  let total = totals.get(map)
  if (total === undefined) {
    total = 0
    for (const [key, kept] of map) total += key.length + sizeOf(kept)
    totals.set(map, total)
  }
  return total
}

/** Says what `after` holds, which is `before` with one entry changed, so that nobody counts it all. */
export function noteEntry(
  before: ReadonlyMap<string, object>,
  after: ReadonlyMap<string, object>,
  key: string,
): void {
  const of = (map: ReadonlyMap<string, object>): number => {
    const kept = map.get(key)
    return kept === undefined ? 0 : key.length + sizeOf(kept)
  }
  totals.set(after, sizeOfMap(before) + of(after) - of(before))
}

export function sizeOfResources(resources: Resources): number {
  return TABLES.reduce((sum, table) => sum + sizeOfMap(resources[table]), 0)
}
