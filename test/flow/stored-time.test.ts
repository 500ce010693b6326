import { describe, expect, test } from 'vitest'
import { FAR, StoredTime } from '../../src/flow/stored-time.js'

const DAY = 86_400

describe('StoredTime', () => {
  test('leaves times before FAR as they are', () => {
    const time = new StoredTime()
    for (const seconds of [0, 1, 1_700_000_000, FAR - 1])
      expect(time.secondsOf(seconds)).toBe(seconds)
    expect(new Date(FAR * 1000).getUTCFullYear()).toBe(2097)
  })

  test.each([FAR, FAR + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 12_345, 18_446_744_073])(
    'gives back times from %i on, in 32 bits and in order',
    (far) => {
      const time = new StoredTime()
      const times = [far, far + 1, far + 59, far + DAY, far + 365 * DAY]
      const stored = times.map((seconds) => time.storeFar(seconds))
      expect(stored.map((word) => time.secondsOf(word))).toEqual(times)
      expect([...stored].sort((a, b) => a - b)).toEqual(stored)
      expect(Math.max(...stored)).toBeLessThan(2 ** 32)
      expect(Math.min(...stored)).toBeGreaterThanOrEqual(FAR)
      // Windows stay aligned.
      expect(stored.map((word) => word % DAY)).toEqual(times.map((seconds) => seconds % DAY))
    },
  )

  test('gives back a time up to a day before the first', () => {
    const time = new StoredTime()
    const first = 2 ** 33
    time.storeFar(first)
    expect(time.secondsOf(time.storeFar(first - DAY))).toBe(first - DAY)
  })

  test('holds what is out of reach at the nearest time it has, with room for a time-out above', () => {
    const time = new StoredTime()
    time.storeFar(2 ** 33)
    expect(time.storeFar(2 ** 33 - 30 * DAY)).toBe(FAR)
    const last = time.storeFar(2 ** 40)
    expect(last + 432_000).toBeLessThan(2 ** 32)
    expect(time.storeFar(2 ** 41)).toBe(last)
  })
})
