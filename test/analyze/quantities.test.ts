import { describe, expect, test } from 'vitest'
import {
  formatMoment,
  formatNanoseconds,
  formatOctets,
  formatShare,
  nanosecondsBetween,
} from '../../src/analyze/quantities.js'

describe('formatNanoseconds', () => {
  test.each([
    [0, '0 ns'],
    [999, '999 ns'],
    [1000, '1 µs'],
    [1230, '1.23 µs'],
    [99_960, '100 µs'],
    [12_345_678, '12.3 ms'],
    [1e9, '1 s'],
    [88.5e9, '1.48 min'],
    [7200e9, '2 h'],
    [10 * 86_400e9, '10 d'],
  ])('%i is %s', (nanoseconds, text) => {
    expect(formatNanoseconds(nanoseconds)).toBe(text)
  })
})

describe('formatOctets', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [38_900, '38.9 kB'],
    [1.1e9, '1.1 GB'],
  ])('%i is %s', (octets, text) => expect(formatOctets(octets)).toBe(text))
})

describe('formatShare', () => {
  test.each([
    [0, 10, '0 %'],
    [1, 100_000, '<0.1 %'],
    [1, 3, '33.3 %'],
    [3, 3, '100 %'],
    [0, 0, '0 %'],
  ])('%i of %i is %s', (part, whole, text) => expect(formatShare(part, whole)).toBe(text))
})

describe('formatMoment', () => {
  test.each([
    ['1772366430.000000439', '2026-03-01 12:00:30.000000439 UTC'],
    ['1772366430.123456000', '2026-03-01 12:00:30.123456 UTC'],
    ['4783364000000000.000000000', '4783364000000000.000000000 s after 1970'],
  ])('%s is %s', (moment, text) => expect(formatMoment(moment)).toBe(text))
})

describe('nanosecondsBetween', () => {
  test('is exact where seconds as a number are not', () => {
    expect(nanosecondsBetween('1772366430.999999999', '1772366431.000000002')).toBe(3)
  })
})
