import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { openIpfixOverTcp } from '../../src/deliver/ipfix-tcp.js'
import { openIpfixOverUdp } from '../../src/deliver/ipfix-udp.js'
import { deliverTo } from '../support/delivery.js'
import { someFlows } from '../support/flow-lines.js'
import { fillQueue } from '../support/queue-files.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const HOST = '127.0.0.1'
const FLOWS = someFlows(600)

/** As every judge can say it: addresses, ports, protocol, packets, bytes, first and last millisecond, TCP flags. */
const EXPECTED = FLOWS.map(({ line }) => line.split(' ').slice(1, 11).join(' ')).sort()

const running: ChildProcess[] = []
afterEach(() => {
  // Groups: nfacctd is several processes, and takes its time to end.
  for (const { pid } of running.splice(0)) {
    try {
      process.kill(-pid!, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
})

function start(command: string, ...args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.push(child)
  return child
}

/** Resolves when it has said so. Until then a collector may have its port and yet lose what comes. */
async function says(child: ChildProcess, words: string): Promise<void> {
  let text = ''
  await new Promise<void>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (some: Buffer) => {
        text += some.toString()
        if (text.includes(words)) resolve()
      })
    }
  })
}

function said(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** One that nobody else is given while it is free: the collectors take no 0. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, HOST)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

async function deliver(port: number, flows = FLOWS): Promise<void> {
  const directory = temporaryDirectory()
  fillQueue(directory, [flows])
  const { delivery } = await deliverTo({}, directory, async () =>
    openIpfixOverUdp({ host: HOST, port }),
  )
  await delivery.drained()
  await delivery.stop()
}

test.skipIf(!hasTool('nfcapd'))('nfcapd writes down each flow as it was', async () => {
  const directory = temporaryDirectory()
  const port = await freePort()
  const nfcapd = start('nfcapd', '-b', HOST, '-p', `${port}`, '-w', directory, '-t', '3600')
  await says(nfcapd, 'Startup nfcapd')
  await deliver(port)
  const ended = once(nfcapd, 'exit')
  nfcapd.kill('SIGTERM')
  await ended
  const stdout = said('nfdump', '-R', directory, '-o', 'json')
  const flows = JSON.parse(stdout) as Record<string, string | number>[]
  const read = flows.map((flow) =>
    [
      flow['src4_addr'] ?? flow['src6_addr'],
      flow['dst4_addr'] ?? flow['dst6_addr'],
      ...[flow['src_port'], flow['dst_port'], flow['proto'], flow['in_packets'], flow['in_bytes']],
      ...[Date.parse(`${flow['first']}`), Date.parse(`${flow['last']}`)],
      flagsOf(`${flow['tcp_flags']}`),
    ].join(' '),
  )
  expect(read.sort()).toEqual(EXPECTED)
})

/** nfdump's `...AP.SF`. */
function flagsOf(text: string): number {
  return Number.parseInt(text.replace(/[^.]/g, '1').replaceAll('.', '0'), 2)
}

test.skipIf(!hasTool('nfacctd'))('nfacctd counts each flow as it was', async () => {
  const directory = temporaryDirectory()
  const port = await freePort()
  const out = join(directory, 'flows.json')
  const primitives = ['src_host', 'dst_host', 'src_port', 'dst_port', 'proto', 'tcpflags']
  const config = {
    daemonize: 'false',
    nfacctd_ip: HOST,
    nfacctd_port: port,
    plugins: 'print[p]',
    'aggregate[p]': [...primitives, 'timestamp_start', 'timestamp_end'].join(', '),
    'print_output[p]': 'json',
    'print_output_file[p]': out,
    'print_output_file_append[p]': 'true',
    'print_refresh_time[p]': 1,
    timestamps_since_epoch: 'true',
  }
  const file = join(directory, 'nfacctd.conf')
  const lines = Object.entries(config).map(([key, value]) => `${key}: ${value}\n`)
  writeFileSync(file, lines.join(''))
  await says(start('nfacctd', '-f', file), 'cache entries=')
  // It loses what comes before its parts have found each other, and does not say when they have.
  const probe = someFlows(1, 10_000)
  while (!existsSync(out)) {
    await deliver(port, probe)
    await delay(200)
  }
  await deliver(port)
  const probeSource = probe[0]!.line.split(' ')[1]
  const read = (): Record<string, string | number>[] =>
    existsSync(out)
      ? readFileSync(out, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line))
          .filter((flow) => flow['ip_src'] !== probeSource)
      : []
  await expect.poll(() => read().length).toBeGreaterThanOrEqual(FLOWS.length)
  const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17 }
  const seen = read().map((flow) =>
    [
      ...[flow['ip_src'], flow['ip_dst'], flow['port_src'], flow['port_dst']],
      ...[protocols[flow['ip_proto']!], flow['packets'], flow['bytes']],
      ...[flow['timestamp_start'], flow['timestamp_end']].map((time) => Number(time) * 1000),
      flow['tcp_flags'],
    ].join(' '),
  )
  expect(seen.sort()).toEqual(EXPECTED)
})

test.skipIf(!hasTool('tshark'))('tshark finds nothing wrong with a connection', async () => {
  const directory = temporaryDirectory()
  const bytes: Buffer[] = []
  const server = createServer((socket) => socket.on('data', (some) => bytes.push(some)))
  server.listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  mkdirSync(join(directory, 'queue'))
  fillQueue(join(directory, 'queue'), [FLOWS])
  const { delivery } = await deliverTo({}, join(directory, 'queue'), async () =>
    openIpfixOverTcp({ host: HOST, port }),
  )
  await delivery.drained()
  await delivery.stop()
  server.close()
  // text2pcap makes of it what tshark reads as a connection to the port of IPFIX.
  const dump = join(directory, 'dump.txt')
  const all = Buffer.concat(bytes)
  const parts: string[] = []
  for (let at = 0; at < all.length; at += all.readUInt16BE(at + 2)) {
    const message = all.subarray(at, at + all.readUInt16BE(at + 2))
    const octets = message.toString('hex').replace(/../g, '$& ')
    parts.push(`000000 ${octets}\n`)
  }
  writeFileSync(dump, parts.join(''))
  const capture = join(directory, 'out.pcap')
  said('text2pcap', '-q', '-T', '40000,4739', dump, capture)
  const fields = ['cflow.srcaddr', 'cflow.srcaddrv6', 'cflow.layer2_segment_id', '_ws.expert']
  const stdout = said(
    'tshark',
    ...['-n', '-r', capture, '-T', 'fields', '-E', 'separator=|'],
    ...fields.flatMap((field) => ['-e', field]),
  )
  const rows = stdout
    .split('\n')
    .slice(0, -1)
    .map((row) => row.split('|'))
  const addresses = rows.flatMap(([v4 = '', v6 = '']) => [...v4.split(','), ...v6.split(',')])
  const expected = FLOWS.map(({ line }) => line.split(' ')[1]!)
  expect(addresses.filter((text) => text !== '').sort()).toEqual(expected.sort())
  expect(rows.map(([, , , expert]) => expert).join('')).toBe('')
  expect(readdirSync(join(directory, 'queue'))).toEqual([])
})
