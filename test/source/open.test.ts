import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { openOuterSockets, type SendHow } from '../../src/source/open.js'
import { OUTER_SOCKETS, type OuterSockets } from '../../src/source/outer-sockets.js'
import { loadLibc } from '../../src/sys/libc.js'
import { UdpTarget } from '../support/udp-target.js'

function hasKoffi(): boolean {
  try {
    loadLibc()
    return true
  } catch {
    return false
  }
}

/** Sends `bytes` from the socket of `flow` as soon as there is room. */
async function send(sockets: OuterSockets, bytes: Buffer, flow = 0): Promise<void> {
  await sockets.room()
  sockets.send(bytes, 0, bytes.length, flow, bytes.length)
}

function failures(sockets: OuterSockets): number {
  return [...sockets.notSent.values()].reduce((sum, count) => sum + count, 0)
}

const WAYS: readonly { how: SendHow; turn: number; missing: boolean }[] = [
  { how: 'singly', turn: 64, missing: false },
  { how: 'batches', turn: 512, missing: !hasKoffi() },
]

for (const { how, turn, missing } of WAYS) {
  const needs = missing ? ' (needs Linux and koffi)' : ''
  describe.skipIf(missing)(`openOuterSockets ${how}${needs}`, () => {
    test.each([
      { type: 'udp4', host: '127.0.0.1' },
      { type: 'udp6', host: '::1' },
    ] as const)(
      'sends from sixteen ports, chosen by the flow, over $type',
      async ({ type, host }) => {
        const target = await UdpTarget.open(type)
        const sockets = await openOuterSockets(host, target.port, how)
        const { ports } = sockets
        for (let flow = 0; flow < 40; flow++) await send(sockets, Buffer.of(flow), flow)
        await sockets.settled()
        await target.received(40)
        sockets.close()
        await target.close()

        expect(new Set(ports).size).toBe(OUTER_SOCKETS)
        for (const { payload, port } of target.datagrams) {
          expect(port).toBe(ports[payload[0]! % OUTER_SOCKETS])
        }
        expect([sockets.sent, sockets.octets, sockets.notSent.size]).toEqual([40, 40, 0])
        expect(sockets.target).toEqual({ host, port: sockets.target.port })
        expect(sockets.localHost).toBe(host)
      },
    )

    test('keeps the order of a flow', async () => {
      const target = await UdpTarget.open()
      const sockets = await openOuterSockets('127.0.0.1', target.port, how)
      for (let id = 0; id < 200; id++) await send(sockets, Buffer.of(id >>> 8, id), 7)
      await sockets.settled()
      await target.received(200)
      sockets.close()
      await target.close()
      expect(target.datagrams.map(({ payload }) => payload.readUInt16BE())).toEqual(
        Array.from({ length: 200 }, (_, id) => id),
      )
    })

    test('sends the bytes it is shown and no others', async () => {
      const target = await UdpTarget.open()
      const sockets = await openOuterSockets('127.0.0.1', target.port, how)
      // One that lies at the end of shared memory, and one in memory of its own.
      const shared = Buffer.from('abcdefgh')
      const own = Buffer.alloc(100_000)
      own.write('ijkl', 99_996)
      sockets.send(shared, 2, 6, 0, 0)
      sockets.send(own, 99_996, 100_000, 0, 1)
      sockets.send(shared, 8, 8, 0, 2)
      await sockets.settled()
      await target.received(3)
      sockets.close()
      await target.close()
      expect(target.datagrams.map(({ payload }) => payload.toString())).toEqual([
        'cdef',
        'ijkl',
        '',
      ])
    })

    test('sends what was given to it before it gives way to others', async () => {
      const target = await UdpTarget.open()
      const sockets = await openOuterSockets('127.0.0.1', target.port, how)
      sockets.send(Buffer.from('one'), 0, 3, 0, 0)
      await target.received(1)
      sockets.send(Buffer.from('two'), 0, 3, 0, 1)
      await target.received(2)
      await sockets.settled()
      sockets.close()
      await target.close()
      expect(sockets.sent).toBe(2)
    })

    test('holds few datagrams at a time and lets other work happen', async () => {
      const target = await UdpTarget.open()
      const sockets = await openOuterSockets('127.0.0.1', target.port, how)
      let turns = 0
      const next = () => {
        turns++
        ticking = setImmediate(next)
      }
      let ticking = setImmediate(next)
      let waited = 0
      for (let count = 0; count < 4000; count++) {
        const room = sockets.room()
        if (room !== undefined) {
          waited++
          await room
        }
        sockets.send(Buffer.of(1), 0, 1, count, count)
      }
      await sockets.settled()
      clearImmediate(ticking)
      sockets.close()
      await target.close()
      expect(waited).toBeGreaterThanOrEqual(Math.floor(4000 / turn) - 1)
      expect(turns).toBeGreaterThanOrEqual(waited - 1)
      expect(sockets.sent).toBe(4000)
      expect(sockets.settled()).toBeUndefined()
    })

    test('counts datagrams that are too long for UDP', async () => {
      const target = await UdpTarget.open()
      const sockets = await openOuterSockets('127.0.0.1', target.port, how)
      await send(sockets, Buffer.alloc(1))
      await send(sockets, Buffer.alloc(65_508))
      await send(sockets, Buffer.alloc(65_507))
      await send(sockets, Buffer.alloc(100_000))
      await sockets.settled()
      sockets.close()
      await target.close()
      expect([...sockets.notSent]).toEqual([['EMSGSIZE', 2]])
      // They are called by their lengths.
      expect(sockets.lost).toEqual([65_508, 100_000])
      expect([sockets.sent, sockets.octets]).toEqual([2, 65_508])
    })

    test.each([
      { type: 'udp4', host: '127.0.0.1' },
      { type: 'udp6', host: '::1' },
    ] as const)(
      'counts refusals of a target that is not there, and goes on, over $type',
      async ({ type, host }) => {
        const target = await UdpTarget.open(type)
        const { port } = target
        await target.close()
        const sockets = await openOuterSockets(host, port, how)
        for (let count = 0; count < 20; count++) {
          await send(sockets, Buffer.of(1))
          await sockets.settled()
        }
        sockets.close()
        expect(sockets.notSent.get('ECONNREFUSED')).toBeGreaterThan(how === 'batches' ? 4 : 0)
        expect(sockets.sent + failures(sockets)).toBe(20)
      },
    )

    test('opens a target to which there is no way yet, and counts what is sent there', async () => {
      // Of a block for documentation: most hosts have no route to it, and nobody answers.
      const sockets = await openOuterSockets('2001:db8::1', 4789, how)
      for (let count = 0; count < 3; count++) await send(sockets, Buffer.of(1))
      await sockets.settled()
      sockets.close()
      expect(sockets.sent + failures(sockets)).toBe(3)
      expect(sockets.lost).toHaveLength(failures(sockets))
    })

    test('says so when there is no way to the target', async () => {
      const opening = openOuterSockets('255.255.255.255', 4789, how)
      await expect(opening).rejects.toThrow(OperatorError)
      await expect(opening).rejects.toThrow(
        /^cannot send to 255\.255\.255\.255 port 4789 \(EACCES\); check the address/,
      )
    })
  })
}

describe('openOuterSockets', () => {
  test('says so when a name is unknown', async () => {
    const opening = openOuterSockets('no-such-host.invalid', 4789)
    await expect(opening).rejects.toThrow(OperatorError)
    await expect(opening).rejects.toThrow(/^cannot resolve no-such-host\.invalid \(E\w+\); give/)
  })
})
