import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { OperatorError } from '../../../src/errors.js'
import {
  type PacketDirection,
  PacketSocket,
  type PacketSocketOptions,
  type PacketSocketParts,
} from '../../../src/source/interface/packet-socket.js'
import type { LinkState } from '../../../src/source/interface/packet-socket-watch.js'
import { type Libc, loadLibc } from '../../../src/sys/libc.js'
import type { Packet } from '../../../src/wire/packet.js'
import { ethernet, udp4, vlan, vxlan } from '../../support/frames.js'
import { whyNoPacketSockets } from '../../support/packet-sockets.js'
import { Random } from '../../support/random.js'
import { RawSender } from '../../support/raw-sender.js'

const missing = whyNoPacketSockets()

const LOOPBACK_MAC = '00:00:00:00:00:00'
const EPERM = 1
const ENETDOWN = 100
const ENODEV = 19

interface Shown extends Pick<Packet, 'seconds' | 'nanoseconds' | 'originalLength' | 'linkType'> {
  frame: Buffer
  direction: PacketDirection
}

/** Others use loopback too: what is ours holds `mark`, a random one for each test. */
class Watcher {
  readonly mark: Buffer
  readonly shown: Shown[] = []
  #waiting: { count: number; resolve: () => void } | undefined

  constructor(seed: number) {
    this.mark = new Random(seed ^ process.pid).bytes(16)
  }

  readonly onPacket = (packet: Packet, direction: PacketDirection): void => {
    const { seconds, nanoseconds, originalLength, linkType } = packet
    const frame = Buffer.from(packet.bytes.subarray(packet.start, packet.end))
    if (!frame.includes(this.mark)) return
    this.shown.push({ frame, direction, seconds, nanoseconds, originalLength, linkType })
    if (this.shown.length === this.#waiting?.count) this.#waiting.resolve()
  }

  until(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { count, resolve }
      if (this.shown.length >= count) resolve()
    })
  }
}

describe.skipIf(missing !== undefined)(
  `PacketSocket${missing === undefined ? '' : ` (needs ${missing})`}`,
  () => {
    const closing: Array<() => unknown> = []
    afterEach(async () => {
      for (const close of closing.splice(0)) await close()
    })

    function open(
      watcher: Pick<Watcher, 'onPacket'>,
      options: Partial<PacketSocketOptions> = {},
      parts: PacketSocketParts = {},
    ): PacketSocket {
      const socket = new PacketSocket(
        {
          interfaceName: 'lo',
          receiveBufferBytes: 8 << 20,
          onPacket: watcher.onPacket,
          onLink: () => undefined,
          onError: (error) => {
            throw error
          },
          ...options,
        },
        parts,
      )
      closing.push(() => socket.close())
      return socket
    }

    function rawSender(): RawSender {
      const sender = new RawSender('lo')
      closing.push(() => sender.close())
      return sender
    }

    /** To the host itself, so that the kernel takes it for its own. */
    const own = (payload: Buffer): Buffer =>
      ethernet(udp4({ src: '127.0.0.1', dst: '127.0.0.1', sport: 9, dport: 9, payload }), {
        src: LOOPBACK_MAC,
        dst: LOOPBACK_MAC,
      })

    test('shows frames of loopback whole, once, with the time of the kernel', async () => {
      const watcher = new Watcher(1)
      const socket = open(watcher)
      const sender = rawSender()
      const frames = [0, 1, 500, 1458, 9000, 40_000].map((length) =>
        own(Buffer.concat([watcher.mark, Buffer.alloc(length, 7)])),
      )
      const before = Math.floor(Date.now() / 1000)
      for (const frame of frames) sender.send(frame)
      await watcher.until(frames.length)
      await socket.close()
      expect(watcher.shown.map(({ frame }) => frame)).toEqual(frames)
      let last = 0n
      for (const { seconds, nanoseconds, ...shown } of watcher.shown) {
        expect(shown).toMatchObject({
          direction: 'ingress',
          originalLength: shown.frame.length,
          linkType: 1,
        })
        expect(seconds - before).toBeLessThanOrEqual(60)
        const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
        expect(time > last && seconds >= before - 1).toBe(true)
        last = time
      }
      expect(socket.packets).toBeGreaterThanOrEqual(frames.length)
      expect(socket.kernelDrops()).toBe(0)
    })

    test('puts VLAN tags back that the kernel takes off', async () => {
      const watcher = new Watcher(2)
      open(watcher)
      const sender = rawSender()
      const frames = [
        [7],
        [0],
        [0xffff],
        [{ vlan: 100, type: 0x88a8 }],
        [{ vlan: 100, type: 0x88a8 }, 7],
        [5, 6],
      ].map((tags) => vlan(tags, own(watcher.mark)))
      for (const frame of frames) sender.send(frame)
      await watcher.until(frames.length)
      expect(watcher.shown.map(({ frame }) => frame.toString('hex'))).toEqual(
        frames.map((frame) => frame.toString('hex')),
      )
      expect(watcher.shown.map(({ originalLength }) => originalLength)).toEqual(
        frames.map((frame) => frame.length),
      )
    })

    test('knows what is addressed to another host', async () => {
      const watcher = new Watcher(3)
      open(watcher)
      const sender = rawSender()
      const packet = udp4({
        src: '10.0.0.1',
        dst: '10.0.0.2',
        sport: 1,
        dport: 2,
        payload: watcher.mark,
      })
      const destinations = [
        LOOPBACK_MAC,
        '02:00:00:00:00:0b',
        'ff:ff:ff:ff:ff:ff',
        '01:00:5e:00:00:01',
      ]
      for (const dst of destinations) sender.send(ethernet(packet, { dst }))
      await watcher.until(4)
      expect(watcher.shown.map(({ direction }) => direction)).toEqual([
        'ingress',
        'other',
        'ingress',
        'ingress',
      ])
    })

    test('tells the length on the wire of what does not fit its slot', async () => {
      const watcher = new Watcher(4)
      open(watcher, {}, { slots: 4, slotBytes: 128 })
      const sender = rawSender()
      const frames = [60, 86, 87, 1400].map((length) =>
        own(Buffer.concat([watcher.mark, Buffer.alloc(length - 16, 7)])),
      )
      frames.push(vlan([9], frames[3]!))
      for (const frame of frames) sender.send(frame)
      await watcher.until(frames.length)
      const [tagged] = watcher.shown.slice(-1)
      expect(tagged!.frame).toEqual(frames[4]!.subarray(0, 132))
      for (const [index, { frame, originalLength }] of watcher.shown.entries()) {
        expect(originalLength).toBe(frames[index]!.length)
        if (index < 4) expect(frame).toEqual(frames[index]!.subarray(0, 128))
      }
    })

    test('leaves out, in the kernel, what goes to the targets, even when they change', async () => {
      const watcher = new Watcher(5)
      const socket = open(watcher, { exclude: [{ host: '127.0.0.9', port: 4789 }] })
      const sender = rawSender()
      const copyTo = (dst: string): Buffer =>
        ethernet(
          udp4({
            ...{ src: '127.0.0.1', dst, sport: 9, dport: 4789 },
            payload: vxlan(7, own(watcher.mark)),
          }),
          { src: LOOPBACK_MAC, dst: LOOPBACK_MAC },
        )
      const other = own(watcher.mark)
      sender.send(copyTo('127.0.0.9'))
      sender.send(copyTo('127.0.0.8'))
      sender.send(other)
      await watcher.until(2)
      socket.exclude([{ host: '127.0.0.8', port: 4789 }])
      sender.send(copyTo('127.0.0.8'))
      sender.send(copyTo('127.0.0.9'))
      sender.send(other)
      await watcher.until(4)
      await socket.close()
      expect(watcher.shown.map(({ frame }) => frame)).toEqual([
        copyTo('127.0.0.8'),
        other,
        copyTo('127.0.0.9'),
        other,
      ])
    })

    test('knows how many the kernel dropped, and keeps the number', async () => {
      const watcher = new Watcher(6)
      const socket = open(watcher, { receiveBufferBytes: 20_000 })
      const sender = rawSender()
      for (let count = 0; count < 500; count++) sender.send(own(watcher.mark))
      const drops = socket.kernelDrops()
      expect(drops).toBeGreaterThan(300)
      await socket.close()
      expect(watcher.shown.length + socket.kernelDrops()).toBeGreaterThanOrEqual(500)
      expect(watcher.shown.length).toBeGreaterThan(0)
      expect(socket.kernelDrops()).toBeGreaterThanOrEqual(drops)
    })

    test('hands over what is queued when it is closed, and nothing after', async () => {
      const watcher = new Watcher(7)
      const sender = rawSender()
      const socket: PacketSocket = open(
        {
          onPacket(packet, direction) {
            watcher.onPacket(packet, direction)
            void socket.close()
          },
        },
        {},
        { slots: 8 },
      )
      for (let count = 0; count < 100; count++) sender.send(own(watcher.mark))
      await watcher.until(1)
      await socket.close()
      sender.send(own(watcher.mark))
      expect(watcher.shown.length).toBe(100)
      expect(await socket.close()).toBeUndefined()
    })

    test('comes to an end while every frame brings another', async () => {
      const watcher = new Watcher(10)
      const sender = rawSender()
      const socket: PacketSocket = open({
        onPacket(packet, direction) {
          const before = watcher.shown.length
          watcher.onPacket(packet, direction)
          if (watcher.shown.length > before && before < 100_000) sender.send(own(watcher.mark))
        },
      })
      sender.send(own(watcher.mark))
      await watcher.until(20)
      await socket.close()
      expect(watcher.shown.length).toBeLessThan(100_000)
    })

    test('waits for whoever takes a batch, even to close', async () => {
      const watcher = new Watcher(8)
      const sender = rawSender()
      let busy = 0
      let batches = 0
      const socket: PacketSocket = open(
        {
          onPacket(packet, direction) {
            expect(busy).toBe(0)
            watcher.onPacket(packet, direction)
          },
        },
        {
          onBatchEnd: async () => {
            batches++
            busy++
            if (batches === 5) void socket.close()
            for (let turn = 0; turn < 5; turn++) await nextTurn()
            busy--
          },
        },
        { slots: 4 },
      )
      for (let count = 0; count < 40; count++) sender.send(own(watcher.mark))
      await watcher.until(20)
      await socket.close()
      expect(watcher.shown.length).toBe(40)
      expect(batches).toBeGreaterThanOrEqual(10)
    })

    test('counts frames that only offloads make', async () => {
      const watcher = new Watcher(9)
      const libc = withLink(loadLibc(), () => ({ index: 1, mtu: 1500 }))
      const socket = open(watcher, {}, { libc })
      const sender = rawSender()
      for (const length of [1458, 1480, 1481, 5000]) {
        sender.send(own(Buffer.concat([watcher.mark, Buffer.alloc(length - 16)])))
      }
      await watcher.until(4)
      // With room for two tags; what others send on loopback may be long too.
      expect(socket.overMtu).toBeGreaterThanOrEqual(2)
      expect(socket.overMtu).toBeLessThanOrEqual(2 + socket.packets - 4)
    })

    interface FakeLink {
      index: number
      isUp?: boolean
      mtu?: number
      hardwareType?: number
    }

    /** The interface is what `look` says. */
    function withLink(libc: Libc, look: () => FakeLink | undefined): Libc {
      return {
        ...libc,
        if_nametoindex: () => look()?.index ?? 0,
        ioctl(_fd, request, argument) {
          const link = look()
          if (link === undefined) return -1
          if (request === 0x8913) argument.writeUInt16LE((link.isUp ?? true) ? 1 : 0, 16)
          else if (request === 0x8927) argument.writeUInt16LE(link.hardwareType ?? 1, 16)
          else argument.writeInt32LE(link.mtu ?? 1500, 16)
          return 0
        },
      }
    }

    test('follows an interface that goes down, disappears and comes back as another', async () => {
      const told: LinkState[] = []
      const bound: number[] = []
      let link: FakeLink | undefined = { index: 5 }
      let down = false
      let errno = 0
      let next: (state: LinkState) => void
      const state = (): Promise<LinkState> => new Promise((resolve) => (next = resolve))
      const real = loadLibc()
      const libc: Libc = {
        ...withLink(real, () => link),
        bind(_fd, address) {
          const index = address.readInt32LE(4)
          bound.push(index)
          errno = index === 6 ? ENODEV : 0
          return errno === 0 ? 0 : -1
        },
        recvmmsg(...args) {
          errno = down ? ENETDOWN : 0
          down = false
          return errno === 0 ? real.recvmmsg(...args) : -1
        },
        errno: () => errno || real.errno(),
      }
      const onLink = (now: LinkState): void => {
        told.push(now)
        next(now)
      }
      let said = state()
      link = { index: 5, isUp: false }
      down = true
      const socket = open({ onPacket: () => undefined }, { onLink }, { libc, lookMs: 1 })
      expect(await said).toBe('down')
      said = state()
      link = undefined
      expect(await said).toBe('gone')
      said = state()
      // One that is gone again before it can be bound.
      link = { index: 6 }
      while (!bound.includes(6)) await nextTurn()
      link = { index: 7, isUp: false }
      expect(await said).toBe('down')
      said = state()
      link = { index: 7 }
      expect(await said).toBe('up')
      await socket.close()
      expect(told).toEqual(['down', 'gone', 'down', 'up'])
      expect(bound.filter((index, at) => index !== bound[at - 1])).toEqual([5, 6, 7])
    })

    test('stops when the interface comes back as something it cannot read', async () => {
      let link: FakeLink | undefined = { index: 5, isUp: false }
      let down = true
      const real = loadLibc()
      const libc: Libc = {
        ...withLink(real, () => link),
        bind: () => 0,
        recvmmsg: (...args) => (down ? -1 : real.recvmmsg(...args)),
        errno: () => (down ? ENETDOWN : real.errno()),
      }
      const error = await new Promise<Error>((resolve) => {
        const onLink = (): void => {
          down = false
          link = { index: 6, hardwareType: 32 }
        }
        open({ onPacket: () => undefined }, { onLink, onError: resolve }, { libc, lookMs: 1 })
      })
      expect(error).toBeInstanceOf(OperatorError)
      expect(error.message).toBe(
        'lo is not an Ethernet, loopback or IP tunnel interface (hardware type 32): give one that is',
      )
    })

    test.each([
      [65_534, 101],
      [776, 101],
      [1, 1],
      [772, 1],
    ])('reads hardware type %i as link type %i', (hardwareType, linkType) => {
      const libc = withLink(loadLibc(), () => ({ index: 1, hardwareType }))
      expect(open({ onPacket: () => undefined }, {}, { libc }).linkType).toBe(linkType)
    })

    test.each([
      {
        name: 'an interface there is not',
        interfaceName: 'nowhere0',
        message: /^there is no interface "nowhere0": give one of .*\blo\b/,
      },
      {
        name: 'a name no interface can have',
        interfaceName: 'a-name-that-is-too-long',
        message: /^there is no interface/,
      },
      { name: 'an empty name', interfaceName: '', message: /^there is no interface ""/ },
    ])('refuses $name in one line', ({ interfaceName, message }) => {
      const opening = (): PacketSocket => open({ onPacket: () => undefined }, { interfaceName })
      expect(opening).toThrow(OperatorError)
      expect(opening).toThrow(message)
    })

    test('says what is needed without CAP_NET_RAW', () => {
      const libc: Libc = { ...loadLibc(), socket: () => -1, errno: () => EPERM }
      const opening = (): PacketSocket => open({ onPacket: () => undefined }, {}, { libc })
      expect(opening).toThrow(OperatorError)
      expect(opening).toThrow(/^no permission to read lo: run as root or with CAP_NET_RAW$/)
    })

    test('reports an error that stays, once, and stops', async () => {
      const real = loadLibc()
      const errors: Error[] = []
      const libc: Libc = { ...real, recvmmsg: () => -1, errno: () => ENODEV }
      await new Promise<void>((resolve) => {
        const onError = (error: Error): void => {
          errors.push(error)
          resolve()
        }
        open({ onPacket: () => undefined }, { onError }, { libc })
      })
      expect(errors).toMatchObject([{ code: 'ENODEV', syscall: 'recvmmsg' }])
    })
  },
)

describe('PacketSocket elsewhere', () => {
  afterEach(() => {
    vi.doUnmock('node:process')
    vi.doUnmock('node:module')
    vi.resetModules()
  })

  test.each([
    ['darwin', /^reading an interface works on Linux x64 and arm64 only, this is darwin arm64$/],
    [
      'linux',
      /^reading an interface needs the package koffi, which is not installed: run "npm install koffi"$/,
    ],
  ])('says in one line what to do: %s without koffi', async (platform, message) => {
    vi.resetModules()
    vi.doMock('node:process', () => ({ platform, arch: 'arm64' }))
    vi.doMock('node:module', () => ({
      createRequire: () => () => {
        throw Object.assign(new Error('x'), { code: 'MODULE_NOT_FOUND' })
      },
    }))
    const elsewhere = await import('../../../src/source/interface/packet-socket.js')
    const opening = (): unknown =>
      new elsewhere.PacketSocket({
        interfaceName: 'lo',
        receiveBufferBytes: 1 << 20,
        onPacket: () => undefined,
        onLink: () => undefined,
        onError: () => undefined,
      })
    expect(opening).toThrow(message)
  })
})
