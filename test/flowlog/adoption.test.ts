import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { adoptFlowLogs } from '../../src/flowlog/adoption.js'
import { FlowLogLayout } from '../../src/flowlog/layout.js'
import { DEFAULT_LOG_FORMAT } from '../../src/flowlog/log-format.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { Random } from '../support/random.js'

const HEADER = new RecordLine(DEFAULT_LOG_FORMAT).headerLine()
const BUCKET = Date.UTC(2026, 7, 21, 10) / 1000

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flow-log-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Leaves a `.part` with these octets, as a killed process does. */
function leave(octets: Buffer, unique = 'fe123456'): string {
  const key = new FlowLogLayout({ flowLogId: 'fl-1234abcd' }).key(BUCKET, unique)
  const path = join(directory, `${key}.part`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, octets)
  return path
}

function filesBelow(): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Lines that do not compress away, so that a cut falls among them. */
function lines(count: number): string {
  const random = new Random(11)
  let text = ''
  for (let line = 0; line < count; line++) text += `${line} ${random.next()} ${random.next()}\n`
  return text
}

describe('adoptFlowLogs', () => {
  test('does nothing where there is nothing, nor any directory', async () => {
    expect(await adoptFlowLogs(directory)).toEqual({ files: 0, records: 0 })
    expect(await adoptFlowLogs(join(directory, 'none'))).toEqual({ files: 0, records: 0 })
  })

  test('publishes the whole records of a part that is cut anywhere', async () => {
    const body = lines(3000)
    const whole = gzipSync(HEADER + body)
    const cuts = [1, 9, 10, 11, 40, 200, 4096, 20_000, whole.length >> 1]
    for (const cut of [
      ...cuts,
      whole.length - 9,
      whole.length - 8,
      whole.length - 1,
      whole.length,
    ]) {
      leave(whole.subarray(0, cut))
      const { files, records } = await adoptFlowLogs(directory)
      const [path, ...others] = filesBelow()
      expect(others).toEqual([])
      if (files === 0) {
        expect([records, path], `cut at ${cut}`).toEqual([0, undefined])
        continue
      }
      expect(path).toMatch(/_20260821T1000Z_[0-9a-f]{8}\.log\.gz$/)
      const text = gunzipSync(readFileSync(path!)).toString('latin1')
      expect((HEADER + body).startsWith(text)).toBe(true)
      expect(text.endsWith('\n')).toBe(true)
      expect(text.split('\n').length - 2, `cut at ${cut}`).toBe(records)
      if (cut >= whole.length - 9) expect(records).toBe(3000)
      if (cut === whole.length >> 1) expect(records).toBeGreaterThan(1000)
      rmSync(path!)
    }
  })

  test('publishes what a part held when it was last flushed', async () => {
    const flushed = gzipSync(`${HEADER}1 a\n2 b\n3 `, { finishFlush: constants.Z_SYNC_FLUSH })
    leave(flushed)
    expect(await adoptFlowLogs(directory)).toEqual({ files: 1, records: 2 })
    const text = gunzipSync(readFileSync(filesBelow()[0]!)).toString('latin1')
    expect(text).toBe(`${HEADER}1 a\n2 b\n`)
  })

  test('publishes what lies before damage', async () => {
    const octets = gzipSync(HEADER + lines(20_000))
    octets.fill(0xff, octets.length - 5000, octets.length - 4000)
    leave(octets)
    const { records } = await adoptFlowLogs(directory)
    expect(records).toBeGreaterThan(10_000)
    expect(records).toBeLessThan(20_000)
    expect(filesBelow()).toHaveLength(1)
  })

  test('removes parts that hold no record', async () => {
    leave(Buffer.alloc(0), '00000001')
    leave(gzipSync(HEADER), '00000002')
    leave(Buffer.from('not gzip'), '00000003')
    expect(await adoptFlowLogs(directory)).toEqual({ files: 0, records: 0 })
    expect(filesBelow()).toEqual([])
  })

  test('adopts every part, and leaves other files alone', async () => {
    leave(gzipSync(`${HEADER}1\n`), '00000001')
    const second = leave(gzipSync(`${HEADER}2\n3\n`), '00000002')
    const others = [join(dirname(second), 'notes.part'), join(directory, 'x.pcap.part')]
    for (const path of others) writeFileSync(path, 'mine')
    expect(await adoptFlowLogs(directory)).toEqual({ files: 2, records: 3 })
    for (const path of others) expect(readFileSync(path, 'utf8')).toBe('mine')
    expect(filesBelow()).toHaveLength(4)
  })
})
