import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BlockPool } from '../../src/sink/block-pool.js'
import { StreamSink } from '../../src/sink/stream-sink.js'
import { put } from '../support/put.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

interface Pipe {
  read: number
  write: number
}

/** A named pipe, both ends non-blocking, as a shared one may be. */
function pipe(): Pipe {
  const path = join(temporaryDirectory(), 'pipe')
  execFileSync('mkfifo', [path])
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return { read, write: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) }
}

function sinkTo(fd: number): StreamSink {
  return new StreamSink(fd, {
    pool: new BlockPool(Number.POSITIVE_INFINITY),
    limitBytes: Number.POSITIVE_INFINITY,
    name: '-',
    owned: true,
  })
}

const isWindows = process.platform === 'win32'

describe('StreamSink', () => {
  test.skipIf(isWindows)('goes on when a full pipe has room again (needs mkfifo)', async () => {
    const { read, write } = pipe()
    const sink = sinkTo(write)
    const random = new Random(1)
    const units = Array.from({ length: 400 }, () => random.bytes(1 + random.below(3000)))
    for (const unit of units) put(sink, unit)
    let isClosed = false
    const closed = sink.close().finally(() => {
      isClosed = true
    })
    const got: Buffer[] = []
    const chunk = Buffer.alloc(5000)
    const take = (): number => {
      try {
        const length = readSync(read, chunk)
        got.push(Buffer.from(chunk.subarray(0, length)))
        return length
      } catch {
        return 0
      }
    }
    while (!isClosed) {
      take()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await closed
    while (take() > 0);
    closeSync(read)
    expect(Buffer.concat(got).equals(Buffer.concat(units))).toBe(true)
  })

  test.skipIf(isWindows)('says EPIPE when the reader has gone (needs mkfifo)', async () => {
    const { read, write } = pipe()
    const sink = sinkTo(write)
    closeSync(read)
    sink.reserve(10)
    await sink.drained()
    expect(sink.error).toMatchObject({ code: 'EPIPE' })
    expect(sink.reserve(10)).toBe(-1)
    await expect(sink.close()).rejects.toMatchObject({ code: 'EPIPE' })
  })
})
