import { describe, expect, test } from 'vitest'
import { TimeSeries } from '../../src/analyze/time-series.js'
import { Random } from '../support/random.js'

interface Sample {
  seconds: number
  nanoseconds: number
  column: number
  bytes: number
}

const COLUMNS = 3

function seriesOf(samples: readonly Sample[]): TimeSeries {
  const series = new TimeSeries(COLUMNS)
  for (const { seconds, nanoseconds, column, bytes } of samples) {
    series.add(series.bin(seconds, nanoseconds), column, bytes)
  }
  return series
}

/** Packets by bin of a column, once the width is known, counted as plainly as can be. */
function plainly(samples: readonly Sample[], series: TimeSeries, column: number): number[] {
  const { start, binSeconds, bins } = series.report()
  const microseconds = (text: string): number => Math.round(Number(text) * 1e6)
  const width = microseconds(binSeconds)
  const counts = new Array<number>(bins).fill(0)
  for (const sample of samples) {
    if (sample.column !== column) continue
    const at = sample.seconds * 1e6 + Math.floor(sample.nanoseconds / 1000)
    counts[Math.floor((at - microseconds(start!)) / width)]! += 1
  }
  return counts
}

describe('TimeSeries', () => {
  test('has no bins before the first packet', () => {
    expect(new TimeSeries(1).report()).toMatchObject({ start: null, bins: 0 })
  })

  test('has one narrow bin for one packet', () => {
    const series = seriesOf([{ seconds: 7, nanoseconds: 1500, column: 1, bytes: 60 }])
    expect(series.report()).toEqual({ start: '7.000001', binSeconds: '0.000001', bins: 1 })
    expect(series.bytes(1)).toEqual([60])
    expect(series.packets(0)).toEqual([0])
  })

  test.each([
    { name: 'a millisecond', span: 0.001 },
    { name: 'ten seconds', span: 10 },
    { name: 'an hour', span: 3600 },
    { name: 'a year', span: 31_536_000 },
    { name: 'a century', span: 3_153_600_000 },
  ])('counts as plain arithmetic does over $name, in any order', ({ span }) => {
    const random = new Random(span * 1000)
    const samples = Array.from({ length: 3000 }, () => {
      const at = random.below(1e9) * (span / 1e9)
      return {
        seconds: 1_600_000_000 + Math.floor(at),
        nanoseconds: Math.floor((at % 1) * 1e9),
        column: random.below(COLUMNS),
        bytes: random.below(1500),
      }
    })
    const series = seriesOf(samples)
    const { bins } = series.report()
    expect(bins).toBeGreaterThan(100)
    expect(bins).toBeLessThanOrEqual(720)
    let bytes = 0
    for (let column = 0; column < COLUMNS; column++) {
      expect(series.packets(column), `column ${column}`).toEqual(plainly(samples, series, column))
      bytes += series.bytes(column).reduce((sum, each) => sum + each, 0)
    }
    expect(bytes).toBe(samples.reduce((sum, each) => sum + each.bytes, 0))
  })

  test('survives a clock gone wild', () => {
    const wild = [0, 1_600_000_000, 4_783_364_000_000, 5].map((seconds) => ({
      seconds,
      nanoseconds: 0,
      column: 0,
      bytes: 1,
    }))
    const series = seriesOf(wild)
    expect(series.packets(0).reduce((sum, each) => sum + each, 0)).toBe(4)
    expect(series.report().bins).toBeLessThanOrEqual(720)
  })
})
