import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BatchSockets, type BatchSocketsParts } from '../../src/source/batch-sockets.js'
import { PacketSocket } from '../../src/source/interface/packet-socket.js'
import { OUTER_SOCKETS } from '../../src/source/outer-sockets.js'
import { type Libc, loadLibc } from '../../src/sys/libc.js'
import { whyNoPacketSockets } from '../support/packet-sockets.js'
import { Random } from '../support/random.js'
import { UdpTarget } from '../support/udp-target.js'

function koffiHere(): Libc | undefined {
  try {
    return loadLibc()
  } catch {
    return undefined
  }
}

const here = koffiHere()
const sniffs = whyNoPacketSockets() === undefined
const EAGAIN = 11
const EINTR = 4
const EPERM = 1
const ENOBUFS = 105
const ECONNREFUSED = 111
const EHOSTUNREACH = 113

describe.skipIf(here === undefined)(
  `BatchSockets${here === undefined ? ' (needs Linux and koffi)' : ''}`,
  () => {
    let target: UdpTarget
    const opened: BatchSockets[] = []
    beforeEach(async () => {
      target = await UdpTarget.open()
    })
    afterEach(async () => {
      for (const sockets of opened.splice(0)) sockets.close()
      await target.close()
    })

    /** The real calls, but that `answer` may answer in place of sendmmsg and of reading the error queue. */
    function open(answer: Partial<Answers> = {}, parts: BatchSocketsParts = {}): BatchSockets {
      const libc = here!
      let errno = 0
      const memories = new Map<bigint, Buffer>()
      const sockets = new BatchSockets(
        {
          ...libc,
          sendmmsg(fd, messages, count, flags) {
            const told = answer.sendmmsg?.(count)
            errno = told !== undefined && told < 0 ? -told : 0
            if (errno !== 0) return -1
            return libc.sendmmsg(fd, messages, told ?? count, flags)
          },
          recvmmsg(fd, messages, count, flags, timeout) {
            const errors = answer.errors?.splice(0)
            if (errors === undefined) return libc.recvmmsg(fd, messages, count, flags, timeout)
            const controls = memories.get(messages.readBigUInt64LE(32))!
            for (const [slot, { errno, origin }] of errors.entries()) {
              controls.writeUInt32LE(errno, slot * 64 + 16)
              controls[slot * 64 + 20] = origin
            }
            return errors.length
          },
          addressOf(memory) {
            const address = libc.addressOf(memory)
            memories.set(address, memory)
            return address
          },
          errno: () => errno || libc.errno(),
        },
        '127.0.0.1',
        target.port,
        parts,
      )
      opened.push(sockets)
      return sockets
    }
    interface Answers {
      /** How many to let through; negative: the errno to fail with; undefined: as it is. */
      sendmmsg: (count: number) => number | undefined
      errors: { errno: number; origin: number }[]
    }

    async function sendAll(sockets: BatchSockets, count: number, flow?: number): Promise<void> {
      for (let id = 0; id < count; id++) {
        // To await nothing would give way, and send.
        const room = sockets.room()
        if (room !== undefined) await room
        sockets.send(Buffer.of(id >>> 8, id), 0, 2, flow ?? id, id)
      }
      await sockets.settled()
    }

    test('leaves, for 64 datagrams, in one call a socket', () => {
      const calls: number[] = []
      const sockets = open({
        sendmmsg(count) {
          calls.push(count)
          return undefined
        },
      })
      for (let id = 0; id < 63; id++) sockets.send(Buffer.of(id), 0, 1, id, id)
      expect(calls).toEqual([])
      sockets.send(Buffer.of(63), 0, 1, 63, 63)
      expect(calls).toEqual(new Array(OUTER_SOCKETS).fill(4))
      expect([sockets.sent, sockets.octets]).toEqual([64, 64])
    })

    test('waits for a full socket, then sends the rest in order', async () => {
      let full = 5
      const sockets = open({
        sendmmsg: (count) => (count > 1 ? 1 : full-- > 0 ? -EAGAIN : undefined),
      })
      await sendAll(sockets, 100, 3)
      await target.received(100)
      expect(target.datagrams.map(({ payload }) => payload[1])).toEqual(
        Array.from({ length: 100 }, (_, id) => id),
      )
      expect([sockets.sent, sockets.notSent.size]).toEqual([100, 0])
    })

    test('gives up what a stuck socket does not take, and says EAGAIN', async () => {
      let stuck = true
      const sockets = open({ sendmmsg: () => (stuck ? -EAGAIN : undefined) }, { stuckMs: 1 })
      await sendAll(sockets, 100, 3)
      expect([sockets.sent, ...sockets.notSent]).toEqual([0, ['EAGAIN', 100]])
      expect(sockets.lost.splice(0)).toEqual(Array.from({ length: 100 }, (_, id) => id))
      stuck = false
      await sendAll(sockets, 10)
      expect([sockets.sent, ...sockets.notSent]).toEqual([10, ['EAGAIN', 100]])
    })

    test('loses what is given to it while it has no room', async () => {
      let stuck = true
      const sockets = open({ sendmmsg: () => (stuck ? -EAGAIN : undefined) })
      for (let id = 0; id < 100; id++) sockets.send(Buffer.of(id), 0, 1, 3, id)
      expect(sockets.room()).toBeInstanceOf(Promise)
      stuck = false
      await sockets.settled()
      expect([sockets.sent, ...sockets.notSent]).toEqual([64, ['EAGAIN', 36]])
      expect(sockets.lost).toEqual(Array.from({ length: 36 }, (_, at) => 64 + at))
    })

    test.each([
      ['EPERM', EPERM],
      ['ENOBUFS', ENOBUFS],
      ['EHOSTUNREACH', EHOSTUNREACH],
    ])('counts %s of one datagram and sends those around it', async (code, errno) => {
      let call = 0
      const sockets = open({
        // Takes three, fails with the fourth.
        sendmmsg: (count) => [Math.min(count, 3), -errno][call++],
      })
      await sendAll(sockets, 50, 3)
      await target.received(49)
      expect([sockets.sent, ...sockets.notSent]).toEqual([49, [code, 1]])
      expect(sockets.lost).toEqual([3])
      expect(target.datagrams.map(({ payload }) => payload[1])).not.toContain(3)
    })

    test('tries again when a signal came', async () => {
      let call = 0
      const sockets = open({ sendmmsg: () => [-EINTR, -EINTR][call++] })
      await sendAll(sockets, 5)
      expect([sockets.sent, sockets.notSent.size]).toEqual([5, 0])
    })

    test('takes back from what was sent what ICMP says was not delivered', async () => {
      const errors: Answers['errors'] = []
      let call = 0
      const sockets = open({
        errors,
        sendmmsg() {
          if (call++ !== 1) return undefined
          errors.push({ errno: ECONNREFUSED, origin: 2 }, { errno: EHOSTUNREACH, origin: 3 })
          // What our own host says it has said already.
          errors.push({ errno: ENOBUFS, origin: 1 })
          return -ECONNREFUSED
        },
      })
      await sendAll(sockets, 10, 3)
      await sendAll(sockets, 10, 3)
      await target.received(20)
      expect([sockets.sent, ...sockets.notSent]).toEqual([
        18,
        ['ECONNREFUSED', 1],
        ['EHOSTUNREACH', 1],
      ])
    })

    test('knows of a refusal before it says that all is settled', async () => {
      const gone = await UdpTarget.open()
      const { port } = gone
      await gone.close()
      let refused = 0
      // The kernel limits how many errors a second it sends, and others have theirs.
      for (let attempt = 0; attempt < 1000 && refused === 0; attempt++) {
        const sockets = new BatchSockets(here!, '127.0.0.1', port)
        await sendAll(sockets, 1)
        sockets.close()
        refused = sockets.notSent.get('ECONNREFUSED') ?? 0
        expect(sockets.sent).toBe(1 - refused)
      }
      expect(refused).toBe(1)
    })

    test('accounts for all of a burst that is refused', async () => {
      const gone = await UdpTarget.open()
      const { port } = gone
      await gone.close()
      const sockets = new BatchSockets(here!, '127.0.0.1', port)
      opened.push(sockets)
      await sendAll(sockets, 2000, 3)
      const refused = sockets.notSent.get('ECONNREFUSED') ?? 0
      expect(sockets.sent + refused).toBe(2000)
      // Each by its name.
      expect(sockets.lost).toHaveLength(refused)
      expect(new Set(sockets.lost).size).toBe(refused)
    })

    test('finds datagrams wherever memory is (seed 1)', async () => {
      const random = new Random(1)
      const sockets = open()
      const sent: string[] = []
      for (let id = 0; id < 200; id++) {
        const memory = random.pick([
          () => Buffer.from(random.bytes(100)),
          () => Buffer.allocUnsafe(50),
          () => Buffer.alloc(300_000, id),
        ])()
        const start = random.below(memory.length)
        const end = start + random.below(Math.min(1000, memory.length - start + 1))
        await sockets.room()
        sockets.send(memory, start, end, 3, id)
        sent.push(memory.toString('hex', start, end))
        await sockets.settled()
        await target.received(id + 1)
      }
      expect(target.datagrams.map(({ payload }) => payload.toString('hex'))).toEqual(sent)
    })

    test.skipIf(!sniffs)(
      `sends as AWS does: no checksum, TTL 255, no DF, ports from 65408 up${sniffs ? '' : ' (needs CAP_NET_RAW)'}`,
      async () => {
        const seen: Buffer[] = []
        let arrived: () => void
        const all = new Promise<void>((resolve) => {
          arrived = resolve
        })
        const watch = new PacketSocket({
          interfaceName: 'lo',
          receiveBufferBytes: 8 << 20,
          onPacket({ bytes, start, end }) {
            const frame = Buffer.from(bytes.subarray(start, end))
            if (frame.readUInt16BE(36) !== target.port || frame[23] !== 17) return
            if (seen.push(frame) === 32) arrived()
          },
          onLink: () => undefined,
          onError: () => undefined,
        })
        const sockets = open()
        await sendAll(sockets, 32)
        await all
        await watch.close()
        for (const frame of seen) {
          expect(frame[22]).toBe(255)
          expect(frame.readUInt16BE(20)).toBe(0)
          expect(frame.readUInt16BE(40)).toBe(0)
        }
        const ports = [...new Set(seen.map((frame) => frame.readUInt16BE(34)))].sort()
        expect(ports).toEqual([...sockets.ports].sort())
        expect(Math.min(...ports)).toBeGreaterThanOrEqual(0xff80)
      },
    )

    test('finds ports where others have taken theirs', () => {
      const all = [open(), open(), open()].flatMap(({ ports }) => ports)
      expect(new Set(all).size).toBe(3 * OUTER_SOCKETS)
    })

    test('lets go of its sockets', () => {
      // Or the 128 ports of its own would not last.
      for (let round = 0; round < 20; round++) {
        const sockets = open()
        expect(Math.min(...sockets.ports)).toBeGreaterThanOrEqual(0xff80)
        sockets.close()
        sockets.close()
      }
    })
  },
)
