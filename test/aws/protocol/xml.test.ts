import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { emitMembers, escapeXml } from '../../../src/aws/protocol/xml.js'

describe('emitMembers', () => {
  test.each([
    { name: 'text', output: { a: 'b' }, xml: '<a>b</a>' },
    { name: 'an empty text', output: { a: '' }, xml: '<a/>' },
    {
      name: 'numbers',
      output: { a: 0, b: -1.5, c: 2 ** 53 },
      xml: '<a>0</a><b>-1.5</b><c>9007199254740992</c>',
    },
    { name: 'a bigint', output: { a: 2n ** 63n }, xml: '<a>9223372036854775808</a>' },
    { name: 'booleans', output: { a: true, b: false }, xml: '<a>true</a><b>false</b>' },
    { name: 'a time', output: { a: new Date(0) }, xml: '<a>1970-01-01T00:00:00.000Z</a>' },
    { name: 'nothing', output: { a: undefined, b: null }, xml: '' },
    { name: 'a list of texts', output: { a: ['b', ''] }, xml: '<a><item>b</item><item/></a>' },
    { name: 'an empty list', output: { a: [] }, xml: '<a/>' },
    {
      name: 'a list of structures',
      output: { a: [{ b: 1 }, {}] },
      xml: '<a><item><b>1</b></item><item/></a>',
    },
    { name: 'structures', output: { a: { b: { c: [] } } }, xml: '<a><b><c/></b></a>' },
    { name: 'a list of lists', output: { a: [['b']] }, xml: '<a><item><item>b</item></item></a>' },
  ])('writes $name', ({ output, xml }) => {
    expect(emitMembers(output)).toBe(xml)
  })

  test('refuses what is no value', () => {
    expect(() => emitMembers({ a: () => 1 })).toThrow(TypeError)
  })
})

describe('escapeXml', () => {
  test('makes of any text what a parser reads as that text', () => {
    let text = ''
    for (let code = 1; code < 0x3000; code++) text += String.fromCodePoint(code)
    text += ' ]]> <![CDATA[ &amp; 🦈 \u{10ffff}'
    const xml = `<a>${escapeXml(text)}</a>`
    expect(XMLValidator.validate(xml)).toBe(true)
    const parser = new XMLParser({ trimValues: false, htmlEntities: true })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML cannot carry
    const expected = text.replace(/[\x01-\x08\x0b\x0c\x0e-\x1f]/g, '\ufffd')
    expect(parser.parse(xml).a).toBe(expected)
  })

  test('replaces what XML has no way to write', () => {
    expect(escapeXml('a\0b\x1b\ufffe\r')).toBe('a\ufffdb\ufffd\ufffd&#xD;')
  })
})
