import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openCloudWatchLogs } from '../../src/deliver/cloudwatch-logs.js'
import type { Place } from '../../src/deliver/delivery-url.js'
import type { Destination } from '../../src/deliver/destination.js'
import { openFirehose } from '../../src/deliver/firehose.js'
import { openIpfixOverTcp } from '../../src/deliver/ipfix-tcp.js'
import { openIpfixOverUdp } from '../../src/deliver/ipfix-udp.js'
import type { DeliverySpec } from '../../src/deliver/messages.js'
import { openNats } from '../../src/deliver/nats.js'
import { connectJetStream } from '../../src/deliver/nats-connection.js'
import { readNats } from '../../src/deliver/nats-reader.js'
import { openS3 } from '../../src/deliver/s3.js'
import { IS_BUILT, NEEDS_BUILD } from '../e2e/program.js'
import type { AwsJsonServer } from '../support/aws-json-server.js'
import { CloudWatchLogsServer } from '../support/cloudwatch-logs-server.js'
import { deliverTo } from '../support/delivery.js'
import { FirehoseServer } from '../support/firehose-server.js'
import { recordOf, someFlows } from '../support/flow-lines.js'
import { type IpfixCollector, TcpCollector, UdpCollector } from '../support/ipfix-collector.js'
import type { IpfixRecord } from '../support/ipfix-reader.js'
import { NatsServers } from '../support/nats-servers.js'
import { type Queued, queueFile, someRecords } from '../support/queue-files.js'
import { digest, S3Server } from '../support/s3-server.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const HOST = '127.0.0.1'
const REGION = 'us-east-1'
/** The delivering thread as it is built. */
const THREAD = pathToFileURL(
  join(import.meta.dirname, '../../dist/deliver/delivery-worker.js'),
).href

/** The clock of a delivery, a thousand times as fast: ten minutes are 0.6 s. */
const FAST_RETRY_MS = { first: 0.5, last: 60 }
const TEN_MINUTES_MS = 600

/** How a place treats what comes: `half` takes some and refuses the rest, `holds` takes some and leaves the rest waiting. */
type Mood = 'well' | 'slow' | 'refuses' | 'half' | 'holds'

/** A place with what is to be delivered to it. */
interface Side {
  readonly files: readonly Buffer[]
  /** What of them is to arrive, sorted. */
  readonly made: readonly string[]
  readonly place: Place
  /** In which clients find it. */
  readonly environment: Readonly<Record<string, string>>
  /** What is said when nobody listens there. */
  readonly absence: RegExp
  /** The destination, with an other side that may be silent for a moment only. */
  opened(): Promise<Destination> | Destination
  /** Nobody listens any more, and somebody does again. */
  leave(): Promise<void>
  come(): Promise<void>
  become(mood: Mood): Promise<void> | void
  /** Whether, in the mood `holds`, an upload is under way that goes no further. */
  isHolding(): Promise<boolean> | boolean
  /** What is there. */
  arrived(): Promise<readonly string[]> | readonly string[]
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)].sort()
const queueFiles = (files: readonly (readonly Queued[])[]): Buffer[] => files.map(queueFile)

/** Requests that are answered before the mood shows. */
const REQUESTS = 6

/** A server that answers requests, with a door in front of it or not. */
function become(server: Pick<S3Server | AwsJsonServer, 'requests' | 'faults' | 'always'>) {
  const faults = {
    well: 'none',
    slow: 'slow',
    refuses: 'access-denied',
    half: 'error',
    holds: 'stall',
  } as const
  return (mood: Mood): void => {
    server.always = faults[mood]
    server.faults = mood === 'half' || mood === 'holds' ? Array(REQUESTS).fill('none') : []
  }
}

async function s3(): Promise<Side> {
  const server = await S3Server.start()
  // The last one goes in parts.
  const files = [10, 1000, 20, 9 * 1024 * 1024].map((length) => randomBytes(length))
  const place = { kind: 's3', bucket: server.bucket, prefix: 'p' } as const
  return {
    files,
    made: files.map(digest).sort(),
    place,
    environment: server.environment,
    absence: /ECONNREFUSED/,
    opened: () => openS3({ ...place, region: REGION }),
    leave: () => server.close(),
    come: () => server.open(),
    become: become(server),
    isHolding: () => server.requests > REQUESTS,
    arrived: () => [...server.objects().values()],
  }
}

const GROUP = '/flow/logs'
const RECORDS = [50, 0, 1, 1700].map((count, index) => someRecords(count, `f${index}`))

async function cloudWatchLogs(): Promise<Side> {
  const server = await CloudWatchLogsServer.start()
  const place = { kind: 'cloudwatch-logs', group: GROUP } as const
  return {
    files: queueFiles(RECORDS),
    made: unique(
      RECORDS.flat().map(({ source, start, line }) => `${source}-all ${start * 1000} ${line}`),
    ),
    place,
    environment: server.environment,
    absence: /ECONNREFUSED/,
    opened: () => openCloudWatchLogs({ ...place, region: REGION }),
    leave: () => server.close(),
    come: () => server.open(),
    become: become(server),
    isHolding: () => server.requests > REQUESTS,
    arrived: () => server.events(GROUP),
  }
}

async function firehose(): Promise<Side> {
  const server = await FirehoseServer.start()
  const place = { kind: 'firehose', stream: server.stream } as const
  const inMood = become(server)
  return {
    files: queueFiles(RECORDS),
    made: unique(RECORDS.flat().map(({ line }) => line)),
    place,
    environment: server.environment,
    absence: /ECONNREFUSED/,
    opened: () => openFirehose({ ...place, region: REGION }),
    leave: () => server.close(),
    come: () => server.open(),
    become: (mood) => {
      // Of each call every second record.
      server.alwaysLeavesOut = mood === 'half' ? 2 : 0
      inMood(mood === 'half' ? 'well' : mood)
      if (mood === 'holds') server.faults.length = 2
    },
    isHolding: () => server.requests > 2,
    arrived: () => server.lines(),
  }
}

async function nats(): Promise<Side> {
  const servers = await NatsServers.start(1)
  onTestFinished(() => servers.stop())
  const files = [50, 0, 1, 12_000].map((count, file) =>
    Array.from({ length: count }, (_, index) => ({
      source: `vni-${index % 3}_10.0.0.1`,
      start: 1,
      line: JSON.stringify({ file, index }),
    })),
  )
  const { place } = servers
  const { stream } = place
  async function limit(limits: { max_msgs?: number; max_bytes?: number }): Promise<void> {
    const { connection, manager } = await connectJetStream(place, { task: 'testing' })
    const config = { subjects: [`${stream}.>`], max_msgs: -1, max_bytes: -1, ...limits }
    const isThere = (await manager.streams.names().next()).length > 0
    if (isThere) await manager.streams.update(stream, config)
    else await manager.streams.add({ name: stream, discard: 'new', ...config })
    await connection.close()
  }
  async function arrived(): Promise<string[]> {
    const lines: string[] = []
    const rules = { follow: false, signal: new AbortController().signal }
    for await (const data of readNats(place, rules)) {
      lines.push(...Buffer.from(data).toString().split('\n').slice(0, -1))
    }
    // Not even one that was sent again may be there twice.
    expect(unique(lines)).toHaveLength(lines.length)
    return lines
  }
  let toggling: NodeJS.Timeout | undefined
  return {
    files: queueFiles(files),
    made: unique(files.flat().map(({ line }) => line)),
    place,
    environment: {},
    absence: /no server can be reached/,
    opened: () => openNats(place, 500),
    leave: () => servers.kill(0),
    come: async () => servers.restart(0),
    become: async (mood) => {
      clearInterval(toggling)
      servers.letGo(0)
      if (mood === 'refuses') await limit({ max_bytes: 1 })
      else if (mood === 'half' || mood === 'holds') await limit({ max_msgs: 5 })
      else if (mood === 'well') await limit({})
      else {
        let isStopped = false
        toggling = setInterval(() => {
          isStopped = !isStopped
          if (isStopped) servers.cutOff(0)
          else servers.letGo(0)
        }, 20)
        onTestFinished(() => clearInterval(toggling))
      }
    },
    // A part of the largest file, which a second upload begins with again.
    isHolding: async () => (await arrived()).length > 51,
    arrived,
  }
}

const FLOWS = [someFlows(50), [], someFlows(1, 50), someFlows(1500, 51)]
const textOf = (record: IpfixRecord): string => JSON.stringify(Object.entries(record).sort())

async function collector(
  own: IpfixCollector,
  transport: 'tcp' | 'udp',
  more: Pick<Side, 'opened' | 'become' | 'isHolding'>,
): Promise<Side> {
  await own.open()
  onTestFinished(() => own.close())
  return {
    files: queueFiles(FLOWS),
    made: unique(FLOWS.flat().map((one) => textOf(recordOf(one)))),
    place: { kind: 'ipfix', transport, host: HOST, port: own.port },
    environment: {},
    absence: /refuses connections: no program listens on its port \(ECONNREFUSED\)/,
    leave: () => own.close(),
    come: () => own.open(),
    arrived: () => own.records().map(textOf),
    ...more,
  }
}

function ipfixOverTcp(): Promise<Side> {
  const own = new TcpCollector()
  const faults = {
    well: 'none',
    slow: 'slow',
    refuses: 'reset',
    half: 'close',
    holds: 'stall',
  } as const
  return collector(own, 'tcp', {
    opened: () => openIpfixOverTcp({ host: HOST, port: own.port }),
    become: (mood) => {
      own.fault = faults[mood]
    },
    isHolding: () => own.connections > 0,
  })
}

/** Of what it does with datagrams, an exporter learns only that nobody listens. */
function ipfixOverUdp(): Promise<Side> {
  const own = new UdpCollector()
  return collector(own, 'udp', {
    opened: () => openIpfixOverUdp({ host: HOST, port: own.port }),
    become: async (mood) => {
      // What waits in the kernel would go with its socket.
      if (mood === 'well' && own.pauseMs > 0) return
      await own.close()
      own.pauseMs = mood === 'slow' ? 2 : 0
      own.closesAfter = mood === 'half' ? 20 : Number.POSITIVE_INFINITY
      if (mood !== 'refuses') await own.open()
    },
    isHolding: () => own.records().length > 0,
  })
}

const PLACES = [
  { name: 'S3', start: s3 },
  { name: 'CloudWatch Logs', start: cloudWatchLogs },
  { name: 'Firehose', start: firehose },
  { name: 'NATS', start: nats, isHere: hasTool('nats-server') },
  { name: 'IPFIX over TCP', start: ipfixOverTcp },
  { name: 'IPFIX over UDP', start: ipfixOverUdp },
]

/** Puts files into a queue; the first `from` are there already. */
function fill(directory: string, files: readonly Buffer[], from = 0): void {
  for (const [index, bytes] of files.entries()) {
    if (index >= from) writeFileSync(join(directory, `${index}.log.gz`), bytes)
  }
}

function deliver(side: Side, directory: string, retryMs?: typeof FAST_RETRY_MS) {
  return deliverTo(side.environment, directory, async () => side.opened(), retryMs)
}

/** After which there is what was made. */
async function arrives(side: Side, { delivery }: Awaited<ReturnType<typeof deliver>>) {
  await delivery.drained()
  expect(delivery.status).toMatchObject({ error: undefined, lostFiles: 0, refusedRecords: 0 })
  await delivery.stop()
  // A datagram may be on its way.
  await expect.poll(async () => unique(await side.arrived()).length).toBe(side.made.length)
  expect(unique(await side.arrived())).toEqual(side.made)
}

const suite =
  ({ start }: (typeof PLACES)[number]) =>
  () => {
    test('where nobody listened at the start', async () => {
      const side = await start()
      await side.leave()
      const directory = temporaryDirectory()
      fill(directory, side.files)
      const delivering = await deliver(side, directory)
      await expect.poll(() => delivering.delivery.status.failures).toBeGreaterThan(2)
      expect(delivering.lines[0]).toMatch(side.absence)
      await side.come()
      await arrives(side, delivering)
    })

    test('that was away for ten minutes while more was made', async () => {
      const side = await start()
      const directory = temporaryDirectory()
      fill(directory, side.files.slice(0, 1))
      const delivering = await deliver(side, directory, FAST_RETRY_MS)
      const { delivery } = delivering
      await delivery.drained()
      await expect.poll(async () => (await side.arrived()).length).toBeGreaterThan(0)
      await side.leave()
      fill(directory, side.files, 1)
      await delivery.scan()
      await delay(TEN_MINUTES_MS)
      await expect.poll(() => delivery.status.failures).toBeGreaterThan(2)
      // It is asked less and less often.
      expect(delivery.status.failures).toBeLessThan(60)
      await side.come()
      await arrives(side, delivering)
    })

    test.each<{ mood: Mood; name: string }>([
      { mood: 'refuses', name: 'that refused at first' },
      { mood: 'half', name: 'that took only some of it at first' },
    ])('$name', async ({ mood }) => {
      const side = await start()
      await side.become(mood)
      const directory = temporaryDirectory()
      fill(directory, side.files)
      const delivering = await deliver(side, directory)
      await expect.poll(() => delivering.delivery.status.failures).toBeGreaterThan(0)
      await side.become('well')
      await arrives(side, delivering)
    })

    test('that is slow', async () => {
      const side = await start()
      await side.become('slow')
      const directory = temporaryDirectory()
      fill(directory, side.files)
      const delivering = await deliver(side, directory)
      await delivering.delivery.drained()
      await side.become('well')
      await arrives(side, delivering)
    })

    test.skipIf(!IS_BUILT)(`after a kill -9 in mid-upload${NEEDS_BUILD}`, async () => {
      const side = await start()
      await side.become('holds')
      const directory = temporaryDirectory()
      fill(directory, side.files)
      const { place, environment } = side
      const spec: DeliverySpec = {
        name: 'one',
        what: 'fl-1',
        place,
        region: REGION,
        queue: { directory },
      }
      const program = `const { Worker } = require('node:worker_threads')
      new Worker(new URL(process.argv[1])).postMessage({ type: 'open', spec: JSON.parse(process.argv[2]) })`
      const child = spawn(process.execPath, ['-e', program, THREAD, JSON.stringify(spec)], {
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      const ended = once(child, 'exit')
      onTestFinished(() => void child.kill('SIGKILL'))
      await expect.poll(() => side.isHolding()).toBe(true)
      child.kill('SIGKILL')
      await ended
      expect(unique(await side.arrived()).length).toBeLessThan(side.made.length)
      await side.become('well')
      await arrives(side, await deliver(side, directory))
    })
  }

for (const place of PLACES) {
  const { name, isHere = true } = place
  describe.skipIf(!isHere)(`${name} has all that was made`, suite(place))
}
