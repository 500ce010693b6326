import { readdirSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { Destination } from '../../src/deliver/destination.js'
import { IpfixMessages } from '../../src/deliver/ipfix-messages.js'
import { openIpfixOverTcp } from '../../src/deliver/ipfix-tcp.js'
import { openIpfixOverUdp } from '../../src/deliver/ipfix-udp.js'
import { deliverTo } from '../support/delivery.js'
import { recordOf, someFlows } from '../support/flow-lines.js'
import { type CollectorFault, TcpCollector, UdpCollector } from '../support/ipfix-collector.js'
import { IpfixReader, type IpfixRecord } from '../support/ipfix-reader.js'
import { fillQueue, type Queued } from '../support/queue-files.js'
import { temporaryDirectory } from '../support/temporary.js'

const HOST = '127.0.0.1'
const FILES = [someFlows(50), [], someFlows(1, 50), someFlows(3000, 51)]
const NODATA = { source: '0:1', start: 1, line: 'NODATA - - - - - - - - - - - -' }

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function opening<Collector extends TcpCollector | UdpCollector>(
  collector: Collector,
): Promise<Collector> {
  await collector.open()
  opened.push(collector)
  return collector
}

async function deliver(open: () => Destination, files: readonly (readonly Queued[])[] = FILES) {
  const directory = temporaryDirectory()
  fillQueue(directory, files)
  return { directory, ...(await deliverTo({}, directory, async () => open())) }
}

/** As a set: each once. */
function setOf(records: readonly IpfixRecord[]): string[] {
  const texts = records.map((record) => JSON.stringify(Object.entries(record).sort()))
  return [...new Set(texts)].sort()
}

const ALL = setOf(FILES.flat().map(recordOf))

describe('IPFIX over TCP', () => {
  test('a collector gets each record once, and the files go', async () => {
    const collector = await opening(new TcpCollector())
    const { delivery, directory, lines } = await deliver(
      () => openIpfixOverTcp({ host: HOST, port: collector.port }),
      [...FILES, [NODATA]],
    )
    await delivery.drained()
    await delivery.stop()
    expect(collector.records()).toHaveLength(ALL.length)
    expect(setOf(collector.records())).toEqual(ALL)
    expect(readdirSync(directory)).toEqual([])
    expect(lines).toEqual([])
  })

  test.each<{ fault: CollectorFault; says: RegExp }>([
    { fault: 'reset', says: /the collector closed the connection \(E/ },
    { fault: 'close', says: /the collector closed the connection/ },
    { fault: 'stall', says: /the collector has read nothing for too long/ },
  ])('a collector gets everything in the end when each connection meets: $fault', async (row) => {
    const collector = await opening(new TcpCollector())
    collector.fault = row.fault
    const { delivery, lines } = await deliver(() =>
      openIpfixOverTcp({ host: HOST, port: collector.port }, 300),
    )
    await expect.poll(() => delivery.status.failures).toBeGreaterThan(2)
    expect(lines[0]).toMatch(row.says)
    collector.fault = 'none'
    await delivery.drained()
    await delivery.stop()
    expect(setOf(collector.records())).toEqual(ALL)
  })
})

describe('IPFIX over UDP', () => {
  test('a collector gets each record once, in datagrams that the path carries', async () => {
    const collector = await opening(new UdpCollector())
    const { delivery, directory } = await deliver(() =>
      openIpfixOverUdp({ host: HOST, port: collector.port, mtu: 700 }),
    )
    await delivery.drained()
    await delivery.stop()
    await expect.poll(() => collector.records().length).toBe(ALL.length)
    expect(setOf(collector.records())).toEqual(ALL)
    const lengths = collector.readers.flatMap((reader) => reader.lengths)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(700 - 28)
    expect(readdirSync(directory)).toEqual([])
  })

  test('templates come first, and again after so many messages and so long', () => {
    const messages = new IpfixMessages(500, { messages: 3, milliseconds: 1000 })
    const reader = new IpfixReader()
    let now = 5_000_000
    const send = (count: number): void => {
      const records = someFlows(count).map((one) => ({
        ...one,
        startMs: 0,
        bytes: 0,
        source: '0:1',
      }))
      for (const message of messages.of(records, () => now)) reader.message(message)
    }
    send(1)
    expect(reader.templatesOf).toEqual([1])
    send(1)
    send(1)
    expect(reader.templatesOf).toEqual([1])
    send(1)
    expect(reader.templatesOf).toEqual([1, 1])
    now += 1000
    send(1)
    expect(reader.templatesOf).toEqual([1, 1, 1])
    expect(reader.records).toHaveLength(5)
  })
})
