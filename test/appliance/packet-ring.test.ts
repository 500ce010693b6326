import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PacketRingReader, PacketRingWriter, ringMemory } from '../../src/appliance/packet-ring.js'
import { Session } from '../../src/session/session.js'
import { lentPacket } from '../support/lent-packet.js'

const session = (index: number): Session =>
  new Session(index, 40 + index, Uint32Array.of(0, 0, 0xffff, 0x0a000000 + index))

test('what a ring gives is what was put in, in order, and the rest is counted', () => {
  const step = fc.record({
    session: fc.integer({ min: 1, max: 3 }),
    length: fc.integer({ min: 0, max: 65_000 }),
    reads: fc.integer({ min: 0, max: 3 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = ringMemory(1, true)
      const reader = new PacketRingReader(memory)
      reader.begin()
      const writer = new PacketRingWriter(memory)
      const sessions = [1, 2, 3].map(session)
      const put: string[] = []
      const got: string[] = []
      let lost = 0
      const shift = (): boolean => {
        const packet = reader.shift()
        if (packet === undefined) return false
        const { bytes, start, end, seconds, nanoseconds, originalLength, linkType } = packet
        const isWhole = bytes.subarray(start, end).every((byte) => byte === seconds % 251)
        const { name, vni } = packet.session
        got.push(
          [name, vni, end - start, seconds, nanoseconds, originalLength, linkType, isWhole].join(),
        )
        return true
      }
      for (const [index, one] of steps.entries()) {
        const of = sessions[one.session - 1]!
        const facts = {
          seconds: index,
          nanoseconds: index * 7,
          originalLength: 70_000,
          linkType: 1,
        }
        writer.take(
          of,
          lentPacket(Buffer.alloc(one.length, index % 251), facts),
          one.length,
          70_000,
        )
        if (reader.lost > lost) lost = reader.lost
        else put.push([of.name, of.vni, one.length, index, index * 7, 70_000, 1, true].join())
        for (let left = one.reads; left > 0; left--) shift()
      }
      while (shift());
      expect(got).toEqual(put)
    }),
  )
})

test('a packet is cut to what is kept of it, and a session is told again when its VNI is another', () => {
  const memory = ringMemory(1, false)
  const reader = new PacketRingReader(memory)
  const writer = new PacketRingWriter(memory)
  const of = session(1)
  writer.take(of, lentPacket(Buffer.from('nobody reads')), 12, 12)
  reader.begin()
  writer.take(of, lentPacket(Buffer.from('0123456789')), 4, 10)
  const first = reader.shift()!
  expect(first.bytes.subarray(first.start, first.end).toString()).toBe('0123')
  expect(first.session).toEqual({ name: 'vni-41_10.0.0.1', vni: 41, source: '10.0.0.1' })
  const kept = first.copy()
  of.vni = 9
  writer.take(of, lentPacket(Buffer.from('abc')), 3, 3)
  expect(reader.shift()!.session.vni).toBe(9)
  expect([Buffer.from(kept.bytes).toString(), kept.session.vni]).toEqual(['0123', 41])
})
