import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addWords, foldChecksum, ipv4AddressSum, ipv6AddressSum } from '../../src/wire/checksum.js'
import { crc32c } from '../support/emit.js'
import { hex } from '../support/hex.js'
import { holdsFor } from '../support/property.js'

/** RFC 1071 §4.1 word for word: add, and add the carry back at once. */
function obviousChecksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return 0xffff - sum
}

describe('addWords and foldChecksum', () => {
  test('give the sum of the example in RFC 1071 §3', () => {
    const bytes = hex`0001 f203 f4f5 f6f7`
    expect(addWords(bytes, 0, bytes.length)).toBe(0x2_ddf0)
    expect(foldChecksum(0x2_ddf0)).toBe(0xffff - 0xddf2)
  })

  test('agree with the plain algorithm at every length and offset', () => {
    holdsFor([fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 7 })], (some, skipped) => {
      const bytes = Buffer.from(some)
      const start = Math.min(bytes.length, skipped)
      expect(foldChecksum(addWords(bytes, start, bytes.length))).toBe(
        obviousChecksum(bytes.subarray(start)),
      )
    })
  })

  test('do not mind in how many pieces of even length the bytes are added', () => {
    holdsFor([fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 150 })], (some, words) => {
      const bytes = Buffer.from(some)
      const cut = Math.min(2 * words, bytes.length)
      const parts = addWords(bytes, cut, bytes.length, addWords(bytes, 0, cut))
      if (cut % 2 === 0) expect(parts).toBe(addWords(bytes, 0, bytes.length))
    })
  })

  test('stay exact for the longest packet of the largest words', () => {
    const bytes = Buffer.alloc(65_536, 0xff)
    expect(addWords(bytes, 0, bytes.length)).toBe(32_768 * 0xffff)
    expect(foldChecksum(32_768 * 0xffff)).toBe(0)
  })

  test('continue from a sum given', () => {
    const bytes = hex`0102 0304`
    expect(addWords(bytes, 2, 4, addWords(bytes, 0, 2))).toBe(addWords(bytes, 0, 4))
  })
})

describe('address sums', () => {
  test('equal the sum over the bytes, high bits set', () => {
    const bytes = hex`c0a80001 ffff0002`
    expect(ipv4AddressSum(0xc0a8_0001, 0xffff_0002)).toBe(addWords(bytes, 0, 8))
  })

  test('equal the sum over the bytes of IPv6 addresses', () => {
    const bytes = hex`
      20010db8 00000000 fffffffe 80000001
      fe800000 00000000 02857fff fe69c2ab
    `
    const words = [0, 4, 8, 12, 16, 20, 24, 28].map((at) => bytes.readUInt32BE(at))
    expect(ipv6AddressSum(words.slice(0, 4), words.slice(4))).toBe(addWords(bytes, 0, 32))
  })
})

describe('crc32c', () => {
  // RFC 3720 appendix B.4 lists these byte by byte, least significant first.
  test.each([
    { name: '32 zeros', bytes: Buffer.alloc(32), crc: 0x8a91_36aa },
    { name: '32 bytes of all ones', bytes: Buffer.alloc(32, 0xff), crc: 0x62a8_ab43 },
    {
      name: '0 to 31',
      bytes: Buffer.from(Array.from({ length: 32 }, (_, i) => i)),
      crc: 0x46dd_794e,
    },
    { name: 'the digits 1 to 9', bytes: Buffer.from('123456789'), crc: 0xe306_9283 },
    { name: 'nothing', bytes: Buffer.alloc(0), crc: 0 },
  ])('of $name is the published value', ({ bytes, crc }) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(crc)
    const shifted = Buffer.concat([hex`a5`, bytes, hex`a5`])
    expect(crc32c(shifted, 1, shifted.length - 1)).toBe(crc)
  })
})
