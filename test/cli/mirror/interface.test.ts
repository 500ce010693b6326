import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OperatorError } from '../../../src/errors.js'
import { type HostInterface, planOfInterface } from '../../../src/source/mirror-interface.js'
import type { PlannedInterface } from '../../../src/source/mirror-plan.js'
import { Geneve, parseGeneve } from '../../../src/wire/geneve.js'
import { ethernet, tcp4, udp4, vxlan } from '../../support/frames.js'
import { whyNoPacketSockets } from '../../support/packet-sockets.js'
import { pcapFile } from '../../support/pcap-file.js'
import { RawSender } from '../../support/raw-sender.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { UdpTarget } from '../../support/udp-target.js'
import { runMain } from '../run-main.js'

const HOST: HostInterface = {
  mac: '02:00:00:00:00:0a',
  addresses: ['10.0.1.20', '2001:db8::20', 'fe80::a'],
}

function planned(id: string, addresses: string[], macAddress?: string): PlannedInterface {
  const networkInterface = { id, addresses, macAddress }
  return { networkInterface } as unknown as PlannedInterface
}

const OTHER = planned('eni-other', ['10.0.1.21'], '02:00:00:00:00:0b')

describe('planOfInterface', () => {
  test.each([
    { name: 'the only one', plan: [OTHER], id: 'eni-other' },
    {
      name: 'that with its hardware address',
      plan: [OTHER, planned('eni-own', [], '02:00:00:00:00:0A')],
      id: 'eni-own',
    },
    {
      name: 'that with its address',
      plan: [OTHER, planned('eni-own', ['10.0.1.20'])],
      id: 'eni-own',
    },
    {
      name: 'that with one of its addresses, however it is written',
      plan: [planned('eni-own', ['10.9.9.9', '2001:DB8:0::0020']), OTHER],
      id: 'eni-own',
    },
  ])('takes of a file $name', ({ plan, id }) => {
    expect(planOfInterface(plan, 'eth0', HOST).map((each) => each.networkInterface!.id)).toEqual([
      id,
    ])
  })

  test.each([
    {
      name: 'none is the one',
      plan: [OTHER, planned('eni-third', [])],
      ids: 'eni-other, eni-third',
    },
    {
      name: 'two are',
      plan: [planned('eni-a', ['10.0.1.20']), planned('eni-b', ['fe80::a']), OTHER],
      ids: 'eni-a, eni-b',
    },
  ])('asks which where $name', ({ plan, ids }) => {
    const choosing = (): unknown => planOfInterface(plan, 'eth0', HOST)
    expect(choosing).toThrow(OperatorError)
    expect(choosing).toThrow(`eth0 may be any of ${ids}: `)
  })

  test('wants a session', () => {
    expect(() => planOfInterface([], 'eth0', HOST)).toThrow(/no session/)
  })
})

describe('mirror --interface', () => {
  const needs = whyNoPacketSockets()
  const missing = needs === undefined ? '' : ` (needs ${needs})`

  test.each([
    ['--read', 'x.pcap'],
    ['--speed', '2'],
    ['--rate', '5'],
    ['--loop', '2'],
  ])('does not go with %s', async (...option) => {
    const to = ['--to', '127.0.0.1:9', '--vni', '1']
    const { code, err } = await runMain('mirror', '--interface', 'lo', ...to, ...option)
    expect(code).toBe(2)
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
  })

  test.skipIf(needs !== undefined)(`says that there is no such interface${missing}`, async () => {
    const to = ['--to', '127.0.0.1:9', '--vni', '1']
    const { code, err, out } = await runMain('mirror', '--interface', 'nowhere0', ...to)
    expect(code).toBe(1)
    expect(err).toMatch(
      /^mirrortap: there is no interface "nowhere0": give one of [^\n]*\blo\b[^\n]*\n$/,
    )
    expect(out).toBe('')
  })

  test.skipIf(needs !== undefined)(
    `mirrors loopback until Ctrl-C, then says what it counted${missing}`,
    async () => {
      const target = await UdpTarget.open()
      const sender = new RawSender('lo')
      const mac = '00:00:00:00:00:00'
      const mark = Buffer.from(`a mark of ${process.pid}`)
      const frames = [100, 1000].map((length) =>
        ethernet(
          udp4({
            ...{ src: '127.0.0.1', dst: '127.0.0.1', sport: 9, dport: 9 },
            payload: Buffer.concat([mark, Buffer.alloc(length)]),
          }),
          { src: mac, dst: mac },
        ),
      )
      const to = ['--to', `127.0.0.1:${target.port}`, '--vni', '42', '--packet-length', '500']
      const running = runMain('mirror', '--interface', 'lo', ...to, '--json')
      const marked = (): Buffer[] =>
        target.datagrams.map(({ payload }) => payload).filter((payload) => payload.includes(mark))
      // What is sent before it listens is not mirrored, so again and again until the first arrives.
      while (marked().length === 0) {
        sender.send(frames[0]!)
        await new Promise((resolve) => setImmediate(resolve))
      }
      sender.send(frames[1]!)
      while (!marked().some((payload) => payload.length === 508)) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      process.emit('SIGINT')
      const { code, out, err } = await running
      sender.close()
      await target.close()

      expect(code).toBe(0)
      expect(err).toBe('mirroring lo\n')
      expect(marked()[0]).toEqual(vxlan(42, frames[0]!))
      expect(marked().find(({ length }) => length === 508)).toEqual(
        vxlan(42, frames[1]!.subarray(0, 500)),
      )
      const summary = JSON.parse(out)
      expect(summary).toMatchObject({ kernelLost: 0, overMtu: 0 })
      expect(summary.packets).toBeGreaterThanOrEqual(2)
      expect(summary.unknownDirection).toBe(summary.packets)
    },
  )
})

describe('mirror --gateway', () => {
  const FRAME = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }))
  let directory: string
  let target: UdpTarget
  let file: string

  beforeEach(async () => {
    directory = temporaryDirectory()
    file = join(directory, 'in.pcap')
    writeFileSync(file, pcapFile([{ frame: FRAME }]))
    target = await UdpTarget.open()
  })

  afterEach(() => target.close())

  /** What is in the GENEVE that came. */
  async function unwrapped(): Promise<Buffer> {
    await target.received(1)
    const { payload } = target.datagrams[0]!
    const header = new Geneve()
    expect(parseGeneve(payload, 0, payload.length, header)).toBeUndefined()
    return payload.subarray(header.payloadAt)
  }

  const wrapping = (src: string, sport: number): Buffer =>
    udp4({
      ...{ src, dst: '127.0.0.1', sport, dport: 4789 },
      payload: vxlan(42, FRAME),
      ttl: 255,
      checksum: false,
    })

  test('wraps what it sends', async () => {
    const to = ['--to', `127.0.0.1:${target.port}`, '--vni', '42']
    const { code } = await runMain('mirror', '--read', file, ...to, '--gateway')
    expect(code).toBe(0)
    const packet = await unwrapped()
    expect(packet).toEqual(wrapping('127.0.0.1', packet.readUInt16BE(20)))
  })

  test.each([
    { name: 'an endpoint of one', kind: 'GatewayLoadBalancerEndpointId: vpce-1', args: [] },
    { name: 'any target, when asked', kind: 'NetworkInterfaceId: eni-2', args: ['--gateway'] },
  ])('wraps what goes to $name, from the interface of the file', async ({ kind, args }) => {
    const session = join(directory, 'session.yaml')
    writeFileSync(
      session,
      `NetworkInterfaces:
  - { NetworkInterfaceId: eni-1, PrivateIpAddress: 10.0.0.1 }
TrafficMirrorTargets:
  - { TrafficMirrorTargetId: tmt-1, ${kind}, Address: '127.0.0.1:${target.port}' }
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-1
    EgressFilterRules:
      - { RuleNumber: 1, RuleAction: accept, SourceCidrBlock: 0.0.0.0/0, DestinationCidrBlock: 0.0.0.0/0 }
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-1
    NetworkInterfaceId: eni-1
    TrafficMirrorTargetId: tmt-1
    TrafficMirrorFilterId: tmf-1
    SessionNumber: 1
    VirtualNetworkId: 42
`,
    )
    const { code, err } = await runMain('mirror', '--read', file, '--session', session, ...args)
    expect(err).toMatch(/^1 of 1 packets sent/)
    expect(code).toBe(0)
    const packet = await unwrapped()
    expect(packet).toEqual(wrapping('10.0.0.1', packet.readUInt16BE(20)))
  })
})
