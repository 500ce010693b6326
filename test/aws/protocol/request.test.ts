import { describe, expect, test } from 'vitest'
import { HeaderFields, splitTarget } from '../../../src/aws/protocol/request.js'

describe('splitTarget', () => {
  test.each([
    { target: '/', path: '/', query: '' },
    { target: '/?', path: '/', query: '' },
    { target: '/?a=b?c', path: '/', query: 'a=b?c' },
    { target: '/health', path: '/health', query: '' },
    { target: '//x/?a', path: '//x/', query: 'a' },
    { target: 'http://host:1', path: '/', query: '' },
    { target: 'HTTP://host?a=b', path: '/', query: 'a=b' },
    { target: 'https://host/x?a', path: '/x', query: 'a' },
  ])('splits $target', ({ target, path, query }) => {
    expect(splitTarget(target)).toEqual({ path, query })
  })

  test.each(['', '*', 'host:443', 'ftp://host/', '/a#b', 'x'])('refuses "%s"', (target) => {
    expect(splitTarget(target)).toBeUndefined()
  })
})

describe('HeaderFields', () => {
  const fields = new HeaderFields(['Host', 'a', 'X-Note', '1', 'x-note', '2', 'Constructor', ''])

  test('finds names in any case, and joins what is repeated', () => {
    expect(fields.get('host')).toBe('a')
    expect(fields.get('x-note')).toBe('1,2')
    expect(fields.all('x-note')).toEqual(['1', '2'])
    expect([...fields.names()]).toEqual(['host', 'x-note', 'constructor'])
  })

  test('knows nothing that was not sent', () => {
    expect(fields.get('toString')).toBeUndefined()
    expect(fields.get('__proto__')).toBeUndefined()
    expect(fields.all('accept')).toEqual([])
    expect(fields.get('constructor')).toBe('')
  })
})
