import { describe, expect, test } from 'vitest'
import {
  emitPcapHeader,
  emitPcapRecord,
  PCAP_HEADER_LEN,
  PCAP_RECORD_HEADER_LEN,
  type PcapHeader,
  parsePcapHeader,
  parsePcapRecord,
} from '../../src/pcap/pcap.js'
import { Packet } from '../../src/wire/packet.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'
import { SampleCapture } from './sample-capture.js'

function blank(): PcapHeader {
  return {
    littleEndian: false,
    unitsPerSecond: 0,
    recordHeaderLength: 0,
    major: 0,
    minor: 0,
    snaplen: 0,
    linkType: 0,
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

describe('emitPcapHeader', () => {
  test('writes little-endian, nanoseconds, version 2.4', () => {
    const bytes = Buffer.alloc(28, 0xa5)
    expect(emitPcapHeader(276, 262144, bytes, 2)).toBe(2 + PCAP_HEADER_LEN)
    expect(bytes).toEqual(hex`a5a5  4d3cb2a1 0200 0400 00000000 00000000 00000400 14010000  a5a5`)
  })
})

describe('emitPcapRecord', () => {
  test('writes the four words little-endian', () => {
    const bytes = Buffer.alloc(18, 0xa5)
    expect(emitPcapRecord(0x87654321, 999_999_999, 60, 1514, bytes, 1)).toBe(17)
    expect(bytes).toEqual(hex`a5  21436587 ffc99a3b 3c000000 ea050000  a5`)
  })
})

describe('parsePcapHeader', () => {
  test.each([
    [0xa1b2c3d4, true, 1_000_000, 16],
    [0xa1b2c3d4, false, 1_000_000, 16],
    [0xa1b23c4d, true, 1_000_000_000, 16],
    [0xa1b23c4d, false, 1_000_000_000, 16],
    [0xa1b2cd34, true, 1_000_000, 24],
    [0xa1b2cd34, false, 1_000_000, 24],
  ])(
    'reads magic %i, little-endian %s',
    (magic, littleEndian, unitsPerSecond, recordHeaderLength) => {
      // 0x5400: a frame check sequence of five 16-bit words is present.
      const bytes = new SampleCapture(littleEndian).pcapHeader(magic, 0x54000071, 96).finish()
      const out = blank()
      expect(parsePcapHeader(viewOf(bytes), 0, bytes.length, out)).toBeUndefined()
      expect(out).toEqual({
        littleEndian,
        unitsPerSecond,
        recordHeaderLength,
        major: 2,
        minor: 4,
        snaplen: 96,
        linkType: 113,
      })
    },
  )

  test('refuses every proper prefix', () => {
    const bytes = new SampleCapture(true).pcapHeader(0xa1b2c3d4, 1, 96).finish()
    for (let end = 0; end < PCAP_HEADER_LEN; end++) {
      expect(parsePcapHeader(viewOf(bytes), 0, end, blank())).toBe('pcap-truncated')
    }
  })

  test.each([
    [1, 4, 'pcap-version'],
    [2, 0, undefined],
    [2, 1, undefined],
    [2, 65535, undefined],
    [3, 0, 'pcap-version'],
    [543, 0, 'pcap-version'],
  ])('answers version %i.%i with %s', (major, minor, fault) => {
    const bytes = new SampleCapture(false).pcapHeader(0xa1b2c3d4, 1, 96, major, minor).finish()
    expect(parsePcapHeader(viewOf(bytes), 0, bytes.length, blank())).toBe(fault)
  })

  test('refuses a magic number with any bit wrong', () => {
    const good = new SampleCapture(true).pcapHeader(0xa1b2c3d4, 1, 96).finish()
    for (let bit = 0; bit < 32; bit++) {
      const bytes = Buffer.from(good)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(parsePcapHeader(viewOf(bytes), 0, bytes.length, blank())).toBe('pcap-magic')
    }
  })

  test('reads back what emitPcapHeader wrote over a dirty buffer', () => {
    const random = new Random(11)
    for (let round = 0; round < 200; round++) {
      const bytes = random.bytes(40)
      const at = random.below(16)
      const linkType = random.below(65536)
      const snaplen = random.next()
      emitPcapHeader(linkType, snaplen, bytes, at)
      const out = blank()
      expect(parsePcapHeader(viewOf(bytes), at, bytes.length, out)).toBeUndefined()
      expect(out).toMatchObject({ littleEndian: true, linkType, snaplen, major: 2, minor: 4 })
    }
  })
})

describe('parsePcapRecord', () => {
  test('reads back what emitPcapRecord wrote over a dirty buffer', () => {
    const random = new Random(12)
    const header = { ...blank(), littleEndian: true, unitsPerSecond: 1_000_000_000 }
    for (let round = 0; round < 200; round++) {
      const bytes = random.bytes(PCAP_RECORD_HEADER_LEN + 4)
      const [seconds, nanoseconds] = [random.next(), random.below(1_000_000_000)]
      const [captured, originalLength] = [random.next(), random.next()]
      emitPcapRecord(seconds, nanoseconds, captured, originalLength, bytes, 3)
      const out = new Packet()
      expect(parsePcapRecord(viewOf(bytes), 3, header, out)).toBe(captured)
      expect(out).toMatchObject({ seconds, nanoseconds, originalLength })
    }
  })

  test.each([
    [1_000_000, 0, 100, 0],
    [1_000_000, 999_999, 100, 999_999_000],
    [1_000_000, 1_000_000, 101, 0],
    [1_000_000, 2_147_483_648, 2247, 483_648_000],
    [1_000_000_000, 999_999_999, 100, 999_999_999],
    [1_000_000_000, 4_294_967_295, 104, 294_967_295],
  ])(
    'carries into the seconds: %i units a second, fraction %i',
    (unitsPerSecond, fraction, seconds, nanoseconds) => {
      const bytes = new SampleCapture(false).pcapRecord(100, fraction, Buffer.alloc(0), 0).finish()
      const out = new Packet()
      parsePcapRecord(viewOf(bytes), 0, { ...blank(), unitsPerSecond }, out)
      expect(out).toMatchObject({ seconds, nanoseconds })
    },
  )
})
