/** Entries of the upper layer before it is merged: small enough to copy at each change. */
const UPPER_MAX = 128

const GONE = Symbol('gone')

/**
 * A map that is never changed: `with` and `without` give another. What they cost does not grow
 * with the map: both share one large lower layer and have a small upper one of their own, and
 * merging the layers is paid for by the changes between two merges. Iterates in order of insertion.
 */
export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly size: number
  readonly #lower: ReadonlyMap<K, V>
  readonly #upper: ReadonlyMap<K, V | typeof GONE>

  private constructor(
    lower: ReadonlyMap<K, V>,
    upper: ReadonlyMap<K, V | typeof GONE>,
    size: number,
  ) {
    this.#lower = lower
    this.#upper = upper
    this.size = size
  }

  /** `map` must not change from now on. */
  static of<K, V>(map: ReadonlyMap<K, V>): LayeredMap<K, V> {
    return map instanceof LayeredMap ? map : new LayeredMap(map, new Map(), map.size)
  }

  get(key: K): V | undefined {
    const found = this.#upper.get(key)
    if (found === undefined) return this.#lower.get(key)
    return found === GONE ? undefined : found
  }

  has(key: K): boolean {
    return this.get(key) !== undefined
  }

  /** `value` must not be undefined. */
  with(key: K, value: V): LayeredMap<K, V> {
    // What comes again comes last, but the lower layer would show it in its old place.
    if (this.#upper.get(key) === GONE) return this.#merged().with(key, value)
    return this.#changed(key, value, this.has(key) ? 0 : 1)
  }

  without(key: K): LayeredMap<K, V> {
    if (!this.has(key)) return this
    return this.#changed(key, GONE, -1)
  }

  #changed(key: K, value: V | typeof GONE, growth: number): LayeredMap<K, V> {
    const upper = new Map(this.#upper)
    if (value === GONE && !this.#lower.has(key)) upper.delete(key)
    else upper.set(key, value)
    const next = new LayeredMap(this.#lower, upper, this.size + growth)
    return upper.size > UPPER_MAX ? next.#merged() : next
  }

  #merged(): LayeredMap<K, V> {
    return LayeredMap.of(new Map(this))
  }

  *entries(): Generator<[K, V], undefined> {
    for (const [key, value] of this.#lower) {
      const above = this.#upper.get(key)
      if (above !== GONE) yield [key, above ?? value]
    }
    for (const [key, value] of this.#upper) {
      if (value !== GONE && !this.#lower.has(key)) yield [key, value]
    }
  }

  *keys(): Generator<K, undefined> {
    for (const [key] of this.entries()) yield key
  }

  *values(): Generator<V, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries()
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this)
  }
}
