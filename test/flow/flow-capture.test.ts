import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CapturedFlows } from '../../src/appliance/captured-flows.js'
import { Column } from '../../src/appliance/column.js'
import { FlowCapture, type FlowCaptureRequest } from '../../src/flow/flow-capture.js'
import { parseFlowFilters } from '../../src/flow/flow-filter.js'
import type { FlowTrackerOptions } from '../../src/flow/flow-lives.js'
import { type FlowRow, rowsOf } from '../../src/flow/flow-row.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { ROW_BYTES, RowBlock } from '../../src/flow/row-block.js'
import { formatIpv4 } from '../../src/wire/address.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_RAW } from '../../src/wire/link-type.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, fragments4, icmp4, mirrored, tcp4, udp4, vxlan } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const T = 1_700_000_000
const FIN = TCP_FIN | TCP_ACK
const RST = TCP_RST | TCP_ACK

function trackerOf(options: Partial<FlowTrackerOptions> = {}): FlowTracker {
  return new FlowTracker({ capacity: 256, sessions: 4, lifetime: LIFETIMES.nfw, ...options })
}

function count(tracker: FlowTracker, packet: Buffer, seconds: number, nanoseconds = 0): number {
  const frame = new Frame()
  parseFrame(packet, 0, packet.length, LINKTYPE_RAW, packet.length, frame)
  return tracker.track(frame, 1, seconds, nanoseconds)
}

/** From `port` of the client, or back to it. */
function tcp(port: number, flags: number, back = false): Buffer {
  return back
    ? tcp4({ src: '10.0.0.2', dst: '10.0.0.1', sport: 443, dport: port, flags })
    : tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: port, dport: 443, flags })
}

const udp = (port: number): Buffer =>
  udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: port, dport: 53 })

function rowText(row: FlowRow): string {
  const end = (address: Uint32Array, port: number) => `${formatIpv4(address[0]!)}:${port}`
  const source = end(row.packetSource, row.sourcePort)
  return `${source} > ${end(row.packetDestination, row.destinationPort)} ${row.packets}`
}

/** What one step finds. The block is small: a step may have to end early. */
function stepped(flows: FlowCapture, budget: number): FlowRow[] {
  const block = new RowBlock(new ArrayBuffer(12 * ROW_BYTES))
  flows.step(budget, block)
  return Array.from({ length: block.count }, (_, index) => block.at(index))
}

/** The flows a capture finds, in no order. */
function capture(
  tracker: FlowTracker,
  request: Partial<FlowCaptureRequest> = {},
  budget = 1000,
): string[] {
  const asked = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0, ...request }
  const flows = new FlowCapture(tracker, asked)
  const rows: FlowRow[] = []
  for (let steps = 0; !flows.done; steps++) {
    if (steps > 10_000) throw new Error('the capture never ends')
    rows.push(...stepped(flows, budget))
  }
  return rows.map(rowText).sort()
}

describe('FlowCapture', () => {
  test('has one row for each direction that has packets', () => {
    const tracker = trackerOf()
    count(tracker, tcp(1000, TCP_SYN), T)
    count(tracker, tcp(1000, TCP_SYN | TCP_ACK, true), T)
    count(tracker, tcp(1000, TCP_ACK), T)
    count(tracker, udp(2000), T)
    expect(capture(tracker)).toEqual([
      '10.0.0.1:1000 > 10.0.0.2:443 2',
      '10.0.0.1:2000 > 10.0.0.2:53 1',
      '10.0.0.2:443 > 10.0.0.1:1000 1',
    ])
  })

  test('leaves out what is over', () => {
    const tracker = trackerOf()
    for (const port of [1, 2, 3, 4]) count(tracker, tcp(port, TCP_SYN), T)
    count(tracker, tcp(1, FIN), T)
    count(tracker, tcp(2, FIN), T)
    count(tracker, tcp(2, FIN, true), T)
    count(tracker, tcp(3, RST, true), T)
    // Half closed is open.
    expect(capture(tracker)).toEqual(['10.0.0.1:1 > 10.0.0.2:443 2', '10.0.0.1:4 > 10.0.0.2:443 1'])
    count(tracker, tcp(3, TCP_SYN), T)
    expect(capture(tracker)).toContain('10.0.0.1:3 > 10.0.0.2:443 1')
  })

  test.each([
    { what: 'UDP, one side', packets: [udp(1)], seconds: LIFETIMES.nfw.udp.new },
    { what: 'TCP, a SYN', packets: [tcp(1, TCP_SYN)], seconds: LIFETIMES.nfw.tcp.new },
    {
      what: 'TCP, established',
      packets: [tcp(1, TCP_SYN), tcp(1, TCP_ACK)],
      seconds: LIFETIMES.nfw.tcp.established,
    },
    {
      what: 'TCP, closing',
      packets: [tcp(1, TCP_SYN), tcp(1, TCP_ACK), tcp(1, FIN)],
      seconds: LIFETIMES.nfw.tcp.closing,
    },
    {
      what: 'ICMP',
      packets: [icmp4({ src: '10.0.0.1', dst: '10.0.0.2', type: 8 })],
      seconds: LIFETIMES.nfw.icmp.new,
    },
  ])('leaves out what is idle for longer than it may be: $what', ({ packets, seconds }) => {
    for (const works of [false, true]) {
      const tracker = trackerOf()
      for (const packet of packets) count(tracker, packet, T, 999_999_999)
      const at = (after: number): number => {
        if (works) tracker.advance(T + after - 1)
        if (works) while (tracker.work(1000));
        return capture(tracker, { atSeconds: T + after }).length
      }
      expect(at(seconds)).toBe(1)
      expect(at(seconds + 1)).toBe(0)
    }
  })

  test('keeps everything where flows do not time out', () => {
    const tracker = new FlowTracker({ capacity: 4, sessions: 2 })
    count(tracker, udp(1), T)
    expect(capture(tracker, { atSeconds: T + 1e6 })).toHaveLength(1)
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
    expect(new FlowCapture(tracker, request).doubt).toBeUndefined()
  })

  test.each([
    { began: [T, 0], minimum: 0, at: [T, 0], found: true },
    { began: [T, 1], minimum: 0, at: [T, 0], found: false },
    { began: [T + 1, 0], minimum: 0, at: [T, 999_999_999], found: false },
    { began: [T, 500_000_000], minimum: 20, at: [T + 20, 500_000_000], found: true },
    { began: [T, 500_000_000], minimum: 20, at: [T + 20, 499_999_999], found: false },
    { began: [T, 500_000_000], minimum: 20, at: [T + 20, 500_000_001], found: true },
    { began: [T, 0], minimum: 20, at: [T + 19, 999_999_999], found: false },
    { began: [T, 999_999_999], minimum: 20, at: [T + 21, 0], found: true },
    { began: [T, 0], minimum: 2 ** 31, at: [T + 20, 0], found: false },
    { began: [T, 0], minimum: -5, at: [T, 0], found: true },
    { began: [T + 1, 0], minimum: -5, at: [T, 0], found: false },
  ])('an age is exact to the nanosecond: $began, at least $minimum s, at $at', (of) => {
    const tracker = trackerOf()
    count(tracker, udp(1), of.began[0]!, of.began[1]!)
    const [atSeconds, atNanoseconds] = of.at as [number, number]
    const request = { minimumAgeSeconds: of.minimum, atSeconds, atNanoseconds }
    expect(capture(tracker, request)).toHaveLength(of.found ? 1 : 0)
  })

  test('each direction is as old as its own first packet', () => {
    const tracker = trackerOf()
    count(tracker, tcp(1, TCP_SYN), T)
    count(tracker, tcp(1, TCP_SYN | TCP_ACK, true), T + 10)
    const request = { minimumAgeSeconds: 15, atSeconds: T + 20 }
    expect(capture(tracker, request)).toEqual(['10.0.0.1:1 > 10.0.0.2:443 1'])
  })

  test('filters by what each direction is', () => {
    const tracker = trackerOf()
    count(tracker, tcp(1, TCP_SYN), T)
    count(tracker, tcp(1, TCP_SYN | TCP_ACK, true), T)
    const filters = parseFlowFilters([{ SourcePort: '443' }])
    if (typeof filters === 'string') throw new Error(filters)
    expect(capture(tracker, { filters })).toEqual(['10.0.0.2:443 > 10.0.0.1:1 1'])
  })

  test.each([1, 2, 3, 7, 64, 1000])('finds the same in steps of %i', (budget) => {
    const random = new Random(5)
    const tracker = trackerOf()
    for (let index = 0; index < 400; index++) {
      count(tracker, tcp(random.below(120), random.pick([TCP_SYN, TCP_ACK, FIN, RST])), T)
      if (index % 50 === 0) tracker.endSession(2, 'session-deleted')
    }
    const whole = capture(tracker, {}, 1e9)
    expect(whole.length).toBeGreaterThan(20)
    expect(capture(tracker, {}, budget)).toEqual(whole)
  })

  test('what begins while it walks is left out, in a new entry or in that of one that ended', () => {
    const tracker = trackerOf()
    for (let port = 1; port <= 10; port++) count(tracker, udp(port), T - port)
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
    const flows = new FlowCapture(tracker, request)
    const rows = stepped(flows, 3)
    // The entries of what was idle are used again.
    tracker.advance(T + 23)
    while (tracker.work(1000));
    for (let port = 101; port <= 120; port++) count(tracker, udp(port), T + 24)
    while (!flows.done) rows.push(...stepped(flows, 3))
    const ports = rows.map(({ sourcePort }) => sourcePort)
    expect(ports.slice(0, 3)).toEqual([1, 2, 3])
    expect(ports.every((port) => port <= 10)).toBe(true)
  })

  test('looks only at the sessions it is to look at', () => {
    const tracker = trackerOf()
    const frame = new Frame()
    for (const session of [1, 2, 3]) {
      const packet = udp(session)
      parseFrame(packet, 0, packet.length, LINKTYPE_RAW, packet.length, frame)
      tracker.track(frame, session, T, 0)
    }
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
    const flows = new FlowCapture(tracker, request, { wants: (session) => session !== 2 })
    expect(flows.rest().map(({ session, sourcePort }) => [session, sourcePort])).toEqual([
      [1, 1],
      [3, 3],
    ])
  })

  test('gives rows of their own memory from all that is left', () => {
    const tracker = trackerOf()
    for (const port of [1, 2, 3]) count(tracker, tcp(port, TCP_SYN, port === 2), T)
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
    const flows = new FlowCapture(tracker, request)
    expect(stepped(flows, 1).map(rowText)).toEqual(['10.0.0.1:1 > 10.0.0.2:443 1'])
    expect(flows.rest().map(rowText)).toEqual([
      '10.0.0.2:443 > 10.0.0.1:2 1',
      '10.0.0.1:3 > 10.0.0.2:443 1',
    ])
    expect(flows.done).toBe(true)
  })

  describe('that flushes', () => {
    /** What a flush finds, and what the table then holds. */
    function flush(tracker: FlowTracker, request: Partial<FlowCaptureRequest>, budget = 1000) {
      const asked = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
      const flows = new FlowCapture(tracker, { ...asked, ...request }, { flush: true })
      const rows: FlowRow[] = []
      while (!flows.done) rows.push(...stepped(flows, budget))
      return { flushed: rows.map(rowText).sort(), left: capture(tracker) }
    }

    test('ends the whole connection when one direction matches, and says which', () => {
      const ends: string[] = []
      const tracker: FlowTracker = trackerOf({
        onEnd: (flow, reason) => ends.push(`${reason} ${rowsOf(tracker, flow).length}`),
      })
      count(tracker, tcp(1, TCP_SYN), T)
      count(tracker, tcp(1, TCP_SYN | TCP_ACK, true), T)
      count(tracker, udp(2), T)
      const filters = parseFlowFilters([{ SourcePort: '443' }])
      if (typeof filters === 'string') throw new Error(filters)
      expect(flush(tracker, { filters })).toEqual({
        flushed: ['10.0.0.2:443 > 10.0.0.1:1 1'],
        left: ['10.0.0.1:2 > 10.0.0.2:53 1'],
      })
      expect(ends).toEqual(['flushed 2'])
      expect(tracker.ended.flushed).toBe(1)
      expect(tracker.evictedAt).toBe(-1)
    })

    test('leaves what is younger, what is over and what began later', () => {
      const tracker = trackerOf()
      count(tracker, udp(1), T - 10)
      count(tracker, udp(2), T - 9)
      count(tracker, tcp(3, RST), T - 20)
      count(tracker, udp(4), T + 1)
      const { flushed } = flush(tracker, { minimumAgeSeconds: 10 })
      expect(flushed).toEqual(['10.0.0.1:1 > 10.0.0.2:53 1'])
      expect(tracker.table.count).toBe(3)
      expect(flush(tracker, {}).flushed).toEqual(['10.0.0.1:2 > 10.0.0.2:53 1'])
      expect(tracker.table.count).toBe(2)
    })

    test('lets what comes later begin anew', () => {
      const tracker = trackerOf()
      count(tracker, tcp(1, TCP_SYN), T - 5)
      flush(tracker, {})
      count(tracker, tcp(1, TCP_ACK), T)
      expect(capture(tracker)).toEqual(['10.0.0.1:1 > 10.0.0.2:443 1'])
      expect(capture(tracker, { minimumAgeSeconds: 1 })).toEqual([])
    })

    test.each([1, 2, 7, 1000])('finds in steps of %i what a capture finds, once each', (budget) => {
      const random = new Random(11)
      const tracker = trackerOf({ windowSeconds: 60, onRecord: () => undefined })
      for (let index = 0; index < 400; index++) {
        const flags = random.pick([TCP_SYN, TCP_ACK, FIN, RST])
        count(tracker, tcp(random.below(120), flags, random.below(2) === 1), T)
      }
      const whole = capture(tracker)
      const closed = tracker.table.count
      expect(flush(tracker, {}, budget)).toEqual({ flushed: whole, left: [] })
      expect(tracker.table.count).toBe(closed - tracker.ended.flushed)
      // The table and its lists are whole: everything can still end.
      tracker.advance(T + 1000)
      while (tracker.work(1000));
      expect(tracker.table.count).toBe(0)
    })
  })

  test('an empty table is done at once', () => {
    const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }
    expect(new FlowCapture(trackerOf(), request).done).toBe(true)
  })

  describe('has its doubts', () => {
    const doubtAt = (tracker: FlowTracker, atSeconds: number): string | undefined =>
      new FlowCapture(tracker, { minimumAgeSeconds: 0, filters: [], atSeconds, atNanoseconds: 0 })
        .doubt

    test('after an eviction, for as long as the flow could have been open', () => {
      const tracker = trackerOf({ capacity: 4 })
      for (let port = 1; port <= 4; port++) count(tracker, udp(port), T)
      expect(doubtAt(tracker, T)).toBeUndefined()
      count(tracker, udp(5), T + 1)
      expect(doubtAt(tracker, T + 1)).toMatch(/evicted/)
      expect(doubtAt(tracker, T + 1 + LIFETIMES.nfw.tcp.established)).toMatch(/evicted/)
      expect(doubtAt(tracker, T + 2 + LIFETIMES.nfw.tcp.established)).toBeUndefined()
    })

    test('after an eviction by the quota of a session', () => {
      const tracker = trackerOf({ sessionQuota: 2 })
      for (let port = 1; port <= 3; port++) count(tracker, udp(port), T)
      expect(doubtAt(tracker, T)).toMatch(/evicted/)
    })

    test('after flows were ended early because the table was nearly full', () => {
      const tracker = trackerOf({ capacity: 100 })
      for (let port = 1; port <= 98; port++) count(tracker, tcp(port, TCP_SYN), T)
      expect(tracker.inEmergency).toBe(true)
      tracker.advance(T + 20)
      while (tracker.work(1000));
      expect(tracker.table.count).toBeLessThan(98)
      expect(doubtAt(tracker, T + 20)).toMatch(/evicted|early/)
    })

    test('after a session with its flows made room for another', async () => {
      const column = new Column(
        {
          sessionKey: 'source+vni',
          unknownSessions: 'accept',
          maxSessions: 2,
          maxFlows: 100,
          sessionQuota: 100,
          lifetime: LIFETIMES.nfw,
          duplicates: 'keep',
        },
        (line) => expect.fail(line),
      )
      const request = { minimumAgeSeconds: 0, filters: [], atSeconds: T + 1, atNanoseconds: 0 }
      const vnis: (number | null)[] = []
      const asked = async () => {
        const found = new CapturedFlows()
        const outcome = await column.captureFlows(request, (batch) => found.add(batch))
        vnis.push(...[...found].map(({ vni }) => vni))
        return outcome
      }
      const take = (vni: number, seconds: number) =>
        column.demux.acceptVxlan(datagramOf(vxlan(vni, ethernet(udp(1))), { seconds }))
      take(1, T)
      take(2, T)
      expect(await asked()).toEqual({ status: 'COMPLETED', reason: null })
      take(3, T + 1)
      take(3, T + 1)
      expect(await asked()).toMatchObject({ status: 'COMPLETED_WITH_ERRORS' })
      expect(vnis.sort()).toEqual([1, 2, 2, 3])
      await column.close()
    })

    test('never without one, also where times are near the epoch', () => {
      for (const began of [0, 1, 200]) {
        const tracker = trackerOf()
        count(tracker, udp(1), began)
        expect(doubtAt(tracker, began)).toBeUndefined()
      }
    })

    test('nor because a flow ended by itself', () => {
      const tracker = trackerOf()
      count(tracker, udp(1), T)
      tracker.advance(T + 31)
      while (tracker.work(1000));
      expect(tracker.ended.idle).toBe(1)
      expect(doubtAt(tracker, T + 32)).toBeUndefined()
    })
  })
})

const SAMPLES = join(import.meta.dirname, '../../samples')

interface JsonFlow {
  session: string | null
  srcAddr: string
  dstAddr: string
  srcPort: number
  dstPort: number
  protocol: number
  packets: number
  firstSeen: string
  lastSeen: string
  ageSeconds: number
  state: string
}

/** A capture with these frames, as a file of the running test. */
function captureOf(shots: readonly Shot[]): string {
  const file = join(temporaryDirectory(), 'capture.pcap')
  writeFileSync(file, pcapFile(shots))
  return file
}

async function jsonFlows(...argv: string[]): Promise<JsonFlow[]> {
  const { code, out, err } = await runCommand('flows', '--json', ...argv)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out) as JsonFlow[]
}

/** By the words of the manual: not closed, and the connection's last packet not too long ago. */
function isOpen(flow: JsonFlow, all: readonly JsonFlow[]): boolean {
  const connection = all.filter(
    ({ session, protocol, srcAddr, dstAddr, srcPort, dstPort }) =>
      session === flow.session &&
      protocol === flow.protocol &&
      [`${srcAddr} ${srcPort}`, `${dstAddr} ${dstPort}`].sort().join() ===
        [`${flow.srcAddr} ${flow.srcPort}`, `${flow.dstAddr} ${flow.dstPort}`].sort().join(),
  )
  const second = (time: string): number => Number(time.split('.')[0])
  const last = Math.max(...connection.map(({ lastSeen }) => second(lastSeen)))
  const now = Math.max(...all.map(({ lastSeen }) => second(lastSeen)))
  const { tcp, udp, icmp, other } = LIFETIMES.nfw
  const timeouts = { 6: tcp, 17: udp, 1: icmp, 58: icmp }[flow.protocol] ?? other
  const timeout = timeouts[flow.state as 'new' | 'established']
  return flow.state !== 'closed' && now - last <= timeout
}

const filtersArgument = (...filters: unknown[]): string[] => [
  '--flow-filters',
  JSON.stringify(filters),
]

describe('flows --open', () => {
  /** Begun at T, T + 5.5 and T + 10; the second closed at T + 12. */
  const shots: Shot[] = [
    { frame: ethernet(tcp(1, TCP_SYN)), seconds: T },
    { frame: ethernet(tcp(2, TCP_SYN)), seconds: T + 5, nanoseconds: 500_000_000 },
    { frame: ethernet(udp(3)), seconds: T + 10 },
    { frame: ethernet(tcp(2, RST, true)), seconds: T + 12 },
  ]
  const portsOf = (flows: readonly JsonFlow[]): number[] => flows.map(({ srcPort }) => srcPort)

  test('lists what is open when the last packet comes', async () => {
    const file = captureOf(shots)
    expect(portsOf(await jsonFlows(file, '--open'))).toEqual([1, 3])
    expect(portsOf(await jsonFlows(file))).toEqual([1, 2, 3, 443])
  })

  test('lists what was open at a moment', async () => {
    const file = captureOf(shots)
    const at = (time: string) => jsonFlows(file, '--open', '--at', time)
    expect(portsOf(await at(`${T + 11}`))).toEqual([1, 2, 3])
    expect(portsOf(await at(`${T + 10}`))).toEqual([1, 2, 3])
    expect(portsOf(await at(`${T + 9}.999999999`))).toEqual([1, 2])
    expect(portsOf(await at(`${T + 5}.499999999`))).toEqual([1])
    expect(portsOf(await at(`${T - 1}`))).toEqual([])
    expect(portsOf(await at('2023-11-14T22:13:30Z'))).toEqual([1, 2, 3])
    expect(portsOf(await at(`${T + 40}`))).toEqual([1, 3])
    expect(portsOf(await at(`${T + 41}`))).toEqual([1])
    expect(portsOf(await at(`${T + 61}`))).toEqual([])
    expect(portsOf(await at('99999999999'))).toEqual([])
  })

  test('judges fragments that wait for their first as the appliance does at that moment', async () => {
    const whole = tcp4({
      src: '10.0.0.1',
      dst: '10.0.0.2',
      sport: 1,
      dport: 443,
      payload: Buffer.alloc(2000),
    })
    const file = captureOf([
      { frame: ethernet(fragments4(whole, 1500)[1]!), seconds: T },
      { frame: ethernet(udp(3)), seconds: T + 5 },
    ])
    const at = (seconds: number) => jsonFlows(file, '--open', '--at', String(seconds))
    expect(portsOf(await at(T + 31))).toEqual([3])
    expect(portsOf(await at(T + 32))).toEqual([0, 3])
    expect(portsOf(await at(T + 60))).toEqual([0])
    expect(portsOf(await at(T + 61))).toEqual([])
    // A reading of all flows waits for nothing.
    expect(portsOf(await jsonFlows(file))).toEqual([0, 3])
  })

  test('leaves out what is younger than asked for, exactly', async () => {
    const file = captureOf(shots)
    const old = (seconds: number, at: string) =>
      jsonFlows(file, '--open', '--minimum-flow-age-in-seconds', String(seconds), '--at', at)
    expect(portsOf(await old(5, `${T + 10}.499999999`))).toEqual([1])
    expect(await old(5, `${T + 10}.5`)).toMatchObject([
      { srcPort: 1, firstSeen: `${T}.000000000`, ageSeconds: 10 },
      { srcPort: 2, firstSeen: `${T + 5}.500000000`, ageSeconds: 5 },
    ])
  })

  test('takes the filters of the AWS CLI', async () => {
    const file = captureOf(shots)
    const passing = async (...filters: unknown[]): Promise<number[]> =>
      portsOf(await jsonFlows(file, '--open', ...filtersArgument(...filters)))
    expect(await passing()).toEqual([1, 3])
    expect(await passing({ DestinationPort: '443', Protocols: ['6'] })).toEqual([1])
    expect(await passing({ Protocols: ['17'] }, { SourcePort: '1' })).toEqual([1, 3])
    expect(await passing({ SourceAddress: { AddressDefinition: '10.0.0.2' } })).toEqual([])
    const all = await jsonFlows(file, ...filtersArgument({ SourcePort: '400:500' }))
    expect(portsOf(all)).toEqual([443])
  })

  test('keeps mirrored sessions apart', async () => {
    const outer = { target: '10.9.9.9', frame: ethernet(udp(1)) }
    const file = captureOf([
      { frame: mirrored({ ...outer, source: '10.0.0.1', vni: 7 }), seconds: T },
      { frame: mirrored({ ...outer, source: '10.0.0.2', vni: 7 }), seconds: T },
      { frame: mirrored({ ...outer, source: '10.0.0.1', vni: 8 }), seconds: T },
      { frame: mirrored({ ...outer, source: '10.0.0.1', vni: 8 }), seconds: T + 1 },
    ])
    const flows = await jsonFlows(file, '--open')
    expect(flows.map(({ session, packets }) => [session, packets])).toEqual([
      ['vni-7_10.0.0.1', 1],
      ['vni-7_10.0.0.2', 1],
      ['vni-8_10.0.0.1', 2],
    ])
  })

  test('a table that is too small is said to be, and the rest is put out', async () => {
    const many = Array.from({ length: 20 }, (_, port) => ({
      frame: ethernet(udp(port + 1)),
      seconds: T,
    }))
    const argv = ['flows', captureOf(many), '--open', '--json', '--max-flows', '8']
    const { code, out, err } = await runCommand(...argv)
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: open flows may be missing: [^\n]*--max-flows\n$/)
    expect(JSON.parse(out)).toHaveLength(8)
  })

  test('times near the epoch are times like others', async () => {
    const file = captureOf([
      { frame: ethernet(udp(1)), seconds: 0 },
      { frame: ethernet(udp(2)), seconds: 5 },
    ])
    expect(portsOf(await jsonFlows(file, '--open'))).toEqual([1, 2])
  })

  test('agrees on the samples with a reading of all their flows', async () => {
    for (const name of ['web-and-dns.pcap', 'vxlan-two-sessions.pcap', 'geneve-gwlb.pcap']) {
      const file = join(SAMPLES, name)
      const all = await jsonFlows(file)
      const open = await jsonFlows(file, '--open')
      const expected = all.filter((flow) => isOpen(flow, all))
      expect(open, name).toEqual(expected)
      expect(open.length, name).toBeGreaterThan(0)
      const old = await jsonFlows(file, '--open', '--minimum-flow-age-in-seconds', '1')
      expect(old, name).toEqual(expected.filter(({ ageSeconds }) => ageSeconds >= 1))
    }
  })

  test.each([
    { argv: ['--flow-filters', 'nonsense'], says: /--flow-filters is not JSON: / },
    { argv: ['--flow-filters', '[{\n"SourcePort": x\n}]'], says: /--flow-filters is not JSON: / },
    { argv: ['--flow-filters', ''], says: /--flow-filters is not JSON: / },
    { argv: ['--flow-filters', '{}'], says: /FlowFilters must be a list of filters/ },
    { argv: ['--flow-filters', '[{"Port":"1"}]'], says: /FlowFilters\[0\]\.Port is not known/ },
    { argv: ['--flow-filters', '[{"SourcePort":1}]'], says: /FlowFilters\[0\]\.SourcePort 1 must/ },
    {
      argv: filtersArgument(...new Array<object>(21).fill({})),
      says: /FlowFilters holds 21 filters, and 20 is the most/,
    },
    { argv: ['--minimum-flow-age-in-seconds', '-1'], says: /whole number from 0/ },
    { argv: ['--minimum-flow-age-in-seconds', '1.5'], says: /whole number from 0/ },
    { argv: ['--minimum-flow-age-in-seconds', 'soon'], says: /whole number from 0/ },
    { argv: ['--at', 'yesterday'], says: /Give seconds such as/ },
    { argv: ['--at', '1.0000000001'], says: /Give seconds such as/ },
    { argv: ['--at', '2023-02-30T00:00:00Z'], says: /Give seconds such as/ },
  ])('refuses $argv in one line', async ({ argv, says }) => {
    const file = join(SAMPLES, 'web-and-dns.pcap')
    const { code, out, err } = await runCommand('flows', '--open', file, ...argv)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
  })
})
