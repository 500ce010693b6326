import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OuterSockets } from '../../src/send/outer-sockets.js'
import { type Clock, Pace, type Speed } from '../../src/send/pace.js'
import { VxlanSender } from '../../src/send/vxlan-sender.js'
import { Packet } from '../../src/wire/packet.js'
import { ethernet, tcp4, udp4, udp6, vxlan } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { UdpTarget } from '../support/udp-target.js'

const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }
const FLOW6 = { src: '2001:db8::1', dst: '2001:db8::2', sport: 1234, dport: 80 }

/** A packet lying somewhere in the middle of memory that is not its own. */
function packetOf(frame: Buffer, linkType = 1, seconds = 0): Packet {
  const bytes = Buffer.concat([hex`a5a5a5`, frame, hex`a5`])
  const [start, end] = [3, 3 + frame.length]
  const originalLength = frame.length
  return Object.assign(new Packet(), { bytes, start, end, seconds, linkType, originalLength })
}

const stuckClock: Clock = {
  now: () => 0,
  sleep: () => new Promise(() => undefined),
  turn: async () => undefined,
  stopped: () => false,
}

let target: UdpTarget
let sockets: OuterSockets
let stop: AbortController

beforeEach(async () => {
  target = await UdpTarget.open()
  sockets = await OuterSockets.open('127.0.0.1', target.port)
  stop = new AbortController()
})

afterEach(async () => {
  sockets.close()
  await target.close()
})

function senderOf(
  packetLength?: number,
  speed: Speed = { kind: 'max' },
  clock = stuckClock,
): VxlanSender {
  const options = { vni: 0xab_cdef, packetLength, signal: stop.signal }
  return new VxlanSender(sockets, new Pace(speed, clock), options)
}

/** What the target got for these packets. */
async function mirrored(sender: VxlanSender, packets: readonly Packet[]): Promise<Buffer[]> {
  for (const packet of packets) {
    sender.take(packet)
    // The reader overwrites its memory as soon as it has handed it over.
    packet.bytes.fill(0xee)
  }
  expect(await sender.drain()).toBe(true)
  await target.received(sockets.sent)
  return target.datagrams.map(({ payload }) => payload)
}

describe('VxlanSender', () => {
  test('sends each frame behind a VXLAN header', async () => {
    const frames = [
      ethernet(udp4(FLOW)),
      ethernet(udp6(FLOW6)),
      ethernet(hex`00`, { type: 0x0806 }),
    ]
    const sender = senderOf()
    const datagrams = await mirrored(
      sender,
      frames.map((frame) => packetOf(frame)),
    )
    expect(datagrams).toEqual(frames.map((frame) => vxlan(0xab_cdef, frame)))
    expect([sender.packets, sender.cut, sockets.sent]).toEqual([3, 0, 3])
  })

  test.each([1, 13, 14, 40, 41, 42, 8500])('keeps %i octets behind the header', async (length) => {
    const frame = ethernet(udp4(FLOW))
    const sender = senderOf(length)
    const [datagram] = await mirrored(sender, [packetOf(frame)])
    expect(datagram).toEqual(vxlan(0xab_cdef, frame.subarray(0, length)))
    expect(sender.cut).toBe(length < frame.length ? 1 : 0)
  })

  test.each([
    { name: 'raw', linkType: 101, head: hex`` },
    { name: 'NULL', linkType: 0, head: hex`02000000` },
    { name: 'cooked', linkType: 113, head: hex`0000 0001 0006 0200000000aa 0000 0800` },
  ])('gives a packet from a $name capture an Ethernet header', async ({ linkType, head }) => {
    const packet = tcp4(FLOW)
    const made = hex`020000000002 020000000001 0800`
    const bytes = Buffer.concat([head, packet])
    expect(await mirrored(senderOf(), [packetOf(bytes, linkType)])).toEqual([
      vxlan(0xab_cdef, Buffer.concat([made, packet])),
    ])
  })

  test('counts the made header towards the packet length, even where it is cut itself', async () => {
    for (const length of [1, 13, 14, 15, 53, 54, 55]) {
      const whole = Buffer.concat([hex`020000000002 020000000001 86dd`, udp6(FLOW6)])
      const sender = senderOf(length)
      await mirrored(sender, [packetOf(udp6(FLOW6), 101), packetOf(udp6(FLOW6), 101)])
      const sent = target.datagrams.splice(0).map(({ payload }) => payload)
      sockets.sent = 0
      expect(sent[0], `${length}`).toEqual(vxlan(0xab_cdef, whole.subarray(0, length)))
      expect(sent[1], `${length}`).toEqual(sent[0])
      expect(sender.cut).toBe(2)
    }
  })

  test('leaves out packets that have no Ethernet header and no IP', async () => {
    const arp = hex`0000 0001 0006 0200000000aa 0000 0806`
    const sender = senderOf()
    const packets = [packetOf(arp, 113), packetOf(hex`00`, 105), packetOf(udp4(FLOW), 101)]
    expect(await mirrored(sender, packets)).toHaveLength(1)
    expect([...sender.unsent]).toEqual([['not-ethernet', 2]])
    expect(sender.packets).toBe(3)
  })

  test('sends frames it cannot understand as they are', async () => {
    const frames = [Buffer.alloc(0), hex`01`, ethernet(hex`45`), ethernet(hex`ff`)]
    const datagrams = await mirrored(
      senderOf(),
      frames.map((frame) => packetOf(frame)),
    )
    const expected = frames.map((frame) => vxlan(0xab_cdef, frame))
    expect(datagrams.map(String).sort()).toEqual(expected.map(String).sort())
  })

  test('sends both directions of a flow from one port, in order', async () => {
    const back = { src: FLOW.dst, dst: FLOW.src, sport: FLOW.dport, dport: FLOW.sport }
    const frames = Array.from({ length: 20 }, (_, id) =>
      ethernet(tcp4({ ...(id % 2 === 0 ? FLOW : back), id })),
    )
    const datagrams = await mirrored(
      senderOf(),
      frames.map((frame) => packetOf(frame)),
    )
    expect(new Set(target.datagrams.map(({ port }) => port)).size).toBe(1)
    expect(datagrams).toEqual(frames.map((frame) => vxlan(0xab_cdef, frame)))
  })

  test('holds a batch of any size and can be used again', async () => {
    const frame = ethernet(udp4({ ...FLOW, payload: Buffer.alloc(9000, 7) }))
    const sender = senderOf()
    for (let batch = 0; batch < 2; batch++) {
      // Two mebibytes, so the batch grows; what loopback drops is not the sender's.
      for (let count = 0; count < 230; count++) sender.take(packetOf(frame))
      expect(await sender.drain()).toBe(true)
    }
    await target.received(1)
    expect(target.datagrams.every(({ payload }) => payload.equals(vxlan(0xab_cdef, frame)))).toBe(
      true,
    )
    expect([sender.packets, sockets.sent]).toEqual([460, 460])
  })

  test('accounts for what was still to be sent when all is to stop', async () => {
    let asleep = () => {}
    const sleeping = new Promise<void>((resolve) => {
      asleep = resolve
    })
    const clock: Clock = {
      ...stuckClock,
      sleep: () => {
        asleep()
        return new Promise((resolve) => stop.signal.addEventListener('abort', () => resolve()))
      },
      stopped: () => stop.signal.aborted,
    }
    const sender = senderOf(undefined, { kind: 'original', factor: 1 }, clock)
    for (const seconds of [100, 100, 200, 300]) {
      sender.take(packetOf(ethernet(udp4(FLOW)), 1, seconds))
    }
    const draining = sender.drain()
    await sleeping
    stop.abort()
    expect(await sender.drain()).toBe(false)
    expect(await draining).toBe(false)
    expect(sockets.sent).toBe(2)
    expect([...sender.unsent]).toEqual([['interrupted', 2]])
  })
})
