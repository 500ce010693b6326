import { describe, expect, test } from 'vitest'
import { DEADLINE, HOT_WORDS, NO_ENTRY } from '../../src/flow/flow-entry.js'
import { FlowTable } from '../../src/flow/flow-table.js'
import { TimingWheel } from '../../src/flow/timing-wheel.js'
import { Random } from '../support/random.js'

const BEGIN = 1_700_000_000

/** A wheel over a table whose flows are bare indices. */
class Turning {
  readonly table: FlowTable
  readonly wheel: TimingWheel
  looks = 0

  constructor(capacity: number) {
    this.table = new FlowTable(capacity)
    this.wheel = new TimingWheel(capacity)
  }

  insert(flow: number, deadline: number, now: number): void {
    this.setDeadline(flow, deadline)
    this.wheel.insert(flow, deadline, now)
  }

  /** As a packet does: the wheel does not hear of it. */
  setDeadline(flow: number, deadline: number): void {
    this.table.words[flow * HOT_WORDS + DEADLINE] = deadline
  }

  /** The flows that are idle at `now`, taken out; all others that were looked at go back. */
  idleAt(now: number): number[] {
    const idle: number[] = []
    for (let flow = this.wheel.next(now); flow !== NO_ENTRY; flow = this.wheel.next(now)) {
      this.looks++
      const deadline = this.table.words[flow * HOT_WORDS + DEADLINE]!
      if (deadline < now) idle.push(flow)
      else this.wheel.insert(flow, deadline, now)
    }
    return idle.sort((a, b) => a - b)
  }
}

describe('TimingWheel', () => {
  test.each([0, 1, 30, 511, 512, 513, 1023, 1024, 5000, 432_000])(
    'hands a flow over a second after a deadline %i s away, not before',
    (away) => {
      const turning = new Turning(1)
      turning.insert(0, BEGIN + away, BEGIN)
      for (let now = BEGIN; now <= BEGIN + away; now += away > 2000 ? 97 : 1) {
        expect(turning.idleAt(now)).toEqual([])
      }
      expect(turning.idleAt(BEGIN + away)).toEqual([])
      expect(turning.idleAt(BEGIN + away + 1)).toEqual([0])
      expect(turning.idleAt(BEGIN + away + 2000)).toEqual([])
    },
  )

  test('looks at a flow once for each time-out that passes, however often its deadline moves', () => {
    const turning = new Turning(1)
    turning.insert(0, BEGIN + 30, BEGIN)
    for (let now = BEGIN; now <= BEGIN + 3100; now++) {
      turning.setDeadline(0, now + 30)
      expect(turning.idleAt(now)).toEqual([])
    }
    // A second after each deadline that was true when it was looked at.
    expect(turning.looks).toBe(3100 / 31)
  })

  test('looks at a flow far from its deadline less than every eight minutes', () => {
    const turning = new Turning(1)
    turning.insert(0, BEGIN + 432_000, BEGIN)
    for (let now = BEGIN; now <= BEGIN + 432_000; now++) turning.idleAt(now)
    expect(turning.looks).toBeLessThanOrEqual(Math.ceil(432_000 / 480))
  })

  test('hands over at once a flow whose deadline has passed when it comes', () => {
    const turning = new Turning(3)
    turning.insert(0, BEGIN + 5, BEGIN)
    expect(turning.idleAt(BEGIN + 100)).toEqual([0])
    turning.insert(1, BEGIN + 50, BEGIN + 100)
    turning.insert(2, 7, BEGIN + 100)
    // By the next second, and not after a whole turn of the wheel.
    expect(turning.idleAt(BEGIN + 101)).toEqual([1, 2])
  })

  test('finds everything after a leap of the clock', () => {
    const turning = new Turning(100)
    for (let flow = 0; flow < 100; flow++) turning.insert(flow, BEGIN + flow * 11, BEGIN)
    const all = Array.from({ length: 100 }, (_, flow) => flow)
    expect(turning.idleAt(BEGIN + 365 * 86_400)).toEqual(all)
    turning.insert(7, BEGIN + 365 * 86_400 + 3, BEGIN + 365 * 86_400)
    expect(turning.idleAt(BEGIN + 365 * 86_400 + 4)).toEqual([7])
  })

  test.each([1022, 1023, 1024, 1025])('misses no second when the clock leaps by %i s', (leap) => {
    const turning = new Turning(3)
    for (const away of [0, 1, 2]) turning.insert(away, BEGIN + away, BEGIN)
    expect(turning.idleAt(BEGIN + leap)).toEqual([0, 1, 2])
  })

  test('can be left in the middle of a second, and flows be removed that are waiting there', () => {
    const turning = new Turning(5)
    for (let flow = 0; flow < 5; flow++) turning.insert(flow, BEGIN + 1, BEGIN)
    const { wheel } = turning
    const first = wheel.next(BEGIN + 2)
    const waiting = [0, 1, 2, 3, 4].filter((flow) => flow !== first)
    // The next in line, one in the middle, and the last.
    const second = wheel.next(BEGIN + 2)
    const rest = waiting.filter((flow) => flow !== second)
    for (const flow of [...rest].reverse()) wheel.remove(flow)
    expect(wheel.next(BEGIN + 2)).toBe(NO_ENTRY)
    // Those that came in meanwhile are not lost.
    turning.insert(first, BEGIN + 2, BEGIN + 2)
    expect(turning.idleAt(BEGIN + 3)).toEqual([first])
  })

  test.each([1, 2, 3, 4, 5, 6])('agrees with a Map of deadlines, seed %i', (seed) => {
    const random = new Random(seed)
    const turning = new Turning(64)
    const deadlines = new Map<number, number>()
    let now = BEGIN
    for (let step = 0; step < 4000; step++) {
      const flow = random.below(64)
      const timeout = random.pick([0, 1, 5, 30, 300, 511, 512, 600, 1024, 5000])
      if (!deadlines.has(flow)) {
        // Packets that come late have deadlines in the past.
        const deadline = now + timeout - random.pick([0, 0, 0, 1, 40])
        turning.insert(flow, deadline, now)
        deadlines.set(flow, deadline)
      } else if (random.below(3) === 0) {
        turning.wheel.remove(flow)
        deadlines.delete(flow)
      } else {
        const later = Math.max(deadlines.get(flow)!, now + timeout)
        turning.setDeadline(flow, later)
        deadlines.set(flow, later)
      }
      if (random.below(4) !== 0) continue
      now += random.pick([0, 1, 1, 1, 2, 17, 600, 1023, 1024, 1025, 3000])
      // A deadline in the past is noticed when the next second comes.
      const idle = turning.idleAt(now)
      for (const gone of idle) {
        expect(deadlines.get(gone)).toBeLessThan(now)
        deadlines.delete(gone)
      }
      turning.idleAt(now)
      now++
      const expected = [...deadlines].filter(([, deadline]) => deadline < now).map(([of]) => of)
      expect(turning.idleAt(now)).toEqual(expected.sort((a, b) => a - b))
      for (const gone of expected) deadlines.delete(gone)
    }
  })
})
