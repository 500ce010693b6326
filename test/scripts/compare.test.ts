import { describe, expect, test } from 'vitest'
import { BENCHMARKS, judged, takeRows } from '../../scripts/bench/compare.js'

/** A line that each benchmark prints, and what is compared of it. */
const LINES = {
  'filter.mjs': ['12.5        44.9 %     tcp port 443', 'tcp port 443', 12.5],
  'flow-table.mjs': ['524288     524288     440         524288     0', '524288 524288', 440],
  'mirror-rules.mjs': [
    '10 rules, IPv4, last    80.1 ns, 50 % mirrored',
    '10 rules, IPv4, last',
    80.1,
  ],
  'pipeline.mjs': ['flows, captures     512 ns, 3 not captured', 'flows, captures', 512],
} as const

describe('compare', () => {
  test.each(Object.entries(LINES))('reads what %s prints, round by round', (name, line) => {
    const [text, what, ns] = line
    const samples = new Map<string, number[]>()
    for (let round = 0; round < 2; round++) {
      takeRows(`what it is about\n${text}\n`, BENCHMARKS[name as keyof typeof LINES], samples)
    }
    expect([...samples]).toEqual([[what, [ns, ns]]])
    expect(Object.keys(BENCHMARKS)).toEqual(Object.keys(LINES))
  })

  test.each([
    { here: [100, 120, 130], there: [100, 101, 150], isWorse: false, what: 'the same' },
    { here: [108, 109], there: [100, 101], isWorse: false, what: 'less than the tolerance' },
    { here: [125, 126], there: [100, 101], isWorse: true, what: 'a fall' },
    { here: [125, 160], there: [100, 101], isWorse: false, what: 'a fall within the noise here' },
    { here: [125, 126], there: [100, 130], isWorse: false, what: 'a fall within the noise there' },
    { here: [50, 51], there: [100, 101], isWorse: false, what: 'a gain' },
  ])('finds $what to be worse: $isWorse', ({ here, there, isWorse }) => {
    expect(judged(here, there).isWorse).toBe(isWorse)
  })
})
