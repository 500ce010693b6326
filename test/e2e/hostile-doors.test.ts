import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LedgerReport } from '../../src/session/ledger.js'
import { ethernet, fragments4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  readStats,
  sumOf,
  UNHURRIED,
} from './program.js'

const HOST = '127.0.0.1'
const GOOD_VNI = 0xffff02
const GOOD = 'tms-good'
const PACKETS = 20

const CONFIG = {
  TrafficMirrorTargets: [{ TrafficMirrorTargetId: 'tmt-here', NetworkInterfaceId: 'eni-here' }],
  TrafficMirrorFilters: [
    {
      TrafficMirrorFilterId: 'tmf-all',
      IngressFilterRules: [
        {
          ...{ RuleNumber: 1, RuleAction: 'accept' },
          ...{ SourceCidrBlock: '0.0.0.0/0', DestinationCidrBlock: '0.0.0.0/0' },
        },
      ],
    },
  ],
  TrafficMirrorSessions: [
    {
      ...{ TrafficMirrorSessionId: GOOD, NetworkInterfaceId: 'eni-there', SessionNumber: 1 },
      ...{ TrafficMirrorTargetId: 'tmt-here', TrafficMirrorFilterId: 'tmf-all' },
      VirtualNetworkId: GOOD_VNI,
    },
  ],
}

const DATAGRAM = udp4({ src: '10.1.0.1', dst: '10.1.0.2', sport: 1000, dport: 53 })
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

interface Running {
  readonly appliance: Appliance
  readonly captures: string
  readonly api: URL
  readonly readers: number
  readonly health: number
  /** Of the sessions that others make up. */
  send(bytes: Buffer): Promise<void>
}

/** Opens so many connections, has them say something, and leaves them for the rest of the test. */
async function crowd(port: number, count: number, says: string): Promise<void> {
  for (let opened = 0; opened < count; opened++) {
    const socket: Socket = connect(port, HOST)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(says)
    onTestFinished(() => void socket.destroy())
  }
  await delay(100)
}

function atOnce(count: number, url: URL): Promise<unknown> {
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          get(url, (response) => response.resume().once('close', resolve)).on('error', resolve)
        }),
    ),
  )
}

async function head(api: URL, request: string, count: number): Promise<void> {
  await crowd(Number(api.port), count, `${request} HTTP/1.1\r\nHost: ${api.host}\r\n`)
}

const DEEDS: readonly { name: string; does: (running: Running) => Promise<unknown> }[] = [
  {
    name: 'signals',
    does: async ({ appliance }) => {
      for (let at = 0; at < 20; at++) {
        for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) appliance.signal(signal)
      }
    },
  },
  {
    name: 'a log format of one word of 900 kB',
    does: ({ api }) => {
      const call = { Action: 'CreateFlowLogs', Version: '2016-11-15', ResourceType: 'VPC' }
      const body = new URLSearchParams({ ...call, LogFormat: `\${${'x'.repeat(900_000)}}` })
      return fetch(api, { method: 'POST', headers: FORM, body }).then((answer) => answer.text())
    },
  },
  {
    name: 'a crowd at the health check',
    does: ({ health }) => crowd(health, 600, 'GET /metrics HTTP/1.1\r\n'),
  },
  { name: 'heads without an end', does: ({ api }) => head(api, 'GET /health', 600) },
  {
    name: 'bodies without an end',
    does: ({ api }) => {
      const more = `Content-Type: ${FORM['content-type']}\r\nContent-Length: 1000000\r\n\r\n`
      return crowd(
        Number(api.port),
        600,
        `POST / HTTP/1.1\r\nHost: ${api.host}\r\n${more}${'&a=%41'.repeat(5000)}`,
      )
    },
  },
  {
    name: 'viewers of the dashboard who read nothing',
    does: ({ api }) => head(api, 'GET /events HTTP/1.1\r\nX: y\r\n\r\nGET /events', 100),
  },
  { name: 'many pages of metrics', does: ({ api }) => atOnce(50, new URL('/metrics', api)) },
  {
    name: 'many searches',
    does: ({ api }) => atOnce(6, new URL('/captures/find?filter=udp', api)),
  },
  { name: 'readers of packets who read nothing', does: ({ readers }) => crowd(readers, 200, 'x') },
  {
    name: 'captures and indexes of rubbish',
    does: async ({ captures }) => {
      const session = join(captures, 'vni-1_127.0.0.1')
      mkdirSync(session, { recursive: true })
      for (const name of ['junk.pcap', 'junk.pcap.idx', 'other.pcapng.gz']) {
        writeFileSync(join(session, name), randomBytes(10_000))
      }
    },
  },
  {
    name: 'made-up sessions',
    does: async ({ send }) => {
      for (let vni = 1; vni <= 1000; vni++) await send(vxlan(vni, ethernet(DATAGRAM)))
    },
  },
  {
    name: 'fragments whose first never comes',
    does: async ({ send }) => {
      const long = { src: '10.1.0.1', dst: '10.1.0.2', sport: 1, dport: 2 }
      const [, rest] = fragments4(udp4({ ...long, payload: Buffer.alloc(2000) }), 1500)
      for (let id = 0; id < 1000; id++) {
        rest!.writeUInt16BE(id, 4)
        await send(vxlan(7, ethernet(rest!)))
      }
    },
  },
  {
    name: 'datagrams of rubbish, seed none: whatever they are',
    does: async ({ send }) => {
      for (let sent = 0; sent < 500; sent++) await send(randomBytes(1 + (sent % 200)))
    },
  },
]

describe.skipIf(!IS_BUILT)(
  `an appliance that others do their worst to${NEEDS_BUILD}`,
  UNHURRIED,
  () => {
    test('counts every packet, answers, and leaves whole files', async () => {
      const directory = temporaryDirectory()
      const at = (name: string): string => join(directory, name)
      writeFileSync(at('config.yaml'), JSON.stringify(CONFIG))
      const captures = at('captures')
      const appliance = new Appliance(
        [
          ...['--config', at('config.yaml'), '--capture-dir', captures, '--index'],
          ...['--rotate-interval', '1s', '--flow-log-dir', at('logs'), '--stats', at('stats.json')],
          ...['--api', '127.0.0.1:0', '--no-auth', '--pcap-over-ip', '0'],
          ...['--health', '127.0.0.1:0'],
        ],
        // Crowds would take them all.
        ['sh', '-c', 'ulimit -n 512; exec "$@"', 'sh'],
      )
      const port = await appliance.port()
      const api = new URL((await appliance.says(/^API on (\S+),/m))[1]!)
      const readers = Number((await appliance.says(/^pcap over IP at 127\.0\.0\.1:(\d+)/m))[1])
      const health = Number((await appliance.says(/\/metrics, on http:\/\/\S+:(\d+)/))[1])
      const sender = await UdpSender.open(HOST)
      onTestFinished(() => sender.close())
      let others = 0
      const running: Running = {
        ...{ appliance, captures, api, readers, health },
        send: (bytes) => {
          others++
          return sender.send(bytes, port, HOST)
        },
      }
      let meant = 0
      for (const { name, does } of DEEDS) {
        await does(running)
        for (let sent = 0; sent < PACKETS; sent++) {
          await sender.send(vxlan(GOOD_VNI, ethernet(DATAGRAM)), port, HOST)
        }
        meant += PACKETS
        // The API answers too, though it may close what it has no room for.
        await expect
          .poll(() => receivedOf(new URL('/ledger', api)), { timeout: 60_000, message: name })
          .toBe(meant)
      }
      expect(await appliance.stop(), appliance.stderr).toBe(0)
      const report = readStats(at('stats.json'))
      expect(report).toMatchObject({ received: meant + others, kernelLost: 0 })
      expect(sumOf(report)).toBe(report.received)
      expect(filesBelow(directory).filter((name) => name.endsWith('.part'))).toEqual([])
      const written = filesBelow(join(captures, GOOD)).filter((name) => name.endsWith('.pcap'))
      const packets = written.flatMap((name) => readWritten(join(captures, GOOD, name)))
      expect(packets).toHaveLength(meant)
    })
  },
)

async function receivedOf(ledger: URL): Promise<number | undefined> {
  try {
    const report = (await (await fetch(ledger)).json()) as LedgerReport
    return report.sessions.find(({ session }) => session === GOOD)?.received
  } catch {
    return undefined
  }
}
