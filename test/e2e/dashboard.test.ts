import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWrittenBytes } from '../support/written-captures.js'
import { Appliance, IS_BUILT, mirrortap, NEEDS_BUILD, UNHURRIED } from './program.js'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'
const HOST = '127.0.0.1'

describe.skipIf(!IS_BUILT)(`the dashboard of listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test.skipIf(!existsSync(CHROMIUM))(
    'shows real packets, and the rows of a flow capture that its form starts (needs chromium)',
    async () => {
      const captures = ['--capture-dir', temporaryDirectory()]
      const appliance = new Appliance(['--api', `${HOST}:0`, '--no-auth', ...captures])
      const [, url] = await appliance.says(/^dashboard on (\S+)$/m)
      const port = await appliance.port()
      const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
      onTestFinished(() => browser.close())
      const page = await browser.newPage()
      await page.goto(url!)
      await page.locator('#no-sessions').waitFor()

      const sender = await UdpSender.open(HOST)
      for (const sport of [1001, 1002, 1003]) {
        const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }))
        await sender.send(vxlan(7, frame), port, HOST)
      }
      await page.locator('#session-table td', { hasText: `vni-7_${HOST}` }).waitFor()
      await page.locator('.tiles div', { hasText: '3 received' }).waitFor()

      const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1001, dport: 53 }))
      const talking = setInterval(() => void sender.send(vxlan(7, frame), port, HOST), 100)
      await page.locator('#talkers-now tr', { hasText: '10.0.0.1' }).waitFor()
      clearInterval(talking)

      await page.locator('[name=port]').fill('53')
      await page.locator('#flow-capture button').click()
      await page.locator('#flow-status', { hasText: '3 flows at' }).waitFor()
      const ports = await page.locator('#flows tbody td:nth-child(2)').allTextContents()
      expect(ports.sort()).toEqual(['1001', '1002', '1003'])
      const talkers = await page.locator('#talkers tbody td:first-child').allTextContents()
      expect(talkers.sort()).toEqual(['10.0.0.1', '10.0.0.2'])

      // The packets of one of these flows, of a file that is still being written.
      const link = page.locator('#flows tr', { hasText: '1002' }).locator('a')
      const packets = await page.evaluate<string>(
        `fetch(${JSON.stringify(await link.getAttribute('href'))}).then((answer) => answer.arrayBuffer())
          .then((bytes) => String.fromCharCode(...new Uint8Array(bytes)))`,
      )
      expect(readWrittenBytes(Buffer.from(packets, 'latin1'))).toHaveLength(1)
      await page.locator('#no-captures').waitFor()

      await page.locator('[name=port]').fill('nonsense')
      await page.locator('#flow-capture button').click()
      await page.locator('#flow-problem', { hasText: 'DestinationPort' }).waitFor()
      // A reader does not hold up the end.
      expect(await appliance.stop()).toBe(0)
      await page.locator('#connection-text', { hasText: 'No answer' }).waitFor()
    },
  )

  test('signs in by a link that top prints, and shows nothing without keys', async () => {
    const credentials = join(temporaryDirectory(), 'credentials')
    const appliance = new Appliance(['--api', `${HOST}:0`, '--credentials', credentials])
    const [, url] = await appliance.says(/^dashboard on (\S+)\/ /m)
    expect((await fetch(url!)).status).toBe(200)
    expect((await fetch(`${url}/events`)).status).toBe(403)

    const asked = mirrortap(['top', '--link', '--api', url!, '--credentials', credentials])
    expect(await asked.ended()).toBe(0)
    const [, link, token] = /^(\S+)#(\S+)\n$/.exec(asked.stdout.toString())!
    expect(link).toBe(`${url}/`)
    const headers = { Authorization: `Bearer ${token}`, Origin: url! }
    expect((await fetch(`${url}/sign-in`, { method: 'POST', headers })).status).toBe(204)

    const key = ['--api', url!, '--credentials', credentials]
    const lines = mirrortap(['top', '--updates', '3', ...key])
    expect(await lines.ended()).toBe(0)
    expect(lines.stderr).toBe('')
    expect(lines.stdout.toString()).toMatch(
      /^(\d{4}-\S+Z 0 packets\/s 0 bit\/s 0 received, 0 lost by the kernel, [^\n]+\n){2}$/,
    )
    expect(await appliance.stop()).toBe(0)
  })
})
