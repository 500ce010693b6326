import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  type Column,
  FittedTable,
  fittedTable,
  verticalLines,
} from '../../src/terminal/fitted-table.js'
import { shortened, widthOf, wrapped } from '../../src/terminal/text-width.js'
import { Random } from '../support/random.js'

const WIDE = '日本語'
const COMBINED = 'e\u0301te\u0301'

interface Row {
  name: string
  note: string
  count: number
}

const COLUMNS: Column<Row>[] = [
  { name: 'name', cell: ({ name }) => name, min: 6, cut: 'middle' },
  { name: 'note', cell: ({ note }) => note, min: 4, drop: 1 },
  { name: 'count', cell: ({ count }) => String(count), right: true },
]

describe('widthOf', () => {
  test.each([
    ['abc', 3],
    ['', 0],
    [WIDE, 6],
    [COMBINED, 3],
    ['😀', 2],
    ['\u001b[31mred\u001b[39m', 3],
  ])('of %j is %i', (text, width) => {
    expect(widthOf(text)).toBe(width)
  })
})

describe('shortened', () => {
  test.each([
    ['abcdef', 6, 'end', 'abcdef'],
    ['abcdef', 4, 'end', 'abc…'],
    ['10.0.0.1:443', 9, 'middle', '10.0…:443'],
    [WIDE, 5, 'end', '日本…'],
    [WIDE, 4, 'end', '日…'],
    [COMBINED + COMBINED, 3, 'end', 'e\u0301t…'],
    ['abcdef', 1, 'middle', '…'],
  ] as const)('%j to %i at its %s is %j', (text, width, at, expected) => {
    expect(shortened(text, width, at)).toBe(expected)
  })
})

describe('a table', () => {
  test('has columns that line up under wide and combining characters', () => {
    const rows = [WIDE, COMBINED, 'x'].map((name, count) => ({ name, note: 'n', count }))
    expect(fittedTable(COLUMNS, rows, Number.POSITIVE_INFINITY)).toEqual([
      'name    note  count',
      '日本語  n         0',
      `${COMBINED}     n         1`,
      'x       n         2',
    ])
  })

  test('is whole where there is no width, and its cells are visible', () => {
    const note = `a${'b'.repeat(500)}\u001b[2J`
    const [, line] = fittedTable(COLUMNS, [{ name: 'x', note, count: 1 }], Number.POSITIVE_INFINITY)
    expect(line).toContain(`${note.slice(0, -4)}\\u001b[2J`)
  })

  test('shortens the widest first, and only then leaves columns out', () => {
    const rows = [{ name: 'abcdefghijkl', note: 'a note of some length', count: 12 }]
    const table = (width: number) => new FittedTable(COLUMNS, rows, width)
    expect(table(42).line(rows[0]!)).toBe('abcdefghijkl  a note of some length     12')
    expect(table(33).line(rows[0]!)).toBe('abcdefghijkl  a note of s…     12')
    expect(table(26).line(rows[0]!)).toBe('abcd…ijkl  a note …     12')
    expect(table(16).line(rows[0]!)).toBe('abcd…ijkl     12')
    expect(table(16).leftOut).toEqual(['note'])
    expect(table(33).leftOut).toEqual([])
  })

  test('shortens below the minimum where nothing more can be left out', () => {
    const rows = [{ name: 'abcdefghijkl', note: 'n', count: 1234567 }]
    expect(fittedTable(COLUMNS, rows, 14)[1]).toBe('ab…kl  1234567')
  })

  test('never shortens what has no minimum, whatever the width', () => {
    const rows = [{ name: 'x', note: 'y', count: 123_456_789 }]
    expect(fittedTable(COLUMNS, rows, 5)[1]).toContain('123456789')
  })

  test('is as wide as it may be at most, of any characters, seed 1110', () => {
    const random = new Random(1110)
    const pieces = ['a', WIDE, COMBINED, '😀', '-', '7', '\u001b', '한국']
    const text = () => Array.from({ length: random.below(30) }, () => random.pick(pieces)).join('')
    for (let round = 0; round < 200; round++) {
      const rows = Array.from({ length: 3 }, (_, count) => ({ name: text(), note: text(), count }))
      const width = 20 + random.below(60)
      for (const line of fittedTable(COLUMNS, rows, width)) {
        expect(widthOf(line), line).toBeLessThanOrEqual(width)
      }
      for (const line of verticalLines(COLUMNS, rows[0]!, 1, width)) {
        expect(widthOf(line), line).toBeLessThanOrEqual(width)
      }
    }
  })

  test('is laid out by cells of a million characters in no time worth speaking of', () => {
    const rows = [{ name: 'x'.repeat(1_000_000), note: 'y'.repeat(900_000), count: 1 }]
    expect(fittedTable(COLUMNS, rows, 80).every((line) => line.length <= 80)).toBe(true)
  })
})

test('the vertical form has a line for each column, broken where a value is too long', () => {
  const row = { name: 'abc', note: 'one two three', count: 5 }
  expect(verticalLines(COLUMNS, row, 7, Number.POSITIVE_INFINITY)).toEqual([
    '-[ 7 ]-',
    'name   abc',
    'note   one two three',
    'count  5',
  ])
  expect(verticalLines(COLUMNS, row, 7, 15)).toEqual([
    '-[ 7 ]-',
    'name   abc',
    'note   one two',
    '       three',
    'count  5',
  ])
})

test('wrapped text goes on below text, and escape sequences take no room', () => {
  const red = '\u001b[31mone two\u001b[39m three four'
  const lines = wrapped(red, 12, { head: '- ' })
  expect(lines.map(stripVTControlCharacters)).toEqual(['- one two', '  three four'])
  expect(wrapped('one two three', Number.POSITIVE_INFINITY)).toEqual(['one two three'])
})
