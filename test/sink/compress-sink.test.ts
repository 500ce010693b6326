import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import type { CompressSink } from '../../src/sink/compress-sink.js'
import { openSink } from '../../src/sink/open.js'
import { FailingDisk } from '../support/failing-disk.js'
import { put } from '../support/put.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

const hasZstd = 'createZstdCompress' in zlib
const judges = {
  gz: { command: 'gzip', here: spawnSync('gzip', ['--version']).status === 0 },
  zst: { command: 'zstd', here: hasZstd && spawnSync('zstd', ['--version']).status === 0 },
}
const OPTIONS = { limitBytes: Number.POSITIVE_INFINITY }

/** Half noise, half not, so that the compressor's output is neither tiny nor in step with its input. */
function unit(random: Random): Buffer {
  return Buffer.concat([random.bytes(1 + random.below(3000)), Buffer.alloc(random.below(3000), 7)])
}

describe.each(['gz', 'zst'] as const)('CompressSink .%s', (extension) => {
  const { command, here } = judges[extension]

  test.skipIf(!here)(
    `makes what ${command} reads (needs ${command}, and a Node that can)`,
    async () => {
      const directory = temporaryDirectory()
      const path = join(directory, `x.${extension}`)
      const sink = openSink(path, OPTIONS)
      const random = new Random(1)
      const units = Array.from({ length: 2000 }, () => unit(random))
      for (const it of units) {
        put(sink, it)
        if (random.below(100) === 0) sink.flush()
        if (sink.pendingBytes > 1_000_000) await sink.drained()
      }
      expect(readdirSync(directory)).toEqual([`x.${extension}.part`])
      await sink.close()
      expect(readdirSync(directory)).toEqual([`x.${extension}`])
      const got = execFileSync(command, ['-dc', path], { maxBuffer: 1 << 30 })
      expect(got.equals(Buffer.concat(units))).toBe(true)
    },
  )
})

describe('CompressSink', () => {
  test.skipIf(hasZstd)(
    'says what to do where this Node knows no .zst (needs one that does not)',
    () => {
      expect(() => openSink(join(temporaryDirectory(), 'x.zst'), OPTIONS)).toThrow(OperatorError)
      expect(() => openSink(join(temporaryDirectory(), 'x.zst'), OPTIONS)).toThrow(
        /name the file \.gz/,
      )
    },
  )

  test('once drained, all that was taken can be decompressed from the part', async () => {
    const path = join(temporaryDirectory(), 'x.gz')
    const sink = openSink(path, OPTIONS)
    const random = new Random(2)
    const units: Buffer[] = []
    for (let round = 0; round < 5; round++) {
      units.push(unit(random))
      put(sink, units.at(-1)!)
      await sink.drained()
      expect(sink.pendingBytes).toBe(0)
      const so = zlib.gunzipSync(readFileSync(`${path}.part`), {
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
      })
      expect(so.equals(Buffer.concat(units))).toBe(true)
    }
    await sink.close()
  })

  test('leaves the part when the disk is full, and ends', async () => {
    const disk = new FailingDisk()
    disk.room = 100_000
    const directory = temporaryDirectory()
    const sink = openSink(join(directory, 'x.gz'), OPTIONS)
    const random = new Random(3)
    let refused = 0
    for (let run = 0; run < 500; run++) {
      if (!put(sink, unit(random))) refused++
      if (run % 100 === 99) await sink.drained()
    }
    expect(refused).toBeGreaterThan(0)
    expect(sink.error).toMatchObject({ code: 'ENOSPC' })
    await expect(sink.close()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(readdirSync(directory)).toEqual(['x.gz.part'])
  })

  test('publishes nothing when it cannot go on itself', async () => {
    const directory = temporaryDirectory()
    const sink = openSink(join(directory, 'x.gz'), OPTIONS) as CompressSink
    put(sink, Buffer.alloc(10))
    await sink.drained()
    sink.fail(new Error('no memory'))
    await expect(sink.close()).rejects.toThrow('no memory')
    expect(readdirSync(directory)).toEqual(['x.gz.part'])
  })

  test('notices at its close a disk that was full at the very end', async () => {
    const disk = new FailingDisk()
    disk.room = 5
    const directory = temporaryDirectory()
    const sink = openSink(join(directory, 'x.gz'), OPTIONS)
    put(sink, Buffer.alloc(10))
    await expect(sink.close()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(readdirSync(directory)).toEqual(['x.gz.part'])
  })
})
