import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { buildIndex, indexPathOf, readIndex } from '../../src/search/index-file.js'
import type { CaptureIndex } from '../../src/search/index-format.js'
import { PacketSearch } from '../../src/search/packet-search.js'
import { ethernet, mirrored, tcp4, udp4 } from '../support/frames.js'
import { EVERYTHING } from '../support/packet-search.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

const START = 1_600_000_000
/** LONG_TESTS=1 tries many more. */
const IS_LONG = process.env['LONG_TESTS'] !== undefined
/** Connections one behind the other, of 100 frames of 1000 bytes each. */
function connections(count: number): Shot[] {
  return Array.from({ length: count * 100 }, (_, index) => ({
    seconds: START + index,
    frame: ethernet(
      tcp4({
        src: `10.0.${index >>> 8}.${index & 0xff}`,
        dst: '192.0.2.1',
        sport: 1024 + Math.floor(index / 100),
        dport: 443,
        payload: Buffer.alloc(946),
      }),
    ),
  }))
}

function captureOf(shots: readonly Shot[]): string {
  const path = join(temporaryDirectory(), 'capture.pcap')
  writeFileSync(path, pcapFile(shots))
  return path
}

function indexed(path: string): CaptureIndex {
  const index = readIndex(path)
  if (typeof index === 'string') throw new Error(index)
  return index
}

describe('the index of a capture', () => {
  test('covers all of it with blocks that follow each other, each with the times of its packets', async () => {
    const shots = connections(12)
    const path = captureOf(shots)
    const { blocks, captureBytes, indexBytes } = await buildIndex(path)
    const index = indexed(path)
    expect(blocks).toBeGreaterThan(3)
    expect(index.blocks).toHaveLength(blocks)
    expect(index.covered).toBe(captureBytes)
    expect(index.linkTypes).toEqual([1])
    expect(index).toMatchObject({ isMirrored: false, isPlainPcap: true, isDamaged: false })
    let packets = 0
    let start = 0
    for (const block of index.blocks) {
      expect(block.start).toBe(start)
      expect(block.earliest).toEqual({ seconds: START + packets, nanoseconds: 0 })
      packets += block.packets
      expect(block.latest).toEqual({ seconds: START + packets - 1, nanoseconds: 0 })
      start = block.end
    }
    expect(packets).toBe(shots.length)
    expect(indexBytes).toBe(readFileSync(indexPathOf(path)).length)
    expect(indexBytes / captureBytes).toBeLessThan(0.02)
  })

  test('names the sessions of mirrored packets', async () => {
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 53, dport: 53 }))
    const outer = { source: '198.51.100.1', target: '198.51.100.2' }
    const path = captureOf([7, 8].map((vni) => ({ frame: mirrored({ ...outer, vni, frame }) })))
    await buildIndex(path)
    const index = indexed(path)
    expect(index.isMirrored).toBe(true)
    expect(index.sessions).toEqual(['vni-7_198.51.100.1', 'vni-8_198.51.100.1'])
  })

  test('is of no use to a capture that has changed since, or another of the same length', async () => {
    const path = captureOf(connections(1))
    expect(readIndex(path)).toBe('none')
    await buildIndex(path)
    const bytes = readFileSync(path)
    utimesSync(path, START, START)
    expect(readIndex(path)).toBe('stale')
    await buildIndex(path)
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(path, bytes)
    utimesSync(path, START, START)
    expect(readIndex(path)).toBe('stale')
    writeFileSync(path, Buffer.concat([bytes, bytes.subarray(24)]))
    expect(readIndex(path)).toBe('stale')
  })

  test('is damaged with any byte of its head changed, and cut at any length', async () => {
    const path = captureOf(connections(1))
    await buildIndex(path)
    const index = indexed(path)
    const whole = readFileSync(indexPathOf(path))
    const headLength = whole.length - index.filtersLength
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(indexPathOf(path), whole.subarray(0, length))
      expect(readIndex(path), `${length} bytes`).toBe('damaged')
    }
    for (let at = 0; at < headLength; at++) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at & 7)
      writeFileSync(indexPathOf(path), bytes)
      expect(readIndex(path), `byte ${at}`).toBe('damaged')
    }
    writeFileSync(indexPathOf(path), Buffer.concat([whole, Buffer.of(0)]))
    expect(readIndex(path)).toBe('damaged')
  })

  test('with any numbers that fit its checksum ends a search without an error', async () => {
    const seed = IS_LONG ? Date.now() % 1e6 : 31
    const random = new Random(seed)
    const path = join(temporaryDirectory(), 'capture.pcap.gz')
    writeFileSync(path, gzipSync(pcapFile(connections(20)), { level: 0 }))
    await buildIndex(path, undefined, 100_000)
    expect(indexed(path).places.length).toBeGreaterThan(1)
    const whole = readFileSync(indexPathOf(path))
    const headLength = whole.readUInt32LE(12)
    const states = new Set<string>()
    for (let turn = 0; turn < (IS_LONG ? 3000 : 40); turn++) {
      const bytes = Buffer.from(whole)
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        // Mostly where lengths, numbers and places are.
        const reach = random.pick([72, headLength - 4, whole.length])
        const at = 8 + random.below(reach - 8)
        const value = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
        bytes.fill(value, at, at + random.pick([1, 2, 4, 8]))
      }
      // What is said of the capture stays true, so that the rest is looked at.
      whole.copy(bytes, 16, 16, 36)
      bytes.writeUInt32LE(crc32(bytes.subarray(0, headLength - 4)), headLength - 4)
      const cut = random.below(4) === 0 ? random.below(whole.length) : whole.length
      writeFileSync(indexPathOf(path), bytes.subarray(0, cut))
      const index = readIndex(path)
      states.add(typeof index === 'object' ? 'used' : index)
      const most = { packets: 0 }
      const search = new PacketSearch({ ...EVERYTHING, files: [{ path, session: undefined }] })
      const outcomes = await search.read([...search.plan()], () => most.packets++, undefined)
      // Ranges of a hostile index may overlap no packet twice: they only go forward.
      expect(most.packets, `seed ${seed}, turn ${turn}`).toBeLessThanOrEqual(2000)
      expect(outcomes.every(({ error }) => error === undefined)).toBe(true)
    }
    expect([...states].sort()).toEqual(['damaged', 'used'])
  })

  test('of a damaged capture ends where that does', async () => {
    const path = captureOf(connections(8))
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.subarray(0, bytes.length - 10))
    const { summary } = await buildIndex(path)
    const index = indexed(path)
    expect(index.isDamaged).toBe(true)
    expect(index.covered).toBe(summary.damage?.offset)
  })
})
