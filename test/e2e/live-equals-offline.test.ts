import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { type CapturedFlow, CapturedFlows } from '../../src/appliance/captured-flows.js'
import { Column } from '../../src/appliance/column.js'
import { LIFETIMES, type LifetimeName } from '../../src/flow/lifetime.js'
import { FlowLogDirectory } from '../../src/flowlog/flow-log-directory.js'
import { chooseReceiver } from '../../src/receive/open.js'
import { steeringProgram } from '../../src/receive/steering.js'
import { formatIpv4, formatIpv6, parseAddress } from '../../src/wire/address.js'
import { Datagram } from '../../src/wire/packet.js'
import { runCbpf } from '../support/cbpf.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { type Arrival, mirroredTraffic, type TrafficShape } from './mirrored-traffic.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD } from './program.js'

/** The start of a window of 600 s. */
const BEGIN = 1_699_999_800

const FORMAT = [
  'srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol packets bytes start end',
  'tcp-flags flow-direction log-status',
]
  .join(' ')
  .split(' ')
  .map((name) => `\${${name}}`)
  .join(' ')

/** How often the appliance's timer goes off. */
const TICK_MS = 250

interface Run {
  lifetime: LifetimeName
  window: 60 | 600
  /** When the open flows are asked for. */
  captureAt: number
}

/** What a flow capture and `flows --open --json` say of one flow. */
function plainFlow(row: CapturedFlow, at: number): unknown {
  const address = (words: Uint32Array): string =>
    row.ipVersion === 4
      ? formatIpv4(words[0]!)
      : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
  const time = (seconds: number, nanoseconds: number): string =>
    `${seconds}.${String(nanoseconds).padStart(9, '0')}`
  return {
    session: row.sessionName,
    vni: row.vni,
    source: row.source,
    srcAddr: address(row.packetSource),
    dstAddr: address(row.packetDestination),
    srcPort: row.sourcePort,
    dstPort: row.destinationPort,
    protocol: row.protocol,
    packets: row.packets,
    bytes: row.bytes,
    firstSeen: time(row.firstSeconds, row.firstNanoseconds),
    lastSeen: time(row.lastSeconds, row.lastNanoseconds),
    ageSeconds: at - row.firstSeconds - (row.firstNanoseconds > 0 ? 1 : 0),
    tcpFlags: row.tcpFlags,
    state: row.state,
    direction: row.direction ?? null,
  }
}

/** Threads that receive, and which of them gets a datagram. */
interface Threads {
  count: number
  place: (payload: Buffer) => number
}

const ONE: Threads = { count: 1, place: () => 0 }

/**
 * Feeds columns as receiving threads do, their timers going off meanwhile. `atSecond` is
 * called with the clock of the appliance in whole seconds.
 */
async function receive(
  columns: readonly Column[],
  { place }: Threads,
  arrivals: readonly Arrival[],
  atSecond: (now: number) => Promise<void> | void,
): Promise<void> {
  const datagram = new Datagram()
  let clock = (arrivals[0]!.seconds - 1) * 1000
  for (const arrival of arrivals) {
    const { payload, seconds, nanoseconds } = arrival
    for (; clock <= seconds * 1000 + nanoseconds / 1e6; clock += TICK_MS) {
      for (const column of columns) column.tick(Math.floor(clock / 1000), 0)
      if (clock % 1000 === 0) await atSecond(clock / 1000)
      // Work goes on between turns.
      await nextTurn()
    }
    const words = parseAddress(arrival.source)!
    datagram.bytes = payload
    datagram.start = 0
    datagram.end = payload.length
    datagram.seconds = seconds
    datagram.nanoseconds = nanoseconds
    datagram.source0 = words[0]!
    datagram.source1 = words[1]!
    datagram.source2 = words[2]!
    datagram.source3 = words[3]!
    columns[place(payload)]!.demux.acceptVxlan(datagram)
  }
}

function openColumns(count: number, options: Run, directory?: string): Column[] {
  return Array.from({ length: count }, (_, index) => {
    const flowLog = directory !== undefined && {
      flowLog: {
        directory: join(directory, String(index)),
        layout: {},
        logFormat: FORMAT,
        maxAggregationInterval: options.window,
        metadata: {},
        wholeSessions: false,
      },
    }
    return new Column(
      {
        sessionKey: 'source+vni',
        unknownSessions: 'accept',
        maxSessions: 16,
        maxFlows: 4096,
        sessionQuota: 4096,
        lifetime: LIFETIMES[options.lifetime],
        duplicates: 'keep',
        ...(flowLog || {}),
      },
      (line) => expect.fail(line),
    )
  })
}

/** Lines of the flow logs that the appliance writes. */
async function liveRecords(
  arrivals: readonly Arrival[],
  options: Run,
  threads: Threads,
): Promise<string[]> {
  const directory = temporaryDirectory()
  const columns = openColumns(threads.count, options, directory)
  const ticks = vi.spyOn(FlowLogDirectory.prototype, 'tick')
  await receive(columns, threads, arrivals, async (now) => {
    // The clock would run ahead of the disk, and files on their way to their names are limited.
    const logs = now % 10 === 0 ? ticks.mock.contexts.slice(-columns.length) : []
    for (const log of logs) await (log as FlowLogDirectory).drained()
  })
  ticks.mockRestore()
  for (const column of columns) {
    await column.close()
    expect(column.report().flows.recordsLost).toBe(0)
  }
  return filesBelow(directory).flatMap((path) =>
    linesOf(gunzipSync(readFileSync(join(directory, path)))),
  )
}

/** What the appliance answers when it is asked for its open flows. */
async function liveFlows(
  arrivals: readonly Arrival[],
  options: Run,
  threads: Threads,
): Promise<string[]> {
  const columns = openColumns(threads.count, options)
  const { captureAt } = options
  const request = { minimumAgeSeconds: 0, filters: [], atSeconds: captureAt, atNanoseconds: 0 }
  const flows: string[] = []
  await receive(columns, threads, arrivals, async (now) => {
    if (now !== captureAt) return
    for (const column of columns) {
      const rows = new CapturedFlows()
      const outcome = await column.captureFlows(request, (batch) => rows.add(batch))
      expect(outcome).toEqual({ status: 'COMPLETED', reason: null })
      for (const row of rows) flows.push(JSON.stringify(plainFlow(row, captureAt)))
    }
  })
  for (const column of columns) await column.close()
  return flows
}

/** Without the header line. */
function linesOf(log: Buffer): string[] {
  return log.toString('latin1').split('\n').slice(1, -1)
}

/** The same datagrams in a capture file, as an interface of the target has them. */
function outerCapture(arrivals: readonly Arrival[]): Buffer {
  return pcapFile(
    arrivals.map(({ source, payload, seconds, nanoseconds }) => ({
      frame: ethernet(
        udp4({
          src: source,
          dst: '10.9.9.9',
          sport: 65_445,
          dport: 4789,
          payload,
          checksum: false,
        }),
      ),
      seconds,
      nanoseconds,
    })),
  )
}

/** Its records and open flows by the commands that read files. */
async function offline(arrivals: readonly Arrival[], options: Run) {
  const directory = temporaryDirectory()
  const file = join(directory, 'outer.pcap')
  writeFileSync(file, outerCapture(arrivals))
  const log = join(directory, 'flows.log')
  const lifetime = ['--flow-timeouts', options.lifetime]
  const interval = ['--max-aggregation-interval', String(options.window)]
  const logged = ['flow-log', file, '--log-format', FORMAT, '-o', log, ...interval, ...lifetime]
  expect(await runCommand(...logged)).toMatchObject({ code: 0, out: '' })

  const at = ['--at', String(options.captureAt)]
  const { code, out, err } = await runCommand('flows', file, '--open', '--json', ...at, ...lifetime)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const flows = (JSON.parse(out) as Record<string, unknown>[]).map((row) => {
    // A flow capture has no names and no Community ID.
    const { srcName: _s, dstName: _d, communityId: _c, ...flow } = row
    return JSON.stringify(flow)
  })
  return { records: linesOf(readFileSync(log)), flows }
}

/** Lines in one list and not in the other, at most ten. */
function differences(actual: readonly string[], expected: readonly string[]): string[] {
  const balance = new Map<string, number>()
  for (const line of actual) balance.set(line, (balance.get(line) ?? 0) + 1)
  for (const line of expected) balance.set(line, (balance.get(line) ?? 0) - 1)
  return [...balance]
    .filter(([, count]) => count !== 0)
    .map(([line, count]) => `${count > 0 ? 'live only' : 'offline only'}: ${line}`)
    .sort((a, b) => (a.slice(13) < b.slice(13) ? -1 : 1))
    .slice(0, 10)
}

const SHAPE: TrafficShape = {
  connections: 300,
  spanSeconds: 900,
  secondary: false,
  mixed: true,
  disorderMs: 900,
}

/** More of them: Array.from({ length: 100 }, (_, seed) => seed). */
const SEEDS = [2]

const CASES = ([60, 600] as const).flatMap((window) =>
  (['nfw', 'ids'] as const).flatMap((lifetime) =>
    SEEDS.map((seed) => ({
      window,
      lifetime,
      seed: seed * 1009 + window,
      captureAt: BEGIN + 300 + ((seed * 77) % 500),
    })),
  ),
)

/** Traffic that rests for a second before and after the flows are asked for: what is under way then is in no order. */
function arrivalsOf(options: Run & { seed: number }, shape: TrafficShape): Arrival[] {
  return mirroredTraffic(new Random(options.seed), BEGIN, shape).filter(
    ({ seconds }) => seconds !== options.captureAt - 1 && seconds !== options.captureAt,
  )
}

async function expectEqual(arrivals: readonly Arrival[], options: Run, threads: Threads) {
  const after = await offline(arrivals, options)
  const records = await liveRecords(arrivals, options, threads)
  expect(after.records.length).toBeGreaterThan(200)
  expect(differences(records, after.records)).toEqual([])
  const flows = await liveFlows(arrivals, options, threads)
  expect(after.flows.length).toBeGreaterThan(20)
  expect(differences(flows, after.flows)).toEqual([])
}

describe('a capture of the datagrams gives what the appliance gave', () => {
  const name = '$window s, $lifetime, seed $seed'

  test.each(CASES)(`one thread: ${name}`, async (options) => {
    await expectEqual(arrivalsOf(options, SHAPE), options, ONE)
  })

  test.each(CASES)(`secondary addresses and IPv6: ${name}`, async (options) => {
    await expectEqual(arrivalsOf(options, { ...SHAPE, secondary: true }), options, ONE)
  })

  const ME = '02:00:00:00:00:0a'
  const ROUTER = '02:00:00:00:00:01'
  const NEIGHBOUR = '02:00:00:00:00:0b'

  /** A frame of the session whose interface is `10.0.1.10`, at a second behind BEGIN. */
  function arrival(at: number, from: string, to: string, src: string, dst: string): Arrival {
    const packet = udp4({ src, dst, sport: 1000, dport: 53 })
    const payload = vxlan(7, ethernet(packet, { src: from, dst: to }))
    return { source: '10.0.1.10', vni: 7, payload, seconds: BEGIN + at, nanoseconds: 0 }
  }

  const out = (at: number, src: string) => arrival(at, ME, ROUTER, src, '192.0.2.1')
  const local = (at: number) => arrival(at, ME, NEIGHBOUR, '10.0.1.11', '10.0.1.12')

  test.each([
    {
      what: 'when the primary address shows itself after the first windows',
      arrivals: [
        local(0),
        out(1, '10.0.1.11'),
        out(70, '10.0.1.11'),
        out(130, '10.0.1.10'),
        out(140, '10.0.1.11'),
      ],
    },
    {
      what: 'when the frames of a session contradict each other, and its flows go on',
      arrivals: [
        out(0, '10.0.1.10'),
        out(1, '10.0.1.11'),
        arrival(2, NEIGHBOUR, ROUTER, '10.0.1.12', '192.0.2.1'),
        out(3, '10.0.1.11'),
        out(50, '10.0.1.11'),
        out(65, '10.0.1.11'),
        arrival(66, NEIGHBOUR, ROUTER, '10.0.1.12', '192.0.2.1'),
      ],
    },
  ])('$what', async ({ arrivals }) => {
    const options: Run = { lifetime: 'nfw', window: 60, captureAt: BEGIN + 160 }
    const end = out(1000, '10.0.1.10')
    const after = await offline([...arrivals, end], options)
    const records = await liveRecords([...arrivals, end], options, ONE)
    expect(differences(records, after.records)).toEqual([])
    const flows = await liveFlows([...arrivals, end], options, ONE)
    expect(differences(flows, after.flows)).toEqual([])
  })

  const several = (['vni', 'flow'] as const).flatMap((steer) =>
    [2, 3].flatMap((count) => CASES.slice(0, 2).map((options) => ({ ...options, steer, count }))),
  )
  test.each(several)(`$count threads by $steer: ${name}`, async ({ steer, count, ...options }) => {
    // What the kernel does with each datagram. By flow, fragments may part from whole packets.
    const arrivals = arrivalsOf(options, { ...SHAPE, mixed: steer === 'vni' })
    const program = steeringProgram(steer, count)
    const place = (payload: Buffer): number => runCbpf(program, payload)
    expect(new Set(arrivals.map(({ payload }) => place(payload))).size).toBe(count)
    await expectEqual(arrivals, options, { count, place })
  })
})

const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const HOST = '127.0.0.1'
/** Fields that a capture of one session tells as well. */
const NO_SESSION = FORMAT.replace(/\$\{(srcaddr|dstaddr|flow-direction)\} /g, '')

/** Lines of OK records: an interface as a whole may have been quiet at the end of a window. */
const okLines = (log: Buffer): string[] => linesOf(log).filter((line) => line.endsWith(' OK'))

describe.skipIf(!IS_BUILT)(`the captures of mirrortap listen${NEEDS_BUILD}`, () => {
  async function expectSame(receiver: string, threads: readonly string[], mixed: boolean) {
    const directory = temporaryDirectory()
    const captures = join(directory, 'captures')
    const logs = join(directory, 'logs')
    const appliance = new Appliance([
      ...['--receiver', receiver, ...threads, '--capture-dir', captures, '--flow-log-dir', logs],
      ...['--log-format', NO_SESSION, '--max-aggregation-interval', '60'],
    ])
    const port = await appliance.port()
    const shape = { ...SHAPE, connections: 200, secondary: true, mixed }
    const arrivals = mirroredTraffic(new Random(99), BEGIN, shape)
    const sender = await UdpSender.open(HOST)
    for (const { payload } of arrivals) await sender.send(payload, port, HOST)
    await sender.close()
    expect(await appliance.stop()).toBe(0)

    const records = filesBelow(logs).flatMap((path) =>
      okLines(gunzipSync(readFileSync(join(logs, path)))),
    )
    const again: string[] = []
    for (const session of readdirSync(captures)) {
      const files = filesBelow(join(captures, session)).map((file) => join(captures, session, file))
      const log = join(directory, `${session}.log`)
      const format = ['--log-format', NO_SESSION, '--max-aggregation-interval', '60', '-o', log]
      expect(await runCommand('flow-log', ...files, ...format)).toMatchObject({ code: 0 })
      again.push(...okLines(readFileSync(log)))
    }
    const packets = records.reduce((sum, line) => sum + Number(line.split(' ')[5]), 0)
    expect(packets).toBe(arrivals.length)
    expect(differences(records, again)).toEqual([])
  }

  test('give the flow logs it wrote: dgram', async () => {
    await expectSame('dgram', ['--workers', '1'], true)
  })

  test.skipIf(!HAS_RECVMMSG).each([
    { threads: ['--workers', '1'], mixed: true },
    { threads: ['--workers', '2', '--steer', 'vni'], mixed: true },
    { threads: ['--workers', '2', '--steer', 'flow'], mixed: false },
  ])(
    'give the flow logs it wrote: recvmmsg, $threads (needs Linux and koffi)',
    async ({ threads, mixed }) => {
      await expectSame('recvmmsg', threads, mixed)
    },
  )
})
