import { describe, expect, test } from 'vitest'
import { TimePeriods } from '../../src/analyze/time-periods.js'
import { BINS_MAX, TimeSeries } from '../../src/analyze/time-series.js'
import { Random } from '../support/random.js'

const T = 1_500_000_000
const DAY = 86_400
const YEAR = 365 * DAY

function add(periods: TimePeriods, seconds: number, nanoseconds = 0): void {
  const series = periods.at(seconds)
  series.add(series.bin(seconds, nanoseconds), 0, 100)
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

describe('TimePeriods', () => {
  test('keeps captures of different days apart, in the order of time, each with bins of its own', () => {
    const periods = new TimePeriods(1)
    for (let second = 0; second < 60; second++) add(periods, T + YEAR + second)
    for (let second = 0; second < 600; second++) add(periods, T + second)
    const series = periods.inOrder(BINS_MAX).map((one) => ({
      ...one.report(),
      packets: sum(one.packets(0)),
    }))
    expect(series).toMatchObject([
      { start: `${T}.000000`, binSeconds: '2.000000', bins: 300, packets: 600 },
      { start: `${T + YEAR}.000000`, packets: 60 },
    ])
  })

  test('is one period where packets of a day come with breaks of an hour or two', () => {
    const periods = new TimePeriods(1)
    for (let hour = 0; hour < 24; hour += hour < 12 ? 1 : 2) {
      for (let second = 0; second < 1200; second++) add(periods, T + 3600 * hour + second)
    }
    expect(periods.inOrder(BINS_MAX)).toHaveLength(1)
  })

  test.each([1, 2, 3])(
    'loses no packet and has a bound, whatever times they have, seed %i',
    (seed) => {
      const random = new Random(seed)
      const periods = new TimePeriods(1)
      const plain = new TimeSeries(1)
      for (let packet = 0; packet < 3000; packet++) {
        const seconds = T + random.below(40) * 30 * DAY + random.below(100)
        add(periods, seconds, packet)
        plain.add(plain.bin(seconds, packet), 0, 100)
      }
      const whole = periods.whole()
      expect(whole.report()).toEqual(plain.report())
      expect(whole.packets(0)).toEqual(plain.packets(0))
      const series = periods.inOrder(BINS_MAX)
      expect(series.length).toBe(16)
      expect(sum(series.flatMap((one) => one.packets(0)))).toBe(3000)
      expect(sum(series.map((one) => one.report().bins))).toBeLessThanOrEqual(BINS_MAX)
      const edges = series.flatMap((one) => [one.from, one.to])
      expect(edges.toSorted((a, b) => a - b)).toEqual(edges)
    },
  )
})
