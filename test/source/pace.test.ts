import { describe, expect, test } from 'vitest'
import { type Clock, Pace, type Speed } from '../../src/source/pace.js'
import { Random } from '../support/random.js'

/** Time that passes only when someone waits for it, a little more than asked for, as timers do. */
class SteppedClock implements Clock {
  ms = 5_000_000
  sleeps = 0
  /** How much later than asked each sleep ends. */
  oversleep: () => number = () => 0
  turnMs = 0.01
  isStopped = false

  now(): number {
    return this.ms
  }

  async sleep(ms: number): Promise<void> {
    this.sleeps++
    this.ms += Math.max(1, ms) + this.oversleep()
  }

  async turn(): Promise<void> {
    this.ms += this.turnMs
  }

  stopped(): boolean {
    return this.isStopped
  }
}

const SECOND = 1_600_000_000

/** When each packet left, in milliseconds since the first; `stallAt` holds everything up for `stallMs`. */
async function departures(
  speed: Speed,
  stamps: readonly (readonly [seconds: number, nanoseconds: number])[],
  clock = new SteppedClock(),
  stalls: Readonly<Record<number, number>> = {},
): Promise<number[]> {
  const pace = new Pace(speed, clock)
  const left: number[] = []
  const startedAt = clock.ms
  for (const [index, [seconds, nanoseconds]] of stamps.entries()) {
    clock.ms += stalls[index] ?? 0
    await pace.wait(seconds, nanoseconds)
    left.push(clock.ms - startedAt)
  }
  return left
}

/** `count` time stamps `ms` apart. */
function every(ms: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, index) => {
    const microseconds = Math.round(index * ms * 1000)
    return [SECOND + Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1000]
  })
}

describe('Pace', () => {
  test('keeps the times of the capture, across the turn of a second', async () => {
    const stamps: [number, number][] = [
      [SECOND, 999_000_000],
      [SECOND + 1, 4_000_000],
      [SECOND + 1, 4_000_000],
      [SECOND + 61, 0],
    ]
    expect(await departures({ kind: 'original', factor: 1 }, stamps)).toEqual([0, 5, 5, 60_001])
  })

  test.each([
    { factor: 10, expected: [0, 10, 20] },
    { factor: 0.5, expected: [0, 200, 400] },
  ])('goes $factor times as fast', async ({ factor, expected }) => {
    expect(await departures({ kind: 'original', factor }, every(100, 3))).toEqual(expected)
  })

  test('sends packets whose time goes back at once, in the order of the file', async () => {
    const stamps: [number, number][] = [
      [SECOND + 1, 0],
      [SECOND, 0],
      [SECOND + 1, 500_000_000],
      [SECOND + 1, 400_000_000],
      [SECOND + 2, 0],
    ]
    const left = await departures({ kind: 'original', factor: 1 }, stamps)
    expect(left).toEqual([0, 0, 500, 500, 1000])
  })

  test('spreads packets evenly at a fixed rate, whatever their times', async () => {
    const stamps = Array.from({ length: 5 }, () => [0, 0] as const)
    const left = await departures({ kind: 'rate', packetsPerSecond: 100 }, stamps)
    expect(left).toEqual([0, 10, 20, 30, 40])
  })

  test('never waits at full speed', () => {
    const pace = new Pace({ kind: 'max' }, new SteppedClock())
    expect(pace.wait(SECOND, 0)).toBeUndefined()
    expect(pace.wait(SECOND + 1000, 0)).toBeUndefined()
  })

  test('needs no timer for each packet at high rates', async () => {
    const clock = new SteppedClock()
    const stamps = Array.from({ length: 100_000 }, () => [0, 0] as const)
    const left = await departures({ kind: 'rate', packetsPerSecond: 100_000 }, stamps, clock)
    expect(clock.sleeps).toBeLessThan(1100)
    expect(left.at(-1)).toBeCloseTo(1000, -1)
  })

  test.each([1, 2, 3])('does not drift though every timer is late, seed %i', async (seed) => {
    const random = new Random(seed)
    const clock = new SteppedClock()
    clock.oversleep = () => random.below(1000) / 500
    const stamps = Array.from({ length: 50_000 }, () => [0, 0] as const)
    const left = await departures({ kind: 'rate', packetsPerSecond: 10_000 }, stamps, clock)
    expect(Math.abs(left.at(-1)! - 5000)).toBeLessThan(5)
    const late = left.map((at, index) => at - index / 10)
    expect(Math.min(...late)).toBeGreaterThan(-1e-6)
    expect(Math.max(...late)).toBeLessThan(10)
  })

  test('catches up after a stall without a burst, at twice the speed', async () => {
    const stalls = { 1000: 50 }
    const stamps = every(0.1, 4000)
    const speed = { kind: 'original', factor: 1 } as const
    const left = await departures(speed, stamps, new SteppedClock(), stalls)

    // On time before, and again from 100 ms on, when the stall of 50 ms is made up for.
    expect(left[999]! - 99.9).toBeLessThan(2)
    expect(left[1000]! - 100).toBeGreaterThan(45)
    expect(left[2100]! - 210).toBeLessThan(3)
    for (let index = 1000; index + 20 < left.length; index++) {
      // Any 20 packets are 2 ms of the schedule: 1 ms of it at once, the other at twice the speed.
      expect(left[index + 20]! - left[index]!, `packet ${index}`).toBeGreaterThan(0.45)
    }
  })

  test('forgives most of a long stall', async () => {
    const stalls = { 10: 3_600_000 }
    const stamps = every(100, 100)
    const speed = { kind: 'original', factor: 1 } as const
    const left = await departures(speed, stamps, new SteppedClock(), stalls)
    const resumed = 900 + 3_600_000
    // A second behind: 21 packets at twice the speed, the last ones on time.
    expect(left[30]! - resumed).toBeCloseTo(1050, -1)
    expect(left[99]! - resumed).toBeCloseTo(7900, -1)
  })

  test('begins another pass right behind the last packet', async () => {
    const clock = new SteppedClock()
    const pace = new Pace({ kind: 'original', factor: 1 }, clock)
    const left: number[] = []
    for (let pass = 0; pass < 2; pass++) {
      for (const [seconds, nanoseconds] of every(100, 3)) {
        await pace.wait(seconds, nanoseconds)
        left.push(clock.ms - 5_000_000)
      }
      pace.restart()
    }
    expect(left).toEqual([0, 100, 200, 200, 300, 400])
  })

  test('stops waiting when all is to stop', async () => {
    const clock = new SteppedClock()
    const pace = new Pace({ kind: 'original', factor: 1 }, clock)
    await pace.wait(SECOND, 0)
    clock.sleep = async () => {
      clock.isStopped = true
    }
    await pace.wait(SECOND + 86_400, 0)
    expect(clock.ms).toBe(5_000_000)
  })
})
