import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MirrorCounters } from '../../src/mirror/mirror-counters.js'
import { openOuterSockets } from '../../src/source/open.js'
import type { OuterSockets } from '../../src/source/outer-sockets.js'
import type { Outlet } from '../../src/source/outlet.js'
import { type Clock, Pace, type Speed } from '../../src/source/pace.js'
import { Route } from '../../src/source/route.js'
import { VxlanSender } from '../../src/source/vxlan-sender.js'
import { EGRESS, Frame, INGRESS } from '../../src/wire/frame.js'
import { Packet } from '../../src/wire/packet.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
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
  sockets = await openOuterSockets('127.0.0.1', target.port)
  stop = new AbortController()
})

afterEach(async () => {
  sockets.close()
  await target.close()
})

/** A sender and the route of one session. */
interface Rig {
  sender: VxlanSender
  route: Route
}

function rigOf(
  packetLength = Number.POSITIVE_INFINITY,
  speed: Speed = { kind: 'max' },
  clock = stuckClock,
): Rig {
  const counters = new MirrorCounters()
  return {
    sender: new VxlanSender(new Pace(speed, clock), stop.signal),
    route: new Route({ vni: 0xab_cdef, packetLength, outlet: sockets, counters }),
  }
}

function take({ sender, route }: Rig, packet: Packet, direction: 0 | 1 = EGRESS): void {
  const frame = new Frame()
  const { bytes, start, end, linkType, originalLength } = packet
  parseFrame(bytes, start, end, linkType, originalLength, frame)
  frame.direction = direction
  sender.take(packet, frame, route)
}

/** What the target got for these packets. */
async function mirrored(rig: Rig, packets: readonly Packet[]): Promise<Buffer[]> {
  for (const packet of packets) {
    take(rig, packet)
    // The reader overwrites its memory as soon as it has handed it over.
    packet.bytes.fill(0xee)
  }
  expect(await rig.sender.drain()).toBe(true)
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
    const rig = rigOf()
    const datagrams = await mirrored(
      rig,
      frames.map((frame) => packetOf(frame)),
    )
    // Those of different flows may change places.
    const expected = frames.map((frame) => vxlan(0xab_cdef, frame))
    expect(datagrams.map(String).sort()).toEqual(expected.map(String).sort())
    expect([rig.route.packets, rig.route.cut, sockets.sent]).toEqual([3, 0, 3])
  })

  test.each([1, 13, 14, 40, 41, 42, 8500])('keeps %i bytes behind the header', async (length) => {
    const frame = ethernet(udp4(FLOW))
    const rig = rigOf(length)
    const [datagram] = await mirrored(rig, [packetOf(frame)])
    expect(datagram).toEqual(vxlan(0xab_cdef, frame.subarray(0, length)))
    expect(rig.route.cut).toBe(length < frame.length ? 1 : 0)
  })

  test.each([
    { name: 'raw', linkType: 101, head: hex`` },
    { name: 'NULL', linkType: 0, head: hex`02000000` },
    { name: 'cooked', linkType: 113, head: hex`0000 0001 0006 0200000000aa 0000 0800` },
  ])('gives a packet from a $name capture an Ethernet header', async ({ linkType, head }) => {
    const packet = tcp4(FLOW)
    const made = hex`020000000002 020000000001 0800`
    const bytes = Buffer.concat([head, packet])
    expect(await mirrored(rigOf(), [packetOf(bytes, linkType)])).toEqual([
      vxlan(0xab_cdef, Buffer.concat([made, packet])),
    ])
  })

  test('counts the made header towards the packet length, even where it is cut itself', async () => {
    for (const length of [1, 13, 14, 15, 53, 54, 55]) {
      const whole = Buffer.concat([hex`020000000002 020000000001 86dd`, udp6(FLOW6)])
      const rig = rigOf(length)
      await mirrored(rig, [packetOf(udp6(FLOW6), 101), packetOf(udp6(FLOW6), 101)])
      const sent = target.datagrams.splice(0).map(({ payload }) => payload)
      Object.assign(sockets, { sent: 0 })
      expect(sent[0], `${length}`).toEqual(vxlan(0xab_cdef, whole.subarray(0, length)))
      expect(sent[1], `${length}`).toEqual(sent[0])
      expect(rig.route.cut).toBe(2)
    }
  })

  test('leaves out packets that have no Ethernet header and no IP', async () => {
    const arp = hex`0000 0001 0006 0200000000aa 0000 0806`
    const rig = rigOf()
    const packets = [packetOf(arp, 113), packetOf(hex`00`, 105), packetOf(udp4(FLOW), 101)]
    expect(await mirrored(rig, packets)).toHaveLength(1)
    expect([...rig.sender.unsent]).toEqual([['not-ethernet', 2]])
    expect(rig.route.packets).toBe(1)
  })

  test('sends frames it cannot understand as they are', async () => {
    const frames = [Buffer.alloc(0), hex`01`, ethernet(hex`45`), ethernet(hex`ff`)]
    const datagrams = await mirrored(
      rigOf(),
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
      rigOf(),
      frames.map((frame) => packetOf(frame)),
    )
    expect(new Set(target.datagrams.map(({ port }) => port)).size).toBe(1)
    expect(datagrams).toEqual(frames.map((frame) => vxlan(0xab_cdef, frame)))
  })

  test('holds a batch of any size and can be used again', async () => {
    const frame = ethernet(udp4({ ...FLOW, payload: Buffer.alloc(9000, 7) }))
    const rig = rigOf()
    for (let batch = 0; batch < 2; batch++) {
      // Two mebibytes, so the batch grows; what loopback drops is not the sender's.
      for (let count = 0; count < 230; count++) take(rig, packetOf(frame))
      expect(await rig.sender.drain()).toBe(true)
    }
    await target.received(1)
    expect(target.datagrams.every(({ payload }) => payload.equals(vxlan(0xab_cdef, frame)))).toBe(
      true,
    )
    expect([rig.route.packets, sockets.sent]).toEqual([460, 460])
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
    const rig = rigOf(undefined, { kind: 'original', factor: 1 }, clock)
    for (const seconds of [100, 100, 200, 300]) {
      take(rig, packetOf(ethernet(udp4(FLOW)), 1, seconds))
    }
    const draining = rig.sender.drain()
    await sleeping
    stop.abort()
    expect(await rig.sender.drain()).toBe(false)
    expect(await draining).toBe(false)
    expect(sockets.sent).toBe(2)
    expect([...rig.sender.unsent]).toEqual([['interrupted', 2]])
  })

  test('counts what an outlet did not send as skipped, each by its own direction', async () => {
    const lost: number[] = []
    const tags: number[] = []
    const outlet: Outlet = {
      sent: 0,
      octets: 0,
      notSent: new Map(),
      lost,
      send: (_bytes, _start, _end, _flow, tag) => void tags.push(tag),
      room: () => undefined,
      settled: () => undefined,
      close: () => undefined,
    }
    const { sender, route: base } = rigOf()
    const routes = [base, base].map((of) => new Route({ ...of, outlet }))
    const frames = [ethernet(udp4(FLOW)), ethernet(tcp4(FLOW))]
    const [short, long] = frames.map(({ length }) => length) as [number, number]
    const batch = async (...kinds: [which: 0 | 1, direction: 0 | 1][]): Promise<void> => {
      for (const [which, direction] of kinds) {
        take({ sender, route: routes[which]! }, packetOf(frames[which]!), direction)
      }
      await sender.drain()
    }
    await batch([0, INGRESS], [1, EGRESS], [0, EGRESS])
    expect(tags).toEqual([0, 1, 2])
    // One of its own batch, two that come back from the one before, one of long ago.
    lost.push(3, 1, 2, 1)
    await batch([0, INGRESS], [1, INGRESS])
    expect(lost).toEqual([])
    lost.push(-7)
    await batch()
    expect(routes.map(({ packets, sent }) => [packets, sent])).toEqual([
      [3, 1],
      [2, 1],
    ])
    expect(base.counters.metrics()).toEqual({
      NetworkMirrorIn: short + long,
      NetworkMirrorOut: 0,
      NetworkPacketsMirrorIn: 2,
      NetworkPacketsMirrorOut: 0,
      NetworkSkipMirrorIn: short,
      NetworkSkipMirrorOut: short + long,
      NetworkPacketsSkipMirrorIn: 1,
      NetworkPacketsSkipMirrorOut: 2,
    })
  })

  test('counts frames at the length they had on the wire', async () => {
    const rig = rigOf(20)
    const packet = packetOf(ethernet(udp4(FLOW)))
    packet.originalLength = 1500
    take(rig, packet, INGRESS)
    await rig.sender.drain()
    expect(rig.route.counters.metrics()).toMatchObject({
      NetworkMirrorIn: 1500,
      NetworkPacketsMirrorIn: 1,
      NetworkPacketsMirrorOut: 0,
    })
  })
})
