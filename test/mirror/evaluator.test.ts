import { describe, expect, test } from 'vitest'
import {
  MirrorEvaluator,
  NOT_MIRRORED,
  packetLengthOf,
  type SessionParts,
} from '../../src/mirror/evaluator.js'
import type { FilterRule, MirrorFilter, MirrorSession } from '../../src/mirror/resources.js'
import { Session } from '../../src/session/session.js'
import {
  DIRECTION_UNKNOWN,
  EGRESS,
  INGRESS,
  PASSING,
  type PacketDirection,
} from '../../src/wire/frame.js'
import { ethernet, icmp4, tcp4, tcp6, udp4, udp6 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'
import { DIRECTIONS, filterOf, framed, type Rule, SHARED_VERDICTS, VERDICTS } from './verdicts.js'

const ANY = '0.0.0.0/0'
const WEB = { src: '10.0.1.20', dst: '198.51.100.80', sport: 49_152, dport: 443 }
const ARP = ethernet(hex`00`, { type: 0x0806 })

function sessionOf(sessionNumber: number, packetLength?: number): MirrorSession {
  return {
    id: `tms-${sessionNumber}`,
    ownerId: '',
    networkInterfaceId: 'eni-1',
    targetId: 'tmt-1',
    filterId: 'tmf-table',
    packetLength,
    sessionNumber,
    virtualNetworkId: sessionNumber,
    tags: [],
  }
}

function parts(sessionNumber: number, ...rules: Rule[]): SessionParts {
  return { session: sessionOf(sessionNumber), filter: filterOf(rules) }
}

/** Number of the session that mirrors it, or 0. */
function mirroredBy(
  evaluator: MirrorEvaluator,
  frame: Buffer,
  direction: PacketDirection = EGRESS,
): number {
  const index = evaluator.evaluate(framed(frame, direction))
  return index === NOT_MIRRORED ? 0 : evaluator.sessions[index]!.session.sessionNumber
}

describe('MirrorEvaluator', () => {
  test('asks sessions by ascending number; the first whose filter accepts has the packet', () => {
    const evaluator = new MirrorEvaluator([
      parts(20, `out 1 accept * ${ANY} > ${ANY}`),
      parts(3, `out 1 accept 6 ${ANY} > ${ANY}:443`),
      parts(10, `out 1 reject * ${ANY} > ${ANY}`),
    ])
    expect(mirroredBy(evaluator, ethernet(tcp4(WEB)))).toBe(3)
    // A filter that rejects leaves the packet to the next session.
    expect(mirroredBy(evaluator, ethernet(udp4(WEB)))).toBe(20)
    expect(mirroredBy(evaluator, ethernet(tcp4(WEB)), INGRESS)).toBe(0)
    expect(evaluator).toMatchObject({ mirrored: 2, filtered: 1 })
  })

  test('counts packets of unknown direction, and those that pass by', () => {
    const evaluator = new MirrorEvaluator([parts(1, `in 1 accept * ${ANY} > ${ANY}`)])
    const frame = ethernet(tcp4(WEB))
    expect(mirroredBy(evaluator, frame, DIRECTION_UNKNOWN)).toBe(1)
    expect(mirroredBy(evaluator, frame, PASSING)).toBe(0)
    expect(evaluator).toMatchObject({ mirrored: 1, unknownDirection: 1, passing: 1, filtered: 0 })
  })

  test('leaves out what AWS never mirrors, unless asked', () => {
    const all = parts(2, `out 1 accept * ${ANY} > ${ANY}`)
    const metadata = ethernet(tcp4({ ...WEB, dst: '169.254.169.254', dport: 80 }))
    const like = new MirrorEvaluator([parts(1), all])
    expect([mirroredBy(like, metadata), mirroredBy(like, ARP)]).toEqual([0, 0])
    expect(like).toMatchObject({ neverMirrored: 2, filtered: 0 })

    const asked = new MirrorEvaluator([parts(1), all], { neverMirrored: 'mirror' })
    // No rule can name ARP, so it is the first session's; metadata is the rules' business.
    expect([mirroredBy(asked, metadata), mirroredBy(asked, ARP)]).toEqual([2, 1])
    expect(asked).toMatchObject({ neverMirrored: 0, mirrored: 2 })
  })

  test('lets a session without a filter have every packet', () => {
    const evaluator = new MirrorEvaluator([{ session: sessionOf(1), filter: undefined }])
    expect(mirroredBy(evaluator, ethernet(hex`00`, { type: 0x88cc }))).toBe(1)
    expect(mirroredBy(evaluator, hex`01`)).toBe(1)
  })

  test.each([
    { name: 'all', packetLength: undefined, kind: 'network-interface', kept: 9001 },
    { name: 'the packet length', packetLength: 100, kind: 'network-interface', kept: 100 },
    {
      name: '8500 for a Network Load Balancer',
      packetLength: undefined,
      kind: 'network-load-balancer',
      kept: 8500,
    },
    {
      name: 'less for one where it says so',
      packetLength: 64,
      kind: 'network-load-balancer',
      kept: 64,
    },
  ] as const)('keeps $name', ({ packetLength, kind, kept }) => {
    const target = { id: 'tmt-1', ownerId: '', kind, address: '', tags: [] }
    const session = sessionOf(1, packetLength)
    const evaluator = new MirrorEvaluator([{ session, filter: filterOf([]), target }])
    expect(evaluator.keptOf(0, 9001)).toBe(kept)
    expect(evaluator.keptOf(0, 60)).toBe(60)
  })

  test.each(SHARED_VERDICTS)('of several sessions: $name', (verdict) => {
    const evaluator = new MirrorEvaluator(verdict.sessions.map((of) => parts(...of)))
    expect(mirroredBy(evaluator, verdict.frame, DIRECTIONS[verdict.direction])).toBe(
      verdict.mirroredBy,
    )
  })

  test.each(VERDICTS)('of one session: $name', (verdict) => {
    const { rules, services, vpcCidrBlock, frame, direction, mirrored } = verdict
    const one = { session: sessionOf(1), filter: filterOf(rules, services) }
    const evaluator = new MirrorEvaluator([one], { vpcCidrBlock })
    expect(mirroredBy(evaluator, frame, DIRECTIONS[direction])).toBe(mirrored ? 1 : 0)
  })
})

/** A packet as the plain model sees it: what it was made of. */
interface Made {
  src: string
  dst: string
  sport: number
  dport: number
  protocol: number
}

const HOSTS = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.128.0.1', '192.0.2.1', '255.0.0.1']
const HOSTS6 = [
  '2001:db8::1',
  '2001:db8::2',
  '2001:db8:0:1::1',
  '2001:db8:8000::1',
  '2001:db8::1:0:1',
  'fd00::1',
]
const BLOCKS: readonly string[] = [ANY, '10.0.0.0/8', '10.0.0.0/23', '10.0.0.1/32', '128.0.0.0/1']
const BLOCKS6: readonly string[] = [
  '::/0',
  '2001:db8::/32',
  '2001:db8::/127',
  '2001:db8::/95',
  '2001:db8::/96',
  '2001:db8::/63',
  'fd00::1/128',
]
const PORTS = [0, 1, 53, 80, 443, 1024, 65_535]

function randomFilter(random: Random): MirrorFilter {
  const range = () => {
    const ends = [random.pick(PORTS), random.pick(PORTS)].sort((a, b) => a - b)
    return { from: ends[0]!, to: ends[1]! }
  }
  const rules: FilterRule[] = []
  for (let count = random.below(8); count > 0; count--) {
    const blocks = random.below(3) === 0 ? BLOCKS6 : BLOCKS
    const direction = random.pick(['ingress', 'egress'] as const)
    const ruleNumber = 1 + random.below(1000)
    // Numbers are unique in a direction.
    if (rules.some((rule) => rule.direction === direction && rule.ruleNumber === ruleNumber))
      continue
    rules.push({
      id: '',
      direction,
      ruleNumber,
      action: random.pick(['accept', 'accept', 'reject'] as const),
      protocol: random.pick([undefined, undefined, 1, 6, 17]),
      sourcePortRange: random.below(3) === 0 ? range() : undefined,
      destinationPortRange: random.below(3) === 0 ? range() : undefined,
      sourceCidr: random.pick(blocks),
      destinationCidr: random.pick(blocks),
      tags: [],
    })
  }
  return { id: '', networkServices: [], rules, tags: [] }
}

/** As the guide tells it, over text and big integers. */
function modelMirrors(
  sessions: readonly SessionParts[],
  packet: Made,
  direction: 'ingress' | 'egress',
): number {
  const byNumber = [...sessions].sort((a, b) => a.session.sessionNumber - b.session.sessionNumber)
  for (const { session, filter } of byNumber) {
    const rules = filter!.rules.filter((rule) => rule.direction === direction)
    rules.sort((a, b) => a.ruleNumber - b.ruleNumber)
    const first = rules.find((rule) => modelMatches(rule, packet))
    if (first?.action === 'accept') return session.sessionNumber
  }
  return 0
}

function modelMatches(rule: FilterRule, packet: Made): boolean {
  const { sourcePortRange, destinationPortRange } = rule
  const within = (port: number, range: FilterRule['sourcePortRange']) =>
    range === undefined || (range.from <= port && port <= range.to)
  const named = sourcePortRange !== undefined || destinationPortRange !== undefined
  return (
    (rule.protocol ?? packet.protocol) === packet.protocol &&
    (!named || packet.protocol === 6 || packet.protocol === 17) &&
    within(packet.sport, sourcePortRange) &&
    within(packet.dport, destinationPortRange) &&
    modelContains(rule.sourceCidr, packet.src) &&
    modelContains(rule.destinationCidr, packet.dst)
  )
}

function modelContains(block: string, address: string): boolean {
  const [network, length] = block.split('/') as [string, string]
  if (network.includes(':') !== address.includes(':')) return false
  return bitsOf(address).startsWith(bitsOf(network).slice(0, Number(length)))
}

/** The address as a text of zeros and ones. */
function bitsOf(address: string): string {
  if (!address.includes(':')) {
    return address
      .split('.')
      .map((octet) => Number(octet).toString(2).padStart(8, '0'))
      .join('')
  }
  const [head, tail] = address
    .split('::')
    .map((half) => half.split(':').filter((part) => part !== ''))
  const missing = Array.from({ length: 8 - head!.length - (tail?.length ?? 0) }, () => '0')
  return [...head!, ...missing, ...(tail ?? [])]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}

function randomPacket(random: Random): Made {
  const hosts = random.below(3) === 0 ? HOSTS6 : HOSTS
  const protocol = hosts === HOSTS6 ? random.pick([6, 17]) : random.pick([1, 6, 17])
  return {
    src: random.pick(hosts),
    dst: random.pick(hosts),
    sport: protocol === 1 ? 0 : random.pick(PORTS),
    dport: protocol === 1 ? 0 : random.pick(PORTS),
    protocol,
  }
}

function frameOf(packet: Made): Buffer {
  if (packet.protocol === 1) return ethernet(icmp4({ ...packet, type: 8 }))
  const v6 = packet.src.includes(':')
  if (packet.protocol === 6) return ethernet(v6 ? tcp6(packet) : tcp4(packet))
  return ethernet(v6 ? udp6(packet) : udp4(packet))
}

describe('MirrorEvaluator and a plain model of it', () => {
  test.each([1, 2, 3, 4])('agree over random sessions, rules and packets, seed %i', (seed) => {
    const random = new Random(seed)
    let mirrored = 0
    const packets = 40
    const rounds = 60
    for (let round = 0; round < rounds; round++) {
      const numbers = new Set([1, 2, 3].map(() => 1 + random.below(32_766)))
      const sessions = [...numbers].map((number) => ({
        session: sessionOf(number),
        filter: randomFilter(random),
      }))
      const evaluator = new MirrorEvaluator(sessions)
      for (let index = 0; index < packets; index++) {
        const packet = randomPacket(random)
        const direction = random.pick(['ingress', 'egress'] as const)
        const expected = modelMirrors(sessions, packet, direction)
        const found = mirroredBy(evaluator, frameOf(packet), DIRECTIONS[direction])
        expect(found, JSON.stringify({ sessions, packet, direction })).toBe(expected)
        if (found !== 0) mirrored++
      }
      expect(evaluator.mirrored + evaluator.filtered).toBe(packets)
    }
    // Neither all nor nothing, or the test would show little.
    expect(mirrored).toBeGreaterThan(0.1 * packets * rounds)
    expect(mirrored).toBeLessThan(0.9 * packets * rounds)
  })
})

describe('packetLengthOf', () => {
  test('is a small integer where a session keeps whole frames, so that packets stay integers', () => {
    const whole = packetLengthOf(parts(1))
    expect(new Session(1, 7, null).packetLength).toBe(whole)
    expect(whole).toBeGreaterThan(65_535)
    // V8 keeps sums with it in 31 bits.
    expect((whole + 65_535) | 0).toBe(whole + 65_535)
    expect(whole).toBeLessThan(2 ** 30)
  })
})
