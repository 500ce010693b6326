import { describe, expect, test } from 'vitest'
import { decodeOctets, parseForm, splitForm } from '../../../src/aws/protocol/form.js'

describe('parseForm', () => {
  test.each([
    { text: '', expected: [] },
    {
      text: 'a=1&b=2',
      expected: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    { text: '&&a=1&', expected: [['a', '1']] },
    { text: 'a', expected: [['a', '']] },
    { text: 'a=', expected: [['a', '']] },
    { text: '=a', expected: [['', 'a']] },
    { text: 'a=b=c', expected: [['a', 'b=c']] },
    { text: 'a+b=c%20d%2Be', expected: [['a b', 'c d+e']] },
    { text: 'a=%C3%BC%E6%97%A5', expected: [['a', 'ü日']] },
    // Bytes that came without an escape, one character each.
    { text: 'a=\xc3\xbc', expected: [['a', 'ü']] },
    { text: 'a=%EF%BB%BFb', expected: [['a', '\ufeffb']] },
    { text: 'a=%00%0d%0a', expected: [['a', '\0\r\n']] },
    { text: '%3D=%26', expected: [['=', '&']] },
  ])('reads $text', ({ text, expected }) => {
    expect(parseForm(text)).toEqual(expected)
  })

  test.each(['a=%', 'a=%2', 'a=%zz', '%=1', 'a=%ff', 'a=\xff', 'a=%C3', 'a=%ED%A0%80', 'a=%C0%80'])(
    'refuses %s',
    (text) => {
      expect(parseForm(text)).toBeUndefined()
    },
  )
})

describe('splitForm', () => {
  test('decodes nothing', () => {
    expect(splitForm('a%=+&b')).toEqual([
      ['a%', '+'],
      ['b', ''],
    ])
  })
})

describe('decodeOctets', () => {
  test('gives every byte', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet))
    const escaped = [...all].map((octet) => `%${octet.toString(16).padStart(2, '0')}`).join('')
    expect(decodeOctets(escaped)).toEqual(all)
  })
})
