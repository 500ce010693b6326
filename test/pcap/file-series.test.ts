import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { FileSeries } from '../../src/pcap/file-series.js'

const NEVER = Number.POSITIVE_INFINITY
const POLICY = { path: 'x.pcap', rotateBytes: NEVER, rotateSeconds: NEVER, files: NEVER }
const T0 = Date.UTC(2026, 10, 20, 18, 34, 30) / 1000

/** Names of the first files when each is full at once. */
function bySize(path: string, files: number, count: number): string[] {
  const series = new FileSeries({ ...POLICY, path, rotateBytes: 100, files })
  const names = [series.begin(0)]
  while (names.length < count) names.push(series.next(0))
  return names
}

describe('FileSeries', () => {
  test.each([
    { files: NEVER, count: 4, names: ['x.pcap', 'x.pcap1', 'x.pcap2', 'x.pcap3'] },
    { files: 1, count: 3, names: ['x.pcap', 'x.pcap', 'x.pcap'] },
    { files: 2, count: 4, names: ['x.pcap0', 'x.pcap1', 'x.pcap0', 'x.pcap1'] },
    { files: 10, count: 2, names: ['x.pcap0', 'x.pcap1'] },
    {
      files: 11,
      count: 12,
      names: [...Array(11).keys(), 0].map((n) => `x.pcap${`${n}`.padStart(2, '0')}`),
    },
    { files: 1000, count: 2, names: ['x.pcap000', 'x.pcap001'] },
  ])('names files by size as tcpdump does, with -W $files', ({ files, count, names }) => {
    expect(bySize('x.pcap', files, count)).toEqual(names)
  })

  test('puts the number before what compresses', () => {
    expect(bySize('x.pcap.gz', NEVER, 3)).toEqual(['x.pcap.gz', 'x.pcap1.gz', 'x.pcap2.gz'])
    expect(bySize('x.zst', 3, 3)).toEqual(['x0.zst', 'x1.zst', 'x2.zst'])
  })

  test('begins another file once one is larger than the size, as tcpdump does', () => {
    const series = new FileSeries({ ...POLICY, rotateBytes: 100 })
    series.begin(5)
    expect(series.isDue(100, 1e9)).toBe(false)
    expect(series.isDue(101, 0)).toBe(true)
    expect(series.isOver(1e9)).toBe(false)
  })

  test('takes percent signs of a series by size as they are', () => {
    expect(bySize('%H.pcap', NEVER, 2)).toEqual(['%H.pcap', '%H.pcap1'])
  })

  test('counts intervals from the first file, without drift', () => {
    const series = new FileSeries({ ...POLICY, path: '%H%M%S', rotateSeconds: 60 })
    expect(series.begin(T0)).toBe('183430')
    expect(series.isDue(1e9, T0 + 59)).toBe(false)
    expect(series.isDue(0, T0 + 60)).toBe(true)
    expect(series.next(T0 + 75)).toBe('183530')
    expect(series.isDue(0, T0 + 119)).toBe(false)
    // A quiet time, or a host that slept.
    expect(series.next(T0 + 60 * 10 + 59)).toBe('184430')
    expect(series.isDue(0, T0 + 60 * 11)).toBe(true)
  })

  test('leaves what comes late by its time in the open file', () => {
    const series = new FileSeries({ ...POLICY, path: '%s', rotateSeconds: 10 })
    series.begin(100)
    expect(series.next(115)).toBe('110')
    expect(series.isDue(0, 50)).toBe(false)
  })

  test('is over after so many intervals', () => {
    const series = new FileSeries({ ...POLICY, path: '%s', rotateSeconds: 10, files: 2 })
    series.begin(100)
    expect(series.isOver(115)).toBe(false)
    expect(series.next(115)).toBe('110')
    expect(series.isOver(119)).toBe(false)
    expect(series.isOver(120)).toBe(true)
  })

  test('numbers files anew in each interval, as a ring with -W, and is never over', () => {
    const policy = { path: '%s.pcap', rotateBytes: 100, rotateSeconds: 10, files: 2 }
    const series = new FileSeries(policy)
    const names = [series.begin(100), series.next(101), series.next(102), series.next(103)]
    expect(names).toEqual(['100.pcap0', '100.pcap1', '100.pcap0', '100.pcap1'])
    expect(series.next(110)).toBe('110.pcap0')
    expect(series.next(1000)).toBe('1000.pcap0')
    expect(series.isOver(1e6)).toBe(false)
    const endless = new FileSeries({ ...policy, files: NEVER })
    expect([endless.begin(0), endless.next(1), endless.next(10)]).toEqual([
      '0.pcap',
      '0.pcap1',
      '10.pcap',
    ])
  })

  test.each([
    { path: 'x.pcap', rotateSeconds: 60 },
    { path: '100%%.pcap', rotateSeconds: 60 },
    { path: '%Y%m%d.pcap', rotateSeconds: 3600 },
    { path: '%H%M.pcap', rotateSeconds: 59 },
    { path: '%S.pcap', rotateSeconds: 60 },
    { path: '%I.pcap', rotateSeconds: 43_200 },
    { path: 'x.pcap', rotateSeconds: 60, files: 2 },
    { path: 'x.pcap', rotateSeconds: 60, files: 1, rotateBytes: 100 },
  ])('refuses $path every $rotateSeconds s, which would replace itself', (policy) => {
    const make = () => new FileSeries({ ...POLICY, ...policy })
    expect(make).toThrow(OperatorError)
    expect(make).toThrow(/^with -G every file would replace the one before[^\n]*$/)
  })

  test.each([
    { path: '%Y%m%dT%H%M%SZ.pcap', rotateSeconds: 1 },
    { path: '%H.pcap', rotateSeconds: 3600 },
    { path: '%H%M.pcap', rotateSeconds: 60 },
    { path: 'x.pcap', rotateSeconds: 60, files: 1 },
  ])('accepts $path every $rotateSeconds s', (policy) => {
    expect(() => new FileSeries({ ...POLICY, ...policy })).not.toThrow()
  })
})
