import { describe, expect, test } from 'vitest'
import { InterfaceMatcher } from '../../src/mirror/packet-direction.js'
import { DIRECTION_UNKNOWN, EGRESS, INGRESS, PASSING } from '../../src/wire/frame.js'
import { ethernet, tcp4, udp4, udp6 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { framed } from './verdicts.js'

const MAC = '02:85:69:c2:ab:02'
const ROUTER = '02:85:69:c2:ab:03'
const ports = { sport: 1, dport: 2 }
const ADDRESSES = ['10.0.1.20', '10.0.1.21', '2001:db8:1::20']

const v4 = (src: string, dst: string, macs = {}) => ethernet(udp4({ src, dst, ...ports }), macs)
const v6 = (src: string, dst: string) => ethernet(udp6({ src, dst, ...ports }))

describe('InterfaceMatcher', () => {
  const byAddress = new InterfaceMatcher({ addresses: ADDRESSES })
  const byBoth = new InterfaceMatcher({ addresses: ADDRESSES, macAddress: MAC })

  test.each([
    { name: 'from the primary address', frame: v4('10.0.1.20', '192.0.2.1'), direction: EGRESS },
    { name: 'to the primary address', frame: v4('192.0.2.1', '10.0.1.20'), direction: INGRESS },
    { name: 'from another address', frame: v4('10.0.1.21', '192.0.2.1'), direction: EGRESS },
    { name: 'to its IPv6 address', frame: v6('2001:db8::9', '2001:db8:1::20'), direction: INGRESS },
    {
      name: 'from its IPv6 address',
      frame: v6('2001:db8:1::20', '2001:db8::9'),
      direction: EGRESS,
    },
    { name: 'from itself to itself', frame: v4('10.0.1.20', '10.0.1.21'), direction: EGRESS },
    { name: 'between others', frame: v4('10.0.1.22', '192.0.2.1'), direction: PASSING },
    {
      name: 'between others over IPv6',
      frame: v6('2001:db8::9', '2001:db8:1::21'),
      direction: PASSING,
    },
    {
      name: 'from an IPv6 address that ends like an IPv4 one',
      frame: v6('::a00:114', '2001:db8::9'),
      direction: PASSING,
    },
    { name: 'without IP', frame: ethernet(hex`00`, { type: 0x0806 }), direction: PASSING },
  ])('by addresses: $name', ({ frame, direction }) => {
    expect(byAddress.directionOf(framed(frame))).toBe(direction)
  })

  test.each([
    {
      name: 'what it forwards for others, sent',
      frame: v4('10.9.9.9', '192.0.2.1', { src: MAC, dst: ROUTER }),
      direction: EGRESS,
    },
    {
      name: 'what it forwards for others, received',
      frame: v4('10.9.9.9', '192.0.2.1', { src: ROUTER, dst: MAC }),
      direction: INGRESS,
    },
    {
      name: 'what comes back to it with its own address as the source',
      frame: v4('10.0.1.20', '192.0.2.1', { src: ROUTER, dst: MAC }),
      direction: INGRESS,
    },
    {
      name: 'seen behind a router, by addresses',
      frame: v4('10.0.1.20', '192.0.2.1'),
      direction: EGRESS,
    },
    {
      name: 'ARP that it asks',
      frame: ethernet(hex`00`, { type: 0x0806, src: MAC, dst: 'ff:ff:ff:ff:ff:ff' }),
      direction: EGRESS,
    },
    {
      name: 'ARP that another asks all',
      frame: ethernet(hex`00`, { type: 0x0806, src: ROUTER, dst: 'ff:ff:ff:ff:ff:ff' }),
      direction: INGRESS,
    },
    {
      name: 'multicast of another',
      frame: v4('10.0.1.30', '224.0.0.251', { src: ROUTER, dst: '01:00:5e:00:00:fb' }),
      direction: INGRESS,
    },
    { name: 'between others', frame: v4('10.0.1.30', '192.0.2.1'), direction: PASSING },
  ])('by MAC: $name', ({ frame, direction }) => {
    expect(byBoth.directionOf(framed(frame))).toBe(direction)
  })

  test('by the MAC alone', () => {
    const matcher = new InterfaceMatcher({ addresses: [], macAddress: MAC })
    const packet = tcp4({ src: '10.0.0.1', dst: '10.0.0.2', ...ports })
    expect(matcher.directionOf(framed(ethernet(packet, { src: MAC })))).toBe(EGRESS)
    expect(matcher.directionOf(framed(ethernet(packet)))).toBe(PASSING)
  })

  test('knows nothing without addresses', () => {
    const matcher = new InterfaceMatcher({ addresses: [] })
    expect(matcher.directionOf(framed(v4('10.0.0.1', '10.0.0.2')))).toBe(DIRECTION_UNKNOWN)
  })

  test.each([0, 6, 13, 20])('survives a frame of %i bytes', (length) => {
    const frame = v4('10.0.1.20', '192.0.2.1', { src: MAC }).subarray(0, length)
    expect([PASSING, EGRESS]).toContain(byBoth.directionOf(framed(frame)))
  })
})
