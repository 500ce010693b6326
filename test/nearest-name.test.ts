import { expect, test } from 'vitest'
import { parseLogFormat } from '../src/flowlog/log-format.js'
import { nearestName } from '../src/nearest-name.js'

const NAMES = ['src-addr', 'dst-addr', 'bytes']

test('a slip of the hand is known', () => {
  expect(nearestName('SRC_ADR', NAMES)).toBe('src-addr')
  expect(nearestName('byets', NAMES)).toBe('bytes')
  expect(nearestName('nothing-like-it', NAMES)).toBeUndefined()
})

test('a word of a megabyte is refused at once, and is not all in the message', () => {
  const word = 'a'.repeat(1_000_000)
  const began = performance.now()
  expect(nearestName(word, NAMES)).toBeUndefined()
  expect(() => parseLogFormat(`\${${word}}`)).toThrow(/^.{1,3000}$/)
  // It took seconds.
  expect(performance.now() - began).toBeLessThan(1000)
})
