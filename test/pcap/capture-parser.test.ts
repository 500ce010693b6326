import { describe, expect, test } from 'vitest'
import { CaptureParser } from '../../src/pcap/capture-parser.js'
import { Random } from '../support/random.js'
import { type KeptPacket, keep, readAll, SampleCapture, samples } from './sample-capture.js'

const SAMPLES = samples()

/** The offsets at which a capture may end without anything missing, with the packets before each. */
function wholeEnds(bytes: Buffer): Map<number, number> {
  const ends = new Map<number, number>()
  const parser = new CaptureParser(() => {})
  for (let at = 0; at < bytes.length; at++) {
    parser.push(bytes.subarray(at, at + 1))
    if (parser.octets === at + 1) ends.set(at + 1, parser.packets)
  }
  return ends
}

describe('CaptureParser', () => {
  test.each(SAMPLES)('reads every packet: $name', ({ name, bytes, packets }) => {
    const read = readAll(bytes)
    expect(read.packets).toEqual(packets)
    expect(read.parser).toMatchObject({
      packets: packets.length,
      octets: bytes.length,
      refusal: undefined,
      damage: undefined,
      format: name.split(',')[0]!.replace(' ', '-'),
    })
  })

  test('tells the interfaces of all sections', () => {
    const { parser } = readAll(SAMPLES.find(({ name }) => name.startsWith('pcapng'))!.bytes)
    expect(parser.interfaces.list).toEqual([
      { linkType: 1, snaplen: 0, name: 'eth0' },
      { linkType: 276, snaplen: 40 },
      { linkType: 101, snaplen: 5 },
    ])
  })

  test.each(SAMPLES)('reads the same however it is cut in two: $name', ({ bytes, packets }) => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const got: KeptPacket[] = []
      const parser = new CaptureParser((packet) => got.push(keep(packet)))
      parser.push(bytes.subarray(0, cut))
      parser.push(bytes.subarray(cut))
      parser.end()
      expect(got, `cut at ${cut}`).toEqual(packets)
      expect(parser.damage).toBeUndefined()
    }
  })

  test.each(SAMPLES)('reads the same in pieces of any size: $name', ({ bytes, packets }) => {
    const random = new Random(21)
    for (let size = 1; size <= 64; size++) {
      // Pieces of equal size, then of random sizes up to it, in a buffer that is overwritten.
      for (const fixed of [true, false]) {
        const got: KeptPacket[] = []
        const parser = new CaptureParser((packet) => got.push(keep(packet)))
        const piece = Buffer.alloc(size)
        for (let at = 0; at < bytes.length; ) {
          const length = fixed ? size : random.below(size + 1)
          const copied = bytes.copy(piece, 0, at, at + length)
          parser.push(piece.subarray(0, copied))
          piece.fill(0xee)
          at += copied
        }
        parser.end()
        expect(got, `pieces of ${size}, seed 21`).toEqual(packets)
        expect(parser.octets).toBe(bytes.length)
      }
    }
  })

  test.each(SAMPLES)('hands over a packet with its last octet: $name', ({ bytes, packets }) => {
    // Nothing may wait for what comes behind a record: a pipe can stay quiet for hours.
    const ends = wholeEnds(bytes)
    expect(Math.max(...ends.values())).toBe(packets.length)
    expect(ends.get(bytes.length)).toBe(packets.length)
    for (const [end, count] of ends) {
      expect(readAll(bytes.subarray(0, end)).packets).toEqual(packets.slice(0, count))
    }
  })

  test.each(SAMPLES)('says of every proper prefix where it is cut: $name', ({ bytes, packets }) => {
    const ends = wholeEnds(bytes)
    let lastEnd = 0
    for (let end = 0; end <= bytes.length; end++) {
      if (ends.has(end)) lastEnd = end
      const { parser, packets: got } = readAll(bytes.subarray(0, end))
      expect(got).toEqual(packets.slice(0, ends.get(lastEnd) ?? 0))
      if (lastEnd === 0) {
        expect(parser.refusal).toMatch(end === 0 ? /^is empty/ : /^ends inside its header/)
        expect(parser.damage).toBeUndefined()
      } else if (end === lastEnd) {
        expect(parser.damage).toBeUndefined()
      } else {
        expect(parser.damage?.offset, `cut at ${end}`).toBe(lastEnd)
        expect(parser.refusal).toBeUndefined()
      }
    }
  })

  test.each(SAMPLES)('reads nothing behind the bytes it was given: $name', ({ bytes, packets }) => {
    const got: KeptPacket[] = []
    const parser = new CaptureParser((packet) => got.push(keep(packet)))
    const dirty = Buffer.concat([Buffer.alloc(7, 0xee), bytes, Buffer.alloc(300, 0xee)])
    for (let end = 7; end <= 7 + bytes.length; end++) {
      if (parser.octets + 7 < end) parser.parse(dirty, 7 + parser.octets, end)
    }
    expect(got).toEqual(packets)
    expect(parser.octets).toBe(bytes.length)
  })

  test.each(SAMPLES)('survives mutations, seeds 1 to 400: $name', ({ bytes, packets }) => {
    const ends = wholeEnds(bytes)
    for (let seed = 1; seed <= 400; seed++) {
      const random = new Random(seed)
      const mutant = Buffer.from(bytes)
      let first = bytes.length
      for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(bytes.length)
        mutant[at] = random.pick([0, 0xff, 0x80, random.below(256)])
        first = Math.min(first, at)
      }
      const length = random.below(4) === 0 ? random.below(bytes.length) : bytes.length
      const { parser, packets: got } = readAll(mutant.subarray(0, length))
      // What lies before the first mutated byte is all there, whatever comes behind.
      const sure = Math.max(
        0,
        ...[...ends].filter(([end]) => end <= Math.min(first, length)).map(([, n]) => n),
      )
      expect(got.slice(0, sure), `seed ${seed}`).toEqual(packets.slice(0, sure))
      expect(parser.octets).toBeLessThanOrEqual(length)
      if (parser.refusal === undefined && parser.damage === undefined) {
        expect(parser.octets, `seed ${seed}`).toBe(length)
      }
      for (const { time } of got) expect(time).toMatch(/^-?\d+\.\d{9}$/)
    }
  })

  test('takes noise of any length for no capture, seeds 1 to 500', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = new Random(seed)
      const { parser } = readAll(random.bytes(1 + random.below(200)))
      expect(parser.refusal, `seed ${seed}`).toBeDefined()
    }
  })

  test.each([
    ['0a0d0d0a', 'pcapng'],
    ['a1b2c3d4', 'pcap'],
    ['4d3cb2a1', 'pcap'],
    ['34cdb2a1', 'pcap'],
  ])('survives noise behind %s, seeds 1 to 500', (magic) => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = new Random(seed)
      const head = Buffer.from(magic, 'hex')
      readAll(Buffer.concat([head, random.bytes(random.below(200))]))
    }
  })

  test('lets what onPacket throws through', () => {
    const parser = new CaptureParser(() => {
      throw new Error('ours')
    })
    expect(() => parser.push(SAMPLES[0]!.bytes)).toThrow('ours')
  })

  test('takes a header without packets for a capture', () => {
    const { parser } = readAll(new SampleCapture(true).pcapHeader(0xa1b2c3d4, 1, 96).finish())
    expect(parser).toMatchObject({ packets: 0, octets: 24, damage: undefined, refusal: undefined })
  })
})
