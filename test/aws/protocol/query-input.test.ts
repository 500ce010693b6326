import { describe, expect, test } from 'vitest'
import { parseForm } from '../../../src/aws/protocol/form.js'
import { nestParameters, PARAMETERS_MAX } from '../../../src/aws/protocol/query-input.js'

function nest(text: string): unknown {
  return nestParameters(parseForm(text)!)
}

describe('nestParameters', () => {
  test.each([
    { text: '', expected: {} },
    { text: 'DryRun=true', expected: { DryRun: 'true' } },
    { text: 'Description=', expected: { Description: '' } },
    { text: 'Id.1=a&Id.2=b', expected: { Id: ['a', 'b'] } },
    { text: 'Id.10=c&Id.2=b&Id.1=a', expected: { Id: ['a', 'b', 'c'] } },
    { text: 'Id.999999999=b&Id.0=a', expected: { Id: ['a', 'b'] } },
    { text: 'Range.From=1&Range.To=2', expected: { Range: { From: '1', To: '2' } } },
    {
      text: 'Filter.1.Name=n&Filter.1.Value.2=b&Filter.1.Value.1=a&Filter.3.Name=m',
      expected: { Filter: [{ Name: 'n', Value: ['a', 'b'] }, { Name: 'm' }] },
    },
    {
      text: 'TagSpecification.1.Tag.1.Key=k&TagSpecification.1.ResourceType=t',
      expected: { TagSpecification: [{ Tag: [{ Key: 'k' }], ResourceType: 't' }] },
    },
    { text: 'A.1.1=x', expected: { A: [['x']] } },
    { text: '1=a', expected: { 1: 'a' } },
  ])('nests $text', ({ text, expected }) => {
    expect(JSON.parse(JSON.stringify(nest(text)))).toEqual(expected)
  })

  test.each([
    'a=1&a=1',
    'a=1&a.b=2',
    'a.b=2&a=1',
    'a.1=1&a.b=2',
    'a.1=1&a.01=2',
    'a.1.b=1&a.1=2',
    'x.a.1=1&x.a.b=2',
    'l.1.a=1&l.1.1=1',
    '.a=1',
    'a.=1',
    'a..b=1',
    '=1',
    `${'a.'.repeat(10)}a=1`,
  ])('refuses %s', (text) => {
    expect(nest(text)).toEqual(expect.stringMatching(/^The parameter /))
  })

  test('makes objects that inherit nothing', () => {
    const input = nest('__proto__.x=1&constructor=2&a.__proto__.y=3') as Record<string, unknown>
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
    expect(input['toString']).toBeUndefined()
    expect(input['constructor']).toBe('2')
    expect(JSON.stringify(input)).toBe(
      '{"__proto__":{"x":"1"},"constructor":"2","a":{"__proto__":{"y":"3"}}}',
    )
  })

  test('takes so many and no more', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => [`a.${at}`, ''] as const)
    expect(nestParameters(many(PARAMETERS_MAX))).toBeTypeOf('object')
    expect(nestParameters(many(PARAMETERS_MAX + 1))).toMatch(/more than 10000/)
  })
})
