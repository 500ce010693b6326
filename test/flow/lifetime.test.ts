import { describe, expect, test } from 'vitest'
import { initialState, nextState, STATE_CLOSED, STATE_CLOSING } from '../../src/flow/flow-state.js'
import {
  compileLifetime,
  EMERGENCY_LIFETIME,
  LIFETIMES,
  type Lifetime,
  timeoutIndex,
} from '../../src/flow/lifetime.js'
import {
  PROTOCOL_GRE,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../../src/wire/protocol.js'

const ALL: readonly [string, Lifetime][] = [
  ...Object.entries(LIFETIMES),
  ['emergency', EMERGENCY_LIFETIME],
]

const CLASSES = [
  { of: 'tcp', protocol: PROTOCOL_TCP },
  { of: 'udp', protocol: PROTOCOL_UDP },
  { of: 'icmp', protocol: PROTOCOL_ICMPV6 },
  { of: 'other', protocol: PROTOCOL_GRE },
] as const

describe('compileLifetime', () => {
  test.each(ALL)('%s gives each class and state its seconds', (_name, lifetime) => {
    const seconds = compileLifetime(lifetime)
    for (const { of, protocol } of CLASSES) {
      const fresh = initialState(protocol, 0)
      expect(seconds[timeoutIndex(fresh)]).toBe(lifetime[of].new)
      const answered = nextState(nextState(fresh, 0, 0x10), 1, 0x10)
      expect(seconds[timeoutIndex(answered)]).toBe(lifetime[of].established)
    }
    const tcp = initialState(PROTOCOL_TCP, 1)
    expect(seconds[timeoutIndex(tcp | STATE_CLOSING)]).toBe(lifetime.tcp.closing)
    expect(seconds[timeoutIndex(tcp | STATE_CLOSED)]).toBe(lifetime.tcp.closed)
  })

  test('takes closing and closed from the state before where they are left out', () => {
    const plain = { new: 1, established: 2 }
    const seconds = compileLifetime({
      tcp: plain,
      udp: { ...plain, closing: 3 },
      icmp: plain,
      other: plain,
    })
    expect([...seconds.subarray(0, 8)]).toEqual([1, 2, 2, 2, 1, 2, 3, 3])
  })
})

describe('timeoutIndex', () => {
  test('looks at nothing but class and state', () => {
    const state = initialState(PROTOCOL_UDP, 0)
    const others = ~(0x3 | (0x3 << 8))
    expect(timeoutIndex((state | others) >>> 0)).toBe(timeoutIndex(state))
  })
})

describe('LIFETIMES', () => {
  test.each(ALL)('%s is whole seconds, shorter for what matters less', (_name, lifetime) => {
    for (const of of Object.values(lifetime)) {
      for (const seconds of Object.values<number>(of)) {
        expect(Number.isInteger(seconds) && seconds > 0).toBe(true)
      }
      expect(of.new).toBeLessThanOrEqual(of.established)
    }
    const { closing, closed, established } = lifetime.tcp
    expect(closed!).toBeLessThanOrEqual(closing!)
    expect(closing!).toBeLessThanOrEqual(established)
  })

  test.each(Object.entries(LIFETIMES))(
    'in an emergency nothing of %s lives longer',
    (_, normal) => {
      const [short, long] = [compileLifetime(EMERGENCY_LIFETIME), compileLifetime(normal)]
      for (const index of [0, 1, 2, 3, 4, 5, 8, 12, 13]) {
        expect(short[index]).toBeLessThanOrEqual(long[index]!)
      }
    },
  )

  // AWS Network Firewall: TCP idle time-out 350 s unless set. EC2 connection tracking: established
  // TCP 432,000 s, UDP 30 s, UDP stream 180 s (security groups, "Idle connection tracking timeout").
  test('has the values AWS documents', () => {
    expect(LIFETIMES.nfw.tcp.established).toBe(350)
    expect(LIFETIMES.vpc.tcp.established).toBe(432_000)
    expect(LIFETIMES.vpc.udp).toEqual({ new: 30, established: 180 })
  })
})
