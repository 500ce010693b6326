import { describe, expect, test } from 'vitest'
import { addWords, foldChecksum, ipv6AddressSum } from '../../src/wire/checksum.js'
import { ICMP_ECHO_REQUEST } from '../../src/wire/icmp.js'
import { hex } from '../support/hex.js'
import { emitIcmp, emitIcmpv6 } from './emit.js'

describe('emitIcmp', () => {
  test('writes every byte of a dirty header', () => {
    const bytes = hex`a5 a5a5a5a5 a5a5a5a5 6162 a5`
    const header = { type: ICMP_ECHO_REQUEST, code: 0, rest: 0x0001_0002, payloadLength: 2 }
    expect(emitIcmp(header, bytes, 1)).toBe(9)
    // 0800 + 0001 + 0002 + 6162 = 6965
    expect(bytes).toEqual(hex`a5 0800969a 00010002 6162 a5`)
  })
})

describe('emitIcmpv6', () => {
  test('covers addresses, length and protocol as RFC 4443 §2.3 asks', () => {
    const pseudo = hex`
      fe800000 00000000 00000000 00000001
      ff020000 00000000 00000000 00000001
      0000000b 0000003a
    `
    const words = [0, 4, 8, 12, 16, 20, 24, 28].map((at) => pseudo.readUInt32BE(at))
    const bytes = hex`a5a5a5a5 a5a5a5a5 616263`
    const header = { type: 128, code: 0, rest: 0xffff_ffff, payloadLength: 3 }
    expect(emitIcmpv6(header, bytes, 0, ipv6AddressSum(words.slice(0, 4), words.slice(4)))).toBe(8)
    expect(foldChecksum(addWords(bytes, 0, 11, addWords(pseudo, 0, 40)))).toBe(0)
    expect(bytes.readUInt32BE(4)).toBe(0xffff_ffff)
  })
})
