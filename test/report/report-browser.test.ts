import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reportPage } from '../../src/report/report-page.js'
import { analyzed, analyzedFiles } from '../analyze/analyzed.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'
const hasChromium = existsSync(CHROMIUM)

const SAMPLE = join(import.meta.dirname, '../../samples/vxlan-two-sessions.pcap')
const DESK = { viewport: { width: 1280, height: 900 } }
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true }

let browser: Browser
let sample: string

interface Opened {
  page: Page
  /** What the console said, what was thrown, and what was asked of anybody else. */
  complaints: string[]
}

async function open(html: string, options: BrowserContextOptions): Promise<Opened> {
  const path = join(temporaryDirectory(), 'report.html')
  writeFileSync(path, html)
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!/^(file|data):/.test(request.url())) complaints.push(request.url())
  })
  await page.goto(pathToFileURL(path).href)
  return { page, complaints }
}

/** Thirty clients of one server, in two sessions. */
async function manyHosts(): Promise<string> {
  const shots = Array.from({ length: 30 }, (_, host) => {
    const payload = Buffer.alloc(10 * host)
    const inner = udp4({
      src: `10.0.0.${100 + host}`,
      dst: '10.0.0.2',
      sport: 5000,
      dport: 53,
      payload,
    })
    const outer = { src: '192.0.2.1', dst: '192.0.2.2', sport: 50_000, dport: 4789 }
    const mirrored = vxlan(7 + (host % 2), ethernet(inner))
    const times = 1 + (host % 7)
    return Array.from({ length: times }, (_, again) => ({
      frame: ethernet(udp4({ ...outer, payload: mirrored })),
      seconds: 1_700_000_000 + again,
    }))
  })
  return reportPage(await analyzed(shots.flat(), { rows: 100 }))
}

// What runs in the page is text: these files are checked without the types of a browser.

/** How many pixels of each chart have the colour of its heaviest line or of its bars: more than axes have. */
function drawnPixels(page: Page): Promise<number[]> {
  return page.evaluate(`(() => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue('--line0').trim()
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
    return [...document.querySelectorAll('[data-chart] canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      let count = 0
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count++
      }
      return count
    })
  })()`)
}

/** The first chart as it looks. */
function firstChart(page: Page): Promise<string> {
  return page.evaluate(`document.querySelector('canvas').toDataURL()`)
}

describe.skipIf(!hasChromium)('the report in a browser (needs chromium)', () => {
  beforeAll(async () => {
    sample = reportPage(await analyzedFiles([SAMPLE]))
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
  })

  test.each([
    { name: 'on a desk', options: DESK },
    { name: 'on a phone', options: PHONE },
    { name: 'in the dark', options: { ...DESK, colorScheme: 'dark' as const } },
  ])('draws every chart and complains of nothing, $name', async ({ options }) => {
    const { page, complaints } = await open(sample, options)
    const drawn = await drawnPixels(page)
    expect(drawn).toHaveLength(7)
    for (const count of drawn) expect(count).toBeGreaterThan(200)
    expect(complaints).toEqual([])
    // Nothing is wider than the page, what scrolls by itself aside.
    const [content, window] = await page.evaluate<[number, number]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    )
    expect(content).toBe(window)
    const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    if ('colorScheme' in options) expect(ground).toBe('rgb(20, 22, 26)')
    else expect(ground).toBe('rgb(251, 251, 250)')
    await page.context().close()
  })

  test('shows packets in place of bytes, and back', async () => {
    const { page, complaints } = await open(sample, DESK)
    const bytes = await firstChart(page)
    await page.click('[data-measure=packets]')
    expect(await page.getAttribute('[data-measure=packets]', 'aria-pressed')).toBe('true')
    expect(await firstChart(page)).not.toBe(bytes)
    await page.click('[data-measure=bytes]')
    expect(await firstChart(page)).toBe(bytes)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('redraws when it grows dark or narrow', async () => {
    const { page, complaints } = await open(sample, DESK)
    const light = await firstChart(page)
    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(() => firstChart(page)).not.toBe(light)
    await page.setViewportSize({ width: 500, height: 800 })
    await expect
      .poll(() => page.evaluate<number>(`document.querySelector('canvas').clientWidth`))
      .toBeLessThan(500)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('sorts, searches and lengthens tables, shows one session, and copies filters', async () => {
    const { page, complaints } = await open(await manyHosts(), DESK)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    const rows = page.locator('#conversations tbody tr:visible')
    const first = () => rows.first().locator('td').allTextContents()
    expect(await rows.count()).toBe(10)
    await page.click('#conversations .more')
    expect(await rows.count()).toBeGreaterThan(10)

    const column = page.locator('#conversations th', { hasText: 'packets ←' })
    await column.locator('button').click()
    expect(await column.getAttribute('aria-sort')).toBe('descending')
    const most = Number((await first())[5])
    await column.locator('button').click()
    expect(await column.getAttribute('aria-sort')).toBe('ascending')
    expect(Number((await first())[5])).toBeLessThan(most)

    const [a] = await first()
    await page.fill('#conversations input', a!)
    for (const text of await rows.allTextContents()) expect(text).toContain(a)
    await page.fill('#conversations input', 'no such host')
    expect(await rows.count()).toBe(0)
    await page.fill('#conversations input', '')

    await rows.first().locator('.copy').click()
    await rows.first().locator('.copy', { hasText: 'copied' }).waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(
      await rows.first().locator('code').textContent(),
    )

    const session = await page.locator('#session option').nth(1).getAttribute('value')
    await page.selectOption('#session', session!)
    const of = await page.evaluate<string[]>(
      `[...document.querySelectorAll('#flows tr[data-session]:not([hidden])')].map(({ dataset }) => dataset.session)`,
    )
    expect(new Set(of)).toEqual(new Set([session]))
    expect(await page.locator('#talkers .of-all').isVisible()).toBe(true)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('has every row and every filter where scripts do not run', async () => {
    const { page } = await open(await manyHosts(), { ...DESK, javaScriptEnabled: false })
    const all = await page.locator('#conversations tbody tr').count()
    expect(all).toBeGreaterThan(10)
    expect(await page.locator('#conversations tbody tr:visible').count()).toBe(all)
    expect(await page.locator('#conversations code:visible').count()).toBe(all)
    await page.context().close()
  })

  test('zooms charts over time together, on a linear and a logarithmic scale', async () => {
    const { page, complaints } = await open(sample, DESK)
    const charts = () =>
      page.evaluate<string[]>(
        `['sessions', 'protocols'].map((name) => document.querySelector('[data-chart=' + name + '] canvas').toDataURL())`,
      )
    const whole = await charts()
    const box = (await page.locator('[data-chart=sessions] .u-over').boundingBox())!
    await page.mouse.move(box.x + 0.3 * box.width, box.y + 50)
    await page.mouse.down()
    await page.mouse.move(box.x + 0.6 * box.width, box.y + 50, { steps: 5 })
    await page.mouse.up()
    await expect.poll(async () => (await charts())[1]).not.toBe(whole[1])
    const zoomed = await charts()
    expect(zoomed[0]).not.toBe(whole[0])
    await page.click('[data-log]')
    expect(await page.getAttribute('[data-log]', 'aria-pressed')).toBe('true')
    const log = await charts()
    for (const index of [0, 1]) expect(log[index]).not.toBe(zoomed[index])
    await page.click('[data-log]')
    // It stays where it was zoomed to.
    await expect.poll(charts).toEqual(zoomed)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('leaves the years between two captures out of the axis', async () => {
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
    const shots = [1_400_000_000, 1_700_000_000].flatMap((start) =>
      Array.from({ length: 60 }, (_, second) => ({ frame, seconds: start + second })),
    )
    const { page, complaints } = await open(reportPage(await analyzed(shots)), DESK)
    expect(await page.textContent('#traffic')).toContain('2 periods')
    // Bars of a minute, not a line of years.
    const [drawn] = await drawnPixels(page)
    expect(drawn).toBeGreaterThan(50_000)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('hides a line whose name is clicked, and stacks the rest anew', async () => {
    const { page, complaints } = await open(sample, DESK)
    const all = await firstChart(page)
    await page.click('[data-chart=sessions] .u-series:nth-child(2) .u-label')
    await expect.poll(() => firstChart(page)).not.toBe(all)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test.each([
    { name: 'no packet', count: 0, charts: 0 },
    { name: 'one packet', count: 1, charts: 4 },
    { name: 'a microsecond', count: 2, charts: 5 },
  ])('is sound with $name', async ({ count, charts }) => {
    const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
    const shots = Array.from({ length: count }, (_, at) => ({
      frame,
      seconds: 1_600_000_000,
      nanoseconds: at * 1000,
    }))
    const { page, complaints } = await open(reportPage(await analyzed(shots)), PHONE)
    const drawn = await drawnPixels(page)
    expect(drawn).toHaveLength(charts)
    for (const pixels of drawn) expect(pixels).toBeGreaterThan(200)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('runs nothing that a name asks for', async () => {
    const report = await analyzedFiles([SAMPLE])
    const name =
      '</script><img src=x onerror=document.title="owned"><script>document.title="owned"</script>'
    report.files[0]!.file = name
    report.series.sessions[0]!.name = name
    report.sessions[0]!.session = name
    const { page, complaints } = await open(reportPage(report), DESK)
    expect(await page.textContent('h1')).toBe(name)
    expect(await page.title()).toBe(`${name} – mirrortap`)
    expect(await page.textContent('[data-chart=sessions] .u-legend')).toContain('</script>')
    expect(complaints).toEqual([])
    await page.context().close()
  })
})
