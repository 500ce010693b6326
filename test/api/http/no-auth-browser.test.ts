import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Action } from '../../../src/aws/protocol/action.js'
import { startApi } from '../running-api.js'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'
const hasChromium = existsSync(CHROMIUM)

const ASKED = 'Action=CreateTags&Version=2016-11-15'

/** Every name ending in `.test` is this host's, as a page's owner can have it. */
const ARGS = ['--no-sandbox', '--host-resolver-rules=MAP *.test 127.0.0.1']

let browser: Browser

/** An API without signatures that counts what it is made to do, and a site of somebody else. */
async function victimAndSite(page: (api: string) => string) {
  let done = 0
  const change: Action = { name: 'CreateTags', run: () => ({ done: ++done }) }
  const api = await startApi({ credentials: 'none', ec2: [change] })
  const site = createServer((request, response) => {
    if (request.url === '/away') {
      response.writeHead(302, { Location: `${api.url}/?${ASKED}` }).end()
      return
    }
    response.setHeader('Content-Type', 'text/html')
    response.end(page(api.url))
  }).listen(0, '127.0.0.1')
  await once(site, 'listening')
  onTestFinished(() => void site.close())
  return { api, port: (site.address() as AddressInfo).port, done: () => done }
}

const IMAGE = (api: string) => `<img src="${api}/?${ASKED}">`

describe.skipIf(!hasChromium)('a page in a browser (needs chromium)', () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS })
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
  })

  const form = (method: string, api: string) =>
    `<form method="${method}" action="${api}/"><input name="Action" value="CreateTags"></form><script>document.forms[0].submit()</script>`
  test.each([
    { what: 'an image', host: '127.0.0.1', page: IMAGE },
    { what: 'an image of localhost', host: 'localhost', page: IMAGE },
    {
      what: 'an image without a referrer',
      host: 'localhost',
      page: (api: string) => `<meta name="referrer" content="no-referrer">${IMAGE(api)}`,
    },
    { what: 'a form by GET', host: 'localhost', page: (api: string) => form('get', api) },
    { what: 'a form by POST', host: 'localhost', page: (api: string) => form('post', api) },
    {
      what: 'a script that sends without asking',
      host: '127.0.0.1',
      page: (api: string) =>
        `<script>fetch('${api}/?${ASKED}', { mode: 'no-cors', referrerPolicy: 'no-referrer' })</script>`,
    },
    {
      what: 'a frame',
      host: 'localhost',
      page: (api: string) => `<iframe src="${api}/?${ASKED}"></iframe>`,
    },
    {
      what: 'a link that is followed at once',
      host: 'localhost',
      page: (api: string) => `<meta http-equiv="refresh" content="0;url=${api}/?${ASKED}">`,
    },
  ])('with $what changes nothing', async ({ host, page: html }) => {
    const { api, port, done } = await victimAndSite(html)
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(`http://${host}:${port}/`, { waitUntil: 'commit' })
    const { counts } = api.dispatcher
    await expect.poll(() => counts.refused + counts.answered).toBeGreaterThan(0)
    expect(done()).toBe(0)
  })

  test('that redirects an address somebody typed changes nothing', async () => {
    const { api, port, done } = await victimAndSite(IMAGE)
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(`http://localhost:${port}/away`)
    expect(api.dispatcher.counts.refused).toBeGreaterThan(0)
    expect(done()).toBe(0)
  })

  test('whose name comes to point here changes nothing and reads nothing', async () => {
    const { api, done } = await victimAndSite(IMAGE)
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    const url = `http://rebound.test:${api.server.port}`
    await page.goto(`${url}/health`)
    const seen = await page.evaluate(`fetch('/?${ASKED}').then((answer) => answer.text())`)
    expect(seen).toContain('UnauthorizedOperation')
    expect(done()).toBe(0)
  })
})
