import { describe, expect, test } from 'vitest'
import { addWords, foldChecksum } from '../../src/wire/checksum.js'
import { emitIpv4, IPV4_HEADER_LEN, sealIpv4 } from '../../src/wire/ipv4.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'

describe('emitIpv4', () => {
  test('writes every byte of a dirty buffer and none beyond', () => {
    const bytes = Buffer.alloc(22, 0xa5)
    const header = {
      typeOfService: 0,
      payloadLength: 95,
      identification: 0,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      timeToLive: 64,
      protocol: 17,
      source: 0xc0a8_0001,
      destination: 0xc0a8_00c7,
    }
    expect(emitIpv4(header, bytes, 1)).toBe(21)
    expect(bytes).toEqual(hex`
      a5
      45000073 00004000 4011b861 c0a80001 c0a800c7  // sum worked by hand
      a5
    `)
  })

  test('puts every bit of every field where RFC 791 draws it, seed 791', () => {
    const random = new Random(791)
    for (let run = 0; run < 500; run++) {
      const header = {
        typeOfService: random.below(256),
        payloadLength: random.below(65_516),
        identification: random.below(65_536),
        dontFragment: random.below(2) === 1,
        moreFragments: random.below(2) === 1,
        fragmentOffset: random.below(8192) * 8,
        timeToLive: random.below(256),
        protocol: random.below(256),
        source: random.next(),
        destination: random.next(),
      }
      const start = random.below(5)
      const bytes = random.bytes(start + IPV4_HEADER_LEN)
      expect(emitIpv4(header, bytes, start)).toBe(bytes.length)
      const at = bytes.subarray(start)
      expect(at[0]).toBe(0x45)
      expect({
        typeOfService: at[1],
        payloadLength: at.readUInt16BE(2) - 20,
        identification: at.readUInt16BE(4),
        dontFragment: (at[6]! & 0x40) !== 0,
        moreFragments: (at[6]! & 0x20) !== 0,
        fragmentOffset: (at.readUInt16BE(6) % 0x2000) * 8,
        timeToLive: at[8],
        protocol: at[9],
        source: at.readUInt32BE(12),
        destination: at.readUInt32BE(16),
      }).toEqual(header)
      expect(at[6]! & 0x80).toBe(0)
      // A header with its checksum in place sums to all ones.
      expect(foldChecksum(addWords(bytes, start, bytes.length))).toBe(0)
    }
  })
})

describe('sealIpv4', () => {
  test('covers options and whatever stood in the checksum field', () => {
    const header = hex`46000018 00000000 40060bad 0a000001 0a000002 01010101`
    sealIpv4(header, 0, header.length)
    expect(foldChecksum(addWords(header, 0, header.length))).toBe(0)
    expect(header.readUInt16BE(10)).not.toBe(0x0bad)
  })
})
