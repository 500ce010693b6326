import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import type { Receiver, ReceiverOptions } from '../../src/receive/receiver.js'
import { openRecvmmsg, type RecvmmsgParts } from '../../src/receive/recvmmsg.js'
import { type Libc, loadLibc, SO_MEMINFO, SO_RCVBUFFORCE } from '../../src/sys/libc.js'
import { Collector } from '../support/collector.js'
import { ethernet, udp6 } from '../support/frames.js'
import { whyNoPacketSockets } from '../support/packet-sockets.js'
import { Random } from '../support/random.js'
import { RawSender } from '../support/raw-sender.js'
import { burst, UdpSender } from '../support/udp-sender.js'

const here = chooseReceiver('auto') === 'recvmmsg'
const ENETDOWN = 100
const ECONNREFUSED = 111
const EINTR = 4
const EPERM = 1

describe.skipIf(!here)(`openRecvmmsg${here ? '' : ' (needs Linux and koffi)'}`, () => {
  const closing: Array<() => Promise<void>> = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  async function open(
    collector: Collector,
    parts: RecvmmsgParts = {},
    options: Partial<ReceiverOptions> = {},
  ): Promise<Receiver> {
    const receiver = await openRecvmmsg(
      {
        host: '127.0.0.1',
        port: 0,
        receiveBufferBytes: 4 << 20,
        reusePort: false,
        onDatagram: collector.onDatagram,
        onError: (error) => {
          throw error
        },
        ...options,
      },
      parts,
    )
    closing.push(() => receiver.close())
    return receiver
  }

  /** The real calls, but the ones given, which answer -1 and set this errno when they are to fail. */
  function failing(
    calls: Partial<Record<'recvmmsg' | 'setsockopt' | 'getsockopt', FailWhen>>,
  ): Libc {
    const libc = loadLibc()
    let errno = 0
    const wrap = <Args extends unknown[]>(
      when: FailWhen | undefined,
      call: (...args: Args) => number,
    ) => {
      return (...args: Args): number => {
        errno = when?.(args) ?? 0
        return errno === 0 ? call(...args) : -1
      }
    }
    return {
      ...libc,
      recvmmsg: wrap(calls.recvmmsg, libc.recvmmsg),
      setsockopt: wrap(calls.setsockopt, libc.setsockopt),
      getsockopt: wrap(calls.getsockopt, libc.getsockopt),
      errno: () => errno || libc.errno(),
    }
  }
  /** 0 lets the call through. */
  type FailWhen = (args: readonly unknown[]) => number

  test('cuts what does not fit its slot, and says so', async () => {
    const collector = new Collector()
    const receiver = await open(collector, { slots: 4, slotBytes: 64 })
    const from = await UdpSender.open('127.0.0.1')
    closing.push(() => from.close())
    const random = new Random(1)
    const sent = [63, 64, 65, 1500, 0, 64].map((length) => random.bytes(length))
    for (const bytes of sent) await from.send(bytes, receiver.address.port, '127.0.0.1')
    await collector.until(sent.length)
    expect(collector.all.map(({ cut }) => cut)).toEqual([false, false, true, true, false, false])
    for (const [at, { bytes }] of collector.all.entries()) {
      expect(bytes.equals(sent[at]!.subarray(0, 64))).toBe(true)
    }
  })

  test('tells when the kernel received, not when it was read', async () => {
    const collector = new Collector()
    const receiver = await open(collector)
    burst(500, 64, receiver.address.port, '127.0.0.1')
    const readAfter = BigInt(Date.now()) * 1_000_000n
    await receiver.close()
    const times = collector.all.map(
      ({ seconds, nanoseconds }) => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    )
    expect(times.length).toBe(500)
    expect(times.at(-1)! <= readAfter + 1_000_000n).toBe(true)
    expect(new Set(times).size).toBeGreaterThan(400)
  })

  test('takes over the socket of a thread that died, with what the kernel holds', async () => {
    const left = await openRecvmmsg({
      host: '127.0.0.1',
      port: 0,
      receiveBufferBytes: 4 << 20,
      reusePort: false,
      onDatagram: () => {
        throw new Error('nothing is read before the thread dies')
      },
      onError: (error) => {
        throw error
      },
    })
    burst(10, 64, left.address.port, '127.0.0.1')
    expect(left.abandon()).toBe(0)
    const collector = new Collector()
    const receiver = await open(collector, {}, { takeOver: { fd: left.fd!, drops: 0 } })
    expect(receiver.address).toEqual(left.address)
    burst(10, 64, receiver.address.port, '127.0.0.1')
    await collector.until(20)
  })

  test.each([1, 3, 64, 1024])('hands over in order with %i slots', async (slots) => {
    const collector = new Collector()
    const receiver = await open(collector, { slots, slotBytes: 2048 })
    burst(300, 64, receiver.address.port, '127.0.0.1')
    await receiver.close()
    expect(collector.all.map(({ bytes }) => bytes.readUInt32BE())).toEqual(
      Array.from({ length: 300 }, (_, at) => at),
    )
  })

  test('sleeps when nobody sends and wakes for the next datagram', async () => {
    const real = loadLibc()
    const slept: Array<() => void> = []
    const asleep = (): Promise<void> => new Promise((resolve) => slept.push(resolve))
    const watch: Libc['watch'] = (fd, onReadable) => {
      const watched = real.watch(fd, onReadable)
      const start = (): void => {
        watched.start()
        slept.shift()?.()
      }
      return { ...watched, start }
    }
    const collector = new Collector()
    const sleeps = asleep()
    const receiver = await open(collector, { libc: { ...real, watch } })
    const from = await UdpSender.open('127.0.0.1')
    closing.push(() => from.close())
    await sleeps
    for (let count = 1; count <= 3; count++) {
      const again = asleep()
      await from.send(Buffer.from('x'), receiver.address.port, '127.0.0.1')
      await collector.until(count)
      await again
    }
    expect(collector.all.length).toBe(3)
  })

  test('goes on after errors that pass', async () => {
    const passing = [ECONNREFUSED, EINTR, ECONNREFUSED]
    const collector = new Collector()
    const libc = failing({ recvmmsg: () => passing.pop() ?? 0 })
    const receiver = await open(collector, { libc })
    burst(10, 64, receiver.address.port, '127.0.0.1')
    await collector.until(10)
    expect(passing).toEqual([])
  })

  test('stops after an error that stays, says so once, and keeps its count', async () => {
    let broken = false
    const collector = new Collector()
    const libc = failing({ recvmmsg: () => (broken ? ENETDOWN : 0) })
    const errors: Error[] = []
    let told: () => void
    const failed = new Promise<void>((resolve) => {
      told = resolve
    })
    const onError = (error: Error): void => {
      errors.push(error)
      told()
    }
    const receiver = await open(collector, { libc }, { onError })
    broken = true
    await failed
    await receiver.close()
    expect(errors).toMatchObject([{ code: 'ENETDOWN', syscall: 'recvmmsg' }])
    expect(receiver.kernelDrops()).toBe(0)
    expect(collector.all).toEqual([])
  })

  test('takes the buffer it may have without CAP_NET_ADMIN', async () => {
    const libc = failing({ setsockopt: (args) => (args[2] === SO_RCVBUFFORCE ? EPERM : 0) })
    const receiver = await open(new Collector(), { libc }, { receiveBufferBytes: 50_000 })
    expect(receiver.receiveBufferBytes).toBe(100_000)
  })

  const built = new URL('../../dist/receive/open.js', import.meta.url)
  test.skipIf(!existsSync(built))(
    'a worker thread that ends with it open does not take the process along (needs npm run build)',
    () => {
      const worker = `
        const { parentPort } = require('node:worker_threads')
        import(${JSON.stringify(built.href)}).then(async ({ openReceiver }) => {
          await openReceiver('recvmmsg', { host: '127.0.0.1', port: 0, receiveBufferBytes: 65536,
            reusePort: false, onDatagram() {}, onError() {} })
          parentPort.postMessage('open')
        })`
      const main = `
        const { Worker } = require('node:worker_threads')
        const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
        worker.once('message', async () => {
          await worker.terminate()
          console.log('alive')
        })`
      const { stdout } = spawnSync(process.execPath, ['-e', main], { encoding: 'utf8' })
      expect(stdout).toBe('alive\n')
    },
  )

  const raw = whyNoPacketSockets() === undefined
  test.skipIf(!raw)(
    `accepts VXLAN over IPv6 without a checksum${raw ? '' : ' (needs CAP_NET_RAW)'}`,
    async () => {
      const collector = new Collector()
      const receiver = await open(collector, {}, { host: '::1' })
      const sender = new RawSender('lo')
      const ends = { src: '::1', dst: '::1', sport: 65_500, dport: receiver.address.port }
      const frame = ethernet(udp6({ ...ends, payload: Buffer.from('mirrored') }), {
        src: '00:00:00:00:00:00',
        dst: '00:00:00:00:00:00',
      })
      frame.writeUInt16BE(0, 14 + 40 + 6)
      sender.send(frame)
      sender.close()
      await collector.until(1)
      expect(collector.all[0]!.bytes.toString()).toBe('mirrored')
    },
  )

  test('does not claim to know drops that the kernel does not tell', async () => {
    const libc = failing({ getsockopt: (args) => (args[2] === SO_MEMINFO ? 92 : 0) })
    const receiver = await open(new Collector(), { libc })
    expect(receiver.kernelDrops()).toBe(undefined)
  })
})
