import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { OUTER_SOCKETS, OuterSockets } from '../../src/send/outer-sockets.js'
import { UdpTarget } from '../support/udp-target.js'

/** Sends `bytes` from the socket of `flow` as soon as there is room. */
async function send(sockets: OuterSockets, bytes: Buffer, flow = 0): Promise<void> {
  await sockets.room()
  sockets.send(bytes, 0, bytes.length, flow)
}

function failures(sockets: OuterSockets): number {
  return [...sockets.notSent.values()].reduce((sum, count) => sum + count, 0)
}

describe('OuterSockets', () => {
  test.each([
    { type: 'udp4', host: '127.0.0.1' },
    { type: 'udp6', host: '::1' },
  ] as const)(
    'sends from sixteen ports, chosen by the flow, over $type',
    async ({ type, host }) => {
      const target = await UdpTarget.open(type)
      const sockets = await OuterSockets.open(host, target.port)
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
    },
  )

  test('sends the octets it is shown and no others', async () => {
    const target = await UdpTarget.open()
    const sockets = await OuterSockets.open('127.0.0.1', target.port)
    sockets.send(Buffer.from('abcdefgh'), 2, 6, 0)
    await sockets.settled()
    await target.received(1)
    sockets.close()
    await target.close()
    expect(target.datagrams[0]?.payload.toString()).toBe('cdef')
  })

  test('holds few datagrams at a time and lets other work happen', async () => {
    const target = await UdpTarget.open()
    const sockets = await OuterSockets.open('127.0.0.1', target.port)
    let turns = 0
    const turn = () => {
      turns++
      ticking = setImmediate(turn)
    }
    let ticking = setImmediate(turn)
    let waited = 0
    for (let count = 0; count < 2000; count++) {
      const room = sockets.room()
      if (room !== undefined) {
        waited++
        await room
      }
      sockets.send(Buffer.of(1), 0, 1, count)
    }
    await sockets.settled()
    clearImmediate(ticking)
    sockets.close()
    await target.close()
    expect(waited).toBeGreaterThanOrEqual(2000 / 64 - 1)
    expect(turns).toBeGreaterThanOrEqual(waited)
    expect(sockets.sent).toBe(2000)
    expect(sockets.settled()).toBeUndefined()
  })

  test('counts datagrams that are too long for UDP', async () => {
    const target = await UdpTarget.open()
    const sockets = await OuterSockets.open('127.0.0.1', target.port)
    await send(sockets, Buffer.alloc(65_508))
    await send(sockets, Buffer.alloc(65_507))
    await sockets.settled()
    sockets.close()
    await target.close()
    expect([...sockets.notSent]).toEqual([['EMSGSIZE', 1]])
    expect([sockets.sent, sockets.octets]).toEqual([1, 65_507])
  })

  test('counts refusals of a target that is not there, and goes on', async () => {
    const target = await UdpTarget.open()
    const { port } = target
    await target.close()
    const sockets = await OuterSockets.open('127.0.0.1', port)
    for (let count = 0; count < 20; count++) {
      await send(sockets, Buffer.of(1))
      await sockets.settled()
    }
    sockets.close()
    expect(sockets.notSent.get('ECONNREFUSED')).toBeGreaterThan(0)
    expect(sockets.sent + failures(sockets)).toBe(20)
  })

  test('says so when a name is unknown', async () => {
    const opening = OuterSockets.open('no-such-host.invalid', 4789)
    await expect(opening).rejects.toThrow(OperatorError)
    await expect(opening).rejects.toThrow(/^cannot resolve no-such-host\.invalid \(E\w+\); give/)
  })
})
