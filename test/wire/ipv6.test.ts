import { describe, expect, test } from 'vitest'
import { emitIpv6, IPV6_HEADER_LEN } from '../../src/wire/ipv6.js'
import { emitIpv6Fragment } from '../support/emit.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'

describe('emitIpv6', () => {
  test('writes every byte of a dirty buffer and none beyond', () => {
    const bytes = Buffer.alloc(1 + IPV6_HEADER_LEN + 1, 0xa5)
    const header = {
      trafficClass: 0xbc,
      flowLabel: 0xf_1234,
      payloadLength: 0x1122,
      nextHeader: 58,
      hopLimit: 255,
      source: [0xfe80_0000, 0, 0x0285_69ff, 0xfec2_ab02],
      destination: Uint32Array.of(0x2001_0db8, 1, 2, 0xffff_ffff),
    }
    expect(emitIpv6(header, bytes, 1)).toBe(1 + IPV6_HEADER_LEN)
    expect(bytes).toEqual(hex`
      a5
      6bcf1234 11223aff
      fe800000 00000000 028569ff fec2ab02
      20010db8 00000001 00000002 ffffffff
      a5
    `)
  })

  test('keeps class and label from reaching into each other or the version', () => {
    const random = new Random(8200)
    for (let run = 0; run < 300; run++) {
      const bytes = random.bytes(IPV6_HEADER_LEN)
      const trafficClass = random.below(256)
      const flowLabel = random.below(1 << 20)
      const address = [0, 0, 0, 0]
      const rest = { payloadLength: 0, nextHeader: 0, hopLimit: 0, source: address }
      emitIpv6({ trafficClass, flowLabel, ...rest, destination: address }, bytes, 0)
      const word = bytes.readUInt32BE(0)
      expect(word >>> 28).toBe(6)
      expect((word >>> 20) & 0xff).toBe(trafficClass)
      expect(word & 0xf_ffff).toBe(flowLabel)
    }
  })
})

describe('emitIpv6Fragment', () => {
  test.each([
    {
      name: 'the first of several',
      header: { nextHeader: 17, offset: 0, moreFragments: true, identification: 0xdead_beef },
      bytes: hex`1100 0001 deadbeef`,
    },
    {
      name: 'the furthest there can be',
      header: { nextHeader: 255, offset: 65_528, moreFragments: false, identification: 0 },
      bytes: hex`ff00 fff8 00000000`,
    },
    {
      name: 'one in the middle',
      header: { nextHeader: 6, offset: 1480, moreFragments: true, identification: 1 },
      bytes: hex`0600 05c9 00000001`,
    },
  ])('writes $name', ({ header, bytes }) => {
    const out = Buffer.alloc(10, 0xa5)
    expect(emitIpv6Fragment(header, out, 1)).toBe(9)
    expect(out).toEqual(Buffer.concat([hex`a5`, bytes, hex`a5`]))
  })
})
