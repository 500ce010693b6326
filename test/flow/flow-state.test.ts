import { describe, expect, test } from 'vitest'
import {
  CLASS_ICMP,
  CLASS_OTHER,
  CLASS_SHIFT,
  CLASS_TCP,
  CLASS_UDP,
  INTERFACE_MASK,
  initialState,
  isOpening,
  nextState,
  OTHER_FLAGS,
  STATE_BEGUN_BY_B,
  STATE_MASK,
  STATE_NAMES,
  STATE_RESET,
  STATE_UNTIMED,
  transitGatewayFlags,
  VPC_FLAGS,
  windowFlags,
} from '../../src/flow/flow-state.js'
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../../src/wire/protocol.js'

const FLAGS: Record<string, number> = { F: 0x01, S: 0x02, R: 0x04, P: 0x08, A: 0x10, U: 0x20 }

/** `>S` is a SYN from A to B, `<SA` a SYN with ACK back, `>` a packet without flags. */
function walk(protocol: number, packets: string): { state: string; reset: boolean; word: number } {
  let word = -1
  for (const packet of packets.split(' ')) {
    const direction = packet[0] === '>' ? 0 : 1
    const flags = [...packet.slice(1)].reduce((all, letter) => all | FLAGS[letter]!, 0)
    if (word === -1) word = initialState(protocol, direction)
    word = nextState(word, direction, flags)
  }
  return { state: STATE_NAMES[word & STATE_MASK]!, reset: (word & STATE_RESET) !== 0, word }
}

describe('nextState, of TCP', () => {
  test.each([
    { what: 'a SYN', packets: '>S', state: 'new' },
    { what: 'SYNs alone', packets: '>S >S >S', state: 'new' },
    { what: 'half of a handshake', packets: '>S <SA', state: 'new' },
    { what: 'a handshake', packets: '>S <SA >A', state: 'established' },
    { what: 'a handshake seen from the other end', packets: '<S >SA <A', state: 'established' },
    { what: 'the reply first', packets: '<SA', state: 'new' },
    { what: 'the reply first, then the rest', packets: '<SA >A', state: 'established' },
    { what: 'a start in mid-stream', packets: '>PA', state: 'established' },
    { what: 'one side only', packets: '>S >A >PA', state: 'established' },
    { what: 'a split handshake', packets: '>S <A <S >SA <A', state: 'established' },
    { what: 'a simultaneous open', packets: '>S <S', state: 'new' },
    { what: 'a simultaneous open, answered', packets: '>S <S >SA <SA >A', state: 'established' },
    { what: 'no flags at all', packets: '> <', state: 'new' },
    { what: 'PSH without ACK', packets: '>P <P', state: 'new' },
    { what: 'FIN of one side', packets: '>S <SA >A >FA', state: 'closing' },
    { what: 'FIN of one side, twice', packets: '>A >FA >FA <A', state: 'closing' },
    { what: 'FIN of both sides', packets: '>A >FA <FA', state: 'closed' },
    {
      what: 'FIN of both sides, with data between',
      packets: '>A >FA <PA <PA <FA >A',
      state: 'closed',
    },
    { what: 'a simultaneous close', packets: '>A >FA <FA >A <A', state: 'closed' },
    { what: 'FIN first', packets: '<FA', state: 'closing' },
    { what: 'FIN first, then the other', packets: '<FA >FA', state: 'closed' },
    { what: 'FIN without ACK, as a scan sends it', packets: '>F', state: 'closing' },
    { what: 'SYN with FIN', packets: '>SF', state: 'closing' },
    { what: 'ACK after one FIN', packets: '>FA <A >A', state: 'closing' },
    { what: 'SYN on a closing connection', packets: '>A <FA >S', state: 'closing' },
    { what: 'RST of one side', packets: '>S <RA', state: 'closed', reset: true },
    { what: 'RST first', packets: '>R', state: 'closed', reset: true },
    { what: 'RST while closing', packets: '>A >FA <R', state: 'closed', reset: true },
    { what: 'RST with FIN', packets: '>A >FR', state: 'closed', reset: true },
    { what: 'RST after both FINs', packets: '>FA <FA >R', state: 'closed', reset: false },
    { what: 'FIN after RST', packets: '>A <R >FA <FA', state: 'closed', reset: true },
    { what: 'ACK after both FINs', packets: '>FA <FA >A <A', state: 'closed' },
    {
      what: 'SYN after both FINs, which the tracker looks at first',
      packets: '>FA <FA >S',
      state: 'closed',
    },
  ])('$what: $packets is $state', ({ packets, state, reset = false }) => {
    expect(walk(PROTOCOL_TCP, packets)).toMatchObject({ state, reset })
    // Which side is which makes no difference.
    const turned = packets.replace(/[<>]/g, (side) => (side === '<' ? '>' : '<'))
    expect(walk(PROTOCOL_TCP, turned)).toMatchObject({ state, reset })
  })
})

describe('nextState, of other protocols', () => {
  test.each([PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_GRE, PROTOCOL_SCTP])(
    'protocol %i is established when both sides have spoken, whatever looks like flags',
    (protocol) => {
      expect(walk(protocol, '> > >').state).toBe('new')
      expect(walk(protocol, '< <').state).toBe('new')
      expect(walk(protocol, '> <').state).toBe('established')
      expect(walk(protocol, '< >').state).toBe('established')
      expect(walk(protocol, '>A').state).toBe('new')
      expect(walk(protocol, '> < >R <FA >FA')).toMatchObject({ state: 'established', reset: false })
    },
  )
})

describe('nextState', () => {
  test('never goes back, and leaves the other bits alone', () => {
    const order = ['new', 'established', 'closing', 'closed']
    for (const protocol of [PROTOCOL_TCP, PROTOCOL_UDP]) {
      for (let flags = 0; flags < 256; flags++) {
        for (const direction of [0, 1]) {
          for (const before of ['>S', '>A <A', '>FA', '>FA <FA', '<R']) {
            const kept = STATE_UNTIMED | (STATE_UNTIMED << 1) | (2 << 10)
            const from = walk(protocol, before).word | kept
            const to = nextState(from, direction, flags)
            const rank = (word: number) => order.indexOf(STATE_NAMES[word & STATE_MASK]!)
            expect(rank(to)).toBeGreaterThanOrEqual(rank(from))
            const others = INTERFACE_MASK | (0x3 << CLASS_SHIFT) | STATE_BEGUN_BY_B | kept
            expect(to & others).toBe(from & others)
          }
        }
      }
    }
  })
})

describe('initialState', () => {
  test.each([
    { protocol: PROTOCOL_TCP, kind: CLASS_TCP },
    { protocol: PROTOCOL_UDP, kind: CLASS_UDP },
    { protocol: PROTOCOL_ICMP, kind: CLASS_ICMP },
    { protocol: PROTOCOL_ICMPV6, kind: CLASS_ICMP },
    { protocol: PROTOCOL_GRE, kind: CLASS_OTHER },
    { protocol: PROTOCOL_SCTP, kind: CLASS_OTHER },
    { protocol: 0, kind: CLASS_OTHER },
    { protocol: 255, kind: CLASS_OTHER },
  ])('puts protocol $protocol into class $kind, new', ({ protocol, kind }) => {
    for (const direction of [0, 1]) {
      const state = initialState(protocol, direction)
      expect((state >>> CLASS_SHIFT) & 0x3).toBe(kind)
      expect(STATE_NAMES[state & STATE_MASK]).toBe('new')
      expect((state & STATE_BEGUN_BY_B) !== 0).toBe(direction === 1)
    }
  })
})

describe('isOpening', () => {
  test.each([
    { flags: 'S', expected: true },
    { flags: 'SP', expected: true },
    { flags: 'SA', expected: false },
    { flags: 'SR', expected: false },
    { flags: 'A', expected: false },
    { flags: '', expected: false },
  ])('$flags: $expected', ({ flags, expected }) => {
    const bits = [...flags].reduce((all, letter) => all | FLAGS[letter]!, 0)
    expect(isOpening(bits)).toBe(expected)
  })
})

/** In the manner of VPC flow logs, and of transit gateways, of packets with these flags. */
function flagsOf(...packets: number[]): { vpc: number; gateway: number } {
  const all = packets.reduce((sum, flags) => sum | windowFlags(flags), 0)
  const vpc = all & VPC_FLAGS
  return { vpc, gateway: transitGatewayFlags(vpc, all & OTHER_FLAGS) }
}

describe('windowFlags', () => {
  test('are FIN, SYN and RST of any packet, and ACK beside SYN alone, for VPC flow logs', () => {
    for (let flags = 0; flags < 256; flags++) {
      const names = Object.keys(FLAGS).filter((name) => (flags & FLAGS[name]!) !== 0)
      const kept = names.filter(
        (name) => 'FSR'.includes(name) || (name === 'A' && names.includes('S')),
      )
      expect(flagsOf(flags).vpc).toBe(kept.reduce((all, name) => all | FLAGS[name]!, 0))
    }
  })

  // The values the flow log page of AWS lists for each kind of segment.
  test.each([
    { segment: 'SYN', flags: 0x02, value: 2 },
    { segment: 'SYN-ACK', flags: 0x12, value: 18 },
    { segment: 'ACK', flags: 0x10, value: 0 },
    { segment: 'FIN-ACK', flags: 0x11, value: 1 },
    { segment: 'RST', flags: 0x04, value: 4 },
    { segment: 'PSH-ACK', flags: 0x18, value: 0 },
  ])('$segment is $value', ({ flags, value }) => {
    expect(flagsOf(flags).vpc).toBe(value)
  })

  test('are the six flags of RFC 793 of any packet for transit gateways, and 0 of ACK alone', () => {
    for (let one = 0; one < 256; one++) {
      for (let two = 0; two < 256; two += 7) {
        const all = (one | two) & 0x3f
        expect(flagsOf(one, two).gateway).toBe(all === 0x10 ? 0 : all)
      }
    }
  })
})
