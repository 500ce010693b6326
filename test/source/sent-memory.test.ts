import { describe, expect, test } from 'vitest'
import { Gateway } from '../../src/source/gateway.js'
import { printOf, QUOTE_LEN, SentMemory } from '../../src/source/sent-memory.js'
import { ethernet, tcp4, tcp6, udp4, vxlan } from '../support/frames.js'
import { Random } from '../support/random.js'

const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }
const FLOW6 = { src: '2001:db8::1', dst: '2001:db8::2', sport: 1234, dport: 80 }
const BACK = { src: FLOW.dst, dst: FLOW.src, sport: FLOW.dport, dport: FLOW.sport }
const payload = Buffer.alloc(100, 7)

/** As it leaves behind a gateway. */
function wrapped(datagram: Buffer): Buffer {
  let left: Buffer | undefined
  const outlet = {
    sent: 0,
    octets: 0,
    notSent: new Map<string, number>(),
    lost: [],
    send: (bytes: Buffer, start: number, end: number) => {
      left = Buffer.from(bytes.subarray(start, end))
    },
    room: () => undefined,
    settled: () => undefined,
    close: () => undefined,
  }
  const ends = { source: '10.0.1.20', endpoint: '10.0.9.9' }
  new Gateway(outlet, ends).send(datagram, 0, datagram.length, 5, 0)
  return left!
}

/** That differ in one thing alone. */
const DATAGRAMS = [
  { name: 'a VNI', vni: 1, frame: ethernet(tcp4({ ...FLOW, payload })) },
  { name: 'another VNI', vni: 2, frame: ethernet(tcp4({ ...FLOW, payload })) },
  { name: 'another identification', vni: 1, frame: ethernet(tcp4({ ...FLOW, id: 9, payload })) },
  { name: 'the other direction', vni: 1, frame: ethernet(tcp4({ ...BACK, payload })) },
  {
    name: 'another length',
    vni: 1,
    frame: ethernet(tcp4({ ...FLOW, payload: payload.subarray(1) })),
  },
  { name: 'UDP', vni: 1, frame: ethernet(udp4({ ...FLOW, payload })) },
  { name: 'IPv6', vni: 1, frame: ethernet(tcp6({ ...FLOW6, payload }), { type: 0x86dd }) },
  {
    name: 'IPv6 back',
    vni: 1,
    frame: ethernet(tcp6({ ...FLOW6, sport: 80, dport: 1234, payload }), { type: 0x86dd }),
  },
  { name: 'a cut frame', vni: 1, frame: ethernet(tcp4({ ...FLOW, payload })).subarray(0, 30) },
  {
    name: 'another cut frame',
    vni: 1,
    frame: ethernet(tcp4({ ...FLOW, id: 9, payload })).subarray(0, 30),
  },
].map(({ name, vni, frame }) => ({ name, datagram: vxlan(vni, frame) }))

describe('printOf', () => {
  test.each([
    { how: 'as VXLAN', of: (datagram: Buffer) => datagram },
    { how: 'behind a gateway', of: wrapped },
  ])('tells datagrams apart, $how', ({ of }) => {
    const prints = new Map<number, string>()
    for (const { name, datagram } of DATAGRAMS) {
      const bytes = of(datagram)
      const print = printOf(bytes, 0, bytes.length)
      expect(prints.get(print), name).toBeUndefined()
      prints.set(print, name)
    }
  })

  test('is that of a quote of QUOTE_LEN bytes, wherever it lies (seed 1)', () => {
    const random = new Random(1)
    for (let length = 0; length < 300; length++) {
      const datagram = Buffer.from(random.bytes(length))
      const print = printOf(datagram, 0, length)
      const quoted = Math.min(length, QUOTE_LEN)
      const dirty = Buffer.concat([random.bytes(3), datagram.subarray(0, quoted), random.bytes(5)])
      expect(printOf(dirty, 3, 3 + quoted), `${length}`).toBe(print)
    }
  })
})

describe('SentMemory', () => {
  test('names each datagram once, the oldest first of those that look alike', () => {
    const memory = new SentMemory()
    for (const [print, tag] of [
      [7, 1],
      [8, 2],
      [7, 3],
    ] as const)
      memory.remember(print, tag)
    expect([7, 7, 7, 8, 9].map((print) => memory.recall(print))).toEqual([
      1,
      3,
      undefined,
      2,
      undefined,
    ])
  })

  test('knows the last 256', () => {
    const memory = new SentMemory()
    for (let tag = 0; tag < 1000; tag++) memory.remember(tag, tag)
    expect([743, 744, 999, 0].map((print) => memory.recall(print))).toEqual([
      undefined,
      744,
      999,
      undefined,
    ])
  })
})
