import { existsSync, mkdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DiskBound, type DiskBoundOptions, hasRecords } from '../../src/appliance/disk-bound.js'
import { temporaryDirectory } from '../support/temporary.js'

const KIB = 1024

/** A file of 100 KiB, older than those made after it. */
class Files {
  readonly captures = join(temporaryDirectory(), 'captures')
  readonly logs = join(temporaryDirectory(), 'logs')
  #made = 0

  constructor() {
    mkdirSync(this.captures)
    mkdirSync(this.logs)
  }

  make(path: string): string {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
    truncateSync(path, 100 * KIB)
    const seconds = 1_700_000_000 + this.#made++
    utimesSync(path, seconds, seconds)
    return path
  }

  capture(name: string): string {
    return this.make(join(this.captures, 'tms-1', `${name}.pcap`))
  }

  flowLog(number: number): string {
    const name = `111122223333_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261130T1000Z_0000000${number}.log.gz`
    return this.make(join(this.logs, 'AWSLogs', '111122223333', name))
  }

  eventLog(number: number): string {
    return this.make(join(this.logs, '2026-11-30', `conn.20261130T100000Z_0000000${number}.log.gz`))
  }

  queued(number: number): string {
    const name = `111122223333_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261130T1000Z_0000000${number}.queue.gz`
    return this.make(join(this.logs, '.deliver', 'firehose-1', name))
  }

  async bound(of: Partial<DiskBoundOptions>, undelivered: readonly string[] = []) {
    const said: string[] = []
    const lost: string[] = []
    const bound = await DiskBound.start({
      directories: [this.captures, this.logs],
      keepTotal: undefined,
      keepFree: undefined,
      undelivered: async () => new Set(undelivered),
      onUndelivered: (files) => lost.push(...files.map(({ path }) => path)),
      say: (line) => said.push(line),
      lookEveryMs: 5,
      ...of,
    })
    onTestFinished(() => bound.stop())
    return { bound, said, lost }
  }
}

const left = (paths: readonly string[]) => paths.map((path) => existsSync(path))

describe('DiskBound', () => {
  test('removes the oldest of everything, and says how much', async () => {
    const files = new Files()
    const all = [
      files.capture('20261130T100000Z'),
      files.eventLog(1),
      files.capture('20261130T100100Z'),
      files.flowLog(2),
      files.capture('20261130T100200Z-1'),
    ]
    const { bound, said, lost } = await files.bound({ keepTotal: 320 * KIB })
    expect(left(all)).toEqual([false, false, true, true, true])
    await bound.stop()
    expect(bound.removed).toEqual({ files: 2, bytes: 200 * KIB, undeliveredFiles: 0 })
    expect(said).toEqual([
      `removed the oldest files to keep within --keep-total (${320 * KIB} bytes): 2 of ${200 * KIB} bytes`,
    ])
    expect(lost).toEqual([])
  })

  test('counts the index of a capture, and removes it with the capture', async () => {
    const files = new Files()
    const [first, second] = [files.capture('20261130T100000Z'), files.capture('20261130T100100Z')]
    const indexes = [first, second].map((path) => files.make(`${path}.idx`))
    // Without the indexes it would be enough.
    await files.bound({ keepTotal: 350 * KIB })
    expect(left([first, second, ...indexes])).toEqual([false, true, false, true])
  })

  test('leaves what has yet to be delivered for last, then takes it too and says so', async () => {
    const files = new Files()
    const queued = files.queued(1)
    const waiting = [files.flowLog(1), files.capture('20261130T100000Z')]
    const delivered = [files.flowLog(2), files.capture('20261130T100100Z'), files.flowLog(3)]
    const first = await files.bound({ keepTotal: 420 * KIB }, waiting)
    expect(left([queued, ...waiting])).toEqual([true, true, true])
    expect(left(delivered)).toEqual([false, false, true])
    await first.bound.stop()
    const second = await files.bound({ keepTotal: 120 * KIB }, waiting)
    expect(left([queued, ...waiting, delivered[2]!])).toEqual([false, false, true, false])
    expect(second.lost).toEqual([queued, waiting[0]])
    expect(
      [queued, ...waiting].map((path) => hasRecords({ path, bytes: 0, finishedAt: 0 })),
    ).toEqual([true, true, false])
    await second.bound.stop()
    expect(second.said[0]).toMatch(/: 3 of \d+ bytes; 2 of them were not delivered yet$/)
  })

  test('touches nothing of others, and nothing that is being written, which counts', async () => {
    const files = new Files()
    const others = [
      files.make(join(files.captures, 'holiday.pcap')),
      files.make(join(files.captures, 'tms-1', 'notes.txt')),
      files.make(join(files.logs, '.deliver', 'default-flow-log-id')),
      files.make(join(files.captures, '.hidden', '20261130T100000Z.pcap')),
    ]
    const part = files.make(join(files.captures, 'tms-1', '20261130T100500Z.pcap.part'))
    const finished = files.capture('20261130T100100Z')
    const { said } = await files.bound({ keepTotal: 50 * KIB })
    expect(left([...others, part])).toEqual([true, true, true, true, true])
    expect(existsSync(finished)).toBe(false)
    await expect.poll(() => said.at(-1)).toMatch(/nothing of the appliance is left to remove$/)
    expect(said.filter((line) => line.includes('left to remove'))).toHaveLength(1)
  })

  test('goes on with what is written later', async () => {
    const files = new Files()
    const old = files.capture('20261130T100000Z')
    // Others who free room on this disk meanwhile hide from its figures what is written here.
    const { bound } = await files.bound({ keepTotal: 250 * KIB, scanEveryMs: 50 })
    expect(existsSync(old)).toBe(true)
    files.capture('20261130T100100Z')
    files.capture('20261130T100200Z')
    await expect.poll(() => existsSync(old), { timeout: 60_000 }).toBe(false)
    await bound.stop()
  })

  test('removes all it can for the sake of room on the disk, and says what is left', async () => {
    const files = new Files()
    const all = [files.capture('20261130T100000Z'), files.flowLog(1)]
    const { bound, said } = await files.bound({ keepFree: 2 ** 60 })
    await expect.poll(() => left(all), { timeout: 60_000 }).toEqual([false, false])
    await expect.poll(() => said.join('\n')).toMatch(/is beyond --keep-free .*left to remove/)
    await bound.stop()
  })

  test('removes nothing by default where there is room', async () => {
    const files = new Files()
    const all = [files.capture('20261130T100000Z'), files.flowLog(1)]
    const { bound, said } = await files.bound({})
    await bound.stop()
    expect([left(all), said]).toEqual([[true, true], []])
  })
})
