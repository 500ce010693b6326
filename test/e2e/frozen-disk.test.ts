import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { FreezableDisk } from '../support/freezable-disk.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD, readStats, sumOf } from './program.js'

const HOST = '127.0.0.1'
const FROZEN_MS = 4_000
const BATCH = 20
const BATCH_EVERY_MS = 10

/** Packet `number`, of one of two sessions; among them new flows all the time. */
function datagram(number: number): Buffer {
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', sport: number % 60_000, dport: 53 }
  return vxlan(number % 2, ethernet(udp4({ ...flow, payload: Buffer.alloc(64) })))
}

/** Sends at an even pace for so long; answers with how many. */
async function sendFor(sender: UdpSender, port: number, ms: number): Promise<number> {
  const until = performance.now() + ms
  let sent = 0
  while (performance.now() < until) {
    for (let one = 0; one < BATCH; one++) await sender.send(datagram(sent++), port, HOST)
    await delay(BATCH_EVERY_MS)
  }
  return sent
}

describe.skipIf(!IS_BUILT)(`a disk that hangs${NEEDS_BUILD}`, { timeout: 120_000 }, () => {
  test.for(['recvmmsg', 'dgram'] as const)(
    'never holds up reception: files open, rotate and close when it comes back, %s',
    async (receiver, { skip }) => {
      if (receiver === 'recvmmsg' && chooseReceiver('auto') !== receiver) skip('needs recvmmsg')
      const disk = FreezableDisk.make()
      if (disk === undefined) return skip('needs root, and fsfreeze on a loop device')
      const captures = join(disk.directory, 'captures')
      const stats = join(disk.directory, '../stats.json')
      const appliance = new Appliance([
        ...['--receiver', receiver, '--stats', stats, '--capture-dir', captures],
        ...['--flow-log-dir', join(disk.directory, 'logs'), '--max-aggregation-interval', '60'],
        // Files change all the time, and the kernel's buffer alone would not outlast the hang.
        ...['--rotate-interval', '1s', '--receive-buffer', '128KiB'],
      ])
      const port = await appliance.port()
      const sender = await UdpSender.open(HOST)
      let sent = await sendFor(sender, port, 1500)
      disk.freeze()
      sent += await sendFor(sender, port, FROZEN_MS)
      disk.thaw()
      sent += await sendFor(sender, port, 1500)
      await sender.close()
      expect(await appliance.stop()).toBe(0)

      const report = readStats(stats)
      expect(sumOf(report)).toBe(report.received)
      expect(report).toMatchObject({ received: sent, kernelLost: 0 })
      const sum = (name: 'captured' | 'captureLost') =>
        report.sessions.reduce((total, session) => total + session[name], 0)
      expect(sum('captured') + sum('captureLost')).toBe(sent)
      const files = filesBelow(captures)
      expect(files.filter((name) => name.endsWith('.part'))).toEqual([])
      const held = files.reduce((n, name) => n + readWritten(join(captures, name)).length, 0)
      expect(held).toBe(sum('captured'))
    },
  )
})
