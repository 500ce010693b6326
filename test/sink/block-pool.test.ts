import { describe, expect, test } from 'vitest'
import { type Block, BlockPool, SMALL_BLOCK_LEN } from '../../src/sink/block-pool.js'
import { SINK_BLOCK_LEN } from '../../src/sink/byte-sink.js'
import { Random } from '../support/random.js'

describe('BlockPool', () => {
  test('gives large blocks up to its limit and takes them back', () => {
    const pool = new BlockPool(2)
    const first = pool.take(1, true)!
    expect(first.bytes.length).toBe(SINK_BLOCK_LEN)
    expect(pool.take(SINK_BLOCK_LEN, false)!.bytes.length).toBe(SINK_BLOCK_LEN)
    expect(pool.take(1, true)).toBeUndefined()
    expect(pool.take(SINK_BLOCK_LEN, true)).toBeUndefined()
    pool.give(first)
    expect(pool.take(1, true)).toBe(first)
  })

  test('gives a small block where a large one is wanted but not needed and there is no room for it', () => {
    const pool = new BlockPool(1.5)
    pool.take(1, true)
    expect(pool.take(1, true)!.bytes.length).toBe(SMALL_BLOCK_LEN)
    expect(pool.take(SMALL_BLOCK_LEN + 1, true)).toBeUndefined()
  })

  test('turns spare small blocks into a large one', () => {
    const pool = new BlockPool(1)
    const small = Array.from({ length: 16 }, () => pool.take(1, false)!)
    expect(pool.take(1, false)).toBeUndefined()
    for (const block of small) pool.give(block)
    expect(pool.take(SINK_BLOCK_LEN, true)!.bytes.length).toBe(SINK_BLOCK_LEN)
    expect(pool.take(1, false)).toBeUndefined()
  })

  test.each([1, 2, 3])('never exceeds its limit and hands nothing out twice, seed %i', (seed) => {
    const random = new Random(seed)
    const pool = new BlockPool(3)
    const held = new Set<Block>()
    let heldBytes = 0
    for (let run = 0; run < 5000; run++) {
      const block = pool.take(1 + random.below(2 * SMALL_BLOCK_LEN), random.below(2) === 0)
      if (block !== undefined) {
        expect(held.has(block)).toBe(false)
        expect([block.used, block.units, block.written]).toEqual([0, 0, 0])
        block.used = 1
        held.add(block)
        heldBytes += block.bytes.length
      }
      if (block === undefined || random.below(3) === 0) {
        for (const back of [...held].slice(0, 1 + random.below(20))) {
          held.delete(back)
          heldBytes -= back.bytes.length
          pool.give(back)
        }
      }
      expect(pool.usedBytes).toBe(heldBytes)
      expect(heldBytes).toBeLessThanOrEqual(pool.limitBytes)
    }
  })
})
