import { describe, expect, test } from 'vitest'
import type { FlowTrackerOptions } from '../../src/flow/flow-lives.js'
import type { EndReason } from '../../src/flow/flow-record.js'
import { LIFETIMES, type Lifetime, type LifetimeName } from '../../src/flow/lifetime.js'
import { Random } from '../support/random.js'
import { type FlowName, frameOf, randomFlowName, reversed } from './flow-frames.js'
import { heldFlow } from './frames-in-table.js'
import { PlainFlows, type PlainRecord, recordText } from './plain-flows.js'
import { type Drive, differences, TrackerRun } from './tracker-run.js'
import { BEGIN, type TimedPacket, type TrafficShape, traffic } from './traffic.js'

const PROFILES = ['nfw', 'vpc', 'ids'] as const satisfies readonly LifetimeName[]

/** Time-outs of all profiles, and a second more and less. */
const SILENCES = [1, 2, 9, 10, 11, 29, 30, 31, 59, 60, 61, 180, 181, 300, 301, 350, 351, 600, 601]

const SHAPE: TrafficShape = { packets: 2500, connections: 30, sessions: 3, silences: SILENCES }

const CASES = PROFILES.flatMap((profile) =>
  [60, 600].flatMap((windowSeconds) =>
    [0, 5, 990].map((disorderMs) => ({
      profile,
      windowSeconds,
      disorderMs,
      seed: windowSeconds + disorderMs,
    })),
  ),
)

/** What the clock shows when a run is shut down: long after the last packet, or right after it. */
function finish(run: TrackerRun, seconds: number): void {
  run.tick(seconds + 1)
  run.tracker.shutdown()
}

function lastSecond(packets: readonly TimedPacket[]): number {
  return packets.reduce((last, { seconds }) => Math.max(last, seconds), 0)
}

function expectedRecords(
  packets: readonly TimedPacket[],
  lifetime: Lifetime | undefined,
  windowSeconds: number,
  end: number,
): PlainRecord[] {
  const model = new PlainFlows(lifetime, windowSeconds)
  for (const packet of packets) model.track(packet)
  model.shutdown(end)
  return model.records
}

const lines = (records: readonly PlainRecord[], withReason = true): string[] =>
  records.map((record) => recordText(record, withReason))

describe('FlowTracker, against a plain model', () => {
  test.each(CASES)(
    'makes the records it should, each for its reason: $profile, $windowSeconds s, $disorderMs ms of disorder, seed $seed',
    ({ profile, windowSeconds, disorderMs, seed }) => {
      const packets = traffic(new Random(seed), { ...SHAPE, disorderMs })
      const lifetime = LIFETIMES[profile]
      const run = new TrackerRun({ lifetime, windowSeconds })
      for (const packet of packets) run.packet(packet)
      const end = lastSecond(packets)
      finish(run, end)
      const expected = expectedRecords(packets, lifetime, windowSeconds, end)
      expect(differences(lines(run.records), lines(expected))).toEqual([])
      expect(run.recorded).toEqual({ packets: run.packets, bytes: run.bytes })
      expect(run.tracker.table.count).toBe(0)
    },
  )

  test.each(CASES)(
    'makes the same records when packets alone move the clock: $profile, $windowSeconds s, $disorderMs ms of disorder, seed $seed',
    ({ profile, windowSeconds, disorderMs, seed }) => {
      const packets = traffic(new Random(seed + 1), { ...SHAPE, disorderMs })
      const lifetime = LIFETIMES[profile]
      const end = lastSecond(packets)
      const expected = lines(expectedRecords(packets, lifetime, windowSeconds, end), false)
      for (const workEvery of [1, 100, Number.POSITIVE_INFINITY]) {
        const run = new TrackerRun({ lifetime, windowSeconds }, 'packets')
        packets.forEach((packet, index) => {
          run.packet(packet)
          if (index % workEvery === 0) run.work()
        })
        run.tracker.shutdown()
        const found = differences(lines(run.records, false), expected)
        expect(found, `work every ${workEvery} packets`).toEqual([])
      }
    },
  )

  test.each([1, 7, 64])('makes the same records in slices of %i flows', (budget) => {
    const packets = traffic(new Random(77), { ...SHAPE, disorderMs: 5 })
    const options = { lifetime: LIFETIMES.nfw, windowSeconds: 60 }
    const whole = new TrackerRun(options)
    const sliced = new TrackerRun(options, 'timer', budget)
    for (const packet of packets) {
      whole.packet(packet)
      sliced.packet(packet)
    }
    finish(whole, lastSecond(packets))
    finish(sliced, lastSecond(packets))
    expect(lines(sliced.records)).toEqual(lines(whole.records))
    expect(sliced.windows).toEqual(whole.windows)
  })

  test('makes the same records when packets come between the slices', () => {
    const packets = traffic(new Random(78), SHAPE)
    const options = { lifetime: LIFETIMES.ids, windowSeconds: 60 }
    const expected = expectedRecords(packets, LIFETIMES.ids, 60, lastSecond(packets))
    const run = new TrackerRun(options, 'packets')
    for (const packet of packets) {
      run.packet(packet)
      run.tracker.work(3)
    }
    run.tracker.shutdown()
    expect(differences(lines(run.records, false), lines(expected, false))).toEqual([])
  })

  test.each([60, 600])('keeps a flow to the end where there are no time-outs, %i s', (window) => {
    const packets = traffic(new Random(79), SHAPE)
    const run = new TrackerRun({ windowSeconds: window }, 'packets')
    for (const packet of packets) run.packet(packet)
    run.tracker.shutdown()
    const expected = expectedRecords(packets, undefined, window, lastSecond(packets))
    expect(differences(lines(run.records, false), lines(expected, false))).toEqual([])
  })

  test('makes one record of a life where there are no windows', () => {
    const packets = traffic(new Random(80), { ...SHAPE, disorderMs: 990 })
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw })
    for (const packet of packets) run.packet(packet)
    finish(run, lastSecond(packets))
    // A window longer than time itself.
    const expected = expectedRecords(packets, LIFETIMES.nfw, 2 ** 33, lastSecond(packets))
    for (const record of expected) {
      record.windowStart = record.startSeconds
      record.windowEnd = record.endSeconds + 1
    }
    expect(differences(lines(run.records), lines(expected))).toEqual([])
  })
})

describe('FlowTracker', () => {
  test.each(CASES)(
    'spans no window with a record, and lets it leave a tick after: $profile, $windowSeconds s, $disorderMs ms of disorder, seed $seed',
    ({ profile, windowSeconds, disorderMs, seed }) => {
      const packets = traffic(new Random(seed + 2), { ...SHAPE, disorderMs })
      const run = new TrackerRun({ lifetime: LIFETIMES[profile], windowSeconds })
      for (const packet of packets) run.packet(packet)
      finish(run, lastSecond(packets))
      const wrong = run.records.filter(
        ({ windowStart, windowEnd, startSeconds, endSeconds, packets, leftAt }) =>
          !(
            windowStart % windowSeconds === 0 &&
            windowEnd === windowStart + windowSeconds &&
            windowStart <= startSeconds &&
            startSeconds <= endSeconds &&
            endSeconds < windowEnd &&
            packets > 0 &&
            leftAt <= windowEnd
          ),
      )
      expect(wrong.slice(0, 5)).toEqual([])
    },
  )

  test('says of each window, in order, that it is over, after its last record', () => {
    const packets = traffic(new Random(81), { ...SHAPE, silences: [1, 2, 3] })
    const left: number[] = []
    const run = new TrackerRun({
      windowSeconds: 60,
      lifetime: LIFETIMES.nfw,
      onRecord: (record) => left.push(record.windowEnd),
      onWindow: (start, end) => {
        expect(end).toBe(start + 60)
        left.push(-end)
      },
    })
    for (const packet of packets) run.packet(packet)
    const over: number[] = []
    for (const end of left) {
      if (end < 0) over.push(-end)
      else expect(over).not.toContain(end)
    }
    expect(over.length).toBeGreaterThan(10)
    expect(over[0]).toBeLessThanOrEqual(left.find((end) => end > 0)!)
    expect(over).toEqual(over.map((_, index) => over[0]! + 60 * index))
  })

  test('never lets records of one flow overlap', () => {
    const packets = traffic(new Random(82), SHAPE)
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 })
    for (const packet of packets) run.packet(packet)
    finish(run, lastSecond(packets))
    const ends = new Map<string, number>()
    for (const { flow, startSeconds, endSeconds } of run.records) {
      expect(startSeconds).toBeGreaterThanOrEqual(ends.get(flow) ?? 0)
      ends.set(flow, endSeconds)
    }
  })

  test('never grows', () => {
    const run = new TrackerRun({ capacity: 64, lifetime: LIFETIMES.nfw, windowSeconds: 60 })
    const { words, counts, cold, coldCounts } = run.tracker.table
    const sizes = [words, counts, cold, coldCounts].map((array) => array.byteLength)
    for (const packet of traffic(new Random(83), { ...SHAPE, connections: 300 })) run.packet(packet)
    const { table } = run.tracker
    expect([table.words, table.counts, table.cold, table.coldCounts]).toEqual([
      words,
      counts,
      cold,
      coldCounts,
    ])
    expect(table.words).toBe(words)
    expect([words, counts, cold, coldCounts].map((array) => array.byteLength)).toEqual(sizes)
    expect(table.used).toBeLessThanOrEqual(64)
  })

  test.each([
    { capacity: 0, quota: 1 },
    { capacity: 1, quota: 1 },
    { capacity: 2, quota: 1 },
    { capacity: 7, quota: 7 },
    { capacity: 33, quota: 5 },
    { capacity: 100, quota: 60 },
  ])('loses no packet under pressure: capacity $capacity, quota $quota', ({ capacity, quota }) => {
    for (const drive of ['timer', 'packets'] as const satisfies readonly Drive[]) {
      const run = new TrackerRun(
        { capacity, sessionQuota: quota, lifetime: LIFETIMES.nfw, windowSeconds: 60 },
        drive,
        16,
      )
      const { tracker } = run
      const packets = traffic(new Random(capacity + 3), {
        ...SHAPE,
        connections: 600,
        silences: [],
        disorderMs: 3,
      })
      let overQuota = 0
      for (const packet of packets) {
        run.packet(packet)
        if (tracker.sessions.counts[packet.name.session]! > quota) overQuota++
      }
      expect(overQuota).toBe(0)
      expect(tracker.table.count).toBeLessThanOrEqual(capacity)
      finish(run, lastSecond(packets))
      const { recorded } = run
      expect(recorded.packets + run.untracked).toBe(run.packets)
      if (capacity > 0) {
        expect(run.untracked).toBe(0)
        expect(recorded.bytes).toBe(run.bytes)
        expect(tracker.ended.evicted).toBeGreaterThan(0)
      } else expect(run.untracked).toBe(run.packets)
      expect([...tracker.sessions.counts].every((count) => count === 0)).toBe(true)
    }
  })
})

/** 192.0.2.<host>:1000 to 198.51.100.1:443, UDP unless another is given. */
function flow(host: number, protocol = 17, session = 0): FlowName {
  return {
    session,
    version: 4,
    protocol,
    source: [0xc000_0200 + host, 0, 0, 0],
    destination: [0xc633_6401, 0, 0, 0],
    sourcePort: 1000,
    destinationPort: 443,
  }
}

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const ACK = 0x10

/** A tracker whose connections are told by their ends, with what came of each. */
class Lives {
  readonly ended: { packets: number; reason: EndReason; at: number }[] = []
  readonly run: TrackerRun

  constructor(options: Partial<FlowTrackerOptions> = {}) {
    this.run = new TrackerRun({
      lifetime: LIFETIMES.nfw,
      onEnd: (entry, reason) => {
        const { counts } = this.run.tracker.table
        const packets = counts[entry * 16 + 8]! + counts[entry * 16 + 10]!
        this.ended.push({ packets, reason, at: this.run.tracker.now - BEGIN })
      },
      ...options,
    })
  }

  /** A packet at so many seconds after BEGIN. */
  packet(name: FlowName, at: number, tcpFlags = 0, nanoseconds = 0, sequence = 0): number {
    const seconds = BEGIN + at
    return this.run.packet({ name, seconds, nanoseconds, tcpFlags, ipLength: 40, sequence })
  }
}

/** Packets that bring a flow into each state of each class: [from the other side, flags]. */
const STATES: readonly {
  of: keyof Lifetime
  state: 'new' | 'established' | 'closing' | 'closed'
  protocol: number
  packets: readonly [boolean, number][]
}[] = [
  { of: 'tcp', state: 'new', protocol: 6, packets: [[false, SYN]] },
  { of: 'tcp', state: 'established', protocol: 6, packets: [[false, ACK]] },
  {
    of: 'tcp',
    state: 'closing',
    protocol: 6,
    packets: [
      [false, ACK],
      [true, FIN | ACK],
    ],
  },
  {
    of: 'tcp',
    state: 'closed',
    protocol: 6,
    packets: [
      [false, FIN | ACK],
      [true, FIN | ACK],
    ],
  },
  {
    of: 'tcp',
    state: 'closed',
    protocol: 6,
    packets: [
      [false, SYN],
      [true, RST | ACK],
    ],
  },
  {
    of: 'udp',
    state: 'new',
    protocol: 17,
    packets: [
      [false, 0],
      [false, 0],
    ],
  },
  {
    of: 'udp',
    state: 'established',
    protocol: 17,
    packets: [
      [false, 0],
      [true, 0],
    ],
  },
  { of: 'icmp', state: 'new', protocol: 1, packets: [[false, 0]] },
  {
    of: 'icmp',
    state: 'established',
    protocol: 1,
    packets: [
      [false, 0],
      [true, 0],
    ],
  },
  { of: 'other', state: 'new', protocol: 47, packets: [[false, 0]] },
  {
    of: 'other',
    state: 'established',
    protocol: 47,
    packets: [
      [true, 0],
      [false, 0],
    ],
  },
]

describe('FlowTracker, idle time-outs', () => {
  const cases = PROFILES.flatMap((profile) =>
    STATES.map((state) => {
      const of = LIFETIMES[profile][state.of] as Record<string, number>
      return { profile, ...state, seconds: of[state.state]! }
    }),
  )

  test.each(cases)(
    '$profile ends $of that is $state when more than $seconds s have passed, within a tick',
    ({ protocol, packets, profile, seconds }) => {
      const lives = new Lives({ lifetime: LIFETIMES[profile] })
      for (const [other, flags] of packets) {
        lives.packet(other ? reversed(flow(1, protocol)) : flow(1, protocol), 0, flags)
      }
      lives.run.tracker.advance(BEGIN + seconds)
      lives.run.work()
      expect(lives.ended).toEqual([])
      lives.run.tracker.advance(BEGIN + seconds + 1)
      lives.run.work()
      expect(lives.ended).toHaveLength(1)
      expect(lives.ended[0]).toMatchObject({ packets: packets.length, at: seconds + 1 })
    },
  )

  test.each(cases)(
    '$profile goes on with $of that is $state after exactly $seconds s, and begins it anew a second later',
    ({ protocol, packets, profile, seconds }) => {
      for (const [wait, ends] of [
        [seconds, 0],
        [seconds + 1, 1],
      ] as const) {
        const lives = new Lives({ lifetime: LIFETIMES[profile] })
        for (const [other, flags] of packets) {
          lives.packet(other ? reversed(flow(1, protocol)) : flow(1, protocol), 0, flags)
        }
        // Not the timer's doing: the packet itself must tell.
        lives.run.tracker.track(frameOf(flow(1, protocol), ACK), 0, BEGIN + wait, 0)
        expect(lives.ended).toHaveLength(ends)
      }
    },
  )

  test('a packet that comes late does not bring the end nearer', () => {
    const lives = new Lives()
    lives.packet(flow(1), 10)
    // The answer is a millisecond older, and makes the flow established: 300 s from second 10.
    lives.packet(reversed(flow(1)), 9, 0, 999_000_000)
    lives.run.tracker.advance(BEGIN + 310)
    lives.run.work()
    expect(lives.ended).toEqual([])
    lives.run.tracker.advance(BEGIN + 311)
    lives.run.work()
    expect(lives.ended).toHaveLength(1)
  })

  test('a late packet finds its flow alive although the clock has passed the deadline', () => {
    const lives = new Lives()
    lives.packet(flow(1), 0)
    lives.run.tracker.track(frameOf(flow(2)), 0, BEGIN + 31, 0)
    lives.run.work()
    lives.run.tracker.track(frameOf(flow(1)), 0, BEGIN + 30, 999_000_000)
    expect(lives.ended).toEqual([])
  })
})

describe('FlowTracker, reasons', () => {
  const tcp = flow(1, 6)
  const back = reversed(tcp)

  test.each<{
    what: string
    packets: readonly (readonly [FlowName, number, number, sequence?: number])[]
    reasons: readonly EndReason[]
  }>([
    { what: 'silence', packets: [[tcp, 0, SYN]], reasons: ['idle'] },
    {
      what: 'both FINs',
      packets: [
        [tcp, 0, FIN | ACK],
        [back, 1, FIN | ACK],
        [tcp, 2, ACK],
      ],
      reasons: ['closed'],
    },
    {
      what: 'one FIN',
      packets: [
        [tcp, 0, FIN | ACK],
        [back, 1, ACK],
      ],
      reasons: ['idle'],
    },
    {
      what: 'RST',
      packets: [
        [tcp, 0, SYN],
        [back, 1, RST | ACK],
      ],
      reasons: ['reset'],
    },
    {
      what: 'RST after both FINs',
      packets: [
        [tcp, 0, FIN | ACK],
        [back, 0, FIN | ACK],
        [tcp, 1, RST],
      ],
      reasons: ['closed'],
    },
    {
      what: 'SYN on a closed connection',
      packets: [
        [tcp, 0, FIN | ACK],
        [back, 1, FIN | ACK],
        [tcp, 2, SYN],
      ],
      reasons: ['closed', 'idle'],
    },
    {
      what: 'SYN from the other side',
      packets: [
        [tcp, 0, FIN | ACK],
        [back, 1, FIN | ACK],
        [back, 2, SYN],
      ],
      reasons: ['closed', 'idle'],
    },
    {
      what: 'SYN after RST',
      packets: [
        [tcp, 0, SYN],
        [back, 1, RST],
        [tcp, 1, SYN, 1000],
      ],
      reasons: ['reset', 'idle'],
    },
    {
      what: 'SYN with ACK on a closed connection',
      packets: [
        [tcp, 0, RST],
        [back, 1, SYN | ACK],
      ],
      reasons: ['reset'],
    },
    {
      what: 'SYN again after RST',
      packets: [
        [tcp, 0, SYN],
        [back, 1, RST],
        [tcp, 1, SYN],
      ],
      reasons: ['reset'],
    },
    {
      what: 'SYN on an open connection, which it began',
      packets: [
        [tcp, 0, ACK, 1],
        [tcp, 1, SYN, 0],
      ],
      reasons: ['idle'],
    },
    {
      what: 'SYN of another on an open connection',
      packets: [
        [tcp, 0, ACK, 1],
        [tcp, 1, SYN, 1000],
      ],
      reasons: ['idle', 'idle'],
    },
    {
      what: 'SYN long after the end',
      packets: [
        [tcp, 0, RST],
        [tcp, 60, SYN],
      ],
      reasons: ['reset', 'idle'],
    },
  ])('ends by $what as $reasons', ({ packets, reasons }) => {
    const lives = new Lives()
    for (const [name, at, flags, sequence] of packets) lives.packet(name, at, flags, 0, sequence)
    lives.run.tick(BEGIN + 1000)
    expect(lives.ended.map(({ reason }) => reason)).toEqual(reasons)
    const packetsOfLives = lives.ended.reduce((sum, { packets: of }) => sum + of, 0)
    expect(packetsOfLives).toBe(packets.length)
    const counted = Object.values(lives.run.tracker.ended).reduce((sum, count) => sum + count, 0)
    expect(counted).toBe(reasons.length)
    expect(lives.run.records.every(({ reason }) => reasons.includes(reason as EndReason))).toBe(
      true,
    )
  })

  test('ends the flows of one session with it, and leaves the others', () => {
    const lives = new Lives()
    for (let host = 0; host < 9; host++) lives.packet(flow(host, 17, host % 3), 0)
    lives.run.tracker.endSession(1, 'session-deleted')
    expect(lives.ended.map(({ reason }) => reason)).toEqual(Array(3).fill('session-deleted'))
    expect([...lives.run.tracker.sessions.counts.subarray(0, 3)]).toEqual([3, 0, 3])
    lives.run.tracker.endSession(1, 'session-deleted')
    expect(lives.run.tracker.ended['session-deleted']).toBe(3)
    lives.run.tracker.shutdown()
    expect(lives.run.tracker.ended.shutdown).toBe(6)
  })
})

describe('FlowTracker, when full', () => {
  test('gives up flows of a single packet first, the oldest of them, then the longest idle', () => {
    const lives = new Lives({ capacity: 8, lifetime: LIFETIMES.vpc })
    const many = [1, 2, 3, 4]
    const single = [11, 12, 13, 14]
    // The flows of many packets are the older ones; the order within each kind is not that of the entries.
    for (const host of [3, 1, 4, 2]) lives.packet(flow(host), 0)
    for (const host of many) lives.packet(reversed(flow(host)), host)
    for (const host of [13, 11, 14, 12]) lives.packet(flow(host), host)

    const gone: number[] = []
    const evict = (host: number, at: number) => {
      const before = lives.run.records.length
      const name = flow(host)
      lives.packet(name, at)
      lives.packet(reversed(name), at)
      const record = lives.run.records[before]!
      expect(record.reason).toBe('evicted')
      gone.push(Number(/(\d+)\.0\.0\.0:1000 >/.exec(record.flow)![1]) - 0xc000_0200)
    }
    for (let host = 21; host < 29; host++) evict(host, host)
    expect(gone).toEqual([...single, ...many])
    expect(lives.run.tracker.ended.evicted).toBe(8)
  })

  test('tells the longest idle by nanoseconds where seconds are the same', () => {
    const lives = new Lives({ capacity: 3, lifetime: LIFETIMES.vpc })
    const times = [500, 100, 900]
    for (const [host, nanoseconds] of times.entries()) {
      lives.packet(flow(host), 0, 0, 0)
      lives.packet(reversed(flow(host)), 0, 0, nanoseconds)
    }
    lives.packet(flow(9), 1)
    expect(lives.run.records[0]!.flow).toContain(`${0xc000_0201}.0.0.0`)
  })

  test('goes round a table larger than the sample it looks at', () => {
    const lives = new Lives({ capacity: 256, lifetime: LIFETIMES.vpc })
    for (let host = 0; host < 256; host++) {
      lives.packet(flow(host), 0)
      lives.packet(reversed(flow(host)), 0)
    }
    // The flows that would be looked at first are in use.
    for (let host = 0; host < 32; host++) lives.packet(flow(host), 5)
    for (let host = 256; host < 264; host++) {
      lives.packet(flow(host), 10)
      lives.packet(reversed(flow(host)), 10)
    }
    const evicted = lives.run.records.filter(({ endSeconds }) => endSeconds === BEGIN)
    expect(lives.run.tracker.ended.evicted).toBe(8)
    expect(evicted.length).toBeGreaterThanOrEqual(2 * 7)
  })

  test('keeps an active flow through a flood of single packets', () => {
    const lives = new Lives({ capacity: 256 })
    const active = flow(0xff)
    lives.packet(active, 0)
    lives.packet(active, 0)
    for (let scan = 0; scan < 20_000; scan++) {
      const name = { ...flow(1), sourcePort: scan & 0xffff, destinationPort: scan >>> 4 }
      lives.packet(name, 1 + (scan >>> 9))
      // Silent for a while at times, but never idle.
      if (scan % 5000 === 0) lives.packet(active, 1 + (scan >>> 9))
    }
    expect(lives.run.tracker.ended.evicted).toBeGreaterThan(10_000)
    expect(lives.ended.filter(({ packets }) => packets > 1)).toEqual([])
    expect(heldFlow(lives.run.tracker.table, frameOf(active), 0)).toBeGreaterThanOrEqual(0)
  })

  test('takes from sessions that hold more than their share', () => {
    const lives = new Lives({ capacity: 100 })
    // Small sessions came first and have flows of single packets only.
    for (let host = 0; host < 20; host++) lives.packet(flow(host, 17, 1), 0)
    for (let host = 0; host < 300; host++) {
      lives.packet(flow(host, 17, 2), 1, 0, host)
      lives.packet(reversed(flow(host, 17, 2)), 1, 0, host)
    }
    expect([...lives.run.tracker.sessions.counts.subarray(1, 3)]).toEqual([20, 80])
  })

  test('keeps each session to its quota, at the cost of its own flows', () => {
    const lives = new Lives({ capacity: 100, sessionQuota: 10 })
    for (let host = 0; host < 5; host++) lives.packet(flow(host, 17, 1), 0)
    for (let host = 0; host < 200; host++) lives.packet(flow(host, 17, 2), 0, 0, host)
    expect(lives.run.tracker.sessions.counts[1]).toBe(5)
    expect(lives.run.tracker.sessions.counts[2]).toBe(10)
    expect(lives.run.tracker.ended.evicted).toBe(190)
    // The oldest go: the youngest ten are left.
    for (let host = 190; host < 200; host++) {
      expect(heldFlow(lives.run.tracker.table, frameOf(flow(host, 17, 2)), 2)).not.toBe(-1)
    }
  })

  test('is in an emergency above 95 %, until it falls to 85 %, and counts them', () => {
    const { run } = new Lives({ capacity: 100 })
    const { tracker } = run
    let host = 0
    const fill = (count: number, at: number) => {
      while (tracker.table.count < count) {
        tracker.track(frameOf(flow(host++)), 0, BEGIN + at, 0)
      }
    }
    fill(95, 0)
    run.work()
    expect([tracker.inEmergency, tracker.emergencies]).toEqual([false, 0])
    fill(96, 0)
    expect([tracker.inEmergency, tracker.emergencies]).toEqual([true, 1])
    // New UDP flows are idle after 10 s now, not after 30.
    tracker.advance(BEGIN + 10)
    run.work()
    expect(tracker.table.count).toBe(96)
    fill(100, 10)
    tracker.advance(BEGIN + 11)
    run.work()
    expect(tracker.table.count).toBe(4)
    run.work()
    expect([tracker.inEmergency, tracker.emergencies]).toEqual([false, 1])

    // Out of it, the long time-outs hold again.
    tracker.advance(BEGIN + 30)
    run.work()
    expect(tracker.table.count).toBe(4)
    fill(96, 30)
    expect([tracker.inEmergency, tracker.emergencies]).toEqual([true, 2])
  })

  test('leaves the emergency at 85 %, not above', () => {
    const { tracker } = new Lives({ capacity: 100 }).run
    for (let host = 0; host < 96; host++) {
      const session = host < 10 ? 1 : host === 10 ? 2 : 3
      tracker.track(frameOf(flow(host, 17, session)), session, BEGIN, 0)
    }
    tracker.endSession(1, 'session-deleted')
    tracker.work(1000)
    expect([tracker.table.count, tracker.inEmergency]).toEqual([86, true])
    tracker.endSession(2, 'session-deleted')
    tracker.work(1000)
    expect([tracker.table.count, tracker.inEmergency]).toEqual([85, false])
  })

  test.each([1, 10, 32, 50, 96, 100, 4096])(
    'has an end of work in an emergency that cannot be helped, in slices of %i',
    (budget) => {
      const run = new TrackerRun({ capacity: 100, lifetime: LIFETIMES.nfw }, 'packets', budget)
      const { tracker } = run
      for (let host = 0; host < 100; host++) tracker.track(frameOf(flow(host)), 0, BEGIN, 0)
      expect(tracker.inEmergency).toBe(true)
      let slices = 0
      while (tracker.work(budget) && slices < 1000) slices++
      expect(slices).toBeLessThanOrEqual(200)
      expect(tracker.table.count).toBe(100)
    },
  )
})

describe('FlowTracker, clocks', () => {
  const shape = { ...SHAPE, packets: 300, silences: [1, 2] }

  test.each([
    { what: 'forward by a year', leap: 365 * 86_400 },
    { what: 'forward by a day', leap: 86_400 },
    { what: 'forward by the length of the wheel', leap: 1024 },
    { what: 'backward by a minute', leap: -60 },
    { what: 'backward by a year', leap: -365 * 86_400 },
    { what: 'back to the epoch', leap: -BEGIN },
    { what: 'to the last second of 32 bits', leap: 0xffff_ffff - BEGIN - 900 },
    { what: 'beyond 32 bits', leap: 2 ** 33 },
    { what: 'to the end of pcapng time', leap: 18_446_744_073 - BEGIN - 7200 },
  ])('loses no packet when the clock leaps $what', ({ leap }) => {
    for (const lifetime of [LIFETIMES.nfw, LIFETIMES.vpc, undefined]) {
      const run = new TrackerRun(
        { windowSeconds: 60, ...(lifetime && { lifetime }), capacity: 20 },
        'packets',
      )
      const before = traffic(new Random(90), shape)
      const after = traffic(new Random(91), shape)
      for (const packet of before) run.packet(packet)
      run.work()
      for (const packet of after) {
        run.packet({ ...packet, seconds: packet.seconds + leap })
        run.work()
      }
      for (const packet of before) {
        run.packet({ ...packet, seconds: packet.seconds + 1200 })
        run.work()
      }
      run.tracker.shutdown()
      expect(run.recorded).toEqual({ packets: run.packets, bytes: run.bytes })
      const wrong = run.records.filter(
        (record) =>
          record.windowStart % 60 !== 0 ||
          record.windowEnd !== record.windowStart + 60 ||
          record.startSeconds < record.windowStart ||
          record.startSeconds > record.endSeconds ||
          record.endSeconds >= record.windowEnd,
      )
      expect(wrong.slice(0, 3)).toEqual([])
    }
  })

  test.each([2 ** 32, 2 ** 33, 18_446_744_073])(
    'keeps order and windows of times from %i s on',
    (far) => {
      const shift = far - (far % 600) - BEGIN
      const packets = traffic(new Random(92), SHAPE).map((packet) => ({
        ...packet,
        seconds: packet.seconds + shift,
      }))
      const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 }, 'packets')
      for (const packet of packets) {
        run.packet(packet)
        run.work()
      }
      run.tracker.shutdown()
      const expected = expectedRecords(packets, LIFETIMES.nfw, 60, lastSecond(packets))
      expect(differences(lines(run.records, false), lines(expected, false))).toEqual([])
    },
  )

  test('a silence of a year is one step', () => {
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 }, 'packets')
    const year = 365 * 86_400
    run.packet({ name: flow(1), seconds: BEGIN, nanoseconds: 0, tcpFlags: 0, ipLength: 40 })
    run.tracker.advance(BEGIN + year)
    run.work()
    expect(run.records).toHaveLength(1)
    expect(run.windows.length).toBeLessThan(4)
    expect(run.windows[0]).toBe(BEGIN + 60)
  })

  test('a packet without a time counts as of now', () => {
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 }, 'packets')
    const { tracker } = run
    tracker.track(frameOf(flow(1)), 0, BEGIN + 5, 7)
    tracker.track(frameOf(flow(2)), 0, 0, 0, false)
    tracker.track(frameOf(flow(1)), 0, 0, 0, false)
    tracker.track(frameOf(flow(1)), 0, BEGIN + 9, 7)
    tracker.shutdown()
    expect(
      run.records.map(({ startSeconds, endSeconds, packets }) => [
        startSeconds,
        endSeconds,
        packets,
      ]),
    ).toEqual([
      [BEGIN + 5, BEGIN + 9, 3],
      [BEGIN + 5, BEGIN + 5, 1],
    ])
  })

  test('a flow without any time shows nothing of the one that had its entry before', () => {
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw, capacity: 1 }, 'packets')
    const { tracker } = run
    tracker.track(frameOf(flow(1)), 0, BEGIN + 5, 7)
    tracker.track(frameOf(flow(2)), 0, 0, 0, false)
    tracker.shutdown()
    const [timed, untimed] = run.records
    expect(timed).toMatchObject({ startSeconds: BEGIN + 5, endSeconds: BEGIN + 5 })
    const alone = new TrackerRun({ lifetime: LIFETIMES.nfw, capacity: 1 }, 'packets')
    alone.tracker.track(frameOf(flow(2)), 0, 0, 0, false)
    alone.tracker.shutdown()
    const { startSeconds, endSeconds } = alone.records[0]!
    expect(untimed).toMatchObject({ startSeconds, endSeconds })
  })
})

/** Packets and bytes of each flow and window, with the first and last second of them. */
function byWindow(records: readonly PlainRecord[]): string[] {
  const sums = new Map<string, PlainRecord>()
  for (const record of records) {
    const key = `${record.flow} ${record.windowStart}`
    const sum = sums.get(key)
    if (sum === undefined) {
      sums.set(key, { ...record })
      continue
    }
    sum.startSeconds = Math.min(sum.startSeconds, record.startSeconds)
    sum.endSeconds = Math.max(sum.endSeconds, record.endSeconds)
    sum.packets += record.packets
    sum.bytes += record.bytes
    sum.vpcTcpFlags |= record.vpcTcpFlags
  }
  return lines([...sums.values()], false)
}

describe('FlowTracker, when the clock is set', () => {
  /** Steps of the clock in the midst of traffic, and single packets from the future and the past. */
  function withSteps(random: Random, packets: readonly TimedPacket[]): TimedPacket[] {
    let shift = 0
    return packets.map((packet) => {
      if (random.below(300) === 0) {
        shift += random.pick([-3600, -86_400, -61, -12, 3600, 12, 30 * 86_400])
      }
      const stray = random.below(100) === 0 ? random.pick([86_400, -86_400, 3600]) : 0
      return { ...packet, seconds: packet.seconds + shift + stray }
    })
  }

  test.each([1, 2, 3, 4, 5, 6])(
    'every packet counts once and in the window of its own time, seed %i',
    (seed) => {
      const random = new Random(seed)
      const packets = withSteps(random, traffic(random, { ...SHAPE, disorderMs: 990 }))
      for (const windowSeconds of [60, 600]) {
        const expected = byWindow(
          expectedRecords(packets, LIFETIMES.nfw, windowSeconds, Number.MAX_SAFE_INTEGER),
        )
        for (const workEvery of [1, 100, Number.POSITIVE_INFINITY]) {
          const long: PlainRecord[] = []
          const run: TrackerRun = new TrackerRun(
            {
              lifetime: LIFETIMES.nfw,
              windowSeconds,
              longer: {
                windowSeconds: 600,
                onRecord: (record) => long.push(run.plain(record)),
              },
            },
            'packets',
            64,
          )
          packets.forEach((packet, index) => {
            run.packet(packet)
            if (index % workEvery === 0) run.work()
          })
          expect(run.tracker.stepsBack).toBeGreaterThan(0)
          run.tracker.shutdown()
          expect(differences(byWindow(run.records), expected)).toEqual([])
          const inLong = expectedRecords(packets, undefined, 600, Number.MAX_SAFE_INTEGER)
          expect(differences(byWindow(long), byWindow(inLong))).toEqual([])
        }
      }
    },
  )

  test.each([3600, 315_360_000])(
    'a timer that goes back by %i s takes the table along: records leave, flows end',
    (step) => {
      const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 }, 'packets')
      const { tracker } = run
      const name: FlowName = { ...randomName(), protocol: 17 }
      const packet = (seconds: number): void => {
        run.packet({ name, seconds, nanoseconds: 0, tcpFlags: 0, ipLength: 100 })
      }
      const tick = (seconds: number): void => {
        tracker.advance(seconds)
        run.work()
      }
      tick(BEGIN)
      packet(BEGIN + step)
      packet(BEGIN + 2)
      for (let second = 2; second < 12; second++) tick(BEGIN + second)
      expect(tracker.stepsBack).toBe(1)
      expect(tracker.now).toBe(BEGIN + 11)
      packet(BEGIN + 12)
      for (let second = 12; second <= 700; second++) tick(BEGIN + second)
      expect(tracker.table.count).toBe(0)
      expect(run.recorded).toEqual({ packets: run.packets, bytes: run.bytes })
      expect(
        run.records.map(({ windowStart, startSeconds, packets }) => [
          windowStart,
          startSeconds,
          packets,
        ]),
      ).toEqual([
        [BEGIN + step, BEGIN + step, 1],
        // While the clock was ahead this window counted as over: its record left at once.
        [BEGIN, BEGIN + 2, 1],
        [BEGIN, BEGIN + 12, 1],
      ])
      expect(tracker.stepsBack).toBe(1)
    },
  )

  test('flows that stay silent after the clock was set back end after their time-out', () => {
    const run = new TrackerRun({ lifetime: LIFETIMES.nfw, windowSeconds: 60 }, 'packets')
    const { tracker } = run
    const name: FlowName = { ...randomName(), protocol: 17 }
    run.packet({ name, seconds: BEGIN + 7200, nanoseconds: 0, tcpFlags: 0, ipLength: 100 })
    for (let second = 0; second < 700; second++) {
      tracker.advance(BEGIN + second)
      run.work()
    }
    expect(tracker.table.count).toBe(0)
    expect(run.records).toMatchObject([{ windowStart: BEGIN + 7200, packets: 1 }])
  })

  function randomName(): FlowName {
    return randomFlowName(new Random(5), 1)
  }
})
