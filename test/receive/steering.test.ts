import { AssertionError } from 'node:assert/strict'
import { afterEach, describe, expect, test } from 'vitest'
import { chooseReceiver, openReceiver } from '../../src/receive/open.js'
import type { Receiver } from '../../src/receive/receiver.js'
import { attachSteering, type SteerBy, steeringProgram } from '../../src/receive/steering.js'
import { formatIpv4, formatIpv6 } from '../../src/wire/address.js'
import { PROTOCOL_GRE, PROTOCOL_HOP_BY_HOP } from '../../src/wire/protocol.js'
import { runCbpf } from '../support/cbpf.js'
import { Collector } from '../support/collector.js'
import {
  ethernet,
  fragments4,
  fragments6,
  geneve,
  icmp4,
  ip4,
  ip6,
  mpls,
  paddedExtension,
  sctp4,
  type Tag,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
  vxlan,
} from '../support/frames.js'
import { Random } from '../support/random.js'
import { UdpSender } from '../support/udp-sender.js'

/** What two ends of a flow look like, and how they are meant to be hashed. */
interface Ends {
  words: readonly [readonly number[], readonly number[]]
  ports?: { sum: number; protocol: number }
}

/** The hash as plain arithmetic. */
function expectedWorker({ words: [source, destination], ports }: Ends, workers: number): number {
  let hash = 0
  for (const [at, word] of source.entries()) {
    hash = Math.imul(hash + word + destination[at]!, 0xc2b2ae35)
  }
  if (ports !== undefined) hash += ports.sum * 256 + ports.protocol
  hash = (hash ^ (hash >>> 16)) >>> 0
  hash = Math.imul(hash, 0x85ebca6b) >>> 0
  hash = (hash ^ (hash >>> 13)) >>> 0
  return hash % workers
}

interface Case {
  name: string
  /** The inner packet, and the same with source and destination exchanged. */
  there: Buffer
  back: Buffer
  ends: Ends
}

/** Flows of every kind that steering tells apart. */
function randomCase(random: Random): Case {
  const words4 = [[random.next()], [random.next()]] as const
  const words6 = [0, 1].map(() => Array.from({ length: 4 }, () => random.next()))
  const [sport, dport] = [random.below(65_536), random.below(65_536)]
  const [a4, b4] = words4.map(([word]) => formatIpv4(word!)) as [string, string]
  const [a6, b6] = words6.map((w) => formatIpv6(w[0]!, w[1]!, w[2]!, w[3]!)) as [string, string]
  const four = <Options extends object>(options: Options) =>
    [
      { src: a4, dst: b4, sport, dport, ...options },
      { src: b4, dst: a4, sport: dport, dport: sport, ...options },
    ] as const
  const six = <Options extends object>(options: Options) =>
    [
      { src: a6, dst: b6, sport, dport, ...options },
      { src: b6, dst: a6, sport: dport, dport: sport, ...options },
    ] as const
  const with4 = (protocol: number): Ends => ({
    words: words4,
    ports: { sum: sport + dport, protocol },
  })
  const words6pair = words6 as unknown as readonly [readonly number[], readonly number[]]
  const with6 = (protocol: number): Ends => ({
    words: words6pair,
    ports: { sum: sport + dport, protocol },
  })
  const payload = random.bytes(random.below(40))
  const options = random.bytes(4 * (1 + random.below(10)))
  const pair = <T>(
    name: string,
    make: (of: T) => Buffer,
    of: readonly [T, T],
    ends: Ends,
  ): Case => ({ name, there: make(of[0]), back: make(of[1]), ends })

  return random.pick([
    () => pair('TCP', tcp4, four({ payload }), with4(6)),
    () => pair('TCP behind IPv4 options', tcp4, four({ payload, options }), with4(6)),
    () => pair('UDP', udp4, four({ payload }), with4(17)),
    () => pair('SCTP', sctp4, four({ payload }), with4(132)),
    () => pair('GRE', ip4, four({ payload, protocol: PROTOCOL_GRE }), { words: words4 }),
    () => pair('first fragment', udp4, four({ payload, moreFragments: true }), { words: words4 }),
    () => pair('last fragment', udp4, four({ payload, fragmentOffset: 1480 }), { words: words4 }),
    () => pair('do not fragment', tcp4, four({ payload, dontFragment: true }), with4(6)),
    () => pair('TCP over IPv6', tcp6, six({ payload }), with6(6)),
    () => pair('UDP over IPv6', udp6, six({ payload }), with6(17)),
    () =>
      pair(
        'UDP behind hop-by-hop options',
        udp6,
        six({ payload, extensions: [paddedExtension(PROTOCOL_HOP_BY_HOP)] }),
        { words: words6pair },
      ),
    () => pair('GRE over IPv6', ip6, six({ payload, protocol: 47 }), { words: words6pair }),
  ])()
}

function randomTags(random: Random): Tag[] {
  return Array.from({ length: random.below(3) }, () => ({
    vlan: random.below(4096),
    type: random.pick([0x8100, 0x88a8, 0x9100]),
  }))
}

/** VXLAN as a Gateway Load Balancer delivers it. */
function inGeneve(datagram: Buffer, random: Random): Buffer {
  const outer = { sport: 65_500, dport: 4789, payload: datagram }
  const packet = random.pick([
    () => udp4({ src: '10.0.0.1', dst: '10.0.0.2', ...outer, checksum: false }),
    () => udp4({ src: '10.0.0.1', dst: '10.0.0.2', ...outer, options: random.bytes(12) }),
    () => udp6({ src: 'fd00::1', dst: 'fd00::2', ...outer }),
  ])()
  const flags = random.next()
  return geneve(packet, {
    hasEndpointId: (flags & 0x100) !== 0,
    hasAttachmentId: (flags & 0x200) !== 0,
    hasFlowCookie: (flags & 0x400) !== 0,
  })
}

const WORKERS = [1, 2, 3, 8, 61]

describe('steeringProgram flow', () => {
  const programs = new Map(WORKERS.map((workers) => [workers, steeringProgram('flow', workers)]))
  const inner = new Map(
    WORKERS.map((workers) => [workers, steeringProgram('flow', workers, 'geneve')]),
  )

  test('takes both directions of every flow where the plain hash says (seed 1)', () => {
    const random = new Random(1)
    const seen = new Set<string>()
    for (let round = 0; round < 3000; round++) {
      const { name, there, back, ends } = randomCase(random)
      const tags = randomTags(random)
      const workers = random.pick(WORKERS)
      const want = expectedWorker(ends, workers)
      for (const packet of [there, back]) {
        const datagram = vxlan(random.below(1 << 24), vlan(tags, ethernet(packet)))
        expect(runCbpf(programs.get(workers)!, datagram), name).toBe(want)
        expect(runCbpf(inner.get(workers)!, inGeneve(datagram, random)), name).toBe(want)
      }
      seen.add(name)
    }
    expect(seen.size).toBe(12)
  })

  test('lets all fragments of a packet meet', () => {
    const random = new Random(2)
    const program = steeringProgram('flow', 61)
    for (let round = 0; round < 100; round++) {
      const host = 1 + random.below(250)
      const common = { sport: 53, dport: random.below(65_536), payload: random.bytes(3000) }
      const fours = fragments4(udp4({ src: '10.0.0.1', dst: `10.9.0.${host}`, ...common }), 1500)
      const sixes = fragments6(udp6({ src: 'fd00::1', dst: `fd00::${host}`, ...common }), 1500, 7)
      for (const fragments of [fours, sixes]) {
        const places = fragments.map((packet) => runCbpf(program, vxlan(1, ethernet(packet))))
        expect(fragments.length).toBeGreaterThan(2)
        expect(new Set(places).size).toBe(1)
      }
    }
  })

  test('spreads flows evenly (seed 3)', () => {
    const random = new Random(3)
    const program = steeringProgram('flow', 8)
    const counts = new Array<number>(8).fill(0)
    for (let flow = 0; flow < 8000; flow++) {
      // As networks are: few servers, neighbouring clients, ephemeral ports in a row.
      const packet = tcp4({
        src: `10.0.${random.below(4)}.${random.below(16)}`,
        dst: `10.0.9.${random.below(4)}`,
        sport: 32_768 + flow,
        dport: 443,
      })
      counts[runCbpf(program, vxlan(5, ethernet(packet)))]!++
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  test('takes what is not IP to worker 0', () => {
    const program = steeringProgram('flow', 61)
    const packet = tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 })
    const arp = ethernet(Buffer.alloc(28, 0xff), { type: 0x0806 })
    const deep = vlan([1, 2, 3], ethernet(packet))
    for (const frame of [arp, deep, mpls([16], packet), Buffer.alloc(0)]) {
      expect(runCbpf(program, vxlan(9, frame))).toBe(0)
    }
  })

  test('takes every short prefix to worker 0 or to where its flow is', () => {
    const random = new Random(4)
    for (let round = 0; round < 12; round++) {
      const { there, ends } = randomCase(random)
      const datagram = vxlan(3, vlan(randomTags(random), ethernet(there)))
      const wrapped = inGeneve(datagram, random)
      const allowed = [0, expectedWorker(ends, 61)]
      for (const [program, whole] of [
        [programs.get(61)!, datagram],
        [inner.get(61)!, wrapped],
      ] as const) {
        for (let length = 0; length < whole.length; length++) {
          expect(allowed).toContain(runCbpf(program, whole.subarray(0, length)))
        }
      }
    }
  })
})

describe('steeringProgram vni', () => {
  test.each(WORKERS)('answers VNI mod %i', (workers) => {
    const random = new Random(5)
    const direct = steeringProgram('vni', workers)
    const wrapped = steeringProgram('vni', workers, 'geneve')
    for (const vni of [0, 1, 0xff_ffff, 0x80_0000, ...Array.from(random.bytes(50))]) {
      const datagram = vxlan(vni, ethernet(icmp4({ src: '1.2.3.4', dst: '5.6.7.8', type: 8 })))
      datagram[7] = 0xff
      expect(runCbpf(direct, datagram)).toBe(vni % workers)
      expect(runCbpf(wrapped, inGeneve(datagram, random))).toBe(vni % workers)
    }
  })

  test('takes every short prefix of a VXLAN header to worker 0', () => {
    const datagram = vxlan(7, Buffer.alloc(0))
    const program = steeringProgram('vni', 61)
    for (let length = 0; length < 8; length++) {
      expect(runCbpf(program, datagram.subarray(0, length))).toBe(0)
    }
    expect(runCbpf(program, datagram)).toBe(7)
  })
})

describe('steeringProgram in GENEVE', () => {
  const program = steeringProgram('vni', 61, 'geneve')
  const random = new Random(6)
  const datagram = vxlan(7, Buffer.alloc(0))
  const outer = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 4789, payload: datagram }

  test.each([
    [
      'another version',
      () => {
        const bytes = inGeneve(datagram, random)
        bytes[0]! |= 0x40
        return bytes
      },
    ],
    ['another payload', () => geneve(udp4(outer), { protocol: 0x6558 })],
    ['another port', () => geneve(udp4({ ...outer, dport: 4790 }))],
    ['TCP', () => geneve(tcp4(outer))],
    ['TCP over IPv6', () => geneve(tcp6({ ...outer, src: 'fd00::1', dst: 'fd00::2' }))],
    ['a fragment', () => geneve(udp4({ ...outer, moreFragments: true }))],
  ] as const)('takes %s to worker 0', (_name, make) => {
    expect(runCbpf(program, make())).toBe(0)
  })
})

const hasRecvmmsg = chooseReceiver('auto') === 'recvmmsg'
const needs = hasRecvmmsg ? '' : ' (needs Linux and koffi)'

describe('attachSteering', () => {
  const closing: Array<() => Promise<void>> = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  async function openGroup(workers: number): Promise<{ group: Receiver[]; got: Collector[] }> {
    const group: Receiver[] = []
    const got: Collector[] = []
    for (let index = 0; index < workers; index++) {
      const collector = new Collector()
      const receiver = await openReceiver('recvmmsg', {
        host: '127.0.0.1',
        port: group[0]?.address.port ?? 0,
        receiveBufferBytes: 4 << 20,
        reusePort: true,
        firstOfGroup: index === 0,
        onDatagram: collector.onDatagram,
        onError: (error) => {
          throw error
        },
      })
      closing.push(() => receiver.close())
      group.push(receiver)
      got.push(collector)
    }
    return { group, got }
  }

  test.skipIf(!hasRecvmmsg).each<[SteerBy, 'vxlan' | 'geneve']>([
    ['vni', 'vxlan'],
    ['flow', 'vxlan'],
    ['vni', 'geneve'],
    ['flow', 'geneve'],
  ])(`the kernel places %s in %s as the model does${needs}`, async (by, encapsulation) => {
    const workers = 3
    const { group, got } = await openGroup(workers)
    const program = steeringProgram(by, workers, encapsulation)
    attachSteering(group[1]!, program)
    const from = await UdpSender.open('127.0.0.1')
    closing.push(() => from.close())

    const random = new Random(7)
    const expected: Buffer[][] = Array.from({ length: workers }, () => [])
    for (let n = 0; n < 300; n++) {
      const frame = vlan(randomTags(random), ethernet(randomCase(random).there))
      const datagram = vxlan(random.below(1 << 24), frame)
      const whole = encapsulation === 'geneve' ? inGeneve(datagram, random) : datagram
      const sent = whole.subarray(0, n % 10 === 0 ? random.below(whole.length) : whole.length)
      expected[runCbpf(program, sent)]!.push(sent)
      await from.send(sent, group[0]!.address.port, '127.0.0.1')
    }
    for (const receiver of group) await receiver.close()
    for (const [index, collector] of got.entries()) {
      expect(expected[index]!.length).toBeGreaterThan(30)
      expect(collector.all.map(({ bytes }) => bytes.toString('hex'))).toEqual(
        expected[index]!.map((bytes) => bytes.toString('hex')),
      )
    }
  })

  test.skipIf(!hasRecvmmsg)(
    `the first of a group refuses a port that is shared${needs}`,
    async () => {
      const { group } = await openGroup(2)
      const stranger = openReceiver('recvmmsg', {
        host: '127.0.0.1',
        port: group[0]!.address.port,
        receiveBufferBytes: 65_536,
        reusePort: true,
        firstOfGroup: true,
        onDatagram: () => {},
        onError: () => {},
      })
      await expect(stranger).rejects.toThrow(/is taken/)
    },
  )

  test('refuses a receiver that cannot share its port', async () => {
    const options = {
      host: '127.0.0.1',
      port: 0,
      receiveBufferBytes: 65_536,
      onDatagram: () => {},
      onError: () => {},
    }
    const receiver = await openReceiver('dgram', { ...options, reusePort: false })
    closing.push(() => receiver.close())
    expect(() => attachSteering(receiver, steeringProgram('vni', 2))).toThrow(AssertionError)
    await expect(openReceiver('dgram', { ...options, reusePort: true })).rejects.toThrow(
      /^only the receiver recvmmsg /,
    )
  })
})
