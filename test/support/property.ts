import fc from 'fast-check'

/** The same every time, so that a run can be repeated; LONG_TESTS=1 takes another each time. */
const SEED = process.env['PROPERTY_SEED'] ?? '4789'
const IS_LONG = process.env['LONG_TESTS'] !== undefined
const RUNS = 1000
const LONG_RUNS = 20_000

/**
 * Tries `check` with values of these kinds. What fails is made as small as it can be, and shown
 * with the seed, which PROPERTY_SEED takes.
 */
export function holdsFor<T extends [unknown, ...unknown[]]>(
  kinds: { [K in keyof T]: fc.Arbitrary<T[K]> },
  check: (...values: T) => void,
): void {
  fc.assert(fc.property<T>(...kinds, check), {
    numRuns: IS_LONG ? LONG_RUNS : RUNS,
    ...(IS_LONG && process.env['PROPERTY_SEED'] === undefined ? {} : { seed: Number(SEED) }),
  })
}

export const bit = fc.boolean()
export const u16 = fc.nat({ max: 0xffff })
export const u24 = fc.nat({ max: 0xff_ffff })
export const u32 = fc.nat({ max: 0xffff_ffff })

/** Bytes that something is written over, and how many of them come before it. */
export const dirt = fc.uint8Array({ minLength: 5, maxLength: 5 })

/** 32-bit words of an IPv6 address, many of whose groups are zero. */
export const ipv6Words = fc
  .array(fc.oneof(fc.constant(0), u16), { minLength: 8, maxLength: 8 })
  .map(
    (groups) =>
      [0, 2, 4, 6].map((at) => groups[at]! * 0x1_0000 + groups[at + 1]!) as [
        number,
        number,
        number,
        number,
      ],
  )
