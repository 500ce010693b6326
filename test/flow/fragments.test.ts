import { describe, expect, test } from 'vitest'
import type { FlowRecord } from '../../src/flow/flow-record.js'
import { rowsOf } from '../../src/flow/flow-row.js'
import { FlowTracker, WAITING_FLOW } from '../../src/flow/flow-tracker.js'
import { Fragments } from '../../src/flow/fragments.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { formatIpv4, formatIpv6 } from '../../src/wire/address.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_RAW } from '../../src/wire/link-type.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { fragments4, fragments6, icmp4, paddedExtension, udp4, udp6 } from '../support/frames.js'
import { Random } from '../support/random.js'
import { heldFlow } from './frames-in-table.js'

const WINDOW = 60
/** A moment at the start of a window. */
const T0 = 1_700_000_040

/** What became of the packets: `source:port > destination:port protocol` → packets and bytes. */
type Counts = Record<string, [packets: number, octets: number]>

function parse(packet: Buffer): Frame {
  const frame = new Frame()
  expect(parseFrame(packet, 0, packet.length, LINKTYPE_RAW, packet.length, frame)).toBeUndefined()
  return frame
}

function address(version: 4 | 6, words: Uint32Array): string {
  if (version === 4) return formatIpv4(words[0]!)
  return formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}

/** A tracker with windows, and the counts of its records. */
class Run {
  readonly counts: Counts = {}
  /** The same by window: `window start: flow`. */
  readonly byWindow: Counts = {}
  readonly tracker: FlowTracker

  constructor(options: { capacity?: number } = {}) {
    this.tracker = new FlowTracker({
      capacity: options.capacity ?? 4096,
      sessions: 4,
      windowSeconds: WINDOW,
      lifetime: LIFETIMES.nfw,
      onRecord: (record) => this.#add(record),
    })
  }

  take(packet: Buffer, seconds = T0, nanoseconds = 0, session = 1): number {
    return this.tracker.track(parse(packet), session, seconds, nanoseconds)
  }

  /** Ends everything and answers with the counts. */
  end(): Counts {
    this.tracker.shutdown()
    expect(this.tracker.fragments.waiting).toBe(0)
    return this.counts
  }

  #add(record: FlowRecord): void {
    const { ipVersion, packetSource, packetDestination, sourcePort, destinationPort } = record
    const from = `${address(ipVersion, packetSource)}:${sourcePort}`
    const to = `${address(ipVersion, packetDestination)}:${destinationPort}`
    const flow = `${from} > ${to} ${record.protocol}`
    for (const [into, key] of [
      [this.counts, flow],
      [this.byWindow, `${record.windowStart - T0}: ${flow}`],
    ] as const) {
      const [packets, octets] = into[key] ?? [0, 0]
      into[key] = [packets + record.packets, octets + record.bytes]
    }
    // Whatever is counted in a window began and ended in it.
    expect(record.startSeconds).toBeGreaterThanOrEqual(record.windowStart)
    expect(record.endSeconds).toBeLessThan(record.windowEnd)
    expect(record.startSeconds).toBeLessThanOrEqual(record.endSeconds)
  }
}

/** A UDP packet of 3,000 bytes of payload in three fragments. */
function three4(id: number, sport = 5000, src = '10.0.0.1'): [Buffer, Buffer, Buffer] {
  const payload = Buffer.alloc(3000)
  const packet = udp4({ src, dst: '10.0.0.2', sport, dport: 53, id, payload })
  return fragments4(packet, 1500) as [Buffer, Buffer, Buffer]
}

function three6(id: number): [Buffer, Buffer, Buffer] {
  const payload = Buffer.alloc(3000)
  const packet = udp6({ src: 'fd00::1', dst: 'fd00::2', sport: 5000, dport: 53, payload })
  return fragments6(packet, 1500, id) as [Buffer, Buffer, Buffer]
}

const WITH_FIRST = { '10.0.0.1:5000 > 10.0.0.2:53 17': [3, 3068] }
const WITH_FIRST_6 = { 'fd00::1:5000 > fd00::2:53 17': [3, 3152] }

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

describe('Fragments', () => {
  test.each(ORDERS)('counts later fragments with their first, in order %i %i %i', (...order) => {
    const v4 = new Run()
    for (const [at, index] of order.entries()) v4.take(three4(7)[index]!, T0, at)
    expect(v4.end()).toEqual(WITH_FIRST)
    expect(v4.tracker.fragments).toMatchObject({ attributed: 2, unattributed: 0 })

    const v6 = new Run()
    for (const [at, index] of order.entries()) v6.take(three6(0xdead_beef)[index]!, T0, at)
    expect(v6.end()).toEqual(WITH_FIRST_6)
    expect(v6.tracker.fragments).toMatchObject({ attributed: 2, unattributed: 0 })
  })

  test.each(ORDERS)(
    'keeps packets apart that run between the same hosts, in order %i %i %i',
    (...order) => {
      const run = new Run()
      for (const index of order) {
        run.take(three4(7, 5000)[index]!)
        run.take(three4(8, 6000)[index]!)
      }
      expect(run.end()).toEqual({
        '10.0.0.1:5000 > 10.0.0.2:53 17': [3, 3068],
        '10.0.0.1:6000 > 10.0.0.2:53 17': [3, 3068],
      })
    },
  )

  test('keeps sessions, protocols and the two directions apart, though the identification is the same', () => {
    const run = new Run()
    const echo = icmp4({
      src: '10.0.0.1',
      dst: '10.0.0.2',
      type: 8,
      id: 7,
      payload: Buffer.alloc(3000),
    })
    const back = udp4({
      src: '10.0.0.2',
      dst: '10.0.0.1',
      sport: 77,
      dport: 88,
      id: 7,
      payload: Buffer.alloc(3000),
    })
    const trains = [three4(7), fragments4(echo, 1500), fragments4(back, 1500)]
    for (const index of [2, 0, 1]) {
      for (const train of trains) run.take(train[index]!)
      run.take(three4(7, 9999)[index]!, T0, 0, 2)
    }
    expect(run.end()).toEqual({
      '10.0.0.1:5000 > 10.0.0.2:53 17': [3, 3068],
      '10.0.0.1:9999 > 10.0.0.2:53 17': [3, 3068],
      '10.0.0.1:0 > 10.0.0.2:0 1': [3, 3068],
      '10.0.0.2:77 > 10.0.0.1:88 17': [3, 3068],
    })
  })

  test.each(ORDERS)(
    'takes the protocol from the first where IPv6 hides it, in order %i %i %i',
    (...order) => {
      // Destination options behind the fragment header: later fragments claim protocol 60 (RFC 8200 §4.5).
      const whole = udp6({
        src: 'fd00::1',
        dst: 'fd00::2',
        sport: 5000,
        dport: 53,
        payload: Buffer.alloc(3000),
        extensions: [paddedExtension(60)],
      })
      const train = fragments6(whole, 1500, 9)
      expect(train).toHaveLength(3)
      expect(parse(train[0]!).protocol).toBe(17)
      expect(parse(train[1]!).protocol).toBe(60)
      const run = new Run()
      for (const index of order) run.take(train[index]!)
      expect(run.end()).toEqual({ 'fd00::1:5000 > fd00::2:53 17': [3, 3160] })
    },
  )

  test('counts under ports 0 what has no first, with the protocol it claims', () => {
    const run = new Run()
    for (const part of three4(7).slice(1)) expect(run.take(part)).toBe(WAITING_FLOW)
    for (const part of three6(7).slice(1)) expect(run.take(part)).toBe(WAITING_FLOW)
    expect(run.tracker.fragments.waiting).toBe(4)
    expect(run.end()).toEqual({
      '10.0.0.1:0 > 10.0.0.2:0 17': [2, 1500 + 68],
      'fd00::1:0 > fd00::2:0 17': [2, 1496 + 160],
    })
    expect(run.tracker.fragments).toMatchObject({ attributed: 0, unattributed: 4 })
  })

  test('ends with the session what waits in it, and leaves what waits in others', () => {
    const run = new Run()
    run.take(three4(7)[1])
    run.take(three4(7)[1], T0, 0, 2)
    run.tracker.endSession(1, 'session-deleted')
    expect(run.counts).toEqual({ '10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500] })
    expect(run.tracker.ended['session-deleted']).toBe(1)
    run.take(three4(7)[0], T0, 0, 2)
    expect(run.end()).toMatchObject({ '10.0.0.1:5000 > 10.0.0.2:53 17': [2, 3000] })
  })

  test.each([
    { waited: 30, with: 'its first' },
    { waited: 31, with: 'ports 0' },
  ])(
    'after $waited s a fragment counts with $with, whether or not work was done meanwhile',
    ({ waited, with: which }) => {
      for (const works of [false, true]) {
        const run = new Run()
        const [first, second] = three4(7)
        run.take(second, T0)
        for (let now = T0; works && now < T0 + waited; now++) {
          run.tracker.advance(now)
          run.tracker.work(1e9)
        }
        run.take(first, T0 + waited)
        const port = which === 'ports 0' ? 0 : 5000
        const expected =
          port === 0
            ? {
                '10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500],
                '10.0.0.1:5000 > 10.0.0.2:53 17': [1, 1500],
              }
            : { '10.0.0.1:5000 > 10.0.0.2:53 17': [2, 3000] }
        expect(run.end(), `works: ${works}`).toEqual(expected)
      }
    },
  )

  test('each fragment that waits has a time limit of its own', () => {
    const run = new Run()
    const [first, second, third] = three4(7)
    run.take(second, T0)
    run.take(third, T0 + 20)
    run.take(first, T0 + 35)
    expect(run.end()).toEqual({
      '10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500],
      '10.0.0.1:5000 > 10.0.0.2:53 17': [2, 1568],
    })
  })

  test.each([
    { later: T0 + 131, with: 'its first' },
    { later: T0 + 132, with: 'ports 0' },
  ])(
    'a first is remembered for 30 s after the latest fragment of it: $with',
    ({ later, with: which }) => {
      const run = new Run()
      const [first, second, third] = three4(7)
      run.take(first, T0 + 71)
      run.take(second, T0 + 101)
      run.take(third, later)
      expect(run.tracker.fragments.attributed).toBe(which === 'ports 0' ? 1 : 2)
      run.end()
      expect(run.tracker.fragments.unattributed).toBe(which === 'ports 0' ? 1 : 0)
    },
  )

  test('a first of another time does not count, also where time goes back', () => {
    const run = new Run()
    const [first, second] = three4(7)
    run.take(first, T0 + 86_400)
    expect(run.take(second, T0)).toBe(WAITING_FLOW)
    expect(run.end()).toMatchObject({ '10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500] })
  })

  test('the same identification used again takes the ports of the new first', () => {
    const run = new Run()
    for (const part of three4(7, 5000)) run.take(part, T0)
    for (const part of three4(7, 6000)) run.take(part, T0 + 1)
    expect(run.end()).toEqual({
      '10.0.0.1:5000 > 10.0.0.2:53 17': [3, 3068],
      '10.0.0.1:6000 > 10.0.0.2:53 17': [3, 3068],
    })
  })

  test.each([false, true])(
    'a fragment stays in its window though its first comes in the next (work meanwhile: %s)',
    (works) => {
      const run = new Run()
      const [first, second, third] = three4(7)
      run.take(second, T0 + WINDOW - 1, 900_000_000)
      run.take(first, T0 + WINDOW, 100_000_000)
      if (works) while (run.tracker.work(1e9));
      run.take(third, T0 + WINDOW, 200_000_000)
      run.end()
      expect(run.byWindow).toEqual({
        '0: 10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500],
        '60: 10.0.0.1:5000 > 10.0.0.2:53 17': [2, 1568],
      })
    },
  )

  test('fragments of protocols without ports need not wait, and so stay in their windows', () => {
    const run = new Run()
    const echo = (id: number, length: number) =>
      icmp4({ src: '10.0.0.1', dst: '10.0.0.2', type: 8, id, payload: Buffer.alloc(length) })
    run.take(fragments4(echo(7, 3000), 1500)[1]!, T0 + WINDOW - 1)
    run.take(echo(8, 8), T0 + WINDOW)
    run.end()
    expect(run.byWindow).toEqual({
      '0: 10.0.0.1:0 > 10.0.0.2:0 1': [1, 1500],
      '60: 10.0.0.1:0 > 10.0.0.2:0 1': [1, 36],
    })
  })

  test('work hands over the records of a window with all that waited in it', () => {
    const run = new Run()
    run.take(three4(7)[1], T0 + WINDOW - 5)
    run.take(udp4({ src: '10.9.9.9', dst: '10.0.0.2', sport: 1, dport: 2 }), T0 + WINDOW + 1)
    while (run.tracker.work(1e9));
    expect(run.tracker.fragments.waiting).toBe(0)
    expect(run.byWindow).toEqual({ '0: 10.0.0.1:0 > 10.0.0.2:0 17': [1, 1500] })
  })

  test('a packet without a time leaves the times of its flow alone, also in fragments', () => {
    const tracker = new FlowTracker({ capacity: 16, sessions: 2 })
    const [first, second, third] = three4(7)
    const other = udp4({ src: '10.9.9.9', dst: '10.0.0.2', sport: 1, dport: 2 })
    tracker.track(parse(other), 1, T0, 0)
    for (const part of [second, first, third]) tracker.track(parse(part), 1, 0, 0, false)
    const flow = heldFlow(tracker.table, parse(first), 1)
    expect(rowsOf(tracker, flow)[0]).toMatchObject({
      packets: 3,
      firstSeconds: 0,
      firstNanoseconds: 0,
      lastSeconds: 0,
    })
  })

  test('the order in which fragments are given up is that of their times', () => {
    // Ports 0 time out after 30 s of silence like any flow: in another order it would be another number of flows.
    for (let round = 0; round < 20; round++) {
      const run = new Run()
      for (let id = 0; id < 8; id++) run.take(three4(id)[1], T0 + id)
      const late = three4(99)[1]
      run.take(late, T0 + 50)
      run.tracker.advance(T0 + 1000)
      while (run.tracker.work(1e9));
      expect(run.tracker.ended.idle).toBe(2)
    }
  })

  test('also where an identification that comes again gives them up', () => {
    const run = new Run()
    run.take(three4(1)[1], T0)
    run.take(three4(2)[1], T0 + 40)
    run.take(three4(2)[1], T0 + 75)
    run.end()
    expect(run.tracker.ended).toMatchObject({ idle: 2, shutdown: 1 })
  })

  describe('within fixed memory', () => {
    test('loses nothing of a spray of identifications', () => {
      const seen = { packets: 0, octets: 0 }
      const fragments = new Fragments((frame) => {
        seen.packets++
        seen.octets += frame.ipLength
        return 0
      })
      const random = new Random(1)
      let sent = 0
      let octets = 0
      const [first, second] = three4(0).map(parse) as [Frame, Frame]
      for (let round = 0; round < 20_000; round++) {
        const frame = random.below(4) === 0 ? first : second
        frame.fragmentId = random.below(0x1_0000)
        frame.ipLength = 20 + random.below(1480)
        sent++
        octets += frame.ipLength
        fragments.track(frame, 1, T0 + Math.floor(round / 1000), 0)
        if (fragments.waiting > 4096 || seen.packets + fragments.waiting !== sent) {
          expect.fail(
            `after ${sent} packets ${seen.packets} are counted, ${fragments.waiting} wait`,
          )
        }
      }
      expect(fragments.waiting).toBeGreaterThan(1000)
      fragments.flush(Number.POSITIVE_INFINITY)
      expect(fragments.waiting).toBe(0)
      expect(seen).toEqual({ packets: sent, octets })
    })

    test.each([1, 2, 3])(
      'what is given up depends neither on the hash nor on when fragments expire, seed %i',
      (seed) => {
        const random = new Random(seed)
        const counted: string[][] = [[], [], []]
        const all = counted.map(
          (lines) =>
            new Fragments((frame, _session, seconds, nanoseconds) =>
              lines.push(`${frame.srcPort} ${frame.ipLength} ${seconds}.${nanoseconds}`),
            ),
        )
        const [first, second] = three4(0).map(parse) as [Frame, Frame]
        let seconds = T0
        for (let number = 0; number < 60_000; number++) {
          // Far more packets than are remembered, then few for long enough that some expire.
          if (random.below(number % 20_000 < 15_000 ? 4000 : 50) === 0) seconds++
          const frame = random.below(8) === 0 ? first : second
          const fragmentId = random.below(0x4000)
          for (const [index, fragments] of all.entries()) {
            frame.fragmentId = fragmentId
            frame.ipLength = 20 + (number % 1480)
            frame.srcPort = frame === first ? 5000 : 0
            fragments.track(frame, 1, seconds, number)
            if (index === 1 && random.below(100) === 0) fragments.expire(seconds)
          }
          all[2]!.expire(seconds)
        }
        for (const fragments of all) fragments.flush(Number.POSITIVE_INFINITY)
        const inOrder = counted.map((lines) => lines.sort())
        expect(inOrder[1]).toEqual(inOrder[0])
        expect(inOrder[2]).toEqual(inOrder[0])
        expect(all[0]!.unattributed).toBeGreaterThan(1000)
        expect(all[0]!.attributed).toBeGreaterThan(1000)
      },
    )

    test('a pool that is full counts under ports 0 at once, and is whole again afterwards', () => {
      const ports: number[] = []
      const fragments = new Fragments((frame) => ports.push(frame.srcPort))
      for (let round = 0; round < 3; round++) {
        ports.length = 0
        const [first, later] = three4(round).map(parse) as [Frame, Frame]
        for (let index = 0; index < 4096; index++) {
          expect(fragments.track(later, 1, T0, 0)).toBe(false)
        }
        expect(fragments.track(later, 1, T0, 0)).toBe(true)
        expect(ports).toEqual([0])
        fragments.track(first, 1, T0, 0)
        expect(ports).toHaveLength(4098)
        expect(ports.slice(1).every((port) => port === 5000)).toBe(true)
        expect(fragments.waiting).toBe(0)
      }
      expect(fragments.unattributed).toBe(3)
      expect(fragments.attributed).toBe(3 * 4096)
    })
  })

  test.each(Array.from({ length: 12 }, (_, seed) => seed + 1))(
    'agrees with a plain model whenever work is done, seed %i',
    (seed) => {
      const random = new Random(seed * 7919)
      const packets = randomTrains(random)
      const expected = modelCounts(packets)
      const run = new Run()
      for (const { frame, seconds, nanoseconds } of packets) {
        expect(run.tracker.track(frame, 1, seconds, nanoseconds)).not.toBe(-1)
        if (random.below(6) === 0) while (run.tracker.work(1 + random.below(50)));
      }
      run.end()
      expect(run.byWindow).toEqual(expected.byWindow)
      expect(run.tracker.fragments.attributed).toBe(expected.attributed)
      expect(run.tracker.fragments.unattributed).toBe(expected.unattributed)
    },
  )
})

interface Arrival {
  frame: Frame
  name: string
  seconds: number
  nanoseconds: number
}

/** Packets in fragments, some of which are lost, late or out of order, over four windows. */
function randomTrains(random: Random): Arrival[] {
  const arrivals: (Arrival & { at: number })[] = []
  for (let index = 0; index < 150; index++) {
    const sport = random.pick([5000, 6000])
    const src = random.pick(['10.0.0.1', '10.0.0.3'])
    const began = random.below(4 * WINDOW * 1000)
    for (const part of three4(random.below(40), sport, src)) {
      if (random.below(8) === 0) continue
      const delay = random.below(5) === 0 ? random.below(40_000) : random.below(400)
      const milliseconds = began + delay
      const seconds = T0 + Math.floor(milliseconds / 1000)
      const nanoseconds = (milliseconds % 1000) * 1_000_000
      const frame = parse(part)
      arrivals.push({
        frame,
        name: src,
        seconds,
        nanoseconds,
        // They may come up to 0.9 s after others that are younger.
        at: milliseconds + random.below(900),
      })
    }
  }
  return arrivals.sort((left, right) => left.at - right.at)
}

/** The rules of fragments.ts over maps without bounds, decided by the times of the packets alone. */
function modelCounts(packets: readonly Arrival[]) {
  interface Train {
    latest: number
    port: number | undefined
    waiting: Arrival[]
  }
  const trains = new Map<string, Train>()
  const byWindow: Counts = {}
  let attributed = 0
  let unattributed = 0
  const count = (arrival: Arrival, port: number): void => {
    const flow = `${arrival.name}:${port} > 10.0.0.2:${port === 0 ? 0 : 53} 17`
    const window = Math.floor((arrival.seconds - T0) / WINDOW) * WINDOW
    const [packets, octets] = byWindow[`${window}: ${flow}`] ?? [0, 0]
    byWindow[`${window}: ${flow}`] = [packets + 1, octets + arrival.frame.ipLength]
  }
  const alone: Arrival[] = []
  const giveUp = (train: Train | undefined): void => {
    alone.push(...(train?.waiting ?? []))
  }
  for (const arrival of packets) {
    const { frame, seconds } = arrival
    const key = `${arrival.name} ${frame.fragmentId}`
    let train = trains.get(key)
    if (train === undefined || seconds - train.latest > 30) {
      giveUp(train)
      train = { latest: seconds, port: undefined, waiting: [] }
      trains.set(key, train)
    }
    train.latest = Math.max(train.latest, seconds)
    if (frame.fragment === 1) {
      train.port = frame.srcPort
      count(arrival, frame.srcPort)
      const sameWindow = (other: Arrival): boolean =>
        Math.floor(other.seconds / WINDOW) >= Math.floor(seconds / WINDOW)
      const settled = train.waiting.filter(
        (other) => seconds - other.seconds <= 30 && sameWindow(other),
      )
      for (const other of settled) count(other, frame.srcPort)
      attributed += settled.length
      train.waiting = train.waiting.filter((other) => !settled.includes(other))
    } else if (train.port !== undefined) {
      attributed++
      count(arrival, train.port)
    } else train.waiting.push(arrival)
  }
  for (const train of trains.values()) giveUp(train)
  alone.sort((left, right) => left.seconds - right.seconds || left.nanoseconds - right.nanoseconds)
  for (const arrival of alone) count(arrival, 0)
  unattributed += alone.length
  return { byWindow, attributed, unattributed }
}
