import { describe, expect, test } from 'vitest'
import type { FlowTrackerOptions } from '../../src/flow/flow-lives.js'
import { FlowRecord } from '../../src/flow/flow-record.js'
import { FlowTable } from '../../src/flow/flow-table.js'
import { LIFETIMES, type LifetimeName } from '../../src/flow/lifetime.js'
import { SummedReports } from '../../src/flow/summed-reports.js'
import { Random } from '../support/random.js'
import { frameOf } from './flow-frames.js'
import { touchFrame } from './frames-in-table.js'
import { PlainFlows, type PlainRecord, recordText } from './plain-flows.js'
import { type Drive, differences, TrackerRun } from './tracker-run.js'
import { BEGIN, type TimedPacket, type TrafficShape, traffic } from './traffic.js'

const SHORT = 60
const LONG = 600

const SHAPE: TrafficShape = {
  packets: 2500,
  connections: 30,
  sessions: 3,
  silences: [1, 10, 29, 31, 59, 61, 180, 299, 301, 349, 351, 600, 1800],
}

/** A run with windows of both lengths. */
class TwoLengths {
  readonly run: TrackerRun
  readonly long: PlainRecord[] = []
  readonly longWindows: number[] = []

  constructor(options: Partial<FlowTrackerOptions>, drive: Drive, budget?: number) {
    this.run = new TrackerRun(
      {
        ...options,
        windowSeconds: SHORT,
        longer: {
          windowSeconds: LONG,
          onRecord: (record) => this.long.push(this.run.plain(record)),
          onWindow: (start, end) => {
            expect(end - start).toBe(LONG)
            this.longWindows.push(end)
          },
        },
      },
      drive,
      budget,
    )
  }
}

const lines = (records: readonly PlainRecord[], withReason = true): string[] =>
  records.map((record) => recordText(record, withReason))

function expected(packets: readonly TimedPacket[], profile: LifetimeName, seconds: number) {
  const model = new PlainFlows(LIFETIMES[profile], seconds)
  for (const packet of packets) model.track(packet)
  model.shutdown(lastSecond(packets))
  return model.records
}

const lastSecond = (packets: readonly TimedPacket[]): number =>
  packets.reduce((last, { seconds }) => Math.max(last, seconds), 0)

const CASES = (['nfw', 'vpc', 'ids'] as const).flatMap((profile) =>
  (['timer', 'packets'] as const).flatMap((drive) =>
    [1, 2].map((seed) => ({ profile, drive, seed })),
  ),
)

describe('SummedReports, beside short windows', () => {
  test.each(CASES)(
    'makes the records that long windows alone would make: $profile, driven by $drive, seed $seed',
    ({ profile, drive, seed }) => {
      const packets = traffic(new Random(seed), { ...SHAPE, disorderMs: 0 })
      const { run, long } = new TwoLengths({ lifetime: LIFETIMES[profile] }, drive)
      for (const packet of packets) run.packet(packet)
      if (drive === 'timer') run.tick(lastSecond(packets) + 1)
      run.tracker.shutdown()
      const reasons = drive === 'timer'
      for (const [records, seconds] of [
        [run.records, SHORT],
        [long, LONG],
      ] as const) {
        const want = lines(expected(packets, profile, seconds), reasons)
        expect(differences(lines(records, reasons), want), `${seconds} s`).toEqual([])
      }
    },
  )

  test.each([5, 990])('counts every packet once where they come late, by %i ms', (disorderMs) => {
    const packets = traffic(new Random(disorderMs), { ...SHAPE, disorderMs })
    const { run, long } = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'timer')
    for (const packet of packets) run.packet(packet)
    run.tick(lastSecond(packets) + 1)
    run.tracker.shutdown()
    // A packet too late for its short window counts at the start of the next, and so may the record's first.
    const withoutTimes = (records: readonly PlainRecord[]) =>
      lines(records.map((record) => ({ ...record, startSeconds: 0, endSeconds: 0 })))
    const want = withoutTimes(expected(packets, 'nfw', LONG))
    expect(differences(withoutTimes(long), want)).toEqual([])
  })

  test.each([1, 7, 64])('makes the same in slices of %i flows, window by window', (budget) => {
    const packets = traffic(new Random(7), { ...SHAPE, disorderMs: 5 })
    const whole = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'timer')
    const sliced = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'timer', budget)
    const alone = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: LONG })
    for (const packet of packets) {
      whole.run.packet(packet)
      sliced.run.packet(packet)
      alone.packet(packet)
    }
    expect(lines(sliced.long)).toEqual(lines(whole.long))
    expect(sliced.longWindows).toEqual(whole.longWindows)
    // And says that windows are over when one without short ones would.
    expect(whole.longWindows).toEqual(alone.windows)
  })

  test('has handed over all of a window when it says that it is over', () => {
    const packets = traffic(new Random(8), { ...SHAPE, disorderMs: 0 })
    const { run, long, longWindows } = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'timer', 3)
    let checked = 0
    for (const packet of packets) {
      const before = longWindows.length
      const known = long.length
      run.packet(packet)
      if (longWindows.length === before) continue
      // Nothing that leaves later is of a window that was over before.
      checked++
      const over = longWindows[before - 1] ?? 0
      for (const record of long.slice(known)) expect(record.windowEnd).toBeGreaterThan(over)
    }
    expect(checked).toBeGreaterThan(5)
  })

  test('goes over windows of silence at once', () => {
    const { run, long, longWindows } = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'packets')
    const [first] = traffic(new Random(9), { ...SHAPE, packets: 1, disorderMs: 0 })
    const at = BEGIN - (BEGIN % LONG) + 70
    run.packet({ ...first!, seconds: at })
    run.tracker.advance(at + 2 * 86_400)
    run.work()
    expect(long).toHaveLength(1)
    expect(longWindows).toHaveLength(2)
    expect(longWindows[0]).toBe(at - 70 + LONG)
  })

  test('hands over what there is so far, and the rest later', () => {
    const { run, long } = new TwoLengths({ lifetime: LIFETIMES.nfw }, 'packets')
    const [first] = traffic(new Random(10), { ...SHAPE, packets: 1, disorderMs: 0 })
    const packet = { ...first!, seconds: BEGIN - (BEGIN % LONG) + 70 }
    const { session } = packet.name
    run.packet(packet)
    run.packet(packet)
    run.tracker.reportSession(session)
    run.tracker.reportSession(session)
    run.packet({ ...packet, seconds: packet.seconds + 3 })
    run.tracker.reportSession(session + 1)
    run.tracker.shutdown()
    for (const records of [run.records, long]) {
      expect(records.map(({ packets, reason }) => [packets, reason])).toEqual([
        [2, 'window'],
        [1, 'shutdown'],
      ])
    }
  })

  test('hands over what it holds of a flow that ends without another packet', () => {
    const { run, long } = new TwoLengths({}, 'packets')
    const [first] = traffic(new Random(11), { ...SHAPE, packets: 1, disorderMs: 0 })
    const packet = { ...first!, seconds: BEGIN - (BEGIN % LONG) + 5 }
    run.packet(packet)
    run.tracker.advance(packet.seconds + 62)
    run.work()
    expect([run.records.length, long.length]).toEqual([1, 0])
    run.tracker.endSession(packet.name.session, 'session-deleted')
    expect([run.records.length, long.map(({ reason }) => reason)]).toEqual([1, ['session-deleted']])
  })
})

describe('SummedReports', () => {
  test('keeps directions and their flags apart', () => {
    const table = new FlowTable(1)
    const [{ name }] = traffic(new Random(12), { ...SHAPE, packets: 1, disorderMs: 0 }) as [
      TimedPacket,
    ]
    const flow = touchFrame(table, frameOf(name, 0, 40), 1)
    const left: [number, number, number, number, number][] = []
    const long = new SummedReports(
      table,
      { secondsOf: (stored) => stored },
      {
        windowSeconds: LONG,
        onRecord: ({ packets, bytes, startSeconds, endSeconds, vpcTcpFlags }) =>
          left.push([packets, bytes, startSeconds, endSeconds, vpcTcpFlags]),
      },
    )
    const record = new FlowRecord()
    const add = (direction: number, start: number, end: number, vpcTcpFlags: number) => {
      Object.assign(record, {
        windowStart: start - (start % SHORT),
        startSeconds: start,
        endSeconds: end,
      })
      Object.assign(record, { packets: 2, bytes: 100, vpcTcpFlags })
      long.add(flow, direction, record)
    }
    add(1, 1205, 1210, 2)
    add(0, 1201, 1202, 0x12)
    add(1, 1240, 1245, 4)
    add(1, 1260, 1300, 1)
    add(0, 1800, 1801, 1)
    expect(left).toEqual([
      [2, 100, 1201, 1202, 0x12],
      [6, 300, 1205, 1300, 7],
    ])
    long.report(flow, 'idle')
    expect(left.slice(2)).toEqual([[2, 100, 1800, 1801, 1]])
  })
})
