/** What benches make up from a seed, always the same. */

/** 32 random bits at each call (xorshift32); `seed` is not 0. @param {number} seed */
export function xorshift(seed) {
  let x = seed
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    x >>>= 0
    return x
  }
}

/** Bytes of a frame: small, any, full, 500 on average. @param {() => number} random */
export function frameLength(random) {
  const kind = random() % 100
  if (kind < 45) return 60
  if (kind < 69) return 61 + (random() % 540)
  return 1200 + (random() % 315)
}
