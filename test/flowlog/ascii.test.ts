import { describe, expect, test } from 'vitest'
import {
  Ascii,
  MAX_ADDRESS_LEN,
  PUT_SLACK,
  putAscii,
  putDecimal,
  putIpv4,
  putIpv6,
} from '../../src/flowlog/ascii.js'
import { formatIpv4, formatIpv6, parseIpv6 } from '../../src/wire/address.js'
import { Random } from '../support/random.js'
import { randomAddress } from './sample-records.js'

/** What `put` writes into a dirty block; the bytes before and behind it must stay, but for the slack. */
function written(put: (view: DataView, at: number) => number): string {
  const block = Buffer.alloc(80, 0xa5)
  const past = put(new DataView(block.buffer, block.byteOffset, block.length), 7)
  expect(block.subarray(0, 7).every((octet) => octet === 0xa5)).toBe(true)
  expect(block.subarray(past + PUT_SLACK).every((octet) => octet === 0xa5)).toBe(true)
  return block.toString('latin1', 7, past)
}

describe('putDecimal', () => {
  const edges = [0, Number.MAX_SAFE_INTEGER, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32]
  for (let power = 1; power < 1e16; power *= 10) edges.push(power - 1, power, power + 1)

  test.each(edges)('writes %i', (value) => {
    expect(written((view, at) => putDecimal(view, at, value))).toBe(String(value))
  })

  test('writes numbers of any length, seed 10', () => {
    const random = new Random(10)
    for (let run = 0; run < 5000; run++) {
      const value = (random.next() * 0x20_0000 + random.below(0x20_0000)) % 10 ** random.below(17)
      expect(written((view, at) => putDecimal(view, at, value))).toBe(String(value))
    }
  })
})

describe('putIpv4', () => {
  test('writes what formatIpv4 does, seed 4', () => {
    const random = new Random(4)
    for (let run = 0; run < 2000; run++) {
      const address = random.next() & (random.below(2) === 0 ? 0xffff_ffff : 0x0f_0f0f)
      expect(written((view, at) => putIpv4(view, at, address >>> 0))).toBe(
        formatIpv4(address >>> 0),
      )
    }
  })

  test.each(['0.0.0.0', '255.255.255.255', '9.10.99.100'])('writes %s', (text) => {
    const address = text.split('.').reduce((word, octet) => word * 256 + Number(octet), 0)
    expect(written((view, at) => putIpv4(view, at, address))).toBe(text)
  })
})

describe('putIpv6', () => {
  test.each([
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:DB8:A:B:C:D:E:F', '2001:db8:a:b:c:d:e:f'],
    ['0:1:0:0:0:0:0:0', '0:1::'],
    ['0:0:0:0:0:ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:fffe:192.0.2.1', '::fffe:c000:201'],
    ['0:0:0:0:0:0:192.0.2.1', '::c000:201'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('writes %s as %s (RFC 5952)', (long, short) => {
    expect(written((view, at) => putIpv6(view, at, parseIpv6(long)!))).toBe(short)
  })

  test('writes what formatIpv6 and the URL parser do, never more than announced, seed 5952', () => {
    const random = new Random(5952)
    const address = new Uint32Array(4)
    for (let run = 0; run < 5000; run++) {
      randomAddress(random, 6, address)
      const text = written((view, at) => putIpv6(view, at, address))
      expect(text.length).toBeLessThanOrEqual(MAX_ADDRESS_LEN)
      expect(text).toBe(formatIpv6(address[0]!, address[1]!, address[2]!, address[3]!))
      // The URL standard knows no mixed notation.
      if (!text.includes('.')) expect(new URL(`http://[${text}]`).hostname).toBe(`[${text}]`)
    }
  })
})

describe('putAscii', () => {
  test.each(['', '-', 'OK', 'IPv4', 'ACCEPT', 'eni-1235b8ca123456789'])('writes %j', (text) => {
    const ascii = new Ascii(text)
    expect(ascii.length).toBe(text.length)
    expect(written((view, at) => putAscii(view, at, ascii))).toBe(text)
  })
})
