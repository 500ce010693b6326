import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  FlowLogDirectory,
  type FlowLogDirectoryOptions,
} from '../../src/flowlog/flow-log-directory.js'
import { FlowLogLayout } from '../../src/flowlog/layout.js'
import { DEFAULT_LOG_FORMAT } from '../../src/flowlog/log-format.js'
import { NO_METADATA } from '../../src/flowlog/metadata.js'
import { convertSpool } from '../../src/flowlog/spool-conversion.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { convertSpools, removeHalfConverted } from '../../src/recover/spool-adoption.js'
import { IS_BUILT, NEEDS_BUILD } from '../e2e/program.js'
import { Random } from '../support/random.js'
import { readParquet } from './parquet-file.js'
import { randomRecord, sampleRecord } from './sample-records.js'

const hasTool = (name: string) => spawnSync(name, ['--version']).error === undefined

/** 2026-08-21T10:00:00Z */
const T = Date.UTC(2026, 7, 21, 10) / 1000
const HEADER = new RecordLine(DEFAULT_LOG_FORMAT).headerLine()

let directory: string
let problems: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flow-log-'))
  problems = []
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function open(options: Partial<FlowLogDirectoryOptions> = {}): FlowLogDirectory {
  return new FlowLogDirectory({
    directory,
    layout: new FlowLogLayout({ accountId: '123456789012', region: 'eu-west-1' }),
    encoder: new RecordLine(DEFAULT_LOG_FORMAT),
    graceSeconds: 1,
    pendingBytesMax: 4 * 1024 * 1024,
    onProblem: (line) => problems.push(line),
    ...options,
  })
}

/** A record that ends at `end`; `sourcePort` tells it from others. */
const ending = (end: number, sourcePort = 0) =>
  sampleRecord({ endSeconds: end, startSeconds: end, sourcePort })

function filesBelow(where = directory): string[] {
  return readdirSync(where, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** Source ports by the time in the name of the file they are in; checks that each file is whole. */
function published(): Record<string, number[]> {
  const ports: Record<string, number[]> = {}
  for (const path of filesBelow()) {
    const stamp = /_(\d{8}T\d{4}Z)_[0-9a-f]{8}\.log\.gz$/.exec(path)
    if (stamp === null) throw new Error(`unexpected file ${path}`)
    const text = gunzipSync(readFileSync(path)).toString('latin1')
    expect(text.startsWith(HEADER)).toBe(true)
    expect(text.endsWith('\n')).toBe(true)
    const lines = text.slice(HEADER.length).trimEnd().split('\n')
    ports[stamp[1]!] ??= []
    ports[stamp[1]!]!.push(...lines.map((line) => Number(line.split(' ')[5])))
  }
  return ports
}

describe('FlowLogDirectory', () => {
  test('files records by the second they end in, and publishes at close', async () => {
    const log = open()
    for (const end of [T - 1, T, T + 299, T + 300]) {
      expect(log.write(ending(end, end - T + 1), NO_METADATA)).toBe(true)
    }
    await log.close()
    expect(published()).toEqual({
      '20260821T0955Z': [0],
      '20260821T1000Z': [1, 300],
      '20260821T1005Z': [301],
    })
    expect(log.statistics).toEqual({
      written: 4,
      lost: 0,
      filesPublished: 3,
      filesFailed: 0,
    })
    expect(filesBelow()[0]).toContain('/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/08/21/')
    expect(problems).toEqual([])
  })

  test('files NODATA and SKIPDATA by the end of their window', async () => {
    const log = open()
    const quiet = { windowStart: T + 240, windowEnd: T + 300, endSeconds: T }
    log.write(sampleRecord({ ...quiet, status: 'NODATA' }), NO_METADATA)
    log.write(sampleRecord({ ...quiet, status: 'SKIPDATA' }), NO_METADATA)
    await log.close()
    expect(Object.keys(published())).toEqual(['20260821T1005Z'])
  })

  test('publishes a bucket when it is over and its grace too, not before', async () => {
    const log = open({ graceSeconds: 5 })
    log.tick(T + 10)
    log.write(ending(T + 10, 1), NO_METADATA)
    for (const now of [T + 11, T + 299, T + 300, T + 304]) {
      log.tick(now)
      await log.drained()
      expect(log.statistics.filesPublished).toBe(0)
      expect(filesBelow().every((path) => path.endsWith('.part'))).toBe(true)
    }
    log.tick(T + 305)
    await log.drained()
    expect(published()).toEqual({ '20260821T1000Z': [1] })
    await log.close()
    expect(log.statistics.filesPublished).toBe(1)
  })

  test('holds a bucket that is long over until its records have stopped coming', async () => {
    const log = open({ graceSeconds: 2 })
    for (let now = T + 600; now <= T + 603; now++) {
      log.tick(now)
      log.write(ending(T + 10, now - T), NO_METADATA)
    }
    log.tick(T + 612)
    await log.drained()
    expect(log.statistics.filesPublished).toBe(0)
    log.tick(T + 613)
    await log.drained()
    expect(published()).toEqual({ '20260821T1000Z': [600, 601, 602, 603] })
    await log.close()
  })

  test.each([3600, 400])(
    'publishes a bucket that the clock was set back from by %i s when nothing comes for it',
    async (step) => {
      const log = open()
      log.tick(T + 10)
      log.write(ending(T + 10, 1), NO_METADATA)
      for (let now = T + 10; now < T + 15; now++) log.tick(now - step)
      log.write(ending(T + 11, 2), NO_METADATA)
      for (let now = T + 15; now < T + 24; now++) log.tick(now - step)
      await log.drained()
      expect(log.statistics.filesPublished).toBe(0)
      for (let now = T + 24; now < T + 27; now++) log.tick(now - step)
      await log.drained()
      expect(published()).toEqual({ '20260821T1000Z': [1, 2] })
      expect(log.statistics).toMatchObject({ written: 2, filesPublished: 1 })
      // What comes later has another file.
      log.write(ending(T + 12, 3), NO_METADATA)
      await log.close()
      expect(published()).toEqual({ '20260821T1000Z': expect.arrayContaining([1, 2, 3]) })
    },
  )

  test('holds such a bucket no longer than one lasts', async () => {
    const log = open()
    for (let now = T + 600; now <= T + 900; now++) {
      log.tick(now)
      log.write(ending(T + 10), NO_METADATA)
    }
    await log.drained()
    expect(log.statistics).toMatchObject({ filesPublished: 1, written: 300 })
    await log.close()
    expect(log.statistics).toMatchObject({ filesPublished: 2, written: 301 })
  })

  test('begins another file for records that come after theirs was published', async () => {
    const log = open()
    log.write(ending(T + 10, 1), NO_METADATA)
    log.tick(T + 400)
    await log.drained()
    log.write(ending(T + 10, 2), NO_METADATA)
    log.write(ending(T + 400, 3), NO_METADATA)
    await log.close()
    expect(filesBelow()).toHaveLength(3)
    const ports = published()
    expect(ports['20260821T1000Z']!.sort()).toEqual([1, 2])
    expect(ports['20260821T1005Z']).toEqual([3])
  })

  test('begins another file when one has reached its size', async () => {
    const log = open({ fileBytesMax: 1000 })
    for (let port = 0; port < 100; port++) log.write(ending(T, port), NO_METADATA)
    await log.close()
    const files = filesBelow()
    expect(files.length).toBeGreaterThan(3)
    const line =
      ' 0.0.0.0 0.0.0.0 99 0 0 0 0 1787306400 1787306400 ACCEPT OK\n'.length + '2 - -'.length
    for (const path of files) {
      expect(gunzipSync(readFileSync(path)).length).toBeLessThan(1000 + line)
    }
    const ports = published()['20260821T1000Z']!.sort((a, b) => a - b)
    expect(ports).toEqual(Array.from({ length: 100 }, (_, port) => port))
  })

  test('keeps no more files open than it may, and no record goes astray', async () => {
    const log = open({ filesMax: 2 })
    const random = new Random(5)
    for (let port = 0; port < 40; port++) {
      while (!log.write(ending(T + 300 * random.below(6), port), NO_METADATA)) await log.drained()
      const parts = filesBelow().filter((path) => path.endsWith('.part'))
      expect(parts.length).toBeLessThanOrEqual(5)
    }
    await log.close()
    const ports = Object.values(published()).flat()
    expect(ports.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, port) => port))
  })

  test('loses and counts what does not fit its memory, and publishes the rest', async () => {
    const log = open({ pendingBytesMax: 256 * 1024 })
    let taken = 0
    // Without a turn of the event loop nothing can leave.
    for (let port = 0; port < 20_000; port++) {
      if (log.write(ending(T, port), NO_METADATA)) taken++
    }
    expect(taken).toBeLessThan(20_000)
    expect(log.pendingBytes).toBeLessThanOrEqual(512 * 1024)
    expect(log.statistics).toMatchObject({ written: 0, lost: 20_000 - taken })
    await log.close()
    expect(log.statistics.written).toBe(taken)
    expect(published()['20260821T1000Z']).toHaveLength(taken)
  })

  test('takes everything when whoever writes waits for it, seed 7', async () => {
    const log = open({ pendingBytesMax: Number.POSITIVE_INFINITY })
    const random = new Random(7)
    for (let run = 0; run < 5000; run++) {
      const record = randomRecord(random)
      record.status = 'OK'
      record.endSeconds = T + random.below(900)
      record.sourcePort = run
      expect(log.write(record, NO_METADATA)).toBe(true)
      if (log.pendingBytes > 1024 * 1024) await log.drained()
    }
    expect(log.pendingBytes).toBeGreaterThan(0)
    await log.close()
    expect(log.pendingBytes).toBe(0)
    const ports = Object.values(published()).flat()
    expect(ports.sort((a, b) => a - b)).toEqual(Array.from({ length: 5000 }, (_, run) => run))
  })

  test('has what a killed process would leave on the disk every ten seconds', async () => {
    const log = open()
    log.tick(T)
    log.write(ending(T, 1), NO_METADATA)
    log.tick(T + 10)
    const [part] = await vi.waitUntil(() => (filesBelow().length > 0 ? filesBelow() : undefined))
    const left = () =>
      gunzipSync(readFileSync(part!), { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1')
    await vi.waitUntil(() => left().endsWith('ACCEPT OK\n'), { interval: 1 })
    await log.close()
    expect(published()).toEqual({ '20260821T1000Z': [1] })
  })

  test('writes no file without records', async () => {
    const log = open()
    log.tick(T)
    await log.close()
    expect(filesBelow()).toEqual([])
  })

  test('loses records written after close', async () => {
    const log = open()
    await log.close()
    expect(log.write(ending(T), NO_METADATA)).toBe(false)
    expect(log.statistics.lost).toBe(1)
    expect(filesBelow()).toEqual([])
  })

  test('makes its directory again when it vanishes between files', async () => {
    const log = open()
    log.write(ending(T, 1), NO_METADATA)
    log.tick(T + 400)
    await log.drained()
    rmSync(directory, { recursive: true })
    log.write(ending(T + 400, 2), NO_METADATA)
    await log.close()
    expect(published()).toEqual({ '20260821T1005Z': [2] })
    expect(problems).toEqual([])
  })

  test('counts the records of a file whose directory vanished, says so once, and goes on', async () => {
    const log = open()
    log.write(ending(T, 1), NO_METADATA)
    log.write(ending(T, 2), NO_METADATA)
    await log.drained()
    rmSync(directory, { recursive: true })
    log.tick(T + 400)
    await log.drained()
    expect(log.statistics).toMatchObject({ written: 0, lost: 2, filesFailed: 1 })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/^flow logs: cannot write \/.*records are lost/)

    // Nothing is tried before the next tick.
    expect(log.write(ending(T + 400, 3), NO_METADATA)).toBe(false)
    log.tick(T + 401)
    expect(log.write(ending(T + 400, 4), NO_METADATA)).toBe(true)
    await log.close()
    expect(published()).toEqual({ '20260821T1005Z': [4] })
    expect(log.statistics).toMatchObject({ written: 1, lost: 3 })
    expect(problems).toHaveLength(2)
    expect(problems[1]).toBe('flow logs: writing again; 3 records were lost')
  })

  test('counts records while no file can be made, one line an episode, and recovers', async () => {
    // A file where a directory should be refuses root too.
    const obstacle = join(directory, 'AWSLogs')
    writeFileSync(obstacle, '')
    const log = open()
    for (let second = 0; second < 5; second++) {
      log.tick(T + second)
      // The disk is not asked first: what becomes of them shows later.
      expect(log.write(ending(T + second), NO_METADATA)).toBe(true)
      await log.drained()
      expect(log.write(ending(T + second), NO_METADATA)).toBe(false)
    }
    log.tick(T + 5)
    await log.drained()
    expect(log.statistics).toMatchObject({ written: 0, lost: 10 })
    expect(problems).toHaveLength(1)
    expect(problems[0]).not.toContain('\n')

    rmSync(obstacle)
    log.tick(T + 6)
    expect(log.write(ending(T + 6, 9), NO_METADATA)).toBe(true)
    await log.close()
    expect(published()).toEqual({ '20260821T1000Z': [9] })
    expect(problems[1]).toBe('flow logs: writing again; 10 records were lost')
    expect(problems).toHaveLength(2)
  })

  test('close rejects with the error of a file that could not be published, after publishing the others', async () => {
    const log = open()
    log.write(ending(T, 1), NO_METADATA)
    await log.drained()
    const [lost] = filesBelow()
    rmSync(lost!)
    log.write(ending(T + 300, 2), NO_METADATA)
    await expect(log.close()).rejects.toMatchObject({ name: 'OperatorError' })
    expect(published()).toEqual({ '20260821T1005Z': [2] })
    expect(log.statistics).toMatchObject({ written: 1, lost: 1, filesFailed: 1 })
  })

  test.skipIf(!hasTool('zcat'))('writes what zcat reads (needs zcat)', async () => {
    const log = open()
    for (let port = 0; port < 500; port++) log.write(ending(T, port), NO_METADATA)
    await log.close()
    const { stdout, status } = spawnSync('zcat', filesBelow(), { encoding: 'latin1' })
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(`${lines[0]}\n`).toBe(HEADER)
    expect(lines).toHaveLength(501)
  })

  test.skipIf(!hasTool('python3'))(
    'writes rows as wide as their header (needs python3)',
    async () => {
      const log = open()
      const random = new Random(9)
      for (let run = 0; run < 1000; run++) {
        const record = randomRecord(random)
        record.endSeconds = T
        record.windowEnd = T
        log.write(record, NO_METADATA)
      }
      await log.close()
      const script = `
import csv, gzip, sys
for path in sys.argv[1:]:
    rows = list(csv.reader(gzip.open(path, 'rt', newline=''), delimiter=' '))
    print(len(rows), *sorted({len(row) for row in rows}), all(all(row) for row in rows))
`
      const run = spawnSync('python3', ['-c', script, ...filesBelow()], { encoding: 'utf8' })
      expect(run.stderr).toBe('')
      expect(run.stdout).toBe('1001 14 True\n')
    },
  )

  test('several logs may write to one directory', async () => {
    const layout = new FlowLogLayout()
    const logs = [open({ layout }), open({ layout }), open({ layout })]
    for (const [port, log] of logs.entries()) log.write(ending(T, port), NO_METADATA)
    await Promise.all(logs.map((log) => log.close()))
    expect(published()['20260821T1000Z']!.sort()).toEqual([0, 1, 2])
    expect(new Set(filesBelow().map((path) => basename(path))).size).toBe(3)
  })

  test('makes the directory it is given', async () => {
    const below = join(directory, 'a', 'b')
    mkdirSync(join(directory, 'a'))
    const log = open({ directory: below })
    log.write(ending(T, 1), NO_METADATA)
    await log.close()
    expect(filesBelow(below)).toHaveLength(1)
  })

  describe('of Parquet', () => {
    const layout = new FlowLogLayout({ accountId: '123456789012', fileFormat: 'parquet' })

    test('publishes what plain text would say, and nothing else', async () => {
      const log = open({ layout, convert: convertSpool })
      for (const end of [T, T + 1, T + 300]) log.write(ending(end, end - T), NO_METADATA)
      log.tick(T + 10)
      await log.drained()
      expect(filesBelow().map((path) => basename(path))).toEqual([
        expect.stringMatching(/^\..+T1000Z_[0-9a-f]{8}\.log\.gz\.part$/),
        expect.stringMatching(/^\..+T1005Z_[0-9a-f]{8}\.log\.gz\.part$/),
      ])
      await log.close()
      const files = filesBelow()
      expect(files.map((path) => basename(path))).toEqual([
        expect.stringMatching(/^123456789012_.+T1000Z_[0-9a-f]{8}\.log\.parquet$/),
        expect.stringMatching(/^123456789012_.+T1005Z_[0-9a-f]{8}\.log\.parquet$/),
      ])
      const rows = await Promise.all(files.map(readParquet))
      expect(rows.map((of) => of.map(({ srcport }) => srcport))).toEqual([[0, 1], [300]])
      expect(log.statistics).toMatchObject({ written: 3, lost: 0, filesPublished: 2 })
    })

    test.skipIf(!IS_BUILT)(
      `goes on when a converting thread throws, and the next start has its records${NEEDS_BUILD}`,
      async () => {
        const { convertInThread }: typeof import('../../src/flowlog/spool-thread.js') =
          await import(new URL('../../dist/flowlog/spool-thread.js', import.meta.url).href)
        const says = /incorrect|invalid|check|gzip|header/i
        let whole: Buffer | undefined
        const convert = async (spool: string, path: string): Promise<void> => {
          if (whole !== undefined) return convertInThread(spool, path)
          whole = readFileSync(spool)
          writeFileSync(spool, 'no gzip at all')
          try {
            await convertInThread(spool, path)
          } finally {
            writeFileSync(spool, whole)
          }
        }
        const log = open({ layout, convert })
        for (const end of [T, T + 300]) log.write(ending(end, end - T), NO_METADATA)
        await expect(log.close()).rejects.toThrow(says)
        expect(log.statistics).toMatchObject({ written: 1, lost: 1, filesFailed: 1 })
        expect(problems.filter((line) => says.test(line))).toHaveLength(1)
        await removeHalfConverted(directory)
        await convertSpools(directory, convertSpool)
        const rows = await Promise.all(filesBelow().map(readParquet))
        expect(rows.map((of) => of.map(({ srcport }) => srcport))).toEqual([[0], [300]])
      },
    )

    test('keeps the records of a file that cannot be converted for the next start', async () => {
      const convert = () => Promise.reject(new Error('no thread'))
      const log = open({ layout, convert })
      log.write(ending(T, 7), NO_METADATA)
      await expect(log.close()).rejects.toThrow('no thread')
      expect(log.statistics).toMatchObject({ written: 0, lost: 1, filesFailed: 1 })
      expect(problems).toEqual([expect.stringContaining('no thread')])
      await convertSpools(directory, convertSpool)
      const [path, ...others] = filesBelow()
      expect(others).toEqual([])
      expect(await readParquet(path!)).toMatchObject([{ srcport: 7 }])
    })
  })
})
