import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { canDecompress } from '../../src/pcap/decompressor.js'
import { type ReadOptions, readCapture } from '../../src/pcap/reader.js'
import { Random } from '../support/random.js'
import { type KeptPacket, keep, SampleCapture, samples } from './sample-capture.js'

const SAMPLES = samples()
const dir = mkdtempSync(join(tmpdir(), 'mirrortap-reader-'))
afterAll(() => rmSync(dir, { recursive: true }))

function has(tool: string, ...args: string[]): boolean {
  return spawnSync(tool, args, { stdio: 'ignore' }).error === undefined
}

const hasMkfifo = has('mkfifo', '--version')

function fifo(name: string): { path: string; fd: number } {
  const path = join(dir, name)
  execFileSync('mkfifo', [path])
  // Opened for both, so that neither end waits for the other.
  return { path, fd: openSync(path, 'r+') }
}

function file(name: string, bytes: Buffer): string {
  const path = join(dir, name)
  writeFileSync(path, bytes)
  return path
}

async function read(path: string, options?: ReadOptions) {
  const packets: KeptPacket[] = []
  const summary = await readCapture(path, (packet) => packets.push(keep(packet)), options)
  return { packets, summary }
}

async function refusal(path: string): Promise<string> {
  const error = await readCapture(path, () => {}).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(OperatorError)
  const { message } = error as OperatorError
  expect(message).not.toMatch(/\n|undefined/)
  return message
}

/** Larger than any block the reader reads, with records of all lengths across the borders. */
function large(): { bytes: Buffer; lengths: number[] } {
  const random = new Random(51)
  const capture = new SampleCapture(true).pcapHeader(0xa1b23c4d, 1, 262144)
  const lengths = Array.from({ length: 700 }, (_, i) =>
    i % 100 === 50 ? 262144 : random.below(i % 2 === 0 ? 90 : 9000),
  )
  lengths.forEach((length, i) => {
    capture.pcapRecord(i, 0, Buffer.alloc(length, i), length)
  })
  return { bytes: capture.finish(), lengths }
}

/** Reads and checks each byte of `large`; returns the lengths seen. */
async function readLarge(path: string) {
  const lengths: number[] = []
  const summary = await readCapture(path, (packet) => {
    const frame = packet.bytes.subarray(packet.start, packet.end)
    if (Buffer.compare(frame, Buffer.alloc(frame.length, packet.seconds)) !== 0) {
      throw new Error(`packet ${packet.seconds} is another`)
    }
    lengths.push(frame.length)
  })
  return { lengths, summary }
}

describe('readCapture of a plain file', () => {
  test.each(SAMPLES)('reads $name', async ({ bytes, packets }) => {
    const got = await read(file('plain', bytes))
    expect(got.packets).toEqual(packets)
    expect(got.summary).toMatchObject({
      compression: 'none',
      packets: packets.length,
      octets: bytes.length,
      damage: undefined,
    })
  })

  test('reads records across the borders of its blocks', async () => {
    const { bytes, lengths } = large()
    const got = await readLarge(file('large', bytes))
    expect(got.lengths).toEqual(lengths)
    expect(got.summary).toMatchObject({ octets: bytes.length, damage: undefined })
  })

  test('names the offset of a record that is cut, after all packets before it', async () => {
    const { bytes, lengths } = large()
    const end = bytes.length - 1
    const got = await readLarge(file('cut', bytes.subarray(0, end)))
    expect(got.lengths).toEqual(lengths.slice(0, -1))
    expect(got.summary.damage).toMatchObject({ offset: bytes.length - lengths.at(-1)! - 16 })
    expect(got.summary.octets).toBe(got.summary.damage!.offset)
  })

  test('stops where afterBlock says so, without damage', async () => {
    const path = file('stop', large().bytes)
    for (const stop of [() => false, async () => false]) {
      let packets = 0
      const summary = await readCapture(path, () => packets++, { afterBlock: stop })
      expect(packets).toBeGreaterThan(0)
      expect(packets).toBeLessThan(700)
      expect(summary).toMatchObject({ packets, damage: undefined })
    }
  })

  test('waits for what afterBlock promises', async () => {
    const path = file('wait', large().bytes)
    let waiting = false
    const octets: number[] = []
    const afterBlock = async (octetsRead: number) => {
      octets.push(octetsRead)
      waiting = true
      await new Promise((resolve) => setImmediate(resolve))
      waiting = false
    }
    await readCapture(path, () => expect(waiting).toBe(false), { afterBlock })
    expect(octets.length).toBeGreaterThan(2)
    expect(octets).toEqual([...octets].sort((a, b) => a - b))
    expect(octets.at(-1)).toBe(readFileSync(path).length)
  })

  test('lets out what onPacket and afterBlock throw', async () => {
    const path = file('throw', SAMPLES[0]!.bytes)
    const ours = () => {
      throw new Error('ours')
    }
    await expect(readCapture(path, ours)).rejects.toThrow('ours')
    await expect(readCapture(path, () => {}, { afterBlock: ours })).rejects.toThrow('ours')
  })
})

describe('readCapture of what is no capture', () => {
  test.each([
    ['no-such-file', undefined, /^.*no-such-file does not exist; check the path$/],
    ['empty', Buffer.alloc(0), /^.*empty is empty; /],
    [
      'text',
      Buffer.from('versions: 2'),
      /^.*text is not a capture file: it starts with 76 65 72 73; /,
    ],
    ['short', Buffer.from('x'), /short ends inside its header, after 1 byte; /],
    ['cut-header', SAMPLES[0]!.bytes.subarray(0, 23), /ends inside its header, after 23 bytes; /],
    ['cut-section', SAMPLES[3]!.bytes.subarray(0, 27), /ends inside its header, after 27 bytes; /],
    ['empty.gz', gzipSync(''), /empty\.gz is empty; /],
    [
      'text.gz',
      gzipSync('versions'),
      /text\.gz is not a capture file: it starts with 76 65 72 73; /,
    ],
    ['noise.gz', Buffer.from('1f8bffffffffffff', 'hex'), /noise\.gz .*gzip data .*damaged \(/],
    ['cut.gz', gzipSync(SAMPLES[0]!.bytes).subarray(0, 12), /cut\.gz .*gzip data ends early/],
  ])('refuses %s in one line', async (name, bytes, message) => {
    const path = bytes === undefined ? join(dir, name) : file(name, bytes)
    expect(await refusal(path)).toMatch(message)
  })

  test('refuses a directory', async () => {
    expect(await refusal(dir)).toBe(`${dir} is a directory; name a file in it`)
  })

  test('refuses a path through a file', async () => {
    expect(await refusal(join(file('leaf', Buffer.alloc(1)), 'x'))).toMatch(/does not exist/)
  })

  test.skipIf(process.getuid?.() === 0)(
    'refuses an unreadable file (needs a user but root)',
    async () => {
      const path = file('secret', SAMPLES[0]!.bytes)
      chmodSync(path, 0)
      expect(await refusal(path)).toMatch(/may not be read; run as a user who may/)
    },
  )
})

describe('readCapture of gzip', () => {
  test.each(SAMPLES)('reads $name', async ({ bytes, packets }) => {
    const { packets: got, summary } = await read(file('sample.gz', gzipSync(bytes)))
    expect(got).toEqual(packets)
    expect(summary).toMatchObject({ compression: 'gzip', octets: bytes.length, damage: undefined })
  })

  test('reads many members, cut anywhere', async () => {
    const { bytes, lengths } = large()
    const members: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 99_991) {
      members.push(gzipSync(bytes.subarray(at, at + 99_991), { level: 1 }))
    }
    const got = await readLarge(file('members', Buffer.concat(members)))
    expect(got.lengths).toEqual(lengths)
    expect(got.summary.damage).toBeUndefined()
  })

  test('takes padding behind the last member for nothing', async () => {
    const { bytes, packets } = SAMPLES[0]!
    const padded = Buffer.concat([gzipSync(bytes), Buffer.alloc(100_000)])
    const { packets: got, summary } = await read(file('padded.gz', padded))
    expect(got).toEqual(packets)
    expect(summary.damage).toBeUndefined()
  })

  test('hands over what was there before the stream ended early', async () => {
    const { bytes, lengths } = large()
    const whole = gzipSync(bytes)
    for (const end of [whole.length - 1, whole.length - 8, whole.length >> 1]) {
      const got = await readLarge(file('early.gz', whole.subarray(0, end)))
      expect(got.lengths).toEqual(lengths.slice(0, got.lengths.length))
      expect(got.lengths.length).toBeGreaterThan(end > whole.length - 9 ? 699 : 10)
      const offset = got.lengths.reduce((sum, length) => sum + 16 + length, 24)
      expect(got.summary.damage).toEqual({
        offset,
        message: 'the gzip data ends early or is damaged (unexpected end of file)',
      })
    }
  })

  test('reports a checksum that is wrong, with what came before', async () => {
    const { bytes, lengths } = large()
    const whole = gzipSync(bytes)
    whole[whole.length - 8]! ^= 1
    const got = await readLarge(file('checksum.gz', whole))
    expect(got.lengths).toEqual(lengths)
    expect(got.summary.damage).toEqual({
      offset: bytes.length,
      message: 'the gzip data ends early or is damaged (incorrect data check)',
    })
  })

  test('ignores what follows the last member and is none, and says so', async () => {
    const { bytes, packets } = SAMPLES[0]!
    const tail = Buffer.concat([gzipSync(bytes), Buffer.from('a tail')])
    const { packets: got, summary } = await read(file('tail.gz', tail))
    expect(got).toEqual(packets)
    expect(summary).toMatchObject({ damage: undefined, hasTrailing: true })
  })

  test.skipIf(!has('gzip', '--version'))(
    'uses all that gzip(1) decompresses before wrong bytes (needs gzip)',
    async () => {
      // Contents that a changed bit soon makes invalid: codes for few different bytes.
      const random = new Random(52)
      const capture = new SampleCapture(true).pcapHeader(0xa1b23c4d, 1, 262144)
      for (let i = 0; i < 9000; i++) {
        const frame = Buffer.from(Array.from({ length: 100 }, () => random.below(3)))
        capture.pcapRecord(i, 0, frame, frame.length)
      }
      const whole = gzipSync(capture.finish())
      let rescued = 0
      for (let at = 30_000; at < whole.length; at += 90_001) {
        const damaged = Buffer.from(whole)
        damaged.fill(0xff, at, at + 8)
        const { octets, damage } = (await read(file('wrong.gz', damaged))).summary
        const judge = spawnSync('gzip', ['-dc'], { input: damaged, maxBuffer: 1 << 28 })
        // All records that are whole in what gzip gives.
        const length = judge.stdout.length - ((judge.stdout.length - 24) % 116)
        if (damage!.message.includes('incorrect data check')) continue
        expect(octets, `at ${at}: ${damage!.message}`).toBeGreaterThanOrEqual(length - 116)
        rescued++
      }
      expect(rescued).toBeGreaterThan(0)
    },
  )

  test('reports damage of the capture inside', async () => {
    const { bytes } = SAMPLES[0]!
    const { summary } = await read(file('inner.gz', gzipSync(bytes.subarray(0, -1))))
    expect(summary.damage?.message).toMatch(/^the file ends inside the record/)
  })

  test('stops where afterBlock says so, and lets out what onPacket throws', async () => {
    const path = file('stop.gz', gzipSync(large().bytes))
    const summary = await readCapture(path, () => {}, { afterBlock: () => false })
    expect(summary.damage).toBeUndefined()
    const ours = () => {
      throw new Error('ours')
    }
    await expect(readCapture(path, ours)).rejects.toThrow('ours')
  })
})

describe('readCapture of zstd', () => {
  // The program makes the captures, and reads them for a Node that cannot.
  const usable = has('zstd', '--version')

  function zstd(bytes: Buffer): Buffer {
    return execFileSync('zstd', ['-q', '-c', '-3'], { input: bytes, maxBuffer: 1 << 28 })
  }

  test.skipIf(canDecompress('zstd'))(
    'says what to do where neither Node nor the host can (Node before 22.15)',
    async () => {
      const path = file('x.pcap.zst', Buffer.from('28b52ffd00000000', 'hex'))
      vi.stubEnv('PATH', '/nowhere')
      onTestFinished(() => void vi.unstubAllEnvs())
      expect(await refusal(path)).toMatch(
        /x\.pcap\.zst is compressed with zstd, .*; install zstd or use Node 22\.15 or later$/,
      )
    },
  )

  test.skipIf(!usable)('reads one frame and many (needs zstd)', async () => {
    const { bytes, lengths } = large()
    const skippable = Buffer.from('502a4d180400000001020304', 'hex')
    const frames: Buffer[] = [skippable]
    for (let at = 0; at < bytes.length; at += 999_983) {
      frames.push(zstd(bytes.subarray(at, at + 999_983)), skippable)
    }
    for (const compressed of [zstd(bytes), Buffer.concat(frames)]) {
      const got = await readLarge(file('large.zst', compressed))
      expect(got.lengths).toEqual(lengths)
      expect(got.summary).toMatchObject({ compression: 'zstd', damage: undefined })
    }
  })

  test.skipIf(!usable)(
    'hands over what was there before the stream ended early (needs zstd)',
    async () => {
      const { bytes, lengths } = large()
      const whole = zstd(bytes)
      const got = await readLarge(file('early.zst', whole.subarray(0, -1)))
      expect(got.lengths).toEqual(lengths.slice(0, got.lengths.length))
      expect(got.lengths.length).toBeGreaterThan(600)
      expect(got.summary.damage?.message).toMatch(/^the zstd data ends early/)
    },
  )

  test.skipIf(!usable)('ignores what follows the last frame and is none (needs zstd)', async () => {
    const { bytes, packets } = SAMPLES[0]!
    const tail = Buffer.concat([zstd(bytes), Buffer.from('a tail that begins no frame')])
    const { packets: got, summary } = await read(file('tail.zst', tail))
    expect(got).toEqual(packets)
    expect(summary).toMatchObject({ damage: undefined, hasTrailing: true })
  })

  test.skipIf(!usable)('stops when it is told to, or the caller throws (needs zstd)', async () => {
    const path = file('large.zst', zstd(large().bytes))
    const stopped = await readCapture(path, () => undefined, { afterBlock: () => false })
    expect(stopped.damage).toBeUndefined()
    const ours = () => {
      throw new Error('ours')
    }
    await expect(readCapture(path, ours)).rejects.toThrow('ours')
  })
})

describe('readCapture of a pipe', () => {
  test.skipIf(!hasMkfifo)('hands packets over as they arrive (needs mkfifo)', async () => {
    const { bytes, packets } = SAMPLES[0]!
    const { path, fd } = fifo('live')
    let at = 0
    const got: KeptPacket[] = []
    const next = (packet: KeptPacket | undefined) => {
      // The next bytes are written when the packet that they follow was seen, never before.
      if (packet !== undefined) got.push(packet)
      if (got.length === packets.length) return
      const length = got.length === 0 && at === 0 ? 24 : 0
      const record = 16 + packets[got.length]!.frame.length / 2
      writeSync(fd, bytes, at, length + record)
      at += length + record
    }
    next(undefined)
    const afterBlock = () => got.length < packets.length
    const summary = await readCapture(path, (packet) => next(keep(packet)), { afterBlock })
    closeSync(fd)
    expect(got).toEqual(packets)
    expect(summary).toMatchObject({ packets: packets.length, damage: undefined })
  })

  test.skipIf(!hasMkfifo)(
    'recognizes formats and compression byte by byte (needs mkfifo)',
    async () => {
      for (const { bytes, packets } of SAMPLES) {
        for (const stored of [bytes, gzipSync(bytes)]) {
          const { path, fd } = fifo('slow')
          const got: KeptPacket[] = []
          const reading = readCapture(path, (packet) => {
            got.push(keep(packet))
            if (got.length === packets.length) closeSync(fd)
          })
          for (let at = 0; at < 5; at++) {
            writeSync(fd, stored, at, 1)
            await new Promise((resolve) => setImmediate(resolve))
          }
          writeSync(fd, stored, 5)
          const summary = await reading
          expect(got).toEqual(packets)
          expect(summary).toMatchObject({
            compression: stored === bytes ? 'none' : 'gzip',
            damage: undefined,
          })
          rmSync(path)
        }
      }
    },
  )
})

describe('readCapture of standard input', () => {
  const out = join(dir, 'built')
  const script = join(dir, 'stdin.mjs')

  beforeAll(() => {
    // Standard input belongs to a process, so this one needs a process, and that the sources built.
    const tsc = join(import.meta.dirname, '../../node_modules/.bin/tsc')
    spawnSync(tsc, ['-p', join(import.meta.dirname, '../..'), '--noCheck', '--outDir', out])
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'package.json'), '{"type":"module"}')
    writeFileSync(
      script,
      `import { readCapture } from ${JSON.stringify(join(out, 'pcap/reader.js'))}
      const [, , path = '-', stop] = process.argv
      readCapture(path, () => process.stderr.write('.'), { afterBlock: () => stop === undefined }).then(
        (summary) => console.log(JSON.stringify({ packets: summary.packets, damage: summary.damage })),
        (error) => console.log(error.message),
      )`,
    )
  }, 60_000)

  test('reads a pipe, a file and gzip from it', () => {
    const { bytes, packets } = SAMPLES[0]!
    for (const stored of [bytes, gzipSync(bytes)]) {
      const run = spawnSync(process.execPath, [script], { input: stored, encoding: 'utf8' })
      expect(JSON.parse(run.stdout)).toEqual({ packets: packets.length })
      const stdin = openSync(file('stdin', stored), 'r')
      const redirected = spawnSync(process.execPath, [script], {
        stdio: [stdin, 'pipe', 'pipe'],
        encoding: 'utf8',
      })
      expect(JSON.parse(redirected.stdout)).toEqual({ packets: packets.length })
      closeSync(stdin)
    }
  })

  test('names it in what it refuses', () => {
    for (const stdin of ['ignore', 'pipe'] as const) {
      const run = spawnSync(process.execPath, [script], {
        stdio: [stdin, 'pipe', 'pipe'],
        encoding: 'utf8',
      })
      expect(run.stdout).toMatch(/^standard input is empty; /)
    }
  })

  test.skipIf(!hasMkfifo)(
    'leaves a pipe that is still open when told to stop (needs mkfifo)',
    async () => {
      const { bytes, packets } = SAMPLES[0]!
      const pipe = fifo('open')
      writeSync(pipe.fd, bytes)
      for (const path of ['-', pipe.path]) {
        const child = spawn(process.execPath, [script, path, 'stop'])
        let output = ''
        child.stdout.on('data', (piece) => {
          output += piece
        })
        child.stdin.on('error', () => {})
        child.stdin.write(bytes)
        const [code] = await once(child, 'close')
        expect(code).toBe(0)
        expect(JSON.parse(output)).toEqual({ packets: packets.length })
      }
      closeSync(pipe.fd)
    },
  )
})
