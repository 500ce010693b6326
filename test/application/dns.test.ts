import { describe, expect, test } from 'vitest'
import { dnsRcodeName, dnsTypeName, parseDns } from '../../src/application/dns.js'
import { hex } from '../support/hex.js'

const NAME = hex`03 777777 07 6578616d706c65 03 636f6d 00` // www.example.com
const QUERY = Buffer.concat([hex`beef 0100 0001 0000 0000 0000`, NAME, hex`0001 0001`])
/** The name asked for, an alias of it, and the address of the alias by a pointer. */
const RESPONSE = Buffer.concat([
  hex`beef 8580 0001 0002 0000 0000`,
  NAME,
  hex`0001 0001`,
  hex`c00c 0005 0001 0000012c 0006 03 63646e c010`, // CNAME cdn.example.com
  hex`c02d 0001 0001 0000003c 0004 c6336450`,
])

const whole = (bytes: Buffer) => parseDns(bytes, 0, bytes.length)

describe('parseDns', () => {
  test('reads questions and answers, names in lower case and by their pointers', () => {
    const shouted = Buffer.from(QUERY)
    shouted.write('WWW', 13)
    expect(whole(shouted)).toMatchObject({
      id: 0xbeef,
      isResponse: false,
      questions: [{ name: 'www.example.com', type: 1, class: 1 }],
      answers: [],
      isWhole: true,
    })
    expect(whole(RESPONSE)).toMatchObject({
      isResponse: true,
      rcode: 0,
      answers: [
        { name: 'www.example.com', type: 5, ttl: 300, text: 'cdn.example.com' },
        { name: 'cdn.example.com', ttl: 60, text: '198.51.100.80', address: [0xc633_6450] },
      ],
      isWhole: true,
    })
  })

  test.each([
    ['AAAA', hex`001c 0001 00000001 0010 20010db8000000000000000000000001`, '2001:db8::1'],
    ['MX', hex`000f 0001 00000001 0004 000a c010`, 'example.com'],
    ['TXT', hex`0010 0001 00000001 0006 05 68656c6c6f`, 'TXT 5 hello'],
    ['SRV', hex`0021 0001 00000001 0008 0001 0002 01bb c010`, 'example.com'],
    ['HTTPS', hex`0041 0001 00000001 0003 000100`, '<HTTPS>'],
  ])('says what a record of type %s holds', (_type, record, text) => {
    const message = Buffer.concat([
      hex`0001 8180 0001 0001 0000 0000`,
      NAME,
      hex`0001 0001 c00c`,
      record,
    ])
    expect(whole(message)?.answers[0]).toMatchObject({ name: 'www.example.com', text })
  })

  test('reads what is there of every short prefix, and calls none of them whole', () => {
    for (let end = 0; end < RESPONSE.length; end++) {
      expect(parseDns(RESPONSE, 0, end)?.isWhole ?? false).toBe(false)
    }
    expect(parseDns(RESPONSE, 0, 60)?.questions).toHaveLength(1)
  })

  test.each([
    ['a pointer to itself', hex`0001 0100 0001 0000 0000 0000 c00c 0001 0001`],
    ['a pointer forward', hex`0001 0100 0001 0000 0000 0000 c010 0001 0001 00`],
    ['a pointer into the header', hex`0001 0100 0001 0000 0000 0000 c002 0001 0001`],
    ['a label of a type that does not exist', hex`0001 0100 0001 0000 0000 0000 80 00 0001 0001`],
    ['nothing in it', hex`0001 0100 0000 0000 0000 0000`],
    ['an operation that does not exist', hex`0001 7900 0001 0000 0000 0000 00 0001 0001`],
  ])('does not take for DNS what has %s', (_what, bytes) => {
    expect(whole(bytes)).toBeUndefined()
  })

  test('does not take a name longer than 255 bytes', () => {
    const label = Buffer.concat([Buffer.of(63), Buffer.alloc(63, 0x61)])
    const name = Buffer.concat([...Array.from({ length: 5 }, () => label), Buffer.of(0)])
    const message = Buffer.concat([hex`0001 0100 0001 0000 0000 0000`, name, hex`0001 0001`])
    expect(whole(message)).toBeUndefined()
  })
})

test('numbers without a name keep their number', () => {
  expect([dnsTypeName(28), dnsTypeName(65_280)]).toEqual(['AAAA', 'query-65280'])
  expect([dnsRcodeName(3), dnsRcodeName(15)]).toEqual(['NXDOMAIN', 'rcode-15'])
})
