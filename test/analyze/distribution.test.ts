import { describe, expect, test } from 'vitest'
import { Distribution } from '../../src/analyze/distribution.js'
import { Random } from '../support/random.js'
import { nearestRank } from './nearest-rank.js'

const NONE = { count: 0, min: null, mean: null, p50: null, p999: null, max: null, buckets: [] }

describe('Distribution', () => {
  test('of nothing has nothing to say', () => {
    expect(new Distribution('bytes').report()).toMatchObject({ unit: 'bytes', ...NONE })
  })

  test.each([1, 2, 3])('tells what a plain sort does, to a thousandth, seed %i', (seed) => {
    const random = new Random(seed)
    const distribution = new Distribution('ns')
    // From 0 to beyond 2^31, where the front ends, each power of two alike.
    const values = Array.from({ length: 20_000 }, () => Math.floor(2 ** (random.below(4500) / 100)))
    for (const value of values) distribution.record(value)
    const report = distribution.report()
    const sorted = [...values].sort((left, right) => left - right)

    expect(report.count).toBe(values.length)
    expect(report.min).toBe(sorted[0])
    expect(report.max).toBe(sorted.at(-1))
    expect(report.mean).toBeCloseTo(values.reduce((sum, each) => sum + each, 0) / values.length, 3)
    for (const [key, percentile] of PERCENTILES) {
      const exact = nearestRank(sorted, percentile)
      expect(report[key], key).toBeGreaterThanOrEqual(exact)
      expect(report[key], key).toBeLessThanOrEqual(exact * 1.001)
    }
  })

  test('counts each value up to 2047 for itself', () => {
    const distribution = new Distribution('bytes')
    for (let value = 0; value < 2048; value++) distribution.record(value)
    expect(distribution.report()).toMatchObject({ p50: 1023, p90: 1843, p99: 2027, max: 2047 })
  })

  test.each([
    { name: 'the last of the front', value: 2 ** 31 - 1 },
    { name: 'the first behind it', value: 2 ** 31 },
    { name: 'the largest that is exact', value: Number.MAX_SAFE_INTEGER },
  ])('takes $name', ({ value }) => {
    const distribution = new Distribution('ns')
    distribution.record(value)
    expect(distribution.report()).toMatchObject({ count: 1, min: value, p50: value, max: value })
  })

  test('has buckets of powers of two for bytes', () => {
    const distribution = new Distribution('bytes')
    for (const value of [60, 64, 127, 128, 1500]) distribution.record(value)
    expect(distribution.report().buckets).toEqual([
      { from: 32, to: 64, count: 1 },
      { from: 64, to: 128, count: 2 },
      { from: 128, to: 256, count: 1 },
      { from: 256, to: 512, count: 0 },
      { from: 512, to: 1024, count: 0 },
      { from: 1024, to: 2048, count: 1 },
    ])
  })

  test('has buckets of 1, 2 and 5 for nanoseconds, and one for nothing', () => {
    const distribution = new Distribution('ns')
    for (const value of [0, 0, 1, 4, 5, 10]) distribution.record(value)
    expect(distribution.report().buckets).toEqual([
      { from: 0, to: 1, count: 2 },
      { from: 1, to: 2, count: 1 },
      { from: 2, to: 5, count: 1 },
      { from: 5, to: 10, count: 1 },
      { from: 10, to: 20, count: 1 },
    ])
  })
})

const PERCENTILES = [
  ['p50', 50],
  ['p90', 90],
  ['p99', 99],
  ['p999', 99.9],
] as const
