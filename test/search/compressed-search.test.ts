import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { buildIndex, indexPathOf, readIndex } from '../../src/search/index-file.js'
import { PacketSearch } from '../../src/search/packet-search.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { EVERYTHING } from '../support/packet-search.js'
import { pcapFile } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

/** Bytes between two places where decompressing can begin; zstd makes less of what repeats. */
const EVERY = { gzip: 1_000_000, zstd: 100_000 }

/** 7 MB that are hardly smaller when they are compressed; each host is in one packet. */
function capture(): Buffer {
  const random = new Random(12)
  const noise = Buffer.from(Array.from({ length: 70_000 }, () => random.below(256)))
  const shots = Array.from({ length: 700 }, (_, index) => {
    const ends = { src: `10.0.${index >>> 8}.${index & 255}`, dst: '192.0.2.1' }
    const payload = noise.subarray((index * 7919) % 60_000).subarray(0, 10_000)
    return {
      seconds: 1000 + index,
      frame: ethernet(tcp4({ ...ends, sport: 1, dport: 2, payload })),
    }
  })
  return pcapFile(shots)
}

/** Seconds of the packets that are found, and bytes read for them. */
async function found(path: string, text: string): Promise<{ seconds: number[]; bytes: number }> {
  const search = new PacketSearch({
    ...EVERYTHING,
    files: [{ path, session: undefined }],
    text,
  })
  const seconds: number[] = []
  let bytes = 0
  await search.read(
    [...search.plan()],
    (packet) => seconds.push(packet.seconds - 1000),
    (read) => {
      bytes = read
    },
  )
  return { seconds, bytes }
}

describe('a search of a compressed file', () => {
  const whole = capture()
  const zstd = (part: Buffer): Buffer =>
    spawnSync('zstd', ['-c', '-q'], { input: part, maxBuffer: 2 ** 24 }).stdout
  const forms = {
    gzip: () => gzipSync(whole, { level: 1 }),
    zstd: () => Buffer.concat([0, 2e6, 4e6, 6e6].map((at) => zstd(whole.subarray(at, at + 2e6)))),
  }
  const kinds = (['gzip', 'zstd'] as const).filter((kind) => kind === 'gzip' || hasTool(kind))
  test.each(kinds)('begins in the middle of %s, and finds the same', async (kind) => {
    const path = join(temporaryDirectory(), 'capture.pcap.gz')
    writeFileSync(path, forms[kind]())
    const wanted = [
      'host 10.0.1.144 or host 10.0.2.100 or host 10.0.2.101',
      'host 10.0.2.180',
      'ip',
    ]
    const before = await Promise.all(wanted.map((text) => found(path, text)))
    expect(before.map(({ seconds }) => seconds.slice(0, 5))).toEqual([
      [400, 612, 613],
      [692],
      [0, 1, 2, 3, 4],
    ])
    await buildIndex(path, undefined, EVERY[kind])
    const index = readIndex(path)
    if (typeof index === 'string') throw new Error(index)
    expect(index.places.length).toBeGreaterThan(1)
    const after = await Promise.all(wanted.map((text) => found(path, text)))
    expect(after.map(({ seconds }) => seconds)).toEqual(before.map(({ seconds }) => seconds))
    // A program that decompresses zstd is ahead of what is taken from it.
    if (kind === 'zstd') return
    expect(after[1]!.bytes).toBeLessThan(before[1]!.bytes * 0.6)
    // Without its windows, which lie after the head, it is read from its start.
    const bytes = readFileSync(indexPathOf(path))
    const headLength = bytes.readUInt32LE(12)
    bytes.fill(0, headLength, headLength + bytes.readUInt32LE(68))
    writeFileSync(indexPathOf(path), bytes)
    expect((await found(path, wanted[1]!)).seconds).toEqual([692])
  })
})
