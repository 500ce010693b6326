import { describe, expect, test } from 'vitest'
import { pageOf } from '../../../src/api/ec2/page.js'
import { ApiError } from '../../../src/aws/protocol/action.js'

const key = (item: string): string => item
const items = Array.from({ length: 12 }, (_, index) => `id-${String.fromCharCode(97 + index)}`)

function page(of: readonly string[], nextToken?: string, question = 'q', maxResults = 5) {
  return pageOf(of, key, key, { question, maxResults, nextToken })
}

describe('pageOf', () => {
  test('gives every item once, in the order of keys, and no token at the end', () => {
    const first = page([...items].reverse())
    const second = page(items, first.nextToken)
    const third = page(items, second.nextToken)
    expect([...first.items, ...second.items, ...third.items]).toEqual(items)
    expect(third.nextToken).toBeUndefined()
    expect(new Set([first.nextToken, second.nextToken]).size).toBe(2)
  })

  test('gives no token with a page that is exactly full', () => {
    expect(page(items.slice(0, 5)).nextToken).toBeUndefined()
    expect(page([]).items).toEqual([])
  })

  test('neither repeats nor leaves out what stays while others come and go', () => {
    const first = page(items)
    const changed = ['id-0', ...items.filter((item) => item !== 'id-e' && item !== 'id-f'), 'id-z']
    expect(page(changed, first.nextToken).items).toEqual(['id-g', 'id-h', 'id-i', 'id-j', 'id-k'])
  })

  test('gives 1000 where nothing is said, and never more', () => {
    const many = Array.from({ length: 1001 }, (_, index) => String(index))
    for (const maxResults of [undefined, 1000]) {
      const request = { question: 'q', maxResults, nextToken: undefined }
      expect(pageOf(many, key, key, request).items.length).toBe(1000)
    }
  })

  test('refuses a token that is none, is cut, changed, or of another question', () => {
    const token = page(items).nextToken!
    const changed = Buffer.from(token, 'base64url')
    changed[changed.length - 1]! ^= 1
    const bad = [
      '',
      'nonsense',
      `${token}A`,
      `${token}=`,
      ` ${token}`,
      changed.toString('base64url'),
      ...Array.from({ length: token.length }, (_, length) => token.slice(0, length)),
    ]
    for (const text of bad) expect(() => page(items, text), text).toThrow(ApiError)
    expect(() => page(items, token, 'another')).toThrow('not valid')
    expect(page(items, token, 'q', 7).items.length).toBe(7)
  })
})
