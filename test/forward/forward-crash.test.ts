import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pool } from '../../src/appliance/pool.js'
import { Forward } from '../../src/forward/forward.js'
import { IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from '../e2e/program.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { poolColumn } from '../support/pool-column.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'

const HOST = '127.0.0.1'
const DIST = new URL('../../dist/', import.meta.url)
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 }
const frameWith = (payload: string): Buffer =>
  ethernet(udp4({ ...ENDS, payload: Buffer.from(payload) }))

/** The real thread, but that packets with a payload of one of these kinds end it. */
function entryIn(dir: string): URL {
  const path = join(dir, 'forward-worker.mjs')
  writeFileSync(
    path,
    `
    import { PcapServer } from '${new URL('forward/pcap-server.js', DIST)}'
    const take = PcapServer.prototype.take
    PcapServer.prototype.take = function (packet, frame) {
      const tail = packet.bytes.toString('latin1', packet.end - 5, packet.end)
      if (tail === 'throw') throw new TypeError('a bug of ours')
      if (tail === 'hoard') for (const hoard = []; ; ) hoard.push(new Array(100_000).fill(hoard.length))
      take.call(this, packet, frame)
    }
    await import('${new URL('forward/forward-worker.js', DIST)}')
    `,
  )
  return pathToFileURL(path)
}

/** Connects, and resolves when the header of the file has come. */
async function readFrom(port: number) {
  const socket = connect(port, HOST)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  let bytes = Buffer.alloc(0)
  socket.on('data', (piece) => {
    bytes = Buffer.concat([bytes, piece])
  })
  await once(socket, 'data')
  return { socket, has: (text: string) => bytes.includes(text) }
}

describe.skipIf(!IS_BUILT)(`a forwarding thread that dies${NEEDS_BUILD}`, UNHURRIED, () => {
  test('costs no packet its count or its place in a capture, and is started again', async () => {
    // V8 looks when a thread is started: each may have so much.
    setFlagsFromString('--max-old-space-size=64')
    onTestFinished(() => setFlagsFromString('--max-old-space-size=0'))
    const dir = temporaryDirectory()
    const captures = join(dir, 'captures')
    mkdirSync(captures)
    const said: string[] = []
    const failures: Error[] = []
    const servers = [{ host: HOST, port: 0, filter: undefined }]
    const forward = await Forward.start(
      { workers: 1, servers, tap: undefined },
      (line) => said.push(line),
      entryIn(dir),
    )
    const [port] = forward.ports
    const pool = await Pool.start(
      {
        workers: 1,
        steer: 'vni',
        column: poolColumn(captures),
        forward: forward.rings,
        receiver: {
          choice: 'auto',
          host: HOST,
          port: 0,
          genevePort: undefined,
          receiveBufferBytes: 4 << 20,
        },
        onProblem: (line) => said.push(line),
        onFailure: (error) => failures.push(error),
      },
      new URL('appliance/worker.js', DIST),
    )
    const sender = await UdpSender.open(HOST)
    onTestFinished(async () => {
      await sender.close()
      await pool.stop()
      await forward.stop()
    })
    let sent = 0
    const send = (payload: string): Promise<void> => {
      sent++
      return sender.send(vxlan(7, frameWith(payload)), pool.listening.port, HOST)
    }

    const crashes: [how: string, cause: RegExp][] = [
      ['throw', /crashed and is started again, .*: a bug of ours$/],
      ['hoard', /crashed and is started again, .*: .* memory/],
    ]
    for (const [index, [how, cause]] of crashes.entries()) {
      // Always at the same port.
      const reader = await readFrom(port!)
      await send(`${how} is next`)
      await until(() => reader.has(`${how} is next`))
      await send(how)
      await until(() => reader.socket.closed)
      for (let count = 0; count < 100; count++) await send('meanwhile')
      await until(() => said.length === 2 * index + 2)
      expect(said.slice(-2)).toEqual([
        expect.stringMatching(cause),
        'packets are given to other tools again',
      ])
    }
    const last = await readFrom(port!)
    await send('afterwards')
    await until(() => last.has('afterwards'))
    const report = await pool.stop()
    await forward.stop()
    expect(report).toMatchObject({ received: sent, accepted: sent, workerRestarts: 0 })
    const [file] = readdirSync(captures, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.pcap'),
    )
    expect(readWritten(join(captures, file!))).toHaveLength(sent)
    expect(failures).toEqual([])
  })
})
