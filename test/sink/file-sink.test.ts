import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BlockPool } from '../../src/sink/block-pool.js'
import { SINK_BLOCK_LEN } from '../../src/sink/byte-sink.js'
import { FileSink, type FileSinkOptions } from '../../src/sink/file-sink.js'
import { type Existing, openPartSync } from '../../src/sink/part-file.js'
import { WriteError } from '../../src/sink/write-error.js'
import { FailingDisk } from '../support/failing-disk.js'
import { put } from '../support/put.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

function open(
  path: string,
  { existing = 'refuse', ...changes }: Partial<FileSinkOptions> & { existing?: Existing } = {},
): FileSink {
  return new FileSink(openPartSync(path, existing), {
    pool: new BlockPool(Number.POSITIVE_INFINITY),
    limitBytes: Number.POSITIVE_INFINITY,
    onFailure: 'keep-whole',
    durable: true,
    headerUnits: 1,
    ...changes,
  })
}

describe('FileSink', () => {
  test('shows the file when it is whole, not before', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'x.bin')
    const pool = new BlockPool(Number.POSITIVE_INFINITY)
    const sink = open(path, { pool })
    const random = new Random(1)
    const units = Array.from({ length: 500 }, () => random.bytes(1 + random.below(5000)))
    for (const unit of units) {
      put(sink, unit)
      if (random.below(50) === 0) sink.flush()
      if (random.below(50) === 0) await sink.drained()
    }
    expect(readdirSync(directory)).toEqual(['x.bin.part'])
    await sink.close()
    expect(readdirSync(directory)).toEqual(['x.bin'])
    expect(readFileSync(path).equals(Buffer.concat(units))).toBe(true)
    expect(pool.usedBytes).toBe(0)
    expect([sink.isPublished, sink.isRemoved]).toEqual([true, false])
  })

  test('has in the part, once drained, all that was taken', async () => {
    const path = join(temporaryDirectory(), 'x.bin')
    const sink = open(path)
    put(sink, Buffer.from('abc'))
    await sink.drained()
    expect(readFileSync(`${path}.part`, 'utf8')).toBe('abc')
    expect(sink.pendingBytes).toBe(0)
    await sink.close()
  })

  test('closes once, however often it is asked', async () => {
    const path = join(temporaryDirectory(), 'x.bin')
    const sink = open(path)
    await Promise.all([sink.close(), sink.close()])
    expect(statSync(path).size).toBe(0)
    expect(sink.reserve(1)).toBe(-1)
  })

  test('refuses a name that is taken, and leaves no part behind', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'x.bin'), 'mine')
    expect(() => open(join(directory, 'x.bin'))).toThrow('EEXIST')
    expect(readdirSync(directory)).toEqual(['x.bin'])
    writeFileSync(join(directory, 'y.bin.part'), 'mine')
    expect(() => open(join(directory, 'y.bin'))).toThrow('EEXIST')
  })

  test('replaces a file of the same name at the end, and what a killed run left at once', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'x.bin')
    writeFileSync(path, 'old')
    writeFileSync(`${path}.part`, 'older and longer')
    const sink = open(path, { existing: 'replace' })
    put(sink, Buffer.from('new'))
    await sink.drained()
    expect(readFileSync(path, 'utf8')).toBe('old')
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('new')
    expect(readdirSync(directory)).toEqual(['x.bin'])
  })

  test('never publishes the part of another writer of the same name', async () => {
    const path = join(temporaryDirectory(), 'x.bin')
    const first = open(path, { existing: 'replace' })
    const second = open(path, { existing: 'replace' })
    put(first, Buffer.from('first'))
    put(second, Buffer.from('second'))
    await expect(first.close()).rejects.toThrow(/another process .* x?.*\.part/)
    expect(existsSync(path)).toBe(false)
    await second.close()
    expect(readFileSync(path, 'utf8')).toBe('second')
  })

  test('says so when its part was taken away', async () => {
    const path = join(temporaryDirectory(), 'x.bin')
    const sink = open(path)
    renameSync(`${path}.part`, `${path}.elsewhere`)
    await expect(sink.close()).rejects.toThrow(WriteError)
    expect(sink.isPublished).toBe(false)
  })

  test('leaves nothing when discarded', async () => {
    const directory = temporaryDirectory()
    const sink = open(join(directory, 'x.bin'))
    put(sink, Buffer.from('abc'))
    await sink.discard()
    expect(readdirSync(directory)).toEqual([])
    expect(sink.isRemoved).toBe(true)
  })
})

describe('a FileSink on a disk that fails', () => {
  test.each([
    { name: 'between two units', room: 10 + 3 * 7, kept: 3 },
    { name: 'inside a unit', room: 10 + 3 * 7 + 6, kept: 3 },
    { name: 'one byte short of the next', room: 10 + 2 * 7 - 1, kept: 1 },
  ])('cuts after the last whole unit: $name', async ({ room, kept }) => {
    const disk = new FailingDisk()
    disk.room = room
    const path = join(temporaryDirectory(), 'x.bin')
    const pool = new BlockPool(Number.POSITIVE_INFINITY)
    const sink = open(path, { pool })
    put(sink, Buffer.alloc(10, 'h'))
    for (let unit = 0; unit < 9; unit++) put(sink, Buffer.alloc(7, `${unit}`))
    await sink.drained()
    expect(sink.error).toMatchObject({ code: 'ENOSPC', exitCode: 1 })
    expect(put(sink, Buffer.alloc(1))).toBe(false)
    await expect(sink.close()).rejects.toBe(sink.error)
    const text = `hhhhhhhhhh${['0000000', '1111111', '2222222'].slice(0, kept).join('')}`
    expect(readFileSync(path, 'utf8')).toBe(text)
    expect(existsSync(`${path}.part`)).toBe(false)
    expect(sink.lostUnits).toBe(9 - kept)
    expect(pool.usedBytes).toBe(0)
  })

  test('removes a file that has its header alone', async () => {
    const disk = new FailingDisk()
    disk.room = 12
    const directory = temporaryDirectory()
    const sink = open(join(directory, 'x.bin'))
    put(sink, Buffer.alloc(10))
    put(sink, Buffer.alloc(7))
    await expect(sink.close()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(readdirSync(directory)).toEqual([])
  })

  test('leaves the part where nothing can be cut', async () => {
    const disk = new FailingDisk()
    disk.room = 15
    const directory = temporaryDirectory()
    const sink = open(join(directory, 'x.gz'), { onFailure: 'leave-part' })
    put(sink, Buffer.alloc(10))
    put(sink, Buffer.alloc(7))
    await expect(sink.close()).rejects.toThrow('no space left')
    expect(readdirSync(directory)).toEqual(['x.gz.part'])
  })

  test('says in one line what to do, whatever fails', async () => {
    for (const code of ['ENOSPC', 'EIO', 'EDQUOT', 'EFBIG', 'EXYZ']) {
      const disk = new FailingDisk()
      disk.room = 0
      disk.code = code
      const directory = temporaryDirectory()
      const sink = open(join(directory, 'x.bin'))
      put(sink, Buffer.alloc(1))
      const error: Error = await sink.close().then(
        () => new Error('closed'),
        (reason) => reason,
      )
      expect(error.message).toMatch(new RegExp(`^cannot write [^\n]*x\\.bin: [^\n]*\\(${code}\\)$`))
    }
  })

  test('holds no more than it may while the disk takes nothing, and keeps the order', async () => {
    const disk = new FailingDisk()
    const path = join(temporaryDirectory(), 'x.bin')
    const sink = open(path, { limitBytes: 2 * SINK_BLOCK_LEN })
    const random = new Random(4)
    const taken: Buffer[] = []
    disk.isHeld = true
    let refused = 0
    for (let run = 0; run < 300; run++) {
      const unit = random.bytes(1 + random.below(9000))
      if (put(sink, unit)) taken.push(unit)
      else refused++
      expect(sink.pendingBytes).toBeLessThanOrEqual(2 * SINK_BLOCK_LEN)
    }
    expect(refused).toBeGreaterThan(0)
    disk.isHeld = false
    await sink.close()
    expect(readFileSync(path).equals(Buffer.concat(taken))).toBe(true)
  })

  test('cannot open a part where the directory has gone', () => {
    const directory = temporaryDirectory()
    rmSync(directory, { recursive: true })
    expect(() => open(join(directory, 'x.bin'))).toThrow('ENOENT')
  })
})
