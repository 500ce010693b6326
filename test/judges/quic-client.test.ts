import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ApplicationReader } from '../../src/application/application-reader.js'
import { Offline } from '../../src/offline/offline.js'
import { ApplicationPackets } from '../../src/session/application-packets.js'
import { ApplicationRun, type Told } from '../application/application-run.js'
import { ethernet, udp4 } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const NAME = 'quic.example.test'
/** The first two datagrams of Chromium 156 to a server of that name, which share its hello; the addresses are ours. */
const CHROMIUM = join(import.meta.dirname, '../application/quic-chromium.pcap')
const LONG = process.env['LONG_TESTS'] !== undefined

let browser: ChildProcess | undefined
afterEach(() => {
  if (browser?.pid !== undefined) process.kill(-browser.pid, 'SIGKILL')
  browser = undefined
})

describe('a QUIC handshake of Chromium names its server', () => {
  test('in the datagrams that it once sent', async () => {
    const names: (string | undefined)[] = []
    const reader = new ApplicationReader({
      quic: (_ends, version, { serverName, alpn }) =>
        names.push(`${version} ${serverName} ${alpn.join()}`),
    })
    const packets = new ApplicationPackets(reader, undefined)
    const ports = { vxlanPort: 4789, genevePort: 6081 }
    await new Offline({ decap: 'auto', ...ports, observe: packets.observe }).read(CHROMIUM)
    packets.end()
    expect(names).toEqual([`1 ${NAME} h3`])
  })

  test.skipIf(!LONG || !hasTool('chromium'))('in those that it sends now', async () => {
    const server = createSocket('udp4')
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const run = new ApplicationRun()
    const told = new Promise<Told>((resolve) => {
      server.on('message', (payload, { port: sport }) => {
        run.read(ethernet(udp4({ src: '10.0.0.1', dst: '192.0.2.1', sport, dport: 443, payload })))
        if (run.told[0]) resolve(run.told[0])
      })
    })
    const options = [
      `--user-data-dir=${temporaryDirectory()}`,
      `--origin-to-force-quic-on=${NAME}:443`,
      `--host-resolver-rules=MAP ${NAME}:443 127.0.0.1:${port}`,
    ]
    const args = ['--headless=new', '--no-sandbox', '--disable-gpu', ...options, `https://${NAME}/`]
    browser = spawn('chromium', args, { stdio: 'ignore', detached: true })
    expect(await told).toMatchObject({ kind: 'quic', version: 1, hello: { serverName: NAME } })
    server.close()
  })
})
