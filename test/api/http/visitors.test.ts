import { describe, expect, test } from 'vitest'
import { signInToken, Visitors } from '../../../src/api/http/visitors.js'
import type { Action } from '../../../src/aws/protocol/action.js'
import { Refused } from '../../../src/aws/protocol/protocol.js'
import { HeaderFields } from '../../../src/aws/protocol/request.js'
import { ALICE, BOB, startApi } from '../running-api.js'

const whoami: Action = { name: 'DescribeTags', run: (_, { userName }) => ({ userName }) }
const CALL = '/?Action=DescribeTags&Version=2016-11-15'
const OWN = { 'Sec-Fetch-Site': 'same-origin' }

async function started() {
  const visitors = new Visitors([ALICE, BOB])
  const { url } = await startApi({
    ec2: [whoami],
    routes: [visitors.signIn, visitors.signOut],
    visitors,
  })
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    fetch(`${url}${path}`, { method, headers })
  const signIn = async (token: string, headers: Record<string, string> = OWN) => {
    const answer = await ask('/sign-in', { Authorization: `Bearer ${token}`, ...headers }, 'POST')
    return { status: answer.status, cookie: answer.headers.get('set-cookie') }
  }
  return { url, ask, signIn }
}

describe('Visitors', () => {
  test('take the token of a key for a cookie, which then calls as its user', async () => {
    const { ask, signIn } = await started()
    const { status, cookie } = await signIn(signInToken(BOB))
    expect(status).toBe(204)
    expect(cookie).toMatch(
      /^mirrortap=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    )
    const Cookie = cookie!.split(';')[0]!
    const answer = await ask(CALL, { Cookie, ...OWN })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('<userName>bob</userName>')

    expect((await ask('/sign-out', { Cookie, ...OWN }, 'POST')).status).toBe(204)
    expect((await ask(CALL, { Cookie, ...OWN })).status).toBe(401)
  })

  test.each([
    ['no token', ''],
    ['the secret itself', BOB.secretAccessKey],
    ['a token with a letter too few', signInToken(BOB).slice(1)],
    ['a long one', 'x'.repeat(10_000)],
  ])('let nobody in for %s', async (_, token) => {
    const { signIn } = await started()
    expect(await signIn(token)).toEqual({ status: 403, cookie: null })
  })

  test.each([
    ['a form of another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a page of another port', { 'Sec-Fetch-Site': 'same-site' }],
    ['a link that was typed', { 'Sec-Fetch-Site': 'none' }],
    ['another origin over plain HTTP', { Origin: 'http://evil.example' }],
    ['another referrer over plain HTTP', { Referer: 'http://evil.example/' }],
    ['an opaque origin', { Origin: 'null' }],
    ['a client that says nothing', {}],
  ])('refuse a cookie, and a sign-in, from %s', async (_, headers) => {
    const { ask, signIn } = await started()
    const { cookie } = await signIn(signInToken(ALICE))
    const Cookie = cookie!.split(';')[0]!
    const plain = headers as Record<string, string>
    expect((await ask(CALL, { Cookie, ...plain })).status).toBe(403)
    expect((await ask('/sign-out', { Cookie, ...plain }, 'POST')).status).toBe(403)
    expect((await signIn(signInToken(ALICE), plain)).status).toBe(403)
  })

  test('take what the own page says over plain HTTP', async () => {
    const { url, ask, signIn } = await started()
    const { cookie } = await signIn(signInToken(ALICE), { Origin: url })
    const Cookie = cookie!.split(';')[0]!
    for (const header of [{ Referer: `${url}/` }, { Origin: url }]) {
      expect((await ask(CALL, { Cookie, ...header } as Record<string, string>)).status).toBe(200)
    }
  })

  test('are asked for by POST alone', async () => {
    const { ask } = await started()
    const answer = await ask('/sign-in', OWN)
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
  })

  test('forget the one that has been away longest when there are too many', async () => {
    const visitors = new Visitors([ALICE])
    const headers = new HeaderFields(
      Object.entries({ Authorization: `Bearer ${signInToken(ALICE)}`, ...OWN }).flat(),
    )
    const cookies: string[] = []
    for (let visits = 0; visits < 257; visits++) {
      const page = await visitors.signIn.answer({ headers } as never)
      cookies.push(page.headers!['Set-Cookie']!.split(';')[0]!)
    }
    const who = (cookie: string) =>
      visitors.of(new HeaderFields(['Cookie', cookie, 'Sec-Fetch-Site', 'same-origin']))
    expect(who(cookies[0]!)).toBeInstanceOf(Refused)
    expect(who(cookies[1]!)).toEqual(ALICE)
    expect(visitors.of(new HeaderFields(['Cookie', 'other=1']))).toBeUndefined()
  })
})
