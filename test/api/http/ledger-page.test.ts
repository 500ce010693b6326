import { describe, expect, test } from 'vitest'
import { ledgerPage } from '../../../src/api/http/ledger-page.js'
import { HeaderFields, type RequestHead } from '../../../src/aws/protocol/request.js'
import { signRequest } from '../../../src/aws/sigv4/signer.js'
import { Ledger } from '../../../src/session/ledger.js'
import { ALICE, REGION, startApi } from '../running-api.js'

const ledger = new Ledger()
ledger.received = 5
ledger.accepted = 5
const report = ledger.report({ kernelLost: 0, sessions: [] })

const HEAD: RequestHead = {
  method: 'GET',
  path: '/ledger',
  query: '',
  headers: new HeaderFields([]),
  sourceIpAddress: '',
}

/** Header fields that sign a GET of `path`. */
function signed(url: string, path: string): Record<string, string> {
  const headers = { host: new URL(url).host }
  const request = { method: 'GET', path, headers, body: Buffer.alloc(0) } as const
  return signRequest(request, ALICE, { region: REGION, service: 'ec2', at: new Date() })
}

describe('the ledger as a page', () => {
  test('is what --stats writes, for who has a key', async () => {
    const { url } = await startApi({ routes: [ledgerPage(async () => report)] })
    const answer = await fetch(`${url}/ledger`, { headers: signed(url, '/ledger') })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.text()).toBe(`${JSON.stringify(report, null, 2)}\n`)
  })

  test('is not shown without a key, nor with a signature for another page', async () => {
    const { url } = await startApi({ routes: [ledgerPage(async () => report)] })
    for (const headers of [{}, signed(url, '/')]) {
      const answer = await fetch(`${url}/ledger`, { headers })
      expect(answer.status).toBeOneOf([401, 403])
      expect(await answer.text()).not.toContain('received')
    }
  })

  test('without keys is shown to no page of a browser', async () => {
    const { url } = await startApi({
      credentials: 'none',
      routes: [ledgerPage(async () => report)],
    })
    expect((await fetch(`${url}/ledger`)).status).toBe(200)
    const headers = { origin: 'https://elsewhere.example' }
    expect((await fetch(`${url}/ledger`, { headers })).status).toBe(403)
  })

  test('is made once for all who ask at the same time', async () => {
    let made = 0
    let finish: () => void = () => undefined
    const wait = new Promise<void>((resolve) => {
      finish = resolve
    })
    const page = ledgerPage(async () => {
      made++
      await wait
      return report
    })
    const both = [page.answer(HEAD), page.answer(HEAD)]
    finish()
    await Promise.all(both)
    expect(made).toBe(1)
    await page.answer(HEAD)
    expect(made).toBe(2)
  })
})
