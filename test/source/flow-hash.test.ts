import { describe, expect, test } from 'vitest'
import { flowHash } from '../../src/source/flow-hash.js'
import { Frame } from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { ethernet, fragments4, fragments6, icmp4, tcp4, udp4, udp6 } from '../support/frames.js'

function hashOf(packet: Buffer): number {
  const frame = new Frame()
  const bytes = ethernet(packet)
  expect(parseFrame(bytes, 0, bytes.length, 1, bytes.length, frame)).toBeUndefined()
  return flowHash(frame)
}

const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }
const BACK = { src: '10.0.0.2', dst: '10.0.0.1', sport: 80, dport: 1234 }
const FLOW6 = { src: '2001:db8::1', dst: '2001:db8::2:1', sport: 1234, dport: 80 }
const BACK6 = { src: '2001:db8::2:1', dst: '2001:db8::1', sport: 80, dport: 1234 }

describe('flowHash', () => {
  test('is the same for both directions', () => {
    expect(hashOf(tcp4(FLOW))).toBe(hashOf(tcp4(BACK)))
    expect(hashOf(udp6(FLOW6))).toBe(hashOf(udp6(BACK6)))
    const [src, dst] = ['10.0.0.1', '10.0.0.2']
    expect(hashOf(icmp4({ src, dst, type: 8 }))).toBe(
      hashOf(icmp4({ src: dst, dst: src, type: 0 })),
    )
  })

  test.each([
    { name: 'protocol', packet: udp4(FLOW) },
    { name: 'source', packet: tcp4({ ...FLOW, src: '10.0.0.3' }) },
    { name: 'destination', packet: tcp4({ ...FLOW, dst: '10.0.0.3' }) },
    { name: 'source port', packet: tcp4({ ...FLOW, sport: 1235 }) },
    { name: 'destination port', packet: tcp4({ ...FLOW, dport: 81 }) },
    { name: 'pairing of ports and addresses', packet: tcp4({ ...FLOW, sport: 80, dport: 1234 }) },
  ])('depends on the $name', ({ packet }) => {
    expect(hashOf(packet)).not.toBe(hashOf(tcp4(FLOW)))
  })

  test('depends on every word of an IPv6 address', () => {
    const hashes = ['2001:db9::1', '2001:db8:1::1', '2001:db8::1:0:1', '2001:db8::3'].map((src) =>
      hashOf(udp6({ ...FLOW6, src })),
    )
    expect(new Set([...hashes, hashOf(udp6(FLOW6))]).size).toBe(5)
  })

  test('is the same for all fragments of a packet', () => {
    const payload = Buffer.alloc(3000)
    for (const parts of [
      fragments4(udp4({ ...FLOW, payload }), 1500),
      fragments6(udp6({ ...FLOW6, payload }), 1500, 1),
    ]) {
      expect(new Set(parts.map(hashOf)).size).toBe(1)
    }
  })

  test('is 0 without IP', () => {
    expect(flowHash(new Frame())).toBe(0)
  })

  test('spreads consecutive ports over sixteen sockets', () => {
    const hits = new Array<number>(16).fill(0)
    for (let sport = 0; sport < 1600; sport++) hits[hashOf(tcp4({ ...FLOW, sport })) % 16]!++
    expect(Math.min(...hits)).toBeGreaterThan(60)
    expect(Math.max(...hits)).toBeLessThan(150)
  })
})
