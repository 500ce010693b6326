import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { constants, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { Random } from '../support/random.js'
import { SmallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD, readStats, sumOf, until } from './program.js'

/** FAULTS=1 runs what takes long: src/appliance/README.md has the table of faults and where each is tried. */
const IS_LONG = process.env['FAULTS'] !== undefined
const KILLS = Number(process.env['FAULT_KILLS'] ?? (IS_LONG ? 1000 : 2))
const SEED = Number(process.env['FAULT_SEED'] ?? (IS_LONG ? Date.now() % 2 ** 31 : 1))
const LONG = IS_LONG ? '' : ' (needs FAULTS=1)'

const HOST = '127.0.0.1'
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'
const NUMBER_AT = 42

/** Packet `number`, of one of two sessions, in a flow of its own. */
function datagram(number: number, length = 64): Buffer {
  const payload = Buffer.alloc(length)
  payload.writeUInt32BE(number)
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', sport: number % 60_000, dport: 53 }
  return vxlan(number % 2, ethernet(udp4({ ...flow, payload })))
}

/** Packets at an even pace, each with a number of its own, from `begin` until `end`. */
class Traffic {
  sent = 0
  readonly #sender: UdpSender
  readonly #length: number
  #going: Promise<void> | undefined
  #isOver = false

  private constructor(sender: UdpSender, length: number) {
    this.#sender = sender
    this.#length = length
  }

  static async open(length = 64): Promise<Traffic> {
    return new Traffic(await UdpSender.open(HOST), length)
  }

  begin(port: number, everyMs = 5): void {
    this.#isOver = false
    this.#going = this.#send(port, everyMs)
  }

  async pause(): Promise<void> {
    this.#isOver = true
    await this.#going
  }

  async end(): Promise<void> {
    await this.pause()
    await this.#sender.close()
  }

  async #send(port: number, everyMs: number): Promise<void> {
    while (!this.#isOver) {
      for (let one = 0; one < 20; one++) {
        await this.#sender.send(datagram(this.sent++, this.#length), port, HOST)
      }
      await delay(everyMs)
    }
  }
}

async function get(url: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(url)
  return { status: answer.status, body: await answer.text() }
}

/** Asks until the answer is as wanted. */
async function untilPage(url: string, status: number, body: RegExp): Promise<void> {
  for (;;) {
    const answer = await get(url)
    if (answer.status === status && body.test(answer.body)) return
    await delay(100)
  }
}

const isCapture = (name: string): boolean => /\.pcap(ng)?$/.test(name)

/** The numbers of the packets in finished captures, every one of which must be whole. */
function numbersIn(directory: string): number[] {
  return filesBelow(directory)
    .filter(isCapture)
    .flatMap((name) => readWritten(join(directory, name)))
    .map(({ frame }) => frame.readUInt32BE(NUMBER_AT))
}

/** Of an unfinished pcap file: up to its last whole packet. */
function numbersInPart(path: string): number[] {
  const bytes = readFileSync(path)
  const numbers: number[] = []
  for (let at = 24; at + 16 <= bytes.length; ) {
    const end = at + 16 + bytes.readUInt32LE(at + 8)
    if (end > bytes.length || end === at + 16) break
    numbers.push(bytes.readUInt32BE(at + 16 + NUMBER_AT))
    at = end
  }
  return numbers
}

describe.skipIf(!IS_BUILT)(`an appliance that is killed${NEEDS_BUILD}`, () => {
  test(
    `at ${KILLS} moments under load has lost nothing of what was on the disk, seed ${SEED}`,
    async () => {
      const random = new Random(SEED)
      const root = temporaryDirectory()
      const [captures, logs, stats] = ['captures', 'logs', 'stats.json'].map((name) =>
        join(root, name),
      ) as [string, string, string]
      const args = [
        ...['--capture-dir', captures, '--flow-log-dir', logs, '--stats', stats],
        ...['--rotate-size', '20kB', '--rotate-interval', '1s', '--max-flows', '64'],
      ]
      const traffic = await Traffic.open()
      let mustHave: number[] = []
      for (let kill = 0; ; kill++) {
        const appliance = new Appliance(args)
        const port = await appliance.port()
        // What the one before has left is adopted by now.
        expect(filesBelow(root).filter((name) => name.endsWith('.part'))).toEqual([])
        const numbers = numbersIn(captures)
        const had = new Set(numbers)
        expect(had.size).toBe(numbers.length)
        expect(numbers.every((number) => number < traffic.sent)).toBe(true)
        expect(mustHave.filter((number) => !had.has(number))).toEqual([])
        for (const name of filesBelow(logs).filter((one) => one.endsWith('.gz'))) {
          expect(gunzipSync(readFileSync(join(logs, name))).toString()).toMatch(/\n$/)
        }
        for (const name of [...filesBelow(captures).filter(isCapture)]) rmSync(join(captures, name))
        for (const name of filesBelow(logs).filter((one) => one.endsWith('.gz'))) {
          rmSync(join(logs, name))
        }
        if (kill === KILLS) {
          const before = traffic.sent
          traffic.begin(port)
          await until(() => filesBelow(captures).filter(isCapture).length > 2)
          await traffic.end()
          expect(await appliance.stop()).toBe(0)
          const report = readStats(stats)
          const { totals } = report
          expect(sumOf(report)).toBe(report.received)
          expect(report.received + (report.kernelLost ?? 0)).toBe(traffic.sent - before)
          expect(totals.captured + totals.captureLost).toBe(totals.accepted)
          expect(numbersIn(captures)).toHaveLength(totals.captured)
          return
        }
        traffic.begin(port, 1 + random.below(5))
        // Now and then before anything is written.
        await delay(random.below(random.below(4) === 0 ? 30 : 600))
        const finished = filesBelow(root)
          .filter((name) => isCapture(name) || name.endsWith('.log.gz'))
          .map((name) => [name, statSync(join(root, name)).size] as const)
        appliance.signal('SIGKILL')
        await appliance.ended()
        await traffic.pause()
        for (const [name, size] of finished) expect(statSync(join(root, name)).size).toBe(size)
        const parts = filesBelow(captures).filter((name) => name.endsWith('.pcap.part'))
        mustHave = [
          ...numbersIn(captures),
          ...parts.flatMap((name) => numbersInPart(join(captures, name))),
        ]
      }
    },
    60_000 + KILLS * 60_000,
  )
})

describe.skipIf(!IS_BUILT || !IS_LONG)(`the disk of an appliance${NEEDS_BUILD}${LONG}`, () => {
  test('that is full, read-only or gone is told, and reception goes on', async ({ skip }) => {
    const disk = SmallDisk.make(64_000_000)
    if (disk === undefined) return skip('needs root, and to mount a tmpfs')
    const root = temporaryDirectory()
    const stats = join(root, 'stats.json')
    const captures = join(disk.directory, 'captures')
    const appliance = new Appliance([
      ...['--capture-dir', captures, '--rotate-interval', '1s', '--stats', stats],
      ...['--keep-total', '100GB', '--health', `${HOST}:0`],
    ])
    const port = await appliance.port()
    const [, url] = await appliance.says(/, on (http:\/\/\S+)/)
    const traffic = await Traffic.open()
    traffic.begin(port, 50)
    disk.fill()
    await untilPage(`${url}/readyz`, 503, /^\S+captures: the disk is full$/m)
    await appliance.says(/packets of vni-\d\S+ are lost to its capture: .*\(ENOSPC\)/)
    await untilPage(
      `${url}/metrics`,
      200,
      /^mirrortap_capture_lost_packets_total\{reason="disk"\} [1-9]/m,
    )

    disk.empty()
    await untilPage(`${url}/readyz`, 200, /^ok$/m)
    await appliance.says(/packets of vni-\d\S+ are captured again; \d+ were lost/)

    disk.makeReadOnly()
    await untilPage(
      `${url}/readyz`,
      503,
      /^\S+captures: the file system is read-only; write elsewhere$/m,
    )
    await appliance.says(/^\S+captures: the file system is read-only/m)

    disk.takeAway()
    await traffic.end()
    expect(await appliance.stop()).toBe(0)
    expect(appliance.stderr).not.toContain('a bug')
    const report = readStats(stats)
    expect(sumOf(report)).toBe(report.received)
    expect(report.received + (report.kernelLost ?? 0)).toBe(traffic.sent)
    expect(report.totals.captured + report.totals.captureLost).toBe(report.totals.accepted)
  })

  test('that is unmounted is told: what is there in its place is another', async ({ skip }) => {
    const disk = SmallDisk.make(64_000_000)
    if (disk === undefined) return skip('needs root, and to mount a tmpfs')
    const appliance = new Appliance([
      ...['--capture-dir', disk.directory, '--rotate-interval', '1s', '--health', `${HOST}:0`],
    ])
    const port = await appliance.port()
    const [, url] = await appliance.says(/, on (http:\/\/\S+)/)
    const traffic = await Traffic.open()
    traffic.begin(port)
    await until(() => filesBelow(disk.directory).some(isCapture))
    disk.takeAway()
    await untilPage(`${url}/readyz`, 503, /another file system is there than at the start/)
    await appliance.says(/another file system is there than at the start: was it unmounted\?/)
    await traffic.end()
    expect(await appliance.stop()).toBe(0)
  })
})

describe.skipIf(!IS_BUILT || !IS_LONG)(`the clock of an appliance${NEEDS_BUILD}${LONG}`, () => {
  test.skipIf(!existsSync(FAKETIME))(
    'may be set back and ahead: no packet is lost, and every file is whole (needs faketime)',
    async () => {
      const root = temporaryDirectory()
      const [captures, logs, stats, clock] = ['captures', 'logs', 'stats.json', 'clock'].map(
        (name) => join(root, name),
      ) as [string, string, string, string]
      const set = (offset: string): void => writeFileSync(clock, offset)
      set('+0')
      const appliance = new Appliance(
        [
          ...['--capture-dir', captures, '--flow-log-dir', logs, '--stats', stats],
          ...['--rotate-interval', '1s', '--max-aggregation-interval', '60'],
        ],
        [
          ...['env', `LD_PRELOAD=${FAKETIME}`, `FAKETIME_TIMESTAMP_FILE=${clock}`],
          ...['FAKETIME_NO_CACHE=1', 'FAKETIME_DONT_FAKE_MONOTONIC=1'],
        ],
      )
      const port = await appliance.port()
      const traffic = await Traffic.open()
      for (const offset of ['-86400', '+86400', '-3600', '+31536000', '+0']) {
        traffic.begin(port)
        await delay(1500)
        set(offset)
        await delay(1500)
        await traffic.pause()
      }
      await traffic.end()
      expect(await appliance.stop()).toBe(0)
      const report = readStats(stats)
      expect(sumOf(report)).toBe(report.received)
      expect(report).toMatchObject({ received: traffic.sent, kernelLost: 0 })
      expect(report.totals).toMatchObject({ captured: traffic.sent, captureLost: 0 })
      expect(new Set(numbersIn(captures)).size).toBe(traffic.sent)
      expect(report.flows.recordsLost).toBe(0)
      const packets = filesBelow(logs)
        .filter((name) => name.endsWith('.log.gz'))
        .flatMap((name) => {
          const bytes = readFileSync(join(logs, name))
          return gunzipSync(bytes, { finishFlush: constants.Z_FINISH }).toString().split('\n')
        })
        .filter((line) => line.startsWith('2 '))
        .reduce((sum, line) => sum + (Number(line.split(' ')[8]) || 0), 0)
      expect(packets).toBe(traffic.sent)
    },
  )
})
