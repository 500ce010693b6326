import { spawnSync } from 'node:child_process'
import { constants, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type DecompressionOptions, openDecompression } from '../../src/pcap/decompression.js'
import { type Restart, Restarts } from '../../src/pcap/restarts.js'
import { ZstdFrames } from '../../src/pcap/zstd-frames.js'
import { Random } from '../support/random.js'
import { hasTool } from '../support/tools.js'

const PIECE_LEN = 64 * 1024

async function decompressed(
  compression: 'gzip' | 'zstd',
  file: Buffer,
  options: DecompressionOptions,
): Promise<{ output: Buffer; fault: Error | undefined }> {
  const pieces: Buffer[] = []
  const take = (piece: Buffer): void => void pieces.push(Buffer.from(piece))
  const opened = openDecompression(compression, 'file', take, undefined, options)
  let fault: Error | undefined
  for (let at = 0; at < file.length && fault === undefined; at += PIECE_LEN) {
    fault = await opened.write(Buffer.from(file.subarray(at, at + PIECE_LEN)))
  }
  fault ??= await opened.end()
  opened.destroy()
  return { output: Buffer.concat(pieces), fault }
}

/** Decompresses all, and then once more from each place that was noted. */
async function placesOf(
  compression: 'gzip' | 'zstd',
  file: Buffer,
  content: Buffer,
  every: number,
): Promise<Restart[]> {
  const found: Restart[] = []
  const restarts = new Restarts((restart) => found.push(restart), every)
  const { output, fault } = await decompressed(compression, file, { restarts })
  expect(fault).toBeUndefined()
  expect(output.equals(content)).toBe(true)
  for (const from of found) {
    const rest = await decompressed(compression, file.subarray(from.at), { from })
    expect(rest.fault, `at ${from.at}`).toBeUndefined()
    expect(rest.output.equals(content.subarray(from.output)), `at ${from.at}`).toBe(true)
  }
  return found
}

/** Half of it repeats what was there before, from near and far. */
function content(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const run = Math.min(1 + random.below(200), length - at)
    if (at > 0 && random.below(2) === 0) {
      const from = at - Math.min(1 + random.below(32_768), at)
      for (let index = 0; index < run; index++) bytes[at + index] = bytes[from + index]!
    } else {
      for (let index = 0; index < run; index++) bytes[at + index] = random.below(256)
    }
    at += run
  }
  return bytes
}

describe('decompressing begins again where a place was noted', () => {
  const random = new Random(21)
  const bytes = content(random, 4_000_000)

  test.each([
    ['of any level', { level: 1 + random.below(9) }],
    ['of stored blocks', { level: 0 }],
    ['of codes without matches', { level: 6, strategy: constants.Z_HUFFMAN_ONLY }],
  ])('in gzip %s', async (_what, options) => {
    const found = await placesOf('gzip', gzipSync(bytes, options), bytes, 500_000)
    expect(found.length).toBeGreaterThan(2)
    expect(found.every(({ window }) => window.length === 32_768)).toBe(true)
  })

  test('in gzip of many members', async () => {
    const ends = Array.from({ length: 40 }, (_, index) => (index + 1) * 100_000)
    const file = Buffer.concat(ends.map((end) => gzipSync(bytes.subarray(end - 100_000, end))))
    const found = await placesOf('gzip', file, bytes, 90_000)
    expect(found.some(({ window }) => window.length === 0)).toBe(true)
  })

  test.skipIf(!hasTool('zstd'))('where frames of zstd end (needs zstd)', async () => {
    const frame = (part: Buffer, ...args: string[]): Buffer =>
      spawnSync('zstd', ['-c', '-q', ...args], { input: part, maxBuffer: 2 ** 24 }).stdout
    const skippable = Buffer.from('502a4d1805000000aaaaaaaaaa', 'hex')
    const parts = [bytes.subarray(0, 900_000), bytes.subarray(900_000, 901_000)]
    const file = Buffer.concat([
      frame(parts[0]!),
      skippable,
      frame(parts[1]!, '--no-check'),
      frame(bytes.subarray(901_000), '-19'),
    ])
    const found = await placesOf('zstd', file, bytes, 800_000)
    expect(found.map(({ output }) => output)).toEqual([900_000])
    // The same, however it is cut into pieces.
    const ends = (length: number): number[] => {
      const frames = new ZstdFrames()
      const seen: number[] = []
      for (let at = 0; at < file.length; at += length) {
        const piece = file.subarray(at, at + length)
        for (let end = 0; ; ) {
          end = frames.nextEnd(piece, end)
          if (end === -1) break
          seen.push(at + end)
        }
      }
      return seen
    }
    const [first] = found
    expect(ends(file.length)).toEqual([
      first!.at,
      first!.at + skippable.length,
      expect.any(Number),
      file.length,
    ])
    for (const length of [1, 7, 1000]) expect(ends(length)).toEqual(ends(file.length))
  })

  test('and wrong bytes are noticed on the way', async () => {
    const file = gzipSync(bytes)
    file[file.length >> 1]! ^= 0xff
    const restarts = new Restarts(() => undefined, 500_000)
    expect((await decompressed('gzip', file, { restarts })).fault).toBeDefined()
  })
})
