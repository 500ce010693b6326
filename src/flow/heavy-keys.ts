import { randomFillSync } from 'node:crypto'
import { Top } from './top.js'

const TABLE = 256

/**
 * Sums by key for the keys that weigh most, in bounded memory.
 *
 * Exact while there are no more keys than `capacity`. When one more comes, the
 * lighter half is let go; `lost` then says how much a key that is still here may
 * lack at most. Whatever weighs more than that is certainly here.
 */
export class HeavyKeys {
  /** To be filled with a key before `add`. */
  readonly key: Uint32Array
  /** Keys held now; their rows are 0 to count - 1. */
  count = 0
  /** Keys let go. */
  dropped = 0
  /** Weight that a key may lack at most; 0 while all is exact. */
  lost = 0

  readonly #keyWords: number
  readonly #sumCount: number
  readonly #capacity: number
  readonly #keys: Uint32Array
  readonly #weights: Float64Array
  readonly #sums: Float64Array
  readonly #slots: Uint32Array
  readonly #mask: number
  /** Simple tabulation with random tables, as flow-hash.ts has it: a sender chooses the keys. */
  readonly #tables: Uint32Array

  constructor(options: { keyWords: number; sums: number; capacity: number }) {
    const { keyWords, sums, capacity } = options
    this.#keyWords = keyWords
    this.#sumCount = sums
    this.#capacity = capacity
    this.key = new Uint32Array(keyWords)
    this.#keys = new Uint32Array(capacity * keyWords)
    this.#weights = new Float64Array(capacity)
    this.#sums = new Float64Array(capacity * sums)
    let slots = 4
    while (slots < capacity * 2) slots *= 2
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
    this.#tables = randomFillSync(new Uint32Array(keyWords * 4 * TABLE))
  }

  /** The row of `key`, which is made if need be, `weight` heavier than it was. Rows found before may have moved. */
  add(weight: number): number {
    let slot = this.#slotOf(this.key, 0)
    if (this.#slots[slot] === 0) {
      if (this.count === this.#capacity) {
        this.#dropLighter()
        slot = this.#slotOf(this.key, 0)
      }
      this.#keys.set(this.key, this.count * this.#keyWords)
      this.#slots[slot] = ++this.count
    }
    const row = this.#slots[slot]! - 1
    this.#weights[row]! += weight
    return row
  }

  /** Adds to one of a row's sums. */
  sum(row: number, index: number, value: number): void {
    this.#sums[row * this.#sumCount + index]! += value
  }

  sumOf(row: number, index: number): number {
    return this.#sums[row * this.#sumCount + index]!
  }

  weightOf(row: number): number {
    return this.#weights[row]!
  }

  keyWord(row: number, word: number): number {
    return this.#keys[row * this.#keyWords + word]!
  }

  /** The `count` rows for which `by` is highest, highest first; of equal ones those that came first. */
  top(count: number, by: (row: number) => number = (row) => this.#weights[row]!): number[] {
    const top = new Top<number>(count)
    for (let row = 0; row < this.count; row++) {
      const weight = by(row)
      if (top.wants(weight)) top.add(weight, row)
    }
    return top.rows
  }

  #dropLighter(): void {
    const ascending = this.#weights.slice(0, this.count).sort()
    const kept = this.count >>> 1
    const limit = ascending[this.count - kept - 1]!
    // A key may have been let go before, and come back: what it lacked then it lacks still.
    this.lost += limit
    const words = this.#keyWords
    const sums = this.#sumCount
    let to = 0
    for (let row = 0; row < this.count; row++) {
      if (this.#weights[row]! <= limit) continue
      this.#weights[to] = this.#weights[row]!
      this.#keys.copyWithin(to * words, row * words, (row + 1) * words)
      this.#sums.copyWithin(to * sums, row * sums, (row + 1) * sums)
      to++
    }
    this.#weights.fill(0, to)
    this.#sums.fill(0, to * sums)
    this.dropped += this.count - to
    this.count = to
    this.#slots.fill(0)
    for (let row = 0; row < to; row++) {
      this.#slots[this.#slotOf(this.#keys, row * words)] = row + 1
    }
  }

  /** The slot of the key at `keys[at …]`, or the empty one where it would go. */
  #slotOf(keys: Uint32Array, at: number): number {
    let slot = this.#hash(keys, at) & this.#mask
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      if (this.#isKey(this.#slots[slot]! - 1, keys, at)) break
    }
    return slot
  }

  #isKey(row: number, keys: Uint32Array, at: number): boolean {
    for (let word = 0; word < this.#keyWords; word++) {
      if (this.#keys[row * this.#keyWords + word] !== keys[at + word]) return false
    }
    return true
  }

  #hash(keys: Uint32Array, at: number): number {
    const tables = this.#tables
    let hash = 0
    for (let word = 0, base = 0; word < this.#keyWords; word++, base += 4 * TABLE) {
      const value = keys[at + word]!
      hash ^=
        tables[base + (value & 0xff)]! ^
        tables[base + TABLE + ((value >>> 8) & 0xff)]! ^
        tables[base + 2 * TABLE + ((value >>> 16) & 0xff)]! ^
        tables[base + 3 * TABLE + (value >>> 24)]!
    }
    return hash >>> 0
  }
}
