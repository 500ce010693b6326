import { describe, expect, test } from 'vitest'
import { HeavyKeys } from '../../src/flow/heavy-keys.js'
import { Random } from '../support/random.js'

describe('HeavyKeys', () => {
  test.each([1, 2, 3])('sums as a map does while there is room, seed %i', (seed) => {
    const random = new Random(seed)
    const keys = new HeavyKeys({ keyWords: 2, sums: 1, capacity: 500 })
    const model = new Map<string, { weight: number; sum: number }>()
    for (let run = 0; run < 5000; run++) {
      const key = [random.below(20), random.below(20) * 0x0d00_0001]
      const weight = random.below(1000)
      keys.key.set(key)
      keys.sum(keys.add(weight), 0, run)
      const known = model.get(key.join()) ?? { weight: 0, sum: 0 }
      model.set(key.join(), { weight: known.weight + weight, sum: known.sum + run })
    }
    expect(keys.count).toBe(model.size)
    expect(keys.lost).toBe(0)
    for (const row of keys.top(500)) {
      const key = [keys.keyWord(row, 0), keys.keyWord(row, 1)].join()
      expect({ weight: keys.weightOf(row), sum: keys.sumOf(row, 0) }).toEqual(model.get(key))
    }
    const weights = keys.top(10).map((row) => keys.weightOf(row))
    const sorted = [...model.values()].map(({ weight }) => weight).sort((a, b) => b - a)
    expect(weights).toEqual(sorted.slice(0, 10))
  })

  test.each([1, 2, 3])('keeps the heavy ones and owns up to what they lack, seed %i', (seed) => {
    const random = new Random(seed)
    const keys = new HeavyKeys({ keyWords: 1, sums: 1, capacity: 64 })
    const model = new Map<number, number>()
    for (let run = 0; run < 20_000; run++) {
      // Eight heavy keys among thousands of light ones.
      const isHeavy = random.below(4) === 0
      const key = isHeavy ? random.below(8) : 1000 + random.below(5000)
      const weight = isHeavy ? 1000 : 1 + random.below(3)
      keys.key[0] = key
      keys.sum(keys.add(weight), 0, weight)
      model.set(key, (model.get(key) ?? 0) + weight)
    }
    expect(keys.count).toBeLessThanOrEqual(64)
    expect(keys.dropped).toBeGreaterThan(0)
    const top = keys.top(8)
    expect(top.map((row) => keys.keyWord(row, 0)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    for (let row = 0; row < keys.count; row++) {
      const exact = model.get(keys.keyWord(row, 0))!
      expect(keys.weightOf(row)).toBeLessThanOrEqual(exact)
      expect(keys.weightOf(row)).toBeGreaterThanOrEqual(exact - keys.lost)
      expect(keys.sumOf(row, 0)).toBe(keys.weightOf(row))
    }
  })
})
