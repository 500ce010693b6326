import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DescribeTrafficMirrorTargetsCommand } from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { FreezableDisk } from '../support/freezable-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { ControlledAppliance } from './controlled-appliance.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD, readStats, sumOf, until } from './program.js'

const HOST = '127.0.0.1'
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 }
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

  test('holds up no changes that are saved on another, and /health tells', async ({ skip }) => {
    const disk = FreezableDisk.make()
    if (disk === undefined) return skip('needs root, and fsfreeze on a loop device')
    const other = temporaryDirectory()
    const api = await ControlledAppliance.start(
      ...['--capture-dir', join(disk.directory, 'captures'), '--rotate-interval', '1s'],
      ...['--flow-log-dir', join(disk.directory, 'logs')],
      ...['--state', join(other, 'state.json'), '--audit-log', join(other, 'audit.jsonl')],
    )
    const frames = Array.from({ length: 4 }, (_, at) => ethernet(udp4({ ...ENDS, id: at })))
    // More sessions, each with a file, than libuv has threads by itself.
    const sendAll = async (): Promise<void> => {
      for (let vni = 0; vni < 16; vni++) await api.send(vni, frames)
    }
    await sendAll()
    disk.freeze()
    await sendAll()
    const health = await api.healthWhen(({ status }) => status === 503)
    expect(health.failures).toContainEqual(expect.stringMatching(/^captures: an operation at the/))
    const target = await api.target()
    expect(readFileSync(join(other, 'audit.jsonl'), 'utf8')).toContain(target)
    disk.thaw()
    await api.healthWhen(({ status }) => status === 200)
    expect(await api.program.stop()).toBe(0)
  })

  test('that has the state and the audit log refuses changes in time, and makes none by half', async ({
    skip,
  }) => {
    const disk = FreezableDisk.make()
    if (disk === undefined) return skip('needs root, and fsfreeze on a loop device')
    const audit = join(disk.directory, 'audit.jsonl')
    const files = ['--state', join(disk.directory, 'state.json'), '--audit-log', audit]
    const api = await ControlledAppliance.start(...files)
    const targets = async (of = api): Promise<string[]> => {
      const { TrafficMirrorTargets } = await of.ec2.send(
        new DescribeTrafficMirrorTargetsCommand({}),
      )
      return TrafficMirrorTargets!.map(({ TrafficMirrorTargetId }) => TrafficMirrorTargetId!)
    }
    const first = await api.target()
    disk.freeze()
    const refused = await Promise.allSettled([api.filter(), api.filter()])
    refused.push(...(await Promise.allSettled([api.filter()])))
    for (const one of refused) {
      expect(one).toMatchObject({ status: 'rejected', reason: { name: 'ServiceUnavailable' } })
    }
    expect(await targets()).toEqual([first])
    const { failures } = await api.healthWhen(({ status }) => status === 503)
    expect(failures).toContainEqual(expect.stringMatching(/^(state|audit log): an operation/))
    await api.send(7, [ethernet(udp4(ENDS))])

    disk.thaw()
    await api.healthWhen(({ status }) => status === 200)
    expect(await targets()).toEqual([first])
    await until(() => /"ServiceUnavailable"/.test(readFileSync(audit, 'utf8')))
    await api.kill()
    const again = await ControlledAppliance.start(...files)
    expect(await targets(again)).toEqual([first])
    await again.filter()
  })
})
