/**
 * The dashboard of an appliance with many sessions, all of which have packets: how long until the page
 * shows them, how evenly it scrolls, and what many viewers cost the appliance.
 *
 * `mirrortap listen` as built and Debian's chromium, without a window, share the machine with the sender.
 *
 * Measured: milliseconds from the start of navigation until rows of sessions are there, in a browser that
 * has been started before and in a new context each time (nothing cached); CPU of the renderer meanwhile;
 * the longest time between two frames while the sessions are scrolled; CPU of `listen` with viewers that
 * read `/events`, against without, and packets lost by the kernel.
 *
 * The numbers that matter: the least time to the rows; the cost of the viewers in % of a core.
 *
 *     node scripts/bench/dashboard.mjs [--sessions 1000] [--rate 20000] [--opens 7] [--viewers 50] [--seconds 10]
 */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { cpuOf } from './process-cpu.js'

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '20000' },
    opens: { type: 'string', default: '7' },
    viewers: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '10' },
  },
})
const SESSIONS = Number(values.sessions)
const RATE = Number(values.rate)
const SECONDS = Number(values.seconds)
const CHROMIUM = '/usr/bin/chromium'
const VXLAN_BYTES = 8
const FRAME_BYTES = 100
const TICK_MS = 10

async function startListen() {
  const args = ['listen', '--bind', '127.0.0.1', '--port', '0', '--api', '127.0.0.1:0', '--no-auth']
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../dist/cli/bin.js'), ...args],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  process.once('exit', () => child.kill('SIGKILL'))
  let said = ''
  for await (const bytes of child.stderr.iterator({ destroyOnReturn: false })) {
    said += bytes
    const [, port] = /^listening on \S+ port (\d+)/m.exec(said) ?? []
    const [, url] = /^API on ([^\s,]+)/m.exec(said) ?? []
    if (port === undefined || url === undefined) continue
    child.stderr.resume()
    return { child, port: Number(port), url }
  }
  throw new Error(`listen did not begin: ${said}`)
}

/** A UDP packet in VXLAN, in turn of each session. */
function startSender(port) {
  const datagram = Buffer.alloc(VXLAN_BYTES + FRAME_BYTES)
  datagram[0] = 0x08
  const ethernet = VXLAN_BYTES
  datagram.writeUInt16BE(0x0800, ethernet + 12)
  const ip = ethernet + 14
  datagram[ip] = 0x45
  datagram.writeUInt16BE(FRAME_BYTES - 14, ip + 2)
  datagram[ip + 8] = 64
  datagram[ip + 9] = 17
  datagram.writeUInt32BE(0x0a000001, ip + 12)
  datagram.writeUInt32BE(0x0a000002, ip + 16)
  datagram.writeUInt16BE(40_000, ip + 20)
  datagram.writeUInt16BE(53, ip + 22)
  datagram.writeUInt16BE(FRAME_BYTES - 34, ip + 24)
  const socket = createSocket('udp4')
  let sent = 0
  let waiting = 0
  const start = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - start) * RATE) / 1000
    // On a busy machine the rate is not kept, rather than memory filled.
    for (; sent < due && waiting < SESSIONS; sent++) {
      datagram.writeUInt32BE((1 + (sent % SESSIONS)) << 8, 4)
      waiting++
      socket.send(Buffer.from(datagram), port, '127.0.0.1', () => waiting--)
    }
  }, TICK_MS)
  return () => {
    clearInterval(timer)
    socket.close()
  }
}

/** @param {string} url @returns {Promise<{ sessions: unknown[], kernelLost: number | null }>} */
async function ledgerOf(url) {
  /** @type {any} */
  const report = await (await fetch(`${url}/ledger`, { headers: { connection: 'close' } })).json()
  return report
}

// What runs in the page is text: these files are checked without the types of a browser.

/** Takes the time of the frame that shows the first sessions. */
const WHEN_SHOWN = `new MutationObserver((_, observer) => {
  if (document.querySelectorAll('#session-table tbody td.name').length < 5) return
  observer.disconnect()
  requestAnimationFrame(() => setTimeout(() => (globalThis.shownAt = performance.now())))
}).observe(document, { childList: true, subtree: true })`

const LONGEST_FRAME = `(async () => {
  const scroll = document.getElementById('session-scroll')
  let [last, longest] = [performance.now(), 0]
  for (let frame = 0; frame < 90; frame++) {
    scroll.scrollTop += 200
    await new Promise(requestAnimationFrame)
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  return longest
})()`

/** Of one opening: milliseconds until rows are there, the renderer's CPU until then, the longest frame of a scroll. */
async function open(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  try {
    const page = await context.newPage()
    const cdp = await context.newCDPSession(page)
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' })
    await page.addInitScript({ content: WHEN_SHOWN })
    await page.goto(`${url}/`)
    while ((await page.evaluate('globalThis.shownAt')) === undefined) await sleep(20)
    const shownMs = await page.evaluate('globalThis.shownAt')
    const { metrics } = await cdp.send('Performance.getMetrics')
    const task = metrics.find(({ name }) => name === 'TaskDuration').value
    const frameMs = await page.evaluate(LONGEST_FRAME)
    return { shownMs, cpuMs: task * 1000, frameMs }
  } finally {
    await context.close()
  }
}

/** CPU of the process in % of a core while so many read the states. */
async function costOf({ child, url }, viewers) {
  const requests = Array.from({ length: viewers }, () =>
    get(`${url}/events`, (response) => response.resume()).on('error', () => undefined),
  )
  await sleep(2000)
  const before = cpuOf(child.pid)
  await sleep(SECONDS * 1000)
  const percent = (cpuOf(child.pid) - before) / SECONDS / 1e7
  for (const request of requests) request.destroy()
  await sleep(1000)
  return percent
}

const listen = await startListen()
const stop = startSender(listen.port)
while ((await ledgerOf(listen.url)).sessions.length < SESSIONS) await sleep(200)

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
const opened = []
for (let turn = 0; turn < Number(values.opens); turn++) opened.push(await open(browser, listen.url))
await browser.close()

const without = []
const viewed = []
for (let turn = 0; turn < 3; turn++) {
  without.push(await costOf(listen, 0))
  viewed.push(await costOf(listen, Number(values.viewers)))
}
const { kernelLost } = await ledgerOf(listen.url)
stop()
listen.child.kill('SIGINT')
await once(listen.child, 'exit')

const least = (values) => Math.min(...values).toFixed(1)
const list = (key) => opened.map((of) => of[key].toFixed(0)).join(' ')
console.log(`${SESSIONS} sessions, ${RATE} packets/s`)
console.log(
  `rows of sessions after, ms: least ${least(opened.map(({ shownMs }) => shownMs))} of ${list('shownMs')}`,
)
console.log(
  `renderer's main thread, ms: least ${least(opened.map(({ cpuMs }) => cpuMs))} of ${list('cpuMs')}`,
)
console.log(
  `longest frame of a scroll, ms: least ${least(opened.map(({ frameMs }) => frameMs))} of ${list('frameMs')}`,
)
console.log(
  `listen, % of a core: ${least(without)} without, ${least(viewed)} with ${values.viewers} viewers`,
)
console.log(`lost by the kernel: ${kernelLost}`)
