import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { Column } from '../../src/appliance/column.js'
import type { EventLogOptions } from '../../src/appliance/event-logs.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { readCapture } from '../../src/pcap/reader.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const T = Date.UTC(2026, 7, 21, 10) / 1000

function openColumn(
  eventLog: Partial<EventLogOptions> & Pick<EventLogOptions, 'directory'>,
  maxFlows = 1000,
): { column: Column; problems: string[] } {
  const problems: string[] = []
  const column = new Column(
    {
      sessionKey: 'source+vni',
      unknownSessions: 'accept',
      maxSessions: 8,
      maxFlows,
      sessionQuota: maxFlows,
      lifetime: LIFETIMES.nfw,
      duplicates: 'keep',
      eventLog: { format: 'zeek', pairs: false, names: true, intervalSeconds: 300, ...eventLog },
    },
    (line) => problems.push(line),
  )
  return { column, problems }
}

/** Sends the first segment of so many connections, at once. */
function connect(column: Column, connections: number): void {
  const packet = tcp4({ src: '10.9.0.0', dst: '192.0.2.1', sport: 2000, dport: 443 })
  const datagram = datagramOf(vxlan(7, ethernet(packet)), { seconds: T })
  const source = Buffer.from(datagram.bytes).indexOf(Buffer.from([10, 9, 0, 0]))
  for (let each = 0; each < connections; each++) {
    datagram.bytes[source + 2] = each >>> 8
    datagram.bytes[source + 3] = each & 0xff
    column.demux.acceptVxlan(datagram)
  }
}

/** A question for the address of example.org, or an answer that has none. */
function dnsMessage(flags: number): Buffer {
  const message = Buffer.from('00010000000100000000000007', 'hex')
  message.writeUInt16BE(flags, 2)
  return Buffer.concat([message, Buffer.from('example\x03org\0\0\x01\0\x01', 'latin1')])
}

/** Rows by log, as the files hold them, sorted, without headers. */
function rowsBelow(directory: string): Record<string, string[]> {
  const rows: Record<string, string[]> = {}
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = readFileSync(join(entry.parentPath, entry.name))
    const isLive = entry.name.endsWith('.gz')
    const text = (isLive ? gunzipSync(bytes) : bytes).toString()
    expect(text.endsWith('\n')).toBe(true)
    const lines = text.trimEnd().split('\n')
    const log = basename(entry.name).split('.')[0]!
    rows[log] = [...(rows[log] ?? []), ...lines.filter((line) => !line.startsWith('#'))].sort()
  }
  return rows
}

test.each([
  { format: 'zeek', pairs: false },
  { format: 'zeek-json', pairs: false },
  { format: 'eve', pairs: false },
  { format: 'eve', pairs: true },
] as const)(
  'has live the rows that flows --format $format has of a file, pairs $pairs',
  async ({ format, pairs }) => {
    const shots: Shot[] = []
    await readCapture(SAMPLE, ({ bytes, start, end, seconds, nanoseconds }) => {
      const frame = Buffer.from(bytes.subarray(start, end))
      shots.push({ frame, seconds, nanoseconds })
    })
    const live = temporaryDirectory()
    const { column, problems } = openColumn({ directory: live, format, pairs })
    const outer = shots.map(({ frame, ...time }) => {
      const payload = vxlan(7, frame)
      for (let ticks = 0; ticks < 4; ticks++) column.tick(time.seconds!, 0)
      column.demux.acceptVxlan(datagramOf(payload, time))
      const datagram = udp4({
        src: '10.0.0.1',
        dst: '10.0.0.2',
        sport: 65_445,
        dport: 4789,
        payload,
      })
      return { frame: ethernet(datagram), ...time }
    })
    await column.close()
    expect(problems).toEqual([])

    const capture = join(temporaryDirectory(), 'outer.pcap')
    writeFileSync(capture, pcapFile(outer))
    const offline = temporaryDirectory()
    const output = format === 'eve' ? join(offline, 'eve.json') : offline
    const options = ['--format', format, ...(pairs ? ['--pairs'] : []), '-o', output]
    const { code } = await runCommand('flows', ...options, capture)
    expect(code).toBe(0)
    const rows = rowsBelow(live)
    expect(rows).toEqual(rowsBelow(offline))
    const count = Object.values(rows).flat().length
    expect(count).toBeGreaterThan(15)
    expect(column.report().eventLogs).toEqual({ written: count, lost: 0 })
  },
)

test('names files after the time in which rows are written, with a header of their own', async () => {
  const directory = temporaryDirectory()
  const { column } = openColumn({ directory, intervalSeconds: 60 })
  const ask = (seconds: number, sport: number) => {
    column.tick(seconds, 0)
    const payload = dnsMessage(0x0100)
    const packet = ethernet(udp4({ src: '10.9.0.1', dst: '10.9.0.2', sport, dport: 53, payload }))
    column.demux.acceptVxlan(datagramOf(vxlan(7, packet), { seconds }))
  }
  ask(T, 1000)
  // Nobody answers: after a minute that is told, and after five the flow is over.
  for (let second = 1; second < 600; second++) {
    column.tick(T + second, 0)
    await nextTurn()
    await nextTurn()
  }
  ask(T + 600, 1001)
  await column.close()
  const names = readdirSync(join(directory, '2026-08-21')).sort()
  const times = names.map((name) => name.replace(/_[0-9a-f]{8}\.log\.gz$/, ''))
  expect(times).toEqual([
    expect.stringMatching(/^conn\.20260821T100[0-9]00Z$/),
    'conn.20260821T101000Z',
    expect.stringMatching(/^dns\.20260821T100[1-2]00Z$/),
    'dns.20260821T101000Z',
  ])
  for (const name of names) {
    const text = gunzipSync(readFileSync(join(directory, '2026-08-21', name))).toString()
    expect(text).toMatch(/^#separator \\x09\n/)
    expect(text).toContain(`#path\t${name.split('.')[0]}\n`)
  }
})

test('loses and counts rows that come faster than they are written, and no others', async () => {
  const directory = temporaryDirectory()
  const { column, problems } = openColumn({ directory }, 64)
  column.tick(T, 0)
  // Each connection takes the place of another, without a turn between: nothing can be written meanwhile.
  const CONNECTIONS = 18_000
  connect(column, CONNECTIONS)
  await column.close()
  expect(problems).toEqual([])
  const { written, lost } = column.report().eventLogs!
  expect(lost).toBeGreaterThan(0)
  expect(written + lost).toBe(CONNECTIONS)
  expect(rowsBelow(directory)['conn']).toHaveLength(written)
})

test('a full table is written whole when it ends', async () => {
  const directory = temporaryDirectory()
  const CONNECTIONS = 18_000
  const { column } = openColumn({ directory }, CONNECTIONS)
  column.tick(T, 0)
  connect(column, CONNECTIONS)
  await column.close()
  expect(column.report().eventLogs).toEqual({ written: CONNECTIONS, lost: 0 })
})

test('what one session has said is not joined with what another says that has its place', async () => {
  const directory = temporaryDirectory()
  const { column } = openColumn({ directory, format: 'zeek-json' })
  column.tick(T, 0)
  const message = (isResponse: boolean) => {
    const payload = dnsMessage(isResponse ? 0x8180 : 0x0100)
    const ends = isResponse
      ? { src: '10.9.0.2', dst: '10.9.0.1', sport: 53, dport: 1000 }
      : { src: '10.9.0.1', dst: '10.9.0.2', sport: 1000, dport: 53 }
    return ethernet(udp4({ ...ends, payload }))
  }
  column.demux.acceptVxlan(datagramOf(vxlan(1, message(false)), { seconds: T }))
  // Eight are open at a time; another has the place of one with its second packet.
  for (let vni = 2; vni <= 12; vni++) {
    const seconds = T + vni
    column.tick(seconds, 0)
    for (let packets = vni <= 8 ? 1 : 2; packets > 0; packets--) {
      column.demux.acceptVxlan(datagramOf(vxlan(vni, message(true)), { seconds }))
    }
  }
  await column.close()
  const rows = rowsBelow(directory)['dns']!.map((line) => JSON.parse(line))
  expect(rows.filter(({ rtt }) => rtt !== undefined)).toEqual([])
  expect(rows).toHaveLength(12)
})
