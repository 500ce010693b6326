import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { readWrittenBytes } from '../support/written-captures.js'
import { Namespace, whyNoNamespaces } from './namespaces.js'
import {
  Appliance,
  BIN,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  Program,
  UNHURRIED,
  until,
} from './program.js'
import { framesOf } from './tcpdump.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const PACKETS = 118
const MISSING = whyNoNamespaces() ?? (hasTool('tshark') ? undefined : 'tshark')
const missing = MISSING === undefined ? '' : ` (needs ${MISSING})`

/** Mirrors the sample to the appliance, and resolves when all is sent. */
async function mirrorTo(appliance: Appliance, within: readonly string[] = []): Promise<void> {
  const to = `127.0.0.1:${await appliance.port()}`
  const command = [process.execPath, BIN, 'mirror', '--read', SAMPLE, '--to', to]
  const options = ['--vni', '7', '--speed', 'max']
  const source = new Program([...within, ...command, ...options] as [string, ...string[]])
  expect(await source.ended()).toBe(0)
}

/** The ports at which packets are to be had, in their order. */
async function portsOf(appliance: Appliance): Promise<number[]> {
  await appliance.port()
  const lines = appliance.stderr.matchAll(/^pcap over IP at 127\.0\.0\.1:(\d+): /gm)
  return [...lines].map((match) => Number(match[1]))
}

/** The only capture file below a directory. */
function captureIn(directory: string): string {
  const files = filesBelow(directory)
  expect(files).toHaveLength(1)
  return join(directory, files[0]!)
}

/** Connects, and resolves when the header has come: from then on there are packets. */
async function read(port: number): Promise<() => Promise<Buffer>> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
  })
  const pieces: Buffer[] = []
  socket.on('data', (piece) => pieces.push(piece))
  const ended = once(socket, 'end')
  await until(() => Buffer.concat(pieces).length >= 24)
  return async () => {
    await ended
    return Buffer.concat(pieces)
  }
}

describe.skipIf(!IS_BUILT)(`packets to other tools${NEEDS_BUILD}`, UNHURRIED, () => {
  test('readers have what the capture file has, byte for byte, or what the filter of their port wants', async () => {
    const directory = temporaryDirectory()
    const appliance = new Appliance([
      ...['--capture-dir', directory, '--rotate-interval', '24h'],
      ...['--pcap-over-ip', '0', '--pcap-over-ip', '127.0.0.1:0=udp port 53 and vni 7'],
    ])
    const [all, dns] = await portsOf(appliance)
    const whole = await read(all!)
    const filtered = await read(dns!)
    await mirrorTo(appliance)
    expect(await appliance.stop()).toBe(0)
    expect(await whole()).toEqual(readFileSync(captureIn(directory)))
    expect(readWrittenBytes(await filtered())).toHaveLength(4)
    expect(appliance.stderr).toMatch(/ has read 118 packets, and lost 0$/m)
    expect(appliance.stderr).toMatch(/ has read 4 packets, and lost 0$/m)
  })

  test.skipIf(MISSING)(
    `tcpdump on the tap device and tshark over IP have the frames of the capture file${missing}`,
    async () => {
      const host = new Namespace()
      const directory = temporaryDirectory()
      const appliance = new Appliance(
        [
          ...['--capture-dir', join(directory, 'captures'), '--rotate-interval', '24h'],
          ...['--pcap-over-ip', '127.0.0.1:0', '--tap', 'mt0'],
        ],
        host.within,
      )
      const [port] = await portsOf(appliance)
      expect(host.run('cat', '/sys/class/net/mt0/mtu').trim()).toBe('9001')
      const onTap = join(directory, 'tap.pcap')
      const overIp = join(directory, 'tshark.pcap')
      const tcpdump = host.start(
        ...['tcpdump', '-n', '-U', '--immediate-mode', '--time-stamp-precision=nano'],
        // Its buffer holds frames of this length each.
        ...['-s', '9100', '-B', '16384', '-Z', 'root', '-i', 'mt0', '-w', onTap],
      )
      await tcpdump.says(/listening on/)
      const tshark = host.start(
        ...['tshark', '-Q', '-i', `TCP@127.0.0.1:${port}`, '-F', 'pcap', '-w', overIp],
      )
      await until(() => host.run('ss', '-Htn', 'sport', '=', `:${port}`).includes('ESTAB'))
      await mirrorTo(appliance, host.within)
      await until(() => framesOf(onTap)?.length === PACKETS)
      expect(await appliance.stop()).toBe(0)
      await tshark.ended()

      const expected = framesOf(captureIn(join(directory, 'captures')))
      expect(framesOf(onTap)).toEqual(expected)
      expect(framesOf(overIp)).toEqual(expected)
      expect(appliance.stderr).toMatch(/^mt0 was given 118 packets, and 0 it could not take$/m)
      // It was made for this, and goes with it.
      expect(() => host.run('cat', '/sys/class/net/mt0/mtu')).toThrow()
    },
  )
})
