import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Column, type ColumnOptions } from '../../src/appliance/column.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { readCapture } from '../../src/pcap/reader.js'
import type { LedgerReport } from '../../src/session/ledger.js'
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, geneve, tcp4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'

/** 2026-08-21T10:00:00Z, the start of a window. */
const T = Date.UTC(2026, 7, 21, 10) / 1000
const WINDOW = 60

const LOG_FORMAT =
  '${log-status} ${start} ${end} ${pkt-srcaddr} ${srcport} ${dstport} ${packets} ${bytes}'

const CAPTURE = {
  format: 'pcap' as const,
  snaplen: 0,
  rotateBytes: Number.POSITIVE_INFINITY,
  rotateSeconds: 60,
  keepFiles: Number.POSITIVE_INFINITY,
  keepBytes: Number.POSITIVE_INFINITY,
  suffix: '',
}

/** A column with flow logs and captures in a directory of the test's own, and a clock the test moves. */
class Run {
  readonly directory = temporaryDirectory()
  readonly problems: string[] = []
  readonly column: Column
  kernelLost: number | null = 0

  constructor(options: Partial<ColumnOptions> = {}, wholeSessions = true) {
    this.column = new Column(
      {
        sessionKey: 'source+vni',
        unknownSessions: 'accept',
        maxSessions: 8,
        maxFlows: 1000,
        sessionQuota: 1000,
        lifetime: LIFETIMES.nfw,
        duplicates: 'keep',
        capture: { ...CAPTURE, directory: join(this.directory, 'captures') },
        flowLog: {
          directory: join(this.directory, 'flow-logs'),
          layout: {},
          logFormat: LOG_FORMAT,
          maxAggregationInterval: WINDOW,
          metadata: {},
          wholeSessions,
        },
        ...options,
      },
      (line) => this.problems.push(line),
      undefined,
      { records: { windowSeconds: WINDOW, onRecord: () => this.recordsMade++ } },
    )
  }

  /** A mirrored packet of the session `vni`. */
  packet(vni: number, seconds: number, packet = udp(vni), source = '10.0.0.1'): void {
    this.column.demux.acceptVxlan(
      datagramOf(vxlan(vni, ethernet(packet)), { source, seconds, nanoseconds: 500_000_000 }),
    )
  }

  /** Lets the timer go off once for each second from `from` to `to`. */
  tick(from: number, to = from): void {
    for (let now = from; now <= to; now++) this.column.tick(now, this.kernelLost)
  }

  /** Records of flows so far. */
  recordsMade = 0

  /** Closes the column and gives back its report, when its sums are right. */
  async close(): Promise<LedgerReport> {
    await this.column.close()
    const report = this.column.report()
    expectSums(report)
    expect(this.problems.filter((line) => !line.includes('max-sessions'))).toEqual([])
    return report
  }

  /** All lines of all flow logs, without their header lines. */
  records(): string[] {
    return filesBelow(join(this.directory, 'flow-logs')).flatMap((path) => {
      const [header, ...lines] = gunzipSync(readFileSync(path)).toString('latin1').split('\n')
      expect(header).toBe('log-status start end pkt-srcaddr srcport dstport packets bytes')
      expect(lines.pop(), 'the last line is whole').toBe('')
      return lines
    })
  }

  /** Seconds of the packets in each capture file, by the file's directory and name. */
  async captures(): Promise<Record<string, number[]>> {
    const files: Record<string, number[]> = {}
    for (const path of filesBelow(join(this.directory, 'captures'))) {
      const seconds: number[] = []
      const summary = await readCapture(path, (packet) => void seconds.push(packet.seconds - T))
      expect(summary.damage).toBeUndefined()
      files[join(basename(dirname(path)), basename(path))] = seconds
    }
    return files
  }
}

/** 10.9.0.<vni> to 192.0.2.1, 128 bytes of IP. */
function udp(vni: number, sport = 1000): Buffer {
  const payload = Buffer.alloc(100)
  return udp4({ src: `10.9.0.${vni}`, dst: '192.0.2.1', sport, dport: 53, payload })
}

function tcp(vni: number, flags: number, sport = 2000, seq = 0): Buffer {
  return tcp4({ src: `10.9.0.${vni}`, dst: '192.0.2.1', sport, dport: 443, flags, seq })
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function expectSums(report: LedgerReport): void {
  const malformed = Object.values(report.malformed).reduce((sum, count) => sum + count, 0)
  expect(report.received).toBe(
    report.accepted + report.filtered + report.unknownSession + report.duplicate + malformed,
  )
  for (const session of report.sessions) {
    expect(session.accepted).toBe(session.flowPackets + session.untracked)
    expect(session.received).toBe(session.accepted + session.malformed)
    expect(session.received).toBe(session.captured + session.captureLost)
  }
  const { totals } = report
  expect(totals.accepted).toBe(report.accepted)
  expect(totals.flowPackets + totals.untracked).toBe(report.accepted)
  expect(totals.captured + totals.captureLost).toBe(totals.received)
  const inSessions = report.sessions.reduce((sum, { received }) => sum + received, 0)
  const { evictedSessions, deletedSessions } = report
  expect(totals.received).toBe(inSessions + evictedSessions.received + deletedSessions.received)
  expect(totals.received).toBeLessThanOrEqual(report.received)
}

const TEN_YEARS = 3650 * 86_400

describe('Column', () => {
  test('says that the clock was set back, and goes on writing records in the new time', async () => {
    const run = new Run()
    run.tick(T + 3600)
    run.packet(1, T + 3600)
    run.tick(T + 3601)
    run.packet(1, T + 1)
    run.tick(T + 2, T + 130)
    expect(run.column.report().flows.live).toBe(0)
    expect(run.problems.splice(0)).toEqual([
      'the clock went back by 3592 s; flows go on in the new time',
    ])
    await run.close()
    expect(run.records().sort()).toEqual([
      `NODATA ${T + 60} ${T + 120} - - - - -`,
      `OK ${T + 1} ${T + 1} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 3600} ${T + 3600} 10.9.0.1 1000 53 1 128`,
    ])
  })

  test('says each time that the clock went back, also after a single packet of a wrong time', async () => {
    const run = new Run()
    run.tick(T)
    run.packet(1, T + TEN_YEARS)
    run.packet(1, T)
    run.tick(T + 1, T + 8)
    run.tick(T + 3600)
    run.packet(1, T + 3600)
    run.tick(T + 9, T + 130)
    expect(run.problems.splice(0)).toEqual([
      `the clock went back by ${TEN_YEARS - 7} s; flows go on in the new time`,
      `the clock went back by ${3600 - 15} s; flows go on in the new time`,
    ])
    await run.close()
    expect(
      run
        .records()
        .filter((line) => line.startsWith('OK'))
        .sort(),
    ).toEqual([
      `OK ${T} ${T} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 3600} ${T + 3600} 10.9.0.1 1000 53 1 128`,
      `OK ${T + TEN_YEARS} ${T + TEN_YEARS} 10.9.0.1 1000 53 1 128`,
    ])
  })

  test('writes the records of a window while it runs, and again in the next', async () => {
    const run = new Run()
    run.tick(T)
    for (const window of [0, 1, 2]) {
      run.packet(1, T + WINDOW * window + 45)
      run.tick(T + WINDOW * window + 46, T + WINDOW * (window + 1))
      expect(run.recordsMade).toBe(window)
      run.tick(T + WINDOW * (window + 1) + 1)
      expect(run.recordsMade).toBe(window + 1)
    }
    await run.close()
    expect(run.records()).toEqual([
      `OK ${T + 45} ${T + 45} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 105} ${T + 105} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 165} ${T + 165} 10.9.0.1 1000 53 1 128`,
    ])
  })

  test('ends idle flows while it runs', () => {
    const run = new Run()
    run.packet(1, T)
    run.tick(T + 1, T + 31)
    expect(run.column.report().flows).toMatchObject({ live: 1, ended: {} })
    run.tick(T + 32)
    expect(run.column.report().flows).toMatchObject({ live: 0, ended: { idle: 1 } })
  })

  test('keeps the packets of each session in files of its own', async () => {
    const run = new Run()
    run.packet(1, T + 1)
    run.packet(2, T + 2)
    run.packet(1, T + 59)
    run.packet(1, T + 60)
    run.packet(2, T + 3, udp(2), '2001:db8::7')
    run.tick(T + 61, T + 70)
    const report = await run.close()
    expect(await run.captures()).toEqual({
      'vni-1_10.0.0.1/20260821T100000Z.pcap': [1, 59],
      'vni-1_10.0.0.1/20260821T100100Z.pcap': [60],
      'vni-2_10.0.0.1/20260821T100000Z.pcap': [2],
      'vni-2_2001:db8::7/20260821T100000Z.pcap': [3],
    })
    expect(report.sessions).toHaveLength(3)
    expect(report.accepted).toBe(5)
  })

  test('says NODATA of a quiet session, and of no other', async () => {
    const run = new Run()
    run.packet(1, T + 1)
    run.packet(2, T + 2)
    run.tick(T + 3, T + 61)
    run.packet(1, T + 62)
    run.tick(T + 63, T + 121)
    await run.close()
    expect(run.records().sort()).toEqual([
      `NODATA ${T + 60} ${T + 120} - - - - -`,
      `OK ${T + 1} ${T + 1} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 2} ${T + 2} 10.9.0.2 1000 53 1 128`,
      `OK ${T + 62} ${T + 62} 10.9.0.1 1000 53 1 128`,
    ])
  })

  test('says nothing of windows before a session was known', async () => {
    const run = new Run()
    run.tick(T, T + 130)
    run.packet(1, T + 131)
    run.tick(T + 132, T + 181)
    await run.close()
    expect(run.records()).toEqual([`OK ${T + 131} ${T + 131} 10.9.0.1 1000 53 1 128`])
  })

  test('leaves NODATA to others where it does not see whole sessions', async () => {
    const run = new Run({}, false)
    run.packet(1, T + 1)
    run.tick(T + 2, T + 181)
    await run.close()
    expect(run.records()).toEqual([`OK ${T + 1} ${T + 1} 10.9.0.1 1000 53 1 128`])
  })

  test('does not say NODATA when a record of the next window has left first', async () => {
    const run = new Run()
    run.packet(1, T + 40)
    run.tick(T + 41, T + 60)
    // Ended by a new life in the first second of the next window, before this one is swept.
    for (const [flags, seq] of [
      [TCP_SYN, 1],
      [TCP_RST | TCP_ACK, 2],
      [TCP_SYN, 90_000],
    ] as const) {
      run.packet(1, T + 60, tcp(1, flags, 2000, seq))
    }
    run.tick(T + 61)
    await run.close()
    const records = run.records()
    expect(records.filter((line) => line.startsWith('OK'))).toHaveLength(3)
    expect(records.filter((line) => line.startsWith('NODATA'))).toEqual([])
  })

  test('says SKIPDATA of every session when the kernel has lost packets', async () => {
    const run = new Run()
    run.packet(1, T + 1)
    run.packet(2, T + 2)
    run.tick(T + 3, T + 60)
    run.tick(T + 61)
    run.packet(1, T + 62)
    run.kernelLost = 7
    run.tick(T + 70, T + 125)
    run.tick(T + 126, T + 181)
    const report = await run.close()
    expect(report.kernelLost).toBe(7)
    const records = run.records().sort()
    expect(records.filter((line) => line.startsWith('SKIPDATA'))).toEqual([
      `SKIPDATA ${T + 60} ${T + 120} - - - - -`,
      `SKIPDATA ${T + 60} ${T + 120} - - - - -`,
    ])
    // The window after it is an ordinary quiet one.
    expect(records.filter((line) => line.startsWith('NODATA'))).toEqual([
      `NODATA ${T + 120} ${T + 180} - - - - -`,
      `NODATA ${T + 120} ${T + 180} - - - - -`,
    ])
  })

  test('blames both windows when it cannot know in which of them the kernel lost', async () => {
    const run = new Run({}, false)
    run.packet(1, T + 59)
    run.tick(T + 59)
    run.kernelLost = 1
    run.tick(T + 60, T + 121)
    await run.close()
    expect(run.records().filter((line) => line.startsWith('SKIPDATA'))).toEqual([
      `SKIPDATA ${T} ${T + 60} - - - - -`,
      `SKIPDATA ${T + 60} ${T + 120} - - - - -`,
    ])
  })

  test('counts a loss once when the counter cannot be read for a while', async () => {
    const run = new Run()
    run.packet(1, T + 1)
    run.kernelLost = 5
    run.tick(T + 2, T + 61)
    run.kernelLost = null
    run.packet(1, T + 62)
    run.tick(T + 63, T + 121)
    run.kernelLost = 5
    run.packet(1, T + 122)
    run.tick(T + 123, T + 181)
    await run.close()
    expect(run.records().map((line) => line.split(' ').slice(0, 2))).toEqual([
      ['OK', `${T + 1}`],
      ['SKIPDATA', `${T}`],
      ['OK', `${T + 62}`],
      ['OK', `${T + 122}`],
    ])
  })

  test('finishes the flows and captures of a session that makes room for another', async () => {
    const run = new Run({ maxSessions: 2 })
    run.packet(1, T + 1)
    run.packet(2, T + 2)
    // There is no room for a packet alone, only for the second of its session.
    run.packet(3, T + 3)
    run.packet(3, T + 3)
    // The first is back, and its old file may still be on its way.
    run.packet(1, T + 4)
    run.packet(1, T + 4)
    run.packet(1, T + 5)
    run.tick(T + 6)
    const report = await run.close()
    expect(report).toMatchObject({ unknownSession: 2, noRoom: 2 })
    expect(report.evictedSessions).toMatchObject({ sessions: 2, received: 2, captured: 2 })
    expect(report.flows.ended).toEqual({ 'session-deleted': 2, shutdown: 2 })
    expect(report.sessions.map(({ session }) => session).sort()).toEqual([
      'vni-1_10.0.0.1',
      'vni-3_10.0.0.1',
    ])
    const captures = await run.captures()
    expect(Object.keys(captures).sort()).toEqual([
      'vni-1_10.0.0.1/20260821T100000Z-1.pcap',
      'vni-1_10.0.0.1/20260821T100000Z.pcap',
      'vni-2_10.0.0.1/20260821T100000Z.pcap',
      'vni-3_10.0.0.1/20260821T100000Z.pcap',
    ])
    // The two that have one name may be opened in either order.
    expect(Object.values(captures).sort()).toEqual([[1], [2], [3], [4, 5]])
    expect(run.records().sort()).toEqual([
      `OK ${T + 1} ${T + 1} 10.9.0.1 1000 53 1 128`,
      `OK ${T + 2} ${T + 2} 10.9.0.2 1000 53 1 128`,
      `OK ${T + 3} ${T + 3} 10.9.0.3 1000 53 1 128`,
      `OK ${T + 4} ${T + 5} 10.9.0.1 1000 53 2 256`,
    ])
  })

  test('says a bounded number of lines however many sessions a sender makes up', async () => {
    const run = new Run({ maxSessions: 300 })
    run.tick(T)
    const frame = udp(1)
    const ETHERNET = 0x6558
    const IPV4 = 0x0800
    for (const vni of Array(400).keys()) {
      for (const [protocol, payload] of [
        [ETHERNET, ethernet(frame)],
        [IPV4, frame],
      ] as const) {
        run.column.demux.acceptGeneve(
          datagramOf(geneve(payload, { vni, protocol }), { seconds: T }),
        )
      }
    }
    run.tick(T + 1)
    await run.column.close()
    const report = run.column.report()
    expectSums(report)
    // 256 open with their first packet, 44 with their second, and then there is no room.
    expect(report).toMatchObject({ received: 800, noRoom: 244 })
    expect(report.captureLosses).toEqual({ 'link-type': 256 })
    expect(run.problems).toHaveLength(62)
    expect(run.problems[0]).toMatch(/^vni-0_10.0.0.1: packets of .* are left out/)
    expect(run.problems.slice(-2)).toEqual([
      expect.stringContaining('max-sessions'),
      expect.stringMatching(/^lines about captures of unknown sessions left out: \d+$/),
    ])
  })

  test('says a bounded number of lines about filters that cannot be asked', async () => {
    const filters = Array.from({ length: 100 }, (_, vni) => ({
      vni,
      filter: `ether host 0:0:0:0:0:${(vni % 16).toString(16)}`,
    }))
    const run = new Run({ maxSessions: 256, filters: { filters } })
    run.tick(T)
    for (const { vni } of filters) {
      run.column.demux.acceptGeneve(datagramOf(geneve(udp(1), { vni }), { seconds: T }))
    }
    expect(run.problems).toHaveLength(60)
    await run.column.close()
    expect(run.problems.filter((line) => line.startsWith('frames of RAW'))).toHaveLength(60)
    expect(run.problems).toContain('lines about filters left out: 40')
  })

  test('goes on where a slice of its work has ended, with the loop turning in between', async () => {
    const run = new Run({ maxFlows: 10_000, sessionQuota: 10_000 })
    for (let sport = 0; sport < 5000; sport++) run.packet(1, T + 1, udp(1, sport))
    run.tick(T + 61)
    // 5000 flows are more than one slice: idle after 30 s, they end one slice after the other.
    expect(run.recordsMade).toBe(4096)
    const report = await run.close()
    expect(report.flows.recordsWritten).toBe(5000)
    expect(report.flows.ended).toEqual({ idle: 5000 })
  })

  test('records and captures add up over random traffic, seed 4', async () => {
    const run = new Run({ maxSessions: 3, maxFlows: 16, sessionQuota: 12 })
    let seconds = T
    for (let step = 0; step < 500; step++) {
      // One that stays, and two that are silent from some time on, when two others come.
      const vni = (step < 200 ? 1 : 3) + (step % 3)
      run.packet(vni, seconds, udp(vni, 1000 + ((step * 13) % 11)))
      if (step % 3 === 0) run.tick(++seconds)
    }
    const report = await run.close()
    const { accepted } = report
    expect(report.noRoom).toBeGreaterThan(0)
    expect(accepted + report.noRoom).toBe(500)
    const records = run.records().filter((line) => line.startsWith('OK'))
    const packets = records.reduce((sum, line) => sum + Number(line.split(' ')[6]), 0)
    expect(packets).toBe(accepted)
    const captured = Object.values(await run.captures()).flat()
    expect(captured).toHaveLength(accepted)
    expect(report.evictedSessions.sessions).toBeGreaterThan(0)
    expect(report.flows.recordsWritten).toBe(run.records().length)
    expect(report.flows.recordsLost).toBe(0)
  })
})

describe('retune', () => {
  test('captures end and begin, filters and unknown sessions change, and no packet is uncounted', async () => {
    const run = new Run()
    const capture = { ...CAPTURE, directory: join(run.directory, 'captures') }
    run.packet(1, T)
    await run.column.retune({ capture: null })
    run.packet(1, T + 1)
    run.packet(2, T + 1)
    await run.column.retune({ capture: { ...capture, snaplen: 60 } })
    run.packet(1, T + 2)
    run.packet(2, T + 2)
    await run.column.retune({ filters: { filter: 'host 10.9.0.1' } })
    run.packet(1, T + 3)
    run.packet(2, T + 3)
    await run.column.retune({ filters: {}, unknownSessions: 'drop' })
    run.packet(2, T + 4)
    run.packet(3, T + 4)
    await run.column.close()
    expect(run.problems).toEqual([])
    expect(run.column.report()).toMatchObject({
      received: 9,
      accepted: 7,
      filtered: 1,
      unknownSession: 1,
      totals: { captured: 5 },
    })
    const seconds = Object.entries(await run.captures())
      .map(([path, of]) => [dirname(path), of] as const)
      .sort(([one, [a]], [other, [b]]) => one.localeCompare(other) || a! - b!)
    expect(seconds).toEqual([
      ['vni-1_10.0.0.1', [0]],
      ['vni-1_10.0.0.1', [2, 3]],
      ['vni-2_10.0.0.1', [2, 4]],
    ])
  })

  test('the default flow log goes on in another format, and each packet is in one record', async () => {
    const run = new Run()
    const flowLog = {
      directory: join(run.directory, 'flow-logs'),
      layout: {},
      maxAggregationInterval: WINDOW as 60,
      metadata: {},
      wholeSessions: true,
    }
    run.packet(1, T)
    run.packet(1, T + 1)
    await run.column.retune({ flowLog: { ...flowLog, logFormat: '${srcport} ${packets}' } })
    run.packet(1, T + 2)
    const report = await run.close()
    const logs = filesBelow(flowLog.directory).map((path) =>
      gunzipSync(readFileSync(path)).toString('latin1').trimEnd().split('\n'),
    )
    expect(logs).toHaveLength(2)
    const [old, next] = logs.sort(([a], [b]) => b!.length - a!.length)
    expect(old![1]).toMatch(/ 10\.9\.0\.1 1000 53 2 256$/)
    expect(next).toEqual(['srcport packets', '1000 1'])
    expect(report.flows).toMatchObject({ recordsWritten: 2, recordsLost: 0 })
  })
})

test('what takes records as JSON has those of quiet windows too', async () => {
  const directory = temporaryDirectory()
  const queue = join(directory, 'queue')
  const run = new Run({
    flowLog: {
      directory: join(directory, 'logs'),
      layout: {},
      logFormat: '${log-status} ${start} ${packets}',
      maxAggregationInterval: WINDOW,
      metadata: {},
      wholeSessions: true,
      queues: { ofDefault: [{ directory: queue, content: 'json' }], others: directory },
    },
  })
  run.packet(1, T)
  run.tick(T, T + 3 * WINDOW)
  await run.column.close()
  const lines = filesBelow(queue).flatMap((path) =>
    gunzipSync(readFileSync(path)).toString('latin1').trimEnd().split('\n').slice(1),
  )
  expect(lines.filter((line) => line.startsWith('vni-1_10.0.0.1 ')).length).toBe(lines.length)
  expect(lines.filter((line) => line.includes('"log-status":"OK"'))).toHaveLength(1)
  expect(lines.some((line) => line.includes('"log-status":"NODATA"'))).toBe(true)
})
