import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildIndex, indexPathOf, readIndex } from '../../src/search/index-file.js'
import type { CaptureIndex } from '../../src/search/index-format.js'
import { ethernet, mirrored, tcp4, udp4 } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'

const START = 1_600_000_000

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
