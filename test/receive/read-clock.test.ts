import { describe, expect, test } from 'vitest'
import { ReadClock } from '../../src/receive/read-clock.js'

/** Hands that a test turns. `wall` is in milliseconds with a fraction, cut as `Date.now()` cuts it. */
class Hands {
  exact = 1_700_000_000_123.75
  ticks = 5000.25
  readonly origin = this.exact - this.ticks

  wall(): number {
    return Math.floor(this.exact)
  }

  monotonic(): number {
    return this.ticks
  }

  pass(milliseconds: number): void {
    this.exact += milliseconds
    this.ticks += milliseconds
  }
}

const read = (clock: ReadClock): bigint => {
  clock.read()
  return BigInt(clock.seconds) * 1_000_000_000n + BigInt(clock.nanoseconds)
}

describe('ReadClock', () => {
  test('tells fractions of a millisecond', () => {
    const hands = new Hands()
    const clock = new ReadClock(hands)
    expect(read(clock)).toBe(1_700_000_000_123_750_000n)
    hands.pass(0.0625)
    expect(read(clock)).toBe(1_700_000_000_123_812_500n)
    hands.pass(876.25)
    expect(read(clock)).toBe(1_700_000_001_000_062_500n)
  })

  test('stays with the clock over hours, however seldom it is read', () => {
    const hands = new Hands()
    const clock = new ReadClock(hands)
    for (const step of [1, 999.5, 1000, 1000.5, 61_000.25, 3_600_000, 86_400_000.5, 0.25]) {
      hands.pass(step)
      const off = read(clock) - BigInt(Math.floor(hands.exact * 4)) * 250_000n
      expect(off > -1000n && off < 1000n, `after ${step}: ${off}`).toBe(true)
      expect(clock.nanoseconds).toBeLessThan(1_000_000_000)
    }
  })

  test('follows a clock that is set forward', () => {
    const hands = new Hands()
    const clock = new ReadClock(hands)
    hands.exact += 60_000
    hands.pass(1000)
    expect(read(clock)).toBe(BigInt(hands.wall()) * 1_000_000n)
  })

  test('waits for a clock that is set back a little', () => {
    const hands = new Hands()
    const clock = new ReadClock(hands)
    hands.pass(999)
    const before = read(clock)
    hands.exact -= 500
    hands.pass(1)
    expect(read(clock)).toBe(before)
    hands.pass(100)
    expect(read(clock)).toBe(before)
    hands.pass(450)
    expect(read(clock) > before).toBe(true)
  })

  test('follows a clock that is set back by hours', () => {
    const hands = new Hands()
    const clock = new ReadClock(hands)
    read(clock)
    hands.exact -= 7_200_000
    hands.pass(1000)
    expect(read(clock)).toBe(BigInt(hands.wall()) * 1_000_000n)
  })

  test('tells the time of this machine', () => {
    const before = Date.now()
    const now = Number(read(new ReadClock()) / 1_000_000n)
    expect(now).toBeGreaterThan(before - 3)
    expect(now).toBeLessThan(Date.now() + 3)
  })
})
