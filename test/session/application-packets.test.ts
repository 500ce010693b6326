import { expect, test } from 'vitest'
import { ApplicationReader } from '../../src/application/application-reader.js'
import { Offline } from '../../src/offline/offline.js'
import { ApplicationPackets } from '../../src/session/application-packets.js'
import { ethernet, fragments4, fragments6, udp4, udp6 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { lentPacket } from '../support/lent-packet.js'

const LABELS = Array.from({ length: 60 }, (_, at) => `name${at}.example`)
const MESSAGE = Buffer.concat([
  hex`beef 8180`,
  Buffer.of(0, 1, 0, LABELS.length, 0, 0, 0, 0),
  hex`01 61 00 0001 0001`,
  ...LABELS.map((name) =>
    Buffer.concat([
      Buffer.of(name.indexOf('.')),
      Buffer.from(name.slice(0, name.indexOf('.'))),
      hex`07 6578616d706c65 00 0001 0001 0000003c 0004 c6336450`,
    ]),
  ),
])
const ENDS = { sport: 53, dport: 40_000, payload: MESSAGE }
const PACKET4 = udp4({ src: '192.0.2.53', dst: '10.0.0.1', ...ENDS })
const PACKET6 = udp6({ src: '2001:db8::53', dst: '2001:db8::1', ...ENDS })
/** Of no IP: what was parsed before it must not count for it. */
const ARP = ethernet(Buffer.alloc(46), { type: 0x0806 })

function answersOf(frames: readonly Buffer[]): number[] {
  const told: number[] = []
  const reader = new ApplicationReader({ dns: (_ends, { answers }) => told.push(answers.length) })
  const packets = new ApplicationPackets(reader, undefined)
  const offline = new Offline({
    decap: 'auto',
    vxlanPort: 4789,
    genevePort: 6081,
    observe: packets.observe,
  })
  for (const frame of frames) offline.accept(lentPacket(frame, { seconds: 1_700_000_000 }))
  offline.end()
  packets.end()
  return told
}

test.each([
  ['IPv4', fragments4(PACKET4, 600)],
  ['IPv6', fragments6(PACKET6, 600, 7)],
])('a datagram of %s in fragments is read whole, in any order', (_version, packets) => {
  const frames = packets.map((packet) => ethernet(packet))
  expect(answersOf([frames[0]!, ARP, ...frames.slice(1)])).toEqual([LABELS.length])
  expect(answersOf(frames.toReversed())).toEqual([LABELS.length])
})

test('of a datagram whose other fragments never come, the first is read', () => {
  const [first] = fragments4(PACKET4, 600)
  const [count, ...more] = answersOf([ethernet(first!), ARP])
  expect(more).toEqual([])
  expect(count).toBeGreaterThan(5)
  expect(count).toBeLessThan(LABELS.length)
})
