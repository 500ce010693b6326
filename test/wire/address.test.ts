import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cidrContains,
  formatAddress,
  formatCidr,
  formatIpv4,
  formatIpv6,
  formatMac,
  parseAddress,
  parseCidr,
  parseIpv4,
  parseIpv6,
  parseMac,
} from '../../src/wire/address.js'
import { holdsFor, ipv6Words, u32 } from '../support/property.js'

type Words = [number, number, number, number]

function contains(cidr: string, address: string): boolean {
  const block = parseCidr(cidr)
  const words = parseAddress(address)
  if (block === undefined || words === undefined) throw new Error(`${cidr} or ${address} is bad`)
  return cidrContains(block, ...([...words] as Words))
}

describe('IPv4 text', () => {
  test.each([
    ['0.0.0.0', 0],
    ['10.0.0.1', 0x0a00_0001],
    ['172.31.0.238', 0xac1f_00ee],
    ['255.255.255.255', 0xffff_ffff],
  ])('%s reads and writes', (text, word) => {
    expect(parseIpv4(text)).toBe(word)
    expect(formatIpv4(word)).toBe(text)
  })

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3.04',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '1.2.3.0x4',
    '1.2.3.4e0',
    '1.2.3.1000',
    '1.2.3.٤',
  ])('refuses %j', (text) => {
    expect(parseIpv4(text)).toBeUndefined()
    expect(isIPv4(text)).toBe(false)
  })
})

describe('IPv6 text', () => {
  test.each([
    ['::', [0, 0, 0, 0]],
    ['::1', [0, 0, 0, 1]],
    ['1::', [0x1_0000, 0, 0, 0]],
    ['2001:db8::1', [0x2001_0db8, 0, 0, 1]],
    ['2001:db8:0:1:1:1:1:1', [0x2001_0db8, 1, 0x1_0001, 0x1_0001]], // §4.2.2: one group is not shortened
    ['2001:0:0:1::1', [0x2001_0000, 1, 0, 1]], // §4.2.3: the longest run
    ['2001:db8::1:0:0:1', [0x2001_0db8, 0, 0x1_0000, 1]], // §4.2.3: the first of two
    ['fe80::285:69ff:fec2:ab02', [0xfe80_0000, 0, 0x0285_69ff, 0xfec2_ab02]],
    ['::ffff:10.0.0.1', [0, 0, 0xffff, 0x0a00_0001]],
    ['::1:ffff:a00:1', [0, 0, 0x1_ffff, 0x0a00_0001]],
    ['0:1:2:3:4:5:6:7', [1, 0x2_0003, 0x4_0005, 0x6_0007]],
    ['1:2:3:4:5:6:7:0', [0x1_0002, 0x3_0004, 0x5_0006, 0x7_0000]],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', Array(4).fill(0xffff_ffff)],
  ] as [string, number[]][])('%s reads and writes', (text, words) => {
    expect([...(parseIpv6(text) ?? [])]).toEqual(words)
    expect(formatIpv6(...(words as Words))).toBe(text)
  })

  test.each([
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['::1.2.3.4', '::102:304'],
  ])('reads the form %s', (text, canonical) => {
    const words = parseIpv6(text)
    expect(words && formatIpv6(...([...words] as Words))).toBe(canonical)
    expect(isIPv6(text)).toBe(true)
  })

  test.each([
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7::8',
    ':1::2',
    '1::2:',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.4:5',
    '1.2.3.4::',
    '::256.0.0.1',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1 ',
    '1:2:3:4:5:6:7:',
    '10.0.0.1',
    ' ::1',
  ])('refuses %j', (text) => {
    expect(parseIpv6(text)).toBeUndefined()
    expect(isIPv6(text)).toBe(false)
  })

  test('refuses a zone, which no packet carries', () => {
    expect(parseIpv6('fe80::1%eth0')).toBeUndefined()
  })

  test('is undone by the parser, and in the one form that RFC 5952 allows', () => {
    holdsFor([ipv6Words], (words) => {
      const text = formatIpv6(...words)
      expect(isIPv6(text)).toBe(true)
      expect([...(parseIpv6(text) ?? [])]).toEqual(words)
      // The address as the URL standard writes it, but for IPv4 addresses in IPv6 form.
      if (!text.includes('.')) expect(new URL(`http://[${text}]`).hostname).toBe(`[${text}]`)
    })
  })

  test('is read where and only where Node reads it', () => {
    const pieces = fc.constantFrom(':', '::', '.', '0', '1', 'a', 'ffff', '10', '255', '256', 'g')
    const words = fc.array(pieces, { maxLength: 14 }).map((some) => some.join(''))
    holdsFor([fc.oneof(words, fc.ipV6(), fc.ipV4(), fc.string())], (text) => {
      expect(parseIpv6(text) !== undefined).toBe(isIPv6(text) && !text.includes('%'))
      expect(parseIpv4(text) !== undefined).toBe(isIPv4(text))
    })
  })
})

describe('formatAddress and parseAddress', () => {
  test.each(['10.0.0.1', '0.0.0.0', '255.255.255.255', '::', '2001:db8::1', 'ffff::'])(
    'keep %s as it is',
    (text) => {
      const words = parseAddress(text)
      expect(words && formatAddress(...([...words] as Words))).toBe(text)
    },
  )

  test('show an IPv4 address in IPv6 form as the IPv4 address', () => {
    expect(formatAddress(0, 0, 0xffff, 0xac1f_00ee)).toBe('172.31.0.238')
  })
})

describe('MAC text', () => {
  test.each([
    ['02:85:69:c2:ab:02', 0x0285_69c2_ab02],
    ['00:00:00:00:00:00', 0],
    ['ff:ff:ff:ff:ff:ff', 0xffff_ffff_ffff],
  ])('%s reads and writes', (text, mac) => {
    expect(parseMac(text)).toBe(mac)
    expect(formatMac(mac)).toBe(text)
  })

  test('is undone by the parser', () => {
    holdsFor([fc.maxSafeNat()], (number) => {
      const mac = number % 2 ** 48
      expect(parseMac(formatMac(mac))).toBe(mac)
    })
  })

  test('reads hyphens and capitals', () => {
    expect(parseMac('02-85-69-C2-AB-02')).toBe(0x0285_69c2_ab02)
  })

  test.each([
    '',
    '02:85:69:c2:ab',
    '02:85:69:c2:ab:02:03',
    '2:85:69:c2:ab:02',
    '02:85-69:c2:ab:02',
    '028569c2ab02',
    '0g:85:69:c2:ab:02',
  ])('refuses %j', (text) => {
    expect(parseMac(text)).toBeUndefined()
  })
})

describe('CIDR blocks', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['100.68.0.18/18', '100.68.0.0/18'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['192.0.2.1', '192.0.2.1/32'],
    ['2001:db8::1/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::/0', '::/0'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
  ])('%s is %s', (text, canonical) => {
    const block = parseCidr(text)
    expect(block && formatCidr(block)).toBe(canonical)
  })

  test.each([
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    '::/1e1',
    '10.0.0.0/ 8',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })

  test.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['128.0.0.0/1', '255.0.0.1', true],
    ['128.0.0.0/1', '127.255.255.255', false],
    ['192.0.2.1/32', '192.0.2.1', true],
    ['192.0.2.1/32', '192.0.2.0', false],
    ['192.0.2.0/31', '192.0.2.1', true],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['2001:db8::/33', '2001:db8:7fff::', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['fe80::/64', 'fe80::ffff:ffff:ffff:ffff', true],
    ['fe80::/64', 'fe80:0:0:1::', false],
    ['2001:db8::/127', '2001:db8::1', true],
    ['2001:db8::/127', '2001:db8::2', false],
  ])('%s holds %s: %s', (cidr, address, held) => {
    expect(contains(cidr, address)).toBe(held)
  })

  test('hold exactly the addresses that share the prefix, at every length', () => {
    holdsFor([u32, fc.nat({ max: 32 }), fc.nat({ max: 31 })], (word, length, bit) => {
      const other = formatIpv4((word ^ (1 << bit)) >>> 0)
      expect(contains(`${formatIpv4(word)}/${length}`, other)).toBe(bit < 32 - length)
    })
    holdsFor([ipv6Words, fc.nat({ max: 128 }), fc.nat({ max: 127 })], (words, length, bit) => {
      const others = [...words] as Words
      others[3 - (bit >>> 5)]! = (others[3 - (bit >>> 5)]! ^ (1 << (bit & 31))) >>> 0
      const held = contains(`${formatIpv6(...words)}/${length}`, formatIpv6(...others))
      expect(held).toBe(bit < 128 - length)
    })
  })

  test('are written as they are read', () => {
    const v4 = fc.tuple(u32, fc.nat({ max: 32 })).map(([word, at]) => `${formatIpv4(word)}/${at}`)
    const v6 = fc
      .tuple(ipv6Words, fc.nat({ max: 128 }))
      .map(([words, at]) => `${formatIpv6(...words)}/${at}`)
    holdsFor([fc.oneof(v4, v6)], (text) => {
      const canonical = formatCidr(parseCidr(text)!)
      expect(formatCidr(parseCidr(canonical)!)).toBe(canonical)
      expect(canonical.split('/')[1]).toBe(text.split('/')[1])
    })
  })
})
