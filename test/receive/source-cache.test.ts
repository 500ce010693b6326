import { describe, expect, test } from 'vitest'
import { SourceCache } from '../../src/receive/source-cache.js'

describe('SourceCache', () => {
  test.each([
    ['10.1.2.255', [0, 0, 0xffff, 0x0a01_02ff]],
    ['255.255.255.255', [0, 0, 0xffff, 0xffff_ffff]],
    ['::ffff:10.0.0.1', [0, 0, 0xffff, 0x0a00_0001]],
    ['2001:db8::1', [0x2001_0db8, 0, 0, 1]],
    ['fe80::1%eth0', [0xfe80_0000, 0, 0, 1]],
    ['fe80::1%5', [0xfe80_0000, 0, 0, 1]],
    ['not an address', [0, 0, 0, 0]],
  ])('gives the words of %s', (text, words) => {
    const cache = new SourceCache()
    expect([...cache.wordsOf(text)]).toEqual(words)
    cache.wordsOf('192.0.2.1')
    expect([...cache.wordsOf(text)]).toEqual(words)
    expect([...cache.wordsOf(text)]).toEqual(words)
  })

  test('answers with the same words for as long as it remembers', () => {
    const cache = new SourceCache()
    const first = cache.wordsOf('10.0.0.1')
    cache.wordsOf('10.0.0.2')
    expect(cache.wordsOf('10.0.0.1')).toBe(first)
    for (let n = 0; n < 5000; n++) cache.wordsOf(`10.1.${n >>> 8}.${n & 255}`)
    expect(cache.wordsOf('10.0.0.1')).not.toBe(first)
    expect(cache.wordsOf('10.0.0.1')).toEqual(first)
  })
})
