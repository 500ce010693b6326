import { describe, expect, test } from 'vitest'
import { visible, visibleLines } from '../src/visible.js'

describe('visible', () => {
  test('leaves text of any language as it is', () => {
    const text = 'eth0 "C:\\captures" naïve – 漢字 🦊'
    expect(visible(text)).toBe(text)
  })

  test.each([
    ['an escape sequence', 'a\x1b[2Jb', 'a\\u001b[2Jb'],
    ['a C1 control', 'a\x9b2Jb', 'a\\u009b2Jb'],
    ['ends of lines', 'a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['other ends of lines', 'a\u0085b\u2028c\u2029', 'a\\u0085b\\u2028c\\u2029'],
    ['NUL, BEL and DEL', '\0\x07\x7f', '\\u0000\\u0007\\u007f'],
    ['text turned around', 'a\u202egpj.exe\u2066', 'a\\u202egpj.exe\\u2066'],
    ['tags beyond the BMP', 'a\u{e0041}', 'a\\udb40\\udc41'],
    ['half a surrogate pair', 'a\ud83d', 'a\\ud83d'],
  ])('escapes %s', (_, text, shown) => {
    expect(visible(text)).toBe(shown)
  })

  test('keeps JSON in one line the same JSON', () => {
    const value = { 'k\u009b': Array.from({ length: 0x300 }, (_, at) => String.fromCharCode(at)) }
    const shown = visible(JSON.stringify(value))
    expect(JSON.parse(shown)).toEqual(value)
    expect(shown).not.toMatch(/\p{Cc}/u)
  })

  test('keeps ends of lines where they are asked for', () => {
    expect(visibleLines('a\x1b\nb\n')).toBe('a\\u001b\nb\n')
  })
})
