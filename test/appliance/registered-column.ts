import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { Column, type ColumnOptions } from '../../src/appliance/column.js'
import type { FlowLogOptions } from '../../src/appliance/flow-logs.js'
import type { Change } from '../../src/control/state.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import type { NetworkInterface } from '../../src/mirror/resources.js'
import { readCapture } from '../../src/pcap/reader.js'
import type { LedgerReport, SessionReport } from '../../src/session/ledger.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ALL, made, TARGET } from './registered.js'

/** 2026-08-21T10:00:00Z, the start of a window of either length. */
export const T = Date.UTC(2026, 7, 21, 10) / 1000

/** The mirrored interface's own address and what it talks to. */
export const HERE = '10.0.0.9'
export const THERE = '192.0.2.1'

type ColumnSetting = Partial<ColumnOptions> & {
  /** Known from the beginning. */
  readonly interfaces?: ReadonlyMap<string, NetworkInterface>
}

/** A column that follows a control plane, with files in a directory of the test's own. */
export class RegisteredColumn {
  readonly directory = temporaryDirectory()
  readonly problems: string[] = []
  readonly column: Column
  #now = T

  readonly #inventory: readonly Change[]

  constructor(
    { interfaces, ...options }: ColumnSetting = {},
    flowLog: Partial<FlowLogOptions> = {},
  ) {
    this.#inventory = [...(interfaces ?? [])].map(([, found]) => made('interfaces', found))
    this.column = new Column(
      {
        sessionKey: 'source+vni',
        unknownSessions: 'accept',
        maxSessions: 8,
        maxFlows: 1000,
        sessionQuota: 1000,
        lifetime: LIFETIMES.nfw,
        duplicates: 'keep',
        capture: {
          directory: join(this.directory, 'captures'),
          format: 'pcap',
          snaplen: 0,
          rotateBytes: Number.POSITIVE_INFINITY,
          rotateSeconds: 60,
          keepFiles: Number.POSITIVE_INFINITY,
          keepBytes: Number.POSITIVE_INFINITY,
          suffix: '',
        },
        flowLog: {
          directory: join(this.directory, 'logs'),
          layout: { flowLogId: 'fl-00000000000000000' },
          logFormat: '${log-status} ${interface-id} ${srcport} ${packets}',
          maxAggregationInterval: 600,
          metadata: {},
          wholeSessions: false,
          owner: { accountId: '111122223333', region: 'eu-west-1' },
          ...flowLog,
        },
        ...options,
      },
      (line) => this.problems.push(line),
    )
  }

  /** Sets the time that packets and changes have from now on. */
  at(seconds: number): this {
    this.#now = seconds
    return this
  }

  async apply(...changes: Change[]): Promise<void> {
    await this.column.apply(changes, this.#now)
  }

  /** With a filter that accepts everything, and a target. */
  async begin(...changes: Change[]): Promise<this> {
    await this.apply(...this.#inventory, made('targets', TARGET), made('filters', ALL), ...changes)
    return this
  }

  /** From HERE to THERE, unless it is a packet of the test's own. */
  packet(vni: number, sport = 1000, packet = outbound(sport), source = HERE): void {
    const frame = ethernet(packet)
    this.column.demux.acceptVxlan(
      datagramOf(vxlan(vni, frame), { source, seconds: this.#now, nanoseconds: 5e8 }),
    )
  }

  tick(from: number, to = from): void {
    for (let now = from; now <= to; now++) this.at(now).column.tick(now, 0)
  }

  report(name: string): SessionReport {
    return this.column.report().sessions.find(({ session }) => session === name)!
  }

  async close(): Promise<LedgerReport> {
    await this.column.close()
    expect(this.problems).toEqual([])
    const report = this.column.report()
    const malformed = Object.values(report.malformed).reduce((sum, count) => sum + count, 0)
    const { accepted, filtered, unknownSession, duplicate } = report
    expect(report.received).toBe(accepted + filtered + unknownSession + duplicate + malformed)
    for (const session of report.sessions) {
      expect(session.received).toBe(session.accepted + session.malformed + session.filtered)
    }
    return report
  }

  /** Names of all files below `captures`, by session. */
  captures(): string[] {
    return filesBelow(join(this.directory, 'captures')).map((path) =>
      join(basename(dirname(path)), basename(path)),
    )
  }

  /** [captured, original] lengths of the packets in a session's captures. */
  async lengths(name: string): Promise<[number, number][]> {
    const lengths: [number, number][] = []
    for (const path of filesBelow(join(this.directory, 'captures', name))) {
      await readCapture(path, ({ start, end, originalLength }) => {
        lengths.push([end - start, originalLength])
      })
    }
    return lengths
  }

  /** Lines of a flow log's published files, without their header. */
  records(flowLogId = 'fl-00000000000000000'): string[] {
    return this.logFiles(flowLogId).flatMap((path) => {
      const lines = gunzipSync(readFileSync(join(this.directory, 'logs', path))).toString('latin1')
      return lines.split('\n').slice(1, -1)
    })
  }

  /** Published files of a flow log by their paths below the directory. */
  logFiles(flowLogId: string): string[] {
    const directory = join(this.directory, 'logs')
    return filesBelow(directory)
      .filter((path) => path.includes(flowLogId) && !path.endsWith('.part'))
      .map((path) => path.slice(directory.length + 1))
  }
}

export function outbound(sport = 1000, length = 100): Buffer {
  return udp4({ src: HERE, dst: THERE, sport, dport: 53, payload: Buffer.alloc(length) })
}

export function inbound(dport = 1000): Buffer {
  return udp4({ src: THERE, dst: HERE, sport: 53, dport, payload: Buffer.alloc(100) })
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
