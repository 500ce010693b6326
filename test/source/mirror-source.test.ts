import { describe, expect, test } from 'vitest'
import { type EvaluatorOptions, MirrorEvaluator } from '../../src/mirror/evaluator.js'
import { MirrorCounters } from '../../src/mirror/mirror-counters.js'
import { InterfaceMatcher } from '../../src/mirror/packet-direction.js'
import type { MirrorFilter } from '../../src/mirror/resources.js'
import { type MirroredInterface, MirrorSource } from '../../src/source/mirror-source.js'
import type { Outlet } from '../../src/source/outlet.js'
import { Pace, systemClock } from '../../src/source/pace.js'
import { Route } from '../../src/source/route.js'
import { VxlanSender } from '../../src/source/vxlan-sender.js'
import { EGRESS } from '../../src/wire/frame.js'
import { Packet } from '../../src/wire/packet.js'
import { DIRECTIONS, filterOf, type Rule, VERDICTS } from '../mirror/verdicts.js'
import { ethernet, tcp4, vxlan } from '../support/frames.js'

const ANY = '0.0.0.0/0'
const OUT: Rule = `out 1 accept * ${ANY} > ${ANY}`
const IN: Rule = `in 1 accept * ${ANY} > ${ANY}`
const FRAME = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))

/** Keeps what it is given. */
class MemoryOutlet implements Outlet {
  sent = 0
  octets = 0
  readonly notSent = new Map<string, number>()
  readonly lost: number[] = []
  readonly datagrams: Buffer[] = []

  send(bytes: Buffer, start: number, end: number): void {
    this.datagrams.push(Buffer.from(bytes.subarray(start, end)))
    this.sent++
    this.octets += end - start
  }

  room(): undefined {}
  settled(): undefined {}
  close(): void {}
}

function interfaceOf(
  outlet: Outlet,
  vni: number,
  filter: MirrorFilter,
  options: EvaluatorOptions & { address?: string } = {},
): MirroredInterface {
  const session = {
    id: '',
    ownerId: '',
    networkInterfaceId: '',
    targetId: '',
    filterId: '',
    sessionNumber: 1,
    virtualNetworkId: vni,
    tags: [],
  }
  const { address } = options
  const counters = new MirrorCounters()
  return {
    matcher: address === undefined ? undefined : new InterfaceMatcher({ addresses: [address] }),
    evaluator: new MirrorEvaluator([{ session, filter }], options),
    routes: [new Route({ vni, packetLength: Number.POSITIVE_INFINITY, outlet, counters })],
  }
}

function sourceOf(...interfaces: MirroredInterface[]): MirrorSource {
  const { signal } = new AbortController()
  return new MirrorSource(
    interfaces,
    new VxlanSender(new Pace({ kind: 'max' }, systemClock(signal)), signal),
  )
}

function packetOf(frame: Buffer): Packet {
  const bytes = Buffer.from(frame)
  return Object.assign(new Packet(), { bytes, end: bytes.length, originalLength: bytes.length })
}

describe('MirrorSource', () => {
  test.each(VERDICTS)('$name', async (verdict) => {
    const { rules, services, vpcCidrBlock, frame, direction, mirrored } = verdict
    const outlet = new MemoryOutlet()
    const source = sourceOf(interfaceOf(outlet, 7, filterOf(rules, services), { vpcCidrBlock }))
    source.take(packetOf(frame), DIRECTIONS[direction])
    expect(await source.drain()).toBe(true)
    expect(outlet.datagrams).toEqual(mirrored ? [vxlan(7, frame)] : [])
    expect(source.packets).toBe(1)
  })

  test('believes the source about a direction before it looks at addresses', async () => {
    const outlet = new MemoryOutlet()
    const source = sourceOf(interfaceOf(outlet, 7, filterOf([OUT]), { address: '10.0.0.2' }))
    source.take(packetOf(FRAME))
    source.take(packetOf(FRAME), EGRESS)
    await source.drain()
    expect(outlet.datagrams).toEqual([vxlan(7, FRAME)])
  })

  test('takes either list where nobody knows the direction', async () => {
    const outlet = new MemoryOutlet()
    const interfaces = [
      interfaceOf(outlet, 7, filterOf([IN])),
      interfaceOf(outlet, 8, filterOf([])),
    ]
    const source = sourceOf(...interfaces)
    source.take(packetOf(FRAME))
    await source.drain()
    expect(outlet.datagrams).toEqual([vxlan(7, FRAME)])
    expect(interfaces[0]!.routes[0]!.counters.unknownDirection).toBe(1)
    expect(interfaces.map(({ evaluator }) => evaluator.unknownDirection)).toEqual([1, 0])
  })

  test('mirrors a packet for every interface that saw it', async () => {
    const outlet = new MemoryOutlet()
    const source = sourceOf(
      interfaceOf(outlet, 1, filterOf([OUT]), { address: '10.0.0.1' }),
      interfaceOf(outlet, 2, filterOf([IN]), { address: '10.0.0.2' }),
      interfaceOf(outlet, 3, filterOf([IN, OUT]), { address: '10.0.0.3' }),
    )
    source.take(packetOf(FRAME))
    await source.drain()
    expect(outlet.datagrams).toEqual([vxlan(1, FRAME), vxlan(2, FRAME)])
    expect(source.packets).toBe(1)
  })

  test('lets signals through where nothing is mirrored', async () => {
    const source = sourceOf(interfaceOf(new MemoryOutlet(), 1, filterOf([])))
    let turned = false
    setImmediate(() => {
      turned = true
    })
    source.take(packetOf(FRAME))
    await source.drain()
    expect(turned).toBe(true)
  })
})
