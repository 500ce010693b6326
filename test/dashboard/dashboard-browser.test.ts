import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { capturesPages } from '../../src/api/http/captures-pages.js'
import { signInToken, Visitors } from '../../src/api/http/visitors.js'
import type { TopTalkers } from '../../src/appliance/live-talkers.js'
import { LiveFeed } from '../../src/dashboard/live-feed.js'
import { dashboardPages } from '../../src/dashboard/pages.js'
import { Ledger, type LedgerReport, type SessionReport } from '../../src/session/ledger.js'
import { ALICE, startApi } from '../api/running-api.js'
import { sessionReport } from '../support/session-report.js'
import { temporaryDirectory } from '../support/temporary.js'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'
const hasChromium = existsSync(CHROMIUM)
const DESK = { viewport: { width: 1280, height: 900 } }
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true }

let browser: Browser

/** An appliance as far as a dashboard sees it. */
class Shown {
  kernelLost = 0
  failing = false
  talkers: TopTalkers | undefined
  /** The capture directory, where there is one. */
  captures: string | undefined
  /** Grows by so many packets a session each time it is asked. */
  growth = 10
  readonly #sessions: SessionReport[]

  constructor(sessions: number) {
    this.#sessions = Array.from({ length: sessions }, (_, index) =>
      sessionReport({
        session: `vni-${index}_10.0.0.1`,
        vni: index,
        source: '<img src=x onerror=alert(1)>',
      }),
    )
  }

  ledger = async (): Promise<LedgerReport> => {
    for (const session of this.#sessions) session.received += this.growth
    const ledger = new Ledger()
    ledger.received = this.#sessions.reduce((sum, { received }) => sum + received, 0)
    ledger.accepted = ledger.received
    const sessions = this.#sessions.map((session) => ({ ...session }))
    return ledger.report({ kernelLost: this.kernelLost, sessions })
  }
}

interface Opened {
  page: Page
  complaints: string[]
}

async function open(
  shown: Shown,
  { hash = `#${signInToken(ALICE)}`, ...options }: BrowserContextOptions & { hash?: string } = {},
): Promise<Opened> {
  const visitors = new Visitors([ALICE])
  const feed = new LiveFeed({
    facts: {
      progress: () => ({
        workers: [{ worker: 1, silentMs: shown.failing ? 9000 : 10 }],
        waitingMs: {},
      }),
      spaces: () => [],
      deliveries: () => [],
      talkers: () => Promise.resolve(shown.talkers),
      ledger: shown.ledger,
    },
    keepsCaptures: shown.captures !== undefined,
    everyMs: 100,
  })
  const { url } = await startApi({
    routes: [
      ...dashboardPages(),
      feed.route,
      visitors.signIn,
      visitors.signOut,
      ...(shown.captures === undefined ? [] : capturesPages({ directory: shown.captures })),
    ],
    networkFirewall: [
      { name: 'ListFirewalls', run: () => ({ Firewalls: [] }) },
      { name: 'ListFlowOperations', run: () => ({ FlowOperations: [] }) },
    ],
    visitors,
  })
  onTestFinished(() => feed.close())
  const context = await browser.newContext({ ...DESK, ...options })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) {
      complaints.push(request.url())
    }
  })
  await page.goto(`${url}/${hash}`)
  return { page, complaints }
}

// What runs in the page is text: these files are checked without the types of a browser.
const tile = (page: Page, name: string) => page.locator('.tiles div', { hasText: name })

describe.skipIf(!hasChromium)('the dashboard in a browser (needs chromium)', () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  })

  afterAll(async () => {
    await browser?.close()
  })

  test.each([
    ['on a desk', DESK],
    ['on a phone', PHONE],
    ['in the dark', { ...DESK, colorScheme: 'dark' as const }],
  ])('shows what happens, fits, and complains of nothing, %s', async (_, options) => {
    const { page, complaints } = await open(new Shown(3), options)
    await page.locator('#session-table tbody td', { hasText: 'vni-2_10.0.0.1' }).waitFor()
    await expect.poll(() => tile(page, 'Packets').textContent()).toMatch(/[1-9][\d.]* (k?)\/s/)
    expect(await page.locator('.bad').count()).toBe(0)
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    expect(await page.evaluate('location.hash')).toBe('')
    expect(complaints).toEqual([])
  })

  test('turns red when packets are lost, and when a thread hangs', async () => {
    const shown = new Shown(1)
    const { page } = await open(shown)
    await page.locator('.live').waitFor()
    shown.kernelLost = 5
    await page.locator('.tiles .bad', { hasText: 'Lost by the kernel' }).waitFor()
    await page.locator('#ledger .bad', { hasText: 'Lost by the kernel' }).waitFor()
    shown.failing = true
    await page.locator('.failing').waitFor()
    expect(await page.locator('#failures').textContent()).toContain('receiving thread 1')
  })

  test('has rows for what is seen of a thousand sessions, finds and sorts them', async () => {
    const shown = new Shown(1000)
    shown.growth = 0
    const { page } = await open(shown)
    await page.locator('#session-count', { hasText: '1,000' }).waitFor()
    expect(await page.locator('#session-table tbody tr').count()).toBeLessThan(60)
    await page.locator('#session-find').fill('vni-77')
    await page.locator('#session-count', { hasText: '11 of 1,000' }).waitFor()
    await page.locator('#session-table th button', { hasText: 'VNI' }).click()
    const names = page.locator('#session-table tbody tr:not(.space) td:first-child')
    await expect.poll(() => names.first().textContent()).toBe('vni-779_10.0.0.1')
    expect(await page.locator('#session-table img').count()).toBe(0)
  })

  test('lists captures by session and time, and has them downloaded', async () => {
    const shown = new Shown(1)
    shown.captures = temporaryDirectory()
    for (const session of ['tms-1', 'tms-2']) {
      mkdirSync(join(shown.captures, session))
      for (let minute = 10; minute < 50; minute++) {
        const name = `20261120T10${minute}00Z.pcap`
        writeFileSync(join(shown.captures, session, name), `${session} ${name}`)
      }
    }
    const row = { session: 'tms-1', address: '10.0.0.7', name: 'www.example.org' }
    const bytes = { sentBytes: 1000, receivedBytes: 10, connections: 1 }
    shown.talkers = { rows: [{ ...row, ...bytes }], addresses: 1 }
    const { page, complaints } = await open(shown)
    await page.locator('#talkers-now td', { hasText: 'www.example.org' }).waitFor()
    // Talkers may be told before it is known that captures are kept.
    const packets = page.locator('#talkers-now a')
    expect(await packets.getAttribute('href')).toBe(
      '/captures/find?filter=host+10.0.0.7&session=tms-1&since=1m+ago',
    )
    const rows = page.locator('#captures tbody tr')
    await expect.poll(() => rows.count()).toBe(50)
    await page.locator('#captures-more').click()
    await expect.poll(() => rows.count()).toBe(80)
    await page.locator('#captures-more').waitFor({ state: 'hidden' })
    await page.locator('#packets [name=session]').selectOption('tms-1')
    await expect.poll(() => rows.count()).toBe(40)
    const download = page.waitForEvent('download')
    await rows.first().locator('a').click()
    const saved = await download
    expect(saved.suggestedFilename()).toBe('tms-1_20261120T104900Z.pcap')
    expect(readFileSync(await saved.path(), 'latin1')).toBe('tms-1 20261120T104900Z.pcap')
    expect(complaints).toEqual([])
  })

  test('asks who is there, and lets in who has the secret without sending it', async () => {
    const { page } = await open(new Shown(1), { hash: '' })
    const sent: string[] = []
    page.on('request', (request) => sent.push(JSON.stringify(request.headers())))
    const secret = page.locator('#sign-in-form input')
    await secret.fill('wrong')
    await page.locator('#sign-in-form button').click()
    await page.locator('#sign-in-problem').waitFor()
    await secret.fill(ALICE.secretAccessKey)
    await page.locator('#sign-in-form button').click()
    await page.locator('.live').waitFor()
    expect(sent.join('')).not.toContain(ALICE.secretAccessKey)
    await page.locator('#sign-out').click()
    await page.locator('#sign-in').waitFor()
  })
})
