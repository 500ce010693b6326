import { describe, expect, test } from 'vitest'
import { LAST_TIME, putNanoseconds, TimeScale } from '../../src/pcap/pcapng-time.js'
import { Random } from '../support/random.js'

/** The same in whole numbers of any size. */
function plainly(units: bigint, tsresol: number, offset: bigint): { s: bigint; ns: bigint } {
  const exponent = BigInt(tsresol & 0x7f)
  const perSecond = (tsresol & 0x80) === 0 ? 10n ** exponent : 2n ** exponent
  return {
    s: units / perSecond + offset,
    ns: ((units % perSecond) * 1_000_000_000n) / perSecond,
  }
}

function check(units: bigint, tsresol: number, offset = 0n): void {
  const out = { seconds: 1, nanoseconds: 1 }
  const scale = new TimeScale(tsresol, offset)
  const isTime = scale.convert(Number(units >> 32n), Number(units & 0xffff_ffffn), out)
  const { s, ns } = plainly(units, tsresol, offset)
  const at = `${units} at ${tsresol} from ${offset}`
  const isInRange = s >= 0n && s <= BigInt(LAST_TIME)
  expect(isTime, at).toBe(isInRange)
  expect(out, at).toEqual({
    seconds: isInRange ? Number(s) : 0,
    nanoseconds: isInRange ? Number(ns) : 0,
  })
}

describe('TimeScale', () => {
  test.each(Array.from({ length: 256 }, (_, tsresol) => tsresol))(
    'converts exactly with if_tsresol %i',
    (tsresol) => {
      const random = new Random(1000 + tsresol)
      for (let round = 0; round < 40; round++) {
        const bits = BigInt(1 + random.below(64))
        const units = (BigInt(random.next()) << 32n) | BigInt(random.next())
        const offset = round % 2 === 0 ? 0n : -BigInt(random.below(100_000))
        check(units & ((1n << bits) - 1n), tsresol, offset)
      }
      check(0n, tsresol)
      check((1n << 64n) - 1n, tsresol)
    },
  )

  test.each([
    [6, 1_000_000n],
    [9, 1_000_000_000n],
  ])('is exact on both sides of a second with if_tsresol %i', (tsresol, perSecond) => {
    const random = new Random(77 + tsresol)
    const most = ((1n << 64n) - 2n) / perSecond
    for (let round = 0; round < 5000; round++) {
      const wild = (BigInt(random.next()) << 32n) | BigInt(random.next())
      const second = round % 2 === 0 ? wild % most : BigInt(random.next())
      for (const near of [-1n, 0n, 1n]) {
        const units = second * perSecond + near
        if (units >= 0n) check(units, tsresol)
      }
    }
  })

  test('adds if_tsoffset, which may be before the epoch', () => {
    check(1_500_000n, 6, -10n)
    check(11_500_000n, 6, -10n)
    check(1_500_000_000n, 9, 1_700_000_000n)
  })
})

describe('TimeScale at the limits', () => {
  const resolutions = Array.from({ length: 256 }, (_, tsresol) => tsresol)

  test.each([
    -(1n << 63n),
    -(1n << 53n) - 1n,
    -1000n,
    -1n,
    BigInt(LAST_TIME) - 1n,
    BigInt(LAST_TIME),
    BigInt(LAST_TIME) + 1n,
    (1n << 53n) + 1n,
    (1n << 63n) - 1n,
  ])(
    'takes what lies before 1970 or after LAST_TIME for no time, from if_tsoffset %s',
    (offset) => {
      for (const tsresol of resolutions) {
        const exponent = BigInt(tsresol & 0x7f)
        const perSecond = (tsresol & 0x80) === 0 ? 10n ** exponent : 2n ** exponent
        for (const second of [0n, 1n, -offset - 1n, -offset, -offset + 1_700_000_000n]) {
          const units = second * perSecond
          if (units >= 0n && units < 1n << 64n) check(units, tsresol, offset)
        }
        check((1n << 64n) - 1n, tsresol, offset)
      }
    },
  )
})

describe('putNanoseconds', () => {
  test('writes 64 bits exactly', () => {
    const random = new Random(5)
    const bytes = Buffer.alloc(8)
    for (let round = 0; round < 5000; round++) {
      const seconds = round === 0 ? 0 : random.next()
      const nanoseconds = random.pick([0, 1, 999_999_999, random.below(1_000_000_000)])
      putNanoseconds(seconds, nanoseconds, bytes, 0, 4)
      const units = (BigInt(bytes.readUInt32LE(0)) << 32n) | BigInt(bytes.readUInt32LE(4))
      expect(units).toBe(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds))
    }
  })
})
