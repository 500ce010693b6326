import { describe, expect, test } from 'vitest'
import { BlockPool, SMALL_BLOCK_LEN } from '../../src/sink/block-pool.js'
import { BlockSink, type OnWritten } from '../../src/sink/block-sink.js'
import { SINK_BLOCK_LEN } from '../../src/sink/byte-sink.js'
import { Random } from '../support/random.js'

/** A device that writes when told to, as much as told to. */
class StepSink extends BlockSink {
  readonly out: Buffer[] = []
  released = 0
  #asked: { bytes: Buffer; done: OnWritten } | undefined

  get isWriting(): boolean {
    return this.#asked !== undefined
  }

  /** Ends the write under way after at most `octets`. */
  step(octets: number, error: Error | null = null): void {
    const asked = this.#asked
    if (asked === undefined) return
    this.#asked = undefined
    const written = Math.min(octets, asked.bytes.length)
    this.out.push(Buffer.from(asked.bytes.subarray(0, written)))
    asked.done(error, written)
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    this.#asked = { bytes: Buffer.concat(chunks), done }
  }

  protected override async release(): Promise<void> {
    this.released++
  }
}

/** Reserves a unit, sometimes more than it needs, and fills it; undefined when the sink took nothing. */
function put(sink: BlockSink, random: Random, length: number): Buffer | undefined {
  const tooMuch = random.below(3) === 0 ? random.below(SINK_BLOCK_LEN - length + 1) : 0
  const at = sink.reserve(length + tooMuch)
  if (at === -1) return undefined
  if (tooMuch > 0) sink.giveBack(tooMuch)
  const unit = Buffer.alloc(length, random.next() & 0xff)
  unit.copy(sink.block, at)
  return unit
}

function anyLength(random: Random): number {
  return random.below(40) === 0
    ? 1 + random.below(SINK_BLOCK_LEN)
    : 1 + random.below(random.pick([20, 1500, 9000]))
}

describe('BlockSink', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'writes what it took, in order, and stays within its limits, seed %i',
    async (seed) => {
      const random = new Random(seed)
      const pool = new BlockPool(2 + random.below(6))
      const limitBytes = random.pick([0, 3 * SINK_BLOCK_LEN, Number.POSITIVE_INFINITY])
      const sink = new StepSink({ pool, limitBytes })
      const taken: Buffer[] = []
      let refused = 0
      for (let run = 0; run < 3000; run++) {
        const unit = put(sink, random, anyLength(random))
        if (unit === undefined) refused++
        else taken.push(unit)
        expect(sink.pendingBytes).toBeLessThanOrEqual(Math.max(limitBytes, SINK_BLOCK_LEN))
        expect(pool.usedBytes).toBeLessThanOrEqual(pool.limitBytes)
        if (random.below(50) === 0) sink.flush()
        if (random.below(30) === 0) sink.step(1 + random.below(SINK_BLOCK_LEN))
      }
      expect(refused).toBeGreaterThan(0)

      const closed = sink.close()
      while (sink.isWriting) sink.step(1 + random.below(SINK_BLOCK_LEN))
      await closed
      expect(Buffer.concat(sink.out).equals(Buffer.concat(taken))).toBe(true)
      expect(sink.keptUnits).toBe(taken.length)
      expect(sink.keptOctets).toBe(Buffer.concat(taken).length)
      expect(sink.lostUnits).toBe(0)
      expect(sink.pendingBytes).toBe(0)
      expect(pool.usedBytes).toBe(0)
      expect(sink.released).toBe(1)
    },
  )

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'knows after an error where the last whole unit ends, seed %i',
    async (seed) => {
      const random = new Random(seed)
      const pool = new BlockPool(8)
      const sink = new StepSink({ pool, limitBytes: Number.POSITIVE_INFINITY })
      const taken: Buffer[] = []
      const failure = Object.assign(new Error('full'), { code: 'ENOSPC' })
      const units = 200 + random.below(300)
      for (let run = 0; run < units; run++) {
        const unit = put(sink, random, 1 + random.below(3000))
        if (unit !== undefined) taken.push(unit)
        if (random.below(20) === 0) sink.flush()
        if (random.below(60) === 0) sink.step(1 + random.below(30_000))
      }
      sink.flush()
      const drained = sink.drained()
      sink.step(random.below(10_000), failure)
      await drained

      const gone = Buffer.concat(sink.out).length
      let octets = 0
      let whole = 0
      while (whole < taken.length && octets + taken[whole]!.length <= gone) {
        octets += taken[whole]!.length
        whole++
      }
      expect(sink.error).toBe(failure)
      expect(sink.keptOctets).toBe(octets)
      expect(sink.keptUnits).toBe(whole)
      expect(sink.lostUnits).toBe(taken.length - whole)
      expect(sink.reserve(1)).toBe(-1)
      expect(pool.usedBytes).toBe(0)
      expect(sink.pendingBytes).toBe(0)
      await expect(sink.close()).rejects.toBe(failure)
      expect(sink.released).toBe(1)
    },
  )

  test('lets go of its block when flushed, and starts the next one small', () => {
    const pool = new BlockPool(4)
    const sink = new StepSink({ pool, limitBytes: Number.POSITIVE_INFINITY })
    sink.reserve(10)
    expect(pool.usedBytes).toBe(SMALL_BLOCK_LEN)
    sink.reserve(SMALL_BLOCK_LEN)
    expect(pool.usedBytes).toBe(SMALL_BLOCK_LEN + SINK_BLOCK_LEN)
    sink.flush()
    sink.step(10)
    sink.step(SMALL_BLOCK_LEN)
    expect(pool.usedBytes).toBe(0)
    sink.reserve(10)
    expect(pool.usedBytes).toBe(SMALL_BLOCK_LEN)
  })

  test('starts full of nothing: units far smaller than planned for only send blocks early', async () => {
    const pool = new BlockPool(4)
    const sink = new StepSink({ pool, limitBytes: Number.POSITIVE_INFINITY })
    for (let unit = 0; unit < 5000; unit++) expect(sink.reserve(1)).toBeGreaterThanOrEqual(0)
    const closed = sink.close()
    while (sink.isWriting) sink.step(SINK_BLOCK_LEN)
    await closed
    expect(sink.keptUnits).toBe(5000)
    expect(sink.keptOctets).toBe(5000)
  })

  test('does not reuse the memory of a write under way when failed from above', async () => {
    const pool = new BlockPool(1)
    const sink = new StepSink({ pool, limitBytes: Number.POSITIVE_INFINITY })
    sink.reserve(10)
    sink.flush()
    sink.fail(new Error('gone'))
    expect(pool.usedBytes).toBe(SMALL_BLOCK_LEN)
    sink.step(10)
    expect(pool.usedBytes).toBe(0)
    expect(sink.lostUnits).toBe(1)
    await expect(sink.close()).rejects.toThrow('gone')
  })

  test('treats a device that takes nothing as failed rather than asking for ever', async () => {
    const sink = new StepSink({ pool: new BlockPool(1), limitBytes: Number.POSITIVE_INFINITY })
    sink.reserve(10)
    const closed = sink.close()
    sink.step(0)
    await expect(closed).rejects.toThrow('took nothing')
  })

  test('drained waits for what was taken before it, not after', async () => {
    const sink = new StepSink({ pool: new BlockPool(4), limitBytes: Number.POSITIVE_INFINITY })
    await sink.drained()
    sink.reserve(10)
    const drained = sink.drained()
    sink.reserve(20)
    sink.flush()
    sink.step(10)
    await drained
    expect(sink.pendingBytes).toBe(20)
  })
})
