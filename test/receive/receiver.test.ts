import { afterEach, describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { chooseReceiver, openReceiver, RECEIVERS } from '../../src/receive/open.js'
import type { Receiver, ReceiverOptions } from '../../src/receive/receiver.js'
import { Collector } from '../support/collector.js'
import { Random } from '../support/random.js'
import { burst, UdpSender } from '../support/udp-sender.js'

const KERNEL_TELLS_DROPS = process.platform === 'linux'

const hasRecvmmsg = chooseReceiver('auto') === 'recvmmsg'
const opens = { dgram: true, recvmmsg: hasRecvmmsg }

const closing: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

describe.each(RECEIVERS)('%s keeps the contract of Receiver', (name) => {
  const suffix = opens[name] ? '' : ' (needs Linux and koffi)'
  const check = (title: string, body: () => Promise<void>): void =>
    test.skipIf(!opens[name])(title + suffix, body)

  async function open(
    collector: Collector,
    options: Partial<ReceiverOptions> = {},
  ): Promise<Receiver> {
    const receiver = await openReceiver(name, {
      host: '127.0.0.1',
      port: 0,
      receiveBufferBytes: 4 << 20,
      reusePort: false,
      onDatagram: collector.onDatagram,
      onError: (error) => {
        throw error
      },
      ...options,
    })
    closing.push(() => receiver.close())
    return receiver
  }

  async function sender(host: string): Promise<UdpSender> {
    const opened = await UdpSender.open(host)
    closing.push(() => opened.close())
    return opened
  }

  const FAMILIES = [
    ['IPv4', '127.0.0.1', '127.0.0.1', [0, 0, 0xffff, 0x7f00_0001]],
    ['IPv6', '::1', '::1', [0, 0, 0, 1]],
    ['IPv4 at a socket of both kinds', '::', '127.0.0.1', [0, 0, 0xffff, 0x7f00_0001]],
    ['IPv6 at a socket of both kinds', '::', '::1', [0, 0, 0, 1]],
    ['IPv4 at any address', '0.0.0.0', '127.0.0.1', [0, 0, 0xffff, 0x7f00_0001]],
  ] as const

  for (const [family, host, target, words] of FAMILIES) {
    check(`hands over bytes, source and port: ${family}`, async () => {
      const collector = new Collector()
      const receiver = await open(collector, { host })
      expect(receiver.address.host).toBe(host)
      const from = await sender(target)
      const bytes = new Random(1).bytes(200)
      await from.send(bytes, receiver.address.port, target)
      await collector.until(1)
      const { source0, source1, source2, source3, sourcePort, cut, ...rest } = collector.all[0]!
      expect([source0, source1, source2, source3]).toEqual(words)
      expect(sourcePort).toBe(from.port)
      expect(cut).toBe(false)
      expect(rest.bytes.equals(bytes)).toBe(true)
    })
  }

  check('tells sources apart, each at its own address', async () => {
    const collector = new Collector()
    const receiver = await open(collector, { host: '0.0.0.0' })
    const hosts = ['127.0.0.1', '127.1.2.3', '127.255.255.254', '127.0.0.1', '127.200.0.129']
    for (const host of hosts) {
      await (await sender(host)).send(Buffer.from(host), receiver.address.port, '127.0.0.1')
    }
    await collector.until(hosts.length)
    const seen = collector.all.map(({ source3 }) =>
      [24, 16, 8, 0].map((shift) => (source3 >>> shift) & 0xff).join('.'),
    )
    expect(seen).toEqual(hosts)
    expect(collector.all.map(({ bytes }) => bytes.toString())).toEqual(hosts)
  })

  check('hands over datagrams of any length, whole and in order', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    const from = await sender('127.0.0.1')
    const random = new Random(2)
    const lengths = [0, 1, 65_507, 0, 1472, 8973, 65_507, 2]
    const sent = lengths.map((length) => random.bytes(length))
    for (const bytes of sent) await from.send(bytes, receiver.address.port, '127.0.0.1')
    await collector.until(sent.length)
    expect(collector.all.map(({ bytes }) => bytes.length)).toEqual(lengths)
    for (const [at, { bytes, cut }] of collector.all.entries()) {
      expect(bytes.equals(sent[at]!)).toBe(true)
      expect(cut).toBe(false)
    }
  })

  check('keeps the order of many, and their times do not go back', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    burst(1000, 64, receiver.address.port, '127.0.0.1')
    await collector.until(1000)
    expect(collector.all.map(({ bytes }) => bytes.readUInt32BE())).toEqual(
      Array.from({ length: 1000 }, (_, at) => at),
    )
    let last = 0n
    for (const { seconds, nanoseconds } of collector.all) {
      const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
      expect(time >= last).toBe(true)
      last = time
    }
  })

  check('tells the time of arrival in seconds and nanoseconds', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    const from = await sender('127.0.0.1')
    const before = Date.now()
    for (let n = 0; n < 20; n++) {
      await from.send(Buffer.from('x'), receiver.address.port, '127.0.0.1')
    }
    await collector.until(20)
    const after = Date.now()
    for (const { seconds, nanoseconds } of collector.all) {
      expect(Number.isInteger(seconds) && Number.isInteger(nanoseconds)).toBe(true)
      expect(nanoseconds).toBeLessThan(1_000_000_000)
      // A read clock may be two milliseconds from Date.now(): ReadClock says why.
      const milliseconds = seconds * 1000 + nanoseconds / 1e6
      expect(milliseconds).toBeGreaterThan(before - 3)
      expect(milliseconds).toBeLessThan(after + 3)
    }
    expect(collector.all.some(({ nanoseconds }) => nanoseconds % 1_000_000 !== 0)).toBe(true)
  })

  check('counts what the kernel drops: handed over and dropped are what was sent', async () => {
    const collector = new Collector()
    const receiver = await open(collector, { receiveBufferBytes: 16_384 })
    expect(receiver.kernelDrops()).toBe(KERNEL_TELLS_DROPS ? 0 : undefined)
    burst(2000, 200, receiver.address.port, '127.0.0.1')
    const dropped = receiver.kernelDrops()
    if (!KERNEL_TELLS_DROPS) return
    expect(dropped).toBeGreaterThan(0)
    await receiver.close()
    expect(collector.all.length).toBeGreaterThan(0)
    expect(collector.all.length + dropped!).toBe(2000)
    expect(receiver.kernelDrops()).toBe(dropped)
  })

  check('counts the drops of several bursts, at a socket of both kinds', async () => {
    const collector = new Collector()
    const receiver = await open(collector, { host: '::', receiveBufferBytes: 16_384 })
    burst(700, 200, receiver.address.port, '127.0.0.1')
    const first = receiver.kernelDrops()
    if (first === undefined) return
    await collector.until(700 - first)
    burst(700, 200, receiver.address.port, '::1')
    await receiver.close()
    expect(receiver.kernelDrops()).toBeGreaterThan(first)
    expect(collector.all.length + receiver.kernelDrops()!).toBe(1400)
  })

  check('hands over on close what the kernel holds, and nothing after', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    burst(3000, 64, receiver.address.port, '127.0.0.1')
    await receiver.close()
    expect(receiver.kernelDrops() ?? 0).toBe(0)
    expect(collector.all.length).toBe(3000)
    const from = await sender('127.0.0.1')
    await from.send(Buffer.from('late'), receiver.address.port, '127.0.0.1')
    await receiver.close()
    expect(collector.all.length).toBe(3000)
  })

  check('takes nothing new once close has begun', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    burst(10, 64, receiver.address.port, '127.0.0.1')
    const closed = receiver.close()
    // dgram refuses two microtasks later, recvmmsg at once.
    await Promise.resolve()
    await new Promise((resolve) => process.nextTick(resolve))
    burst(10, 64, receiver.address.port, '127.0.0.1')
    await closed
    expect(collector.all.length).toBe(10)
    expect(receiver.kernelDrops() ?? 0).toBe(0)
  })

  check('may be closed from onDatagram and still hands over the rest', async () => {
    const collector = new Collector()
    let closed: Promise<void> | undefined
    const receiver: Receiver = await open(collector, {
      onDatagram: (datagram) => {
        collector.onDatagram(datagram)
        closed ??= receiver.close()
      },
    })
    burst(500, 64, receiver.address.port, '127.0.0.1')
    await collector.until(1)
    await closed
    expect(collector.all.map(({ bytes }) => bytes.readUInt32BE())).toEqual(
      Array.from({ length: 500 }, (_, at) => at),
    )
  })

  check('says how much buffer the kernel granted', async () => {
    const small = await open(new Collector(), { receiveBufferBytes: 100_000 })
    expect(small.receiveBufferBytes).toBeGreaterThanOrEqual(100_000)
    expect(small.receiveBufferBytes).toBeLessThanOrEqual(200_000)
    const huge = await open(new Collector(), { receiveBufferBytes: 2 ** 40 })
    expect(huge.receiveBufferBytes).toBeGreaterThan(small.receiveBufferBytes)
  })

  check('refuses a port that somebody has', async () => {
    const { address } = await open(new Collector())
    const again = open(new Collector(), { port: address.port })
    await expect(again).rejects.toThrow(OperatorError)
    await expect(again).rejects.toThrow(`UDP port ${address.port} of 127.0.0.1 is taken: `)
  })

  check('gives the port back on close', async () => {
    const first = await open(new Collector())
    await first.close()
    const second = await open(new Collector(), { port: first.address.port })
    expect(second.address.port).toBe(first.address.port)
  })

  check('refuses what is not an address of this host', async () => {
    // From a block for documentation (RFC 5737), so nobody's.
    await expect(open(new Collector(), { host: '198.51.100.77' })).rejects.toThrow(
      /^198\.51\.100\.77 is not an address of this host: give one of .*127\.0\.0\.1.*, 0\.0\.0\.0 or ::$/,
    )
    await expect(open(new Collector(), { host: 'localhost' })).rejects.toThrow(
      /^"localhost" is not an IP address: /,
    )
  })
})
