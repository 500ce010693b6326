import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { SESSION_INDICES } from '../../src/flow/flow-entry.js'
import type { FlowRecord, OnFlowRecord } from '../../src/flow/flow-record.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import type { FlowThread } from '../../src/offline/flow-thread.js'
import { Offline } from '../../src/offline/offline.js'
import type { TableOptions, TableThread } from '../../src/offline/table-thread.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import { frameOf } from '../flow/flow-frames.js'
import { BEGIN, traffic } from '../flow/traffic.js'
import { captureFiles } from '../support/captures.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const BUILT = '../../dist/offline/flow-thread.js'
const BUILT_TABLE = '../../dist/offline/table-thread.js'

const FLOWS: TableOptions = {
  capacity: 2000,
  sessions: SESSION_INDICES,
  lifetime: LIFETIMES.nfw,
  windowSeconds: 60,
}
const NETWORK = { decap: 'auto', vxlanPort: 4789, genevePort: 6081 } as const

async function threadOf(
  options: TableOptions,
  onRecord: OnFlowRecord,
  complete: OnFlowRecord = () => undefined,
): Promise<FlowThread> {
  const built = (await import(BUILT)) as { FlowThread: typeof FlowThread }
  const { TableThread: Table } = (await import(BUILT_TABLE)) as { TableThread: typeof TableThread }
  return new built.FlowThread({ thread: new Table(options), complete, onRecord })
}

/** All of a record but its milliseconds, which only the deliveries of an appliance read. */
function textOf({ startMilliseconds: _s, endMilliseconds: _e, ...record }: FlowRecord): string {
  return JSON.stringify(record)
}

/** The records of a capture, in order, by a table in this thread and by one in its own. */
async function recordsOf(paths: readonly string[]): Promise<[here: string[], there: string[]]> {
  const here: string[] = []
  const there: string[] = []
  const offline = new Offline({
    ...NETWORK,
    flows: { ...FLOWS, onRecord: (record) => here.push(textOf(record)) },
  })
  let completeOther: OnFlowRecord = () => undefined
  const thread = await threadOf(
    FLOWS,
    (record) => there.push(textOf(record)),
    (record) => completeOther(record),
  )
  const other = new Offline({
    ...NETWORK,
    counter: (complete) => {
      completeOther = complete
      return thread
    },
  })
  await offline.readAll(paths)
  offline.tracker!.shutdown()
  await other.readAll(paths, async () => {
    await thread.room(() => true)
  })
  await thread.shutdown(() => true)
  return [here, there]
}

/** The flow logs below a directory, unpacked, in the order of their names. */
function logsBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.log(\.gz)?$/.test(name))
    .sort()
    .map((name) => readFileSync(join(directory, name)))
    .map((octets) => (octets[0] === 0x1f ? gunzipSync(octets) : octets).toString('latin1'))
}

/**
 * 35 MB of a thousand connections over seven hours, some of which reopen, fall silent or come
 * late: so slow that a block of input takes minutes, and the rings hold hours.
 */
function largeTraffic(random: Random): Shot[] {
  const payload = Buffer.alloc(1400)
  return Array.from({ length: 24_000 }, (_, index) => {
    const connection = random.below(1000)
    const [client, server] = [`10.0.${connection >>> 8}.${connection & 0xff}`, '10.9.0.1']
    const isAnswer = random.below(2) === 0
    const [src, dst] = isAnswer ? [server, client] : [client, server]
    const [sport, dport] = isAnswer ? [443, 1000 + connection] : [1000 + connection, 443]
    const flags = random.pick([TCP_SYN, TCP_ACK, TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST])
    return {
      frame: ethernet(tcp4({ src, dst, sport, dport, flags, payload })),
      seconds: BEGIN + index - random.below(2),
      nanoseconds: random.below(1e9),
    }
  })
}

describe.skipIf(!IS_BUILT)(`FlowThread${NEEDS_BUILD}`, () => {
  test(
    'hands over the records of all samples and captures as a table in the same thread does',
    UNHURRIED,
    async () => {
      const samples = readdirSync(SAMPLES).filter((name) => name.endsWith('.pcap'))
      const paths = [...samples.map((name) => join(SAMPLES, name)), ...captureFiles()]
      const [here, there] = await recordsOf(paths)
      expect(here.length).toBeGreaterThan(20)
      expect(there).toEqual(here)
    },
  )

  test(
    'waits for the table when it is the slower one, and the table for it',
    UNHURRIED,
    async () => {
      const records: number[] = []
      const thread = await threadOf({ ...FLOWS, capacity: 10 }, ({ packets }) =>
        records.push(packets),
      )
      // More of either than the rings hold, without a pause.
      const packets = traffic(new Random(1), {
        packets: 100_000,
        connections: 5000,
        sessions: 8,
        silences: [1],
      })
      for (const packet of packets) {
        const { name, tcpFlags, ipLength, seconds } = packet
        const frame = frameOf(name, tcpFlags, ipLength, undefined, packet)
        thread.enqueue(frame, name.session, seconds, 0, true)
      }
      await thread.shutdown(() => true)
      expect(records.length).toBeGreaterThan(33_000)
      expect(records.reduce((sum, count) => sum + count)).toBe(packets.length)
    },
  )

  test('has handed over all records of a session when that has ended', UNHURRIED, async () => {
    const sessions: number[] = []
    const thread = await threadOf(FLOWS, ({ session }) => sessions.push(session))
    const packets = traffic(new Random(2), {
      packets: 1000,
      connections: 300,
      sessions: 3,
      silences: [],
    })
    for (const { name, seconds } of packets) {
      thread.enqueue(frameOf(name), name.session, seconds, 0, true)
    }
    thread.endSession(1, 'session-deleted')
    expect(new Set(sessions)).toEqual(new Set([1]))
    await thread.shutdown(() => true)
    expect(new Set(sessions)).toEqual(new Set([0, 1, 2]))
  })

  test.skipIf(availableParallelism() < 2).each(['flows.log', 'logs/'])(
    'makes no difference to what flow-log writes to %s (needs two processors)',
    UNHURRIED,
    (output) => {
      const directory = temporaryDirectory()
      const capture = join(directory, 'large.pcap')
      writeFileSync(capture, pcapFile(largeTraffic(new Random(3))))
      // What makes it worth a thread.
      expect(statSync(capture).size).toBeGreaterThan(32 * 1024 * 1024)
      const written = [[], ['taskset', '-c', '0']].map((before) => {
        const target = join(directory, String(before.length), output)
        mkdirSync(dirname(target), { recursive: true })
        const command = [...before, process.execPath, BIN, 'flow-log', capture, '-o', target]
        execFileSync(command[0]!, command.slice(1), { stdio: 'pipe' })
        return logsBelow(join(directory, String(before.length)))
      })
      expect(written[0]!.join('').split('\n').length).toBeGreaterThan(5000)
      expect(written[0]!.length).toBe(written[1]!.length)
      expect(written[0]!.join('') === written[1]!.join('')).toBe(true)
    },
  )

  test('fails when the thread does', UNHURRIED, async () => {
    const thread = await threadOf({ ...FLOWS, capacity: -1 }, () => undefined)
    await expect(thread.shutdown(() => true)).rejects.toThrow(/length|answer/)
  })
})
