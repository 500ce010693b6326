import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { describe, expect, onTestFinished, test } from 'vitest'
import { health } from '../../src/api/http/health.js'
import { FlowOperations, momentOf } from '../../src/api/network-firewall/flow-operations.js'
import { Pool, type PoolOptions } from '../../src/appliance/pool.js'
import { OperatorError } from '../../src/errors.js'
import { chooseReceiver } from '../../src/receive/open.js'
import { adoptParts } from '../../src/recover/adoption.js'
import { NO_COUNTS, QUIET, startApi } from '../api/running-api.js'
import { IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from '../e2e/program.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { poolColumn } from '../support/pool-column.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'

const HOST = '127.0.0.1'
const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const DIST = new URL('../../dist/', import.meta.url)
/** Sessions of these VNIs are of worker 0 and 1. */
const VNIS = [10, 11]
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 }
const frameWith = (payload: string): Buffer =>
  ethernet(udp4({ ...ENDS, payload: Buffer.from(payload) }))
const FRAME = frameWith('a packet')

/** The real worker, but that packets with a payload of one of these kinds end it, or hold it until a file is gone. */
const gateIn = (dir: string): string => join(dir, 'gate')

function entryIn(dir: string): URL {
  const path = join(dir, 'worker.mjs')
  writeFileSync(
    path,
    `
    import { existsSync } from 'node:fs'
    import { Demux } from '${new URL('session/demux.js', DIST)}'
    const accept = Demux.prototype.acceptVxlan
    Demux.prototype.acceptVxlan = function (datagram) {
      const tail = datagram.bytes.toString('latin1', datagram.end - 5, datagram.end)
      if (tail === 'leave') process.exit(7)
      const cell = new Int32Array(new SharedArrayBuffer(4))
      while (tail === 'stall' && existsSync('${gateIn(dir)}')) Atomics.wait(cell, 0, 0, 20)
      if (tail === 'hoard') for (const hoard = []; ; ) hoard.push(new Array(100_000).fill(hoard.length))
      accept.call(this, datagram)
      if (tail === 'throw') throw new TypeError('a bug of ours')
    }
    await import('${new URL('appliance/worker.js', DIST)}')
    `,
  )
  return pathToFileURL(path)
}

const fatal = (how: 'throw' | 'leave' | 'stall' | 'hoard'): Buffer => frameWith(how)

interface Run {
  pool: Pool
  dir: string
  captures: string
  said: string[]
  failures: Error[]
  /** Sends a datagram to the session of one VNI. */
  send(vni: number, frame?: Buffer): Promise<void>
}

async function start(
  workers: number,
  choice: 'dgram' | 'recvmmsg',
  options: Partial<PoolOptions> = {},
): Promise<Run> {
  const dir = temporaryDirectory()
  const captures = join(dir, 'captures')
  mkdirSync(captures)
  const said: string[] = []
  const failures: Error[] = []
  const pool = await Pool.start(
    {
      workers,
      steer: 'vni',
      column: poolColumn(captures),
      receiver: { choice, host: HOST, port: 0, genevePort: undefined, receiveBufferBytes: 4 << 20 },
      onProblem: (line) => said.push(line),
      onFailure: (error) => failures.push(error),
      adopt: async () => void said.push(...(await adoptParts(captures, 'beside others')).lines),
      ...options,
    },
    entryIn(dir),
  )
  const sender = await UdpSender.open(HOST)
  onTestFinished(async () => {
    await sender.close()
    await pool.stop().catch(() => undefined)
  })
  const send = (vni: number, frame = FRAME): Promise<void> =>
    sender.send(vxlan(vni, frame), pool.listening.port, HOST)
  return { pool, dir, captures, said, failures, send }
}

function packetsBelow(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  expect(names.filter((name) => name.endsWith('.part'))).toEqual([])
  return names
    .filter((name) => name.endsWith('.pcap'))
    .reduce((sum, name) => sum + readWritten(join(directory, name)).length, 0)
}

const receivesAgain = (said: readonly string[], times = 1) =>
  until(() => said.filter((line) => line.includes('receives again')).length >= times)

const KINDS = [
  { workers: 2, choice: 'recvmmsg' },
  { workers: 1, choice: 'recvmmsg' },
  { workers: 1, choice: 'dgram' },
] as const

describe.skipIf(!IS_BUILT)(`a receiving thread that dies${NEEDS_BUILD}`, UNHURRIED, () => {
  for (const { workers, choice } of KINDS) {
    const skip = choice === 'recvmmsg' && !HAS_RECVMMSG
    test.skipIf(skip)(
      `leaves its counts and files when it throws: ${workers} ${choice}`,
      async () => {
        const { pool, captures, said, failures, send } = await start(workers, choice)
        let sent = 0
        for (; sent < 3000; sent++)
          await send(VNIS[sent % 2]!, sent === 1000 ? fatal('throw') : FRAME)
        await receivesAgain(said)
        for (; sent < 4000; sent++) await send(VNIS[sent % 2]!)
        const report = await pool.stop()
        const { received, accepted, kernelLost, crashLost, workerRestarts } = report
        expect({ failures, workerRestarts }).toEqual({ failures: [], workerRestarts: 1 })
        expect(received).toBe(accepted + crashLost)
        // A socket of Node's own goes with its thread, and what it holds.
        if (choice === 'recvmmsg') expect(received + kernelLost!).toBe(sent)
        expect(crashLost).toBeLessThan(64)
        expect(report.sessions.reduce((sum, session) => sum + session.captured, 0)).toBe(accepted)
        expect(packetsBelow(captures)).toBe(accepted)
        expect(said.filter((line) => line.includes('TypeError: a bug of ours at'))).toHaveLength(1)
      },
    )
  }

  const SUDDEN = [
    { how: 'leave', said: 'ended with code 7' },
    { how: 'hoard', said: /memory/ },
  ] as const
  test.skipIf(!HAS_RECVMMSG).each(SUDDEN)(
    'leaves its totals when it has no time for a report: $how',
    async ({ how, said: last }) => {
      // V8 looks when a thread is started: all of these may have so much.
      setFlagsFromString(`--max-old-space-size=${how === 'hoard' ? 128 : 0}`)
      onTestFinished(() => setFlagsFromString('--max-old-space-size=0'))
      const { pool, captures, said, failures, send } = await start(2, 'recvmmsg')
      for (let sent = 0; sent < 1000; sent++) await send(VNIS[sent % 2]!)
      await expect.poll(async () => (await pool.report()).received, { timeout: 60_000 }).toBe(1000)
      await send(VNIS[0]!, fatal(how))
      await receivesAgain(said)
      for (let sent = 0; sent < 1000; sent++) await send(VNIS[sent % 2]!)
      const report = await pool.stop()
      expect(failures).toEqual([])
      expect(report).toMatchObject({ kernelLost: 0, workerRestarts: 1 })
      // What the last 64 datagrams brought may be missing, and the one that ended it.
      expect(report.received).toBeGreaterThanOrEqual(2000 - 64)
      expect(report.received).toBeLessThanOrEqual(2001)
      // No file stays unfinished.
      expect(packetsBelow(captures)).toBeGreaterThanOrEqual(1500)
      expect(said.find((line) => line.includes('crashed and is'))).toMatch(last)
    },
  )

  test.skipIf(!HAS_RECVMMSG)(
    'ends it all when it dies again and again, which is said',
    async () => {
      const { pool, said, failures, send } = await start(1, 'recvmmsg', {
        restartDelaysMs: [0, 1, 2, 3, 4],
      })
      for (let crash = 1; crash <= 5; crash++) {
        await send(VNIS[0]!, fatal('throw'))
        await receivesAgain(said, crash)
      }
      await send(VNIS[0]!, fatal('throw'))
      await until(() => failures.length > 0)
      expect(failures.map(({ message }) => message)).toEqual([
        expect.stringMatching(
          /crashed 6 times within 10 minutes, and is not started again: TypeErr/,
        ),
      ])
      expect(await pool.stop()).toMatchObject({ received: 6, accepted: 6, workerRestarts: 5 })
    },
  )

  test.skipIf(!HAS_RECVMMSG)('and one that hangs is told by /health, which does not', async () => {
    const { pool, dir, failures, send } = await start(2, 'recvmmsg')
    const { url } = await startApi({
      routes: [health(() => ({ ...QUIET, ...pool.progress, api: NO_COUNTS }))],
    })
    const told = async () => {
      const response = await fetch(`${url}/health`)
      const { failures } = (await response.json()) as { failures: string[] }
      return { status: response.status, failures }
    }
    for (let sent = 0; sent < 200; sent++) await send(VNIS[sent % 2]!)
    await expect.poll(async () => (await pool.report()).received, { timeout: 60_000 }).toBe(200)
    await expect.poll(told, { timeout: 60_000 }).toEqual({ status: 200, failures: [] })

    writeFileSync(gateIn(dir), '')
    await send(VNIS[0]!, fatal('stall'))
    const isSilent = /^receiving thread 1 has not answered for \d+(\.\d)? s$/
    await expect
      .poll(told, { timeout: 60_000 })
      .toEqual({ status: 503, failures: [expect.stringMatching(isSilent)] })
    // What the one that hangs had noted, and all of the other.
    for (let sent = 0; sent < 200; sent++) await send(VNIS[1]!)
    await expect
      .poll(async () => (await pool.report()).received, { timeout: 60_000 })
      .toBeGreaterThanOrEqual(400 - 64)

    rmSync(gateIn(dir))
    await expect.poll(told, { timeout: 60_000 }).toEqual({ status: 200, failures: [] })
    expect(await pool.stop()).toMatchObject({ received: 401, accepted: 401, workerRestarts: 0 })
    expect(failures).toEqual([])
  })

  const hung =
    'and one that hangs is waited for no longer than it may be, by flow operations and the end'
  test.skipIf(!HAS_RECVMMSG)(hung, async () => {
    const patienceMs = { operation: 100, stop: 100 }
    const { pool, dir, captures, said, failures, send } = await start(2, 'recvmmsg', { patienceMs })
    for (let sent = 0; sent < 200; sent++) await send(VNIS[sent % 2]!)
    await expect.poll(async () => (await pool.report()).received, { timeout: 60_000 }).toBe(200)

    writeFileSync(gateIn(dir), '')
    await send(VNIS[0]!, fatal('stall'))
    const silence = /^receiving thread 1 has not answered for \d+(\.\d)? s/
    await expect.poll(() => pool.silence, { timeout: 60_000 }).toMatch(silence)
    const operations = new FlowOperations(pool)
    expect(() => operations.requireAnswers()).toThrow(
      expect.objectContaining({ code: 'InternalServerError', status: 500 }),
    )
    // One that was begun before has what the other thread knows.
    const request = { minimumAgeSeconds: 0, filters: [], ...momentOf(Date.now()) }
    const { status, reason } = await pool.captureFlows(request)
    expect({ status, reason }).toEqual({
      status: 'COMPLETED_WITH_ERRORS',
      reason: 'Receiving thread 1 does not answer',
    })
    expect(said.filter((line) => line.startsWith('a flow operation goes on without'))).toHaveLength(
      1,
    )

    const { received } = await pool.stop()
    expect(received).toBeGreaterThanOrEqual(200 - 64)
    expect(failures).toEqual([expect.objectContaining({ message: expect.stringMatching(silence) })])
    expect(failures[0]).toBeInstanceOf(OperatorError)
    const names = readdirSync(captures, { recursive: true, encoding: 'utf8' })
    expect(names.filter((name) => name.endsWith('.part'))).toHaveLength(1)
    expect(names.filter((name) => name.endsWith('.pcap'))).toHaveLength(1)
  })
})
