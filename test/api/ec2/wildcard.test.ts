import { describe, expect, test } from 'vitest'
import { matchesWildcard } from '../../../src/api/ec2/wildcard.js'
import { Random } from '../../support/random.js'

describe('matchesWildcard', () => {
  test.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['***', 'anything', true],
    ['?', '', false],
    ['?', 'a', true],
    ['?', 'ab', false],
    ['abc', 'abc', true],
    ['abc', 'ABC', false],
    ['abc', 'ab', false],
    ['abc', 'abcd', false],
    ['a*c', 'ac', true],
    ['a*c', 'abcbc', true],
    ['a*c', 'abcb', false],
    ['*b?d*', 'abcde', true],
    ['tms-*', 'tms-0123', true],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['\\?x', '?x', true],
    ['\\\\', '\\', true],
    ['a\\', 'a\\', true],
    ['*\\*', 'ab*', true],
    ['*\\*', 'ab', false],
    ['\\*amazon\\?\\\\', '*amazon?\\', true],
  ])('%s and %s: %s', (pattern, text, is) => {
    expect(matchesWildcard(pattern, text)).toBe(is)
  })

  test('agrees with a regular expression, seed 5', () => {
    const random = new Random(5)
    const some = (letters: string, length: number) =>
      Array.from({ length: random.below(length) }, () => random.pick([...letters])).join('')
    let matches = 0
    for (let round = 0; round < 20_000; round++) {
      const pattern = some('ab*?\\', 7)
      const text = some('ab*?\\', 7)
      const source = pattern.replace(/\\(.)|(.)/gs, (_all, escaped, plain) => {
        if (plain === '*') return '.*'
        if (plain === '?') return '.'
        return (escaped ?? plain).replace(/[\\*?]/, '\\$&')
      })
      const is = new RegExp(`^${source}$`, 's').test(text)
      if (is) matches++
      expect(matchesWildcard(pattern, text), `${pattern} ${text}`).toBe(is)
    }
    expect(matches).toBeGreaterThan(500)
  })

  test('ends soon for a value made to be slow', () => {
    expect(matchesWildcard(`${'*a'.repeat(100)}b`, 'a'.repeat(2000))).toBe(false)
  })
})
