import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { BlockPool } from '../../src/sink/block-pool.js'
import { SeriesSink } from '../../src/sink/series-sink.js'
import { FailingDisk } from '../support/failing-disk.js'
import { put } from '../support/put.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

const UNBOUNDED = Number.POSITIVE_INFINITY

function open(path: string, limitBytes = UNBOUNDED): SeriesSink {
  return new SeriesSink(path, { pool: new BlockPool(UNBOUNDED), limitBytes })
}

describe('SeriesSink', () => {
  test('cuts a stream into files wherever it is told to', async () => {
    const directory = temporaryDirectory()
    const random = new Random(41)
    const expected = new Map<string, Buffer[]>()
    const begin = (name: string): string => {
      expected.set(name, [])
      return join(directory, name)
    }
    let name = '0'
    const sink = open(begin(name))
    for (let unit = 0; unit < 3000; unit++) {
      const bytes = random.bytes(random.below(unit % 100 === 0 ? 100_000 : 300) + 1)
      expect(put(sink, bytes)).toBe(true)
      expected.get(name)!.push(bytes)
      if (random.below(20) === 0) sink.flush()
      if (random.below(500) === 0) await sink.drained()
      if (random.below(10) > 0) continue
      name = String(unit)
      sink.cut(begin(name))
    }
    await sink.close()
    expect(readdirSync(directory).sort()).toEqual([...expected.keys()].sort())
    for (const [file, units] of expected) {
      expect(readFileSync(join(directory, file)).equals(Buffer.concat(units)), file).toBe(true)
    }
  })

  test('replaces a file whose name comes again, even at once', async () => {
    const directory = temporaryDirectory()
    const [a, b] = [join(directory, 'a'), join(directory, 'b.gz')]
    const sink = open(a)
    for (const [index, path] of [a, a, b, a, b, b].entries()) {
      put(sink, Buffer.from(`text ${index}`))
      sink.cut(path)
    }
    put(sink, Buffer.from('last'))
    await sink.close()
    expect(readdirSync(directory).sort()).toEqual(['a', 'b.gz'])
    expect(readFileSync(a, 'utf8')).toBe('text 4')
    expect(gunzipSync(readFileSync(b)).toString()).toBe('last')
  })

  test('makes empty files too', async () => {
    const directory = temporaryDirectory()
    const sink = open(join(directory, 'a'))
    sink.cut(join(directory, 'b'))
    sink.cut(join(directory, 'c'))
    await sink.close()
    expect(readdirSync(directory).sort()).toEqual(['a', 'b', 'c'])
  })

  test('keeps what is whole when a disk is full, and says so', async () => {
    const directory = temporaryDirectory()
    const disk = new FailingDisk()
    disk.room = 250
    const sink = open(join(directory, 'a'))
    for (let unit = 0; unit < 5; unit++) {
      if (unit > 0) sink.cut(join(directory, String(unit)))
      put(sink, Buffer.alloc(60, unit))
      put(sink, Buffer.alloc(40, unit))
      await sink.drained()
    }
    expect(sink.error).toMatchObject({ code: 'ENOSPC' })
    expect(put(sink, Buffer.alloc(1))).toBe(false)
    await expect(sink.close()).rejects.toThrow(/no space left/)
    expect(readdirSync(directory).sort()).toEqual(['1', 'a'])
    expect(readFileSync(join(directory, '1'))).toEqual(Buffer.alloc(100, 1))
  })

  test('fails when a file cannot be opened, and keeps those before', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'b'))
    const sink = open(join(directory, 'a'))
    put(sink, Buffer.from('a'))
    sink.cut(join(directory, 'b'))
    put(sink, Buffer.from('b'))
    await expect(sink.close()).rejects.toThrow(/is a directory/)
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('a')
  })

  test('discards the last file alone', async () => {
    const directory = temporaryDirectory()
    const sink = open(join(directory, 'a'))
    put(sink, Buffer.from('a'))
    sink.cut(join(directory, 'b.gz'))
    put(sink, Buffer.from('b'))
    await sink.discard()
    expect(readdirSync(directory)).toEqual(['a'])
  })

  test('takes no more than its limit while the disk is slow', async () => {
    const directory = temporaryDirectory()
    const disk = new FailingDisk()
    disk.isHeld = true
    const sink = open(join(directory, 'a'), 600_000)
    let taken = 0
    while (put(sink, Buffer.alloc(1000))) taken++
    expect(taken).toBeGreaterThan(500)
    expect(taken).toBeLessThanOrEqual(600)
    disk.isHeld = false
    await sink.drained()
    expect(put(sink, Buffer.alloc(1000))).toBe(true)
    await sink.close()
    expect(readFileSync(join(directory, 'a'))).toHaveLength((taken + 1) * 1000)
  })
})
