import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { TcpCollector, UdpCollector } from '../support/ipfix-collector.js'
import type { IpfixRecord } from '../support/ipfix-reader.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

/** Flows of a session. */
const FLOWS = 40

/** Of each record the session, which says when its packets were sent. */
function vnisOf(records: readonly IpfixRecord[]): string[] {
  return records.map((record) => String(record['layer2SegmentId']).replace('1 ', '')).sort()
}

const flowsOf = (...vnis: number[]): string[] =>
  vnis.flatMap((vni) => Array<string>(FLOWS).fill(`${vni}`)).sort()

test.skipIf(!IS_BUILT)(
  `SIGHUP adds, changes and removes destinations, and each gets what was seen while it was named${NEEDS_BUILD}`,
  UNHURRIED,
  async () => {
    const [first, absent, datagrams] = [new TcpCollector(), new TcpCollector(), new UdpCollector()]
    for (const collector of [first, absent, datagrams]) {
      await collector.open()
      if (collector !== absent) onTestFinished(() => collector.close())
    }
    await absent.close()
    const [ofFirst, ofAbsent] = [first, absent].map(({ port }) => `ipfix+tcp://127.0.0.1:${port}`)
    const ofDatagrams = `ipfix+udp://127.0.0.1:${datagrams.port}`
    const config = join(temporaryDirectory(), 'mirrortap.yaml')
    const logs = join(temporaryDirectory(), 'logs')
    const write = (...places: (string | undefined)[]): void =>
      writeFileSync(config, JSON.stringify({ 'flow-log-dir': logs, deliver: places }))
    const sender = await UdpSender.open('127.0.0.1')
    onTestFinished(() => sender.close())
    // Until it is ready it answers neither signal.
    const received = async (appliance: Appliance, packets: number): Promise<void> => {
      const asking = setInterval(() => appliance.signal('SIGUSR1'), 100)
      await appliance.says(new RegExp(`^${packets} received`, 'm'))
      clearInterval(asking)
    }
    const send = async (appliance: Appliance, vni: number): Promise<void> => {
      const port = await appliance.port()
      for (let sport = 1; sport <= FLOWS; sport++) {
        const frame = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }))
        await sender.send(vxlan(vni, frame), port, '127.0.0.1')
      }
      await received(appliance, FLOWS * vni)
    }
    const reload = async (appliance: Appliance, times: number): Promise<void> => {
      appliance.signal('SIGHUP')
      await appliance.says(new RegExp(`(?:^SIGHUP: changed --deliver$[^]*){${times}}`, 'm'))
    }

    write(ofFirst)
    const before = new Appliance(['--config', config])
    await send(before, 1)
    write(ofAbsent, `${ofDatagrams}?mtu=600`)
    await reload(before, 1)
    await until(() => first.records().length === FLOWS)
    await send(before, 2)
    write(`${ofDatagrams}?mtu=1400`)
    await reload(before, 2)
    await until(() => datagrams.records().length === FLOWS)
    await send(before, 3)
    expect(await before.stop()).toBe(0)
    const lengths = datagrams.readers.flatMap((reader) => reader.lengths)
    expect(Math.max(...lengths)).toBeGreaterThan(600)
    expect(before.stderr).toContain(`to ${ofAbsent}: 1 files of `)

    const after = new Appliance(['--config', config])
    await after.port()
    await after.says(
      /^\S+\.deliver\/ipfix-tcp-\S+: files that wait for a destination which is not named any more: 1;/m,
    )
    await absent.open()
    onTestFinished(() => absent.close())
    write(ofAbsent, `${ofDatagrams}?mtu=1400`)
    await received(after, 0)
    await reload(after, 1)
    await until(() => absent.records().length === FLOWS)
    expect(await after.stop()).toBe(0)
    expect(vnisOf(first.records())).toEqual(flowsOf(1))
    expect(vnisOf(absent.records())).toEqual(flowsOf(2))
    expect(vnisOf(datagrams.records())).toEqual(flowsOf(2, 3))
  },
)
