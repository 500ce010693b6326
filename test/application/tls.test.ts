import { beforeAll, describe, expect, test } from 'vitest'
import { ja4 } from '../../src/application/ja4.js'
import { type ClientHello, type Hello, parseHello } from '../../src/application/tls.js'
import { hex } from '../support/hex.js'
import {
  ApplicationRun,
  clientHello,
  realClientHello,
  records,
  segments,
  syn,
} from './application-run.js'

/** The hello of a server that chose TLS 1.3, AES-128 and x25519. */
const SERVER = records(
  Buffer.concat([
    hex`02 00003a 0303`,
    Buffer.alloc(32, 9),
    hex`00 1301 00 0012 002b0002 0304 0033 0008 001d 0004 01020304`,
  ]),
)

function helloOf(bytes: Buffer): Hello {
  const hello = parseHello(bytes, 0, bytes.length, false)
  if (hello === undefined || hello === 'more') throw new Error(`${hello}`)
  return hello
}

describe('hellos', () => {
  let real: Buffer
  beforeAll(async () => {
    real = await realClientHello('www.example.com', ['h2', 'http/1.1'])
  })

  test('of a real client are read whole', () => {
    expect(helloOf(real)).toMatchObject({
      type: 'client',
      serverName: 'www.example.com',
      alpn: ['h2', 'http/1.1'],
      isWhole: true,
    })
    expect((helloOf(real) as ClientHello).versions).toContain(0x0304)
  })

  test('of a server say what was chosen', () => {
    expect(helloOf(SERVER)).toMatchObject({
      type: 'server',
      version: 0x0304,
      cipher: 0x1301,
      group: 29,
    })
  })

  test('that are cut go on, and at the end say what was there', () => {
    for (let end = 1; end < real.length; end++) {
      const prefix = real.subarray(0, end)
      expect(parseHello(prefix, 0, end, false), `${end} bytes`).toBe('more')
      const hello = parseHello(prefix, 0, end, true)
      if (hello !== undefined) expect(hello).toMatchObject({ isWhole: false })
    }
    const late = parseHello(real, 0, real.length - 1, true)
    expect(late).toMatchObject({ serverName: 'www.example.com', isWhole: false })
    expect(ja4(late as ClientHello, 'tcp')).toBeUndefined()
  })

  test('in several records are one', () => {
    const message = real.subarray(5)
    for (const size of [4, 7, 100]) expect(helloOf(records(message, size))).toEqual(helloOf(real))
  })

  test.each([
    ['in one segment', 5000, [0]],
    ['in three segments', 100, []],
    ['in segments that come backwards', 60, 'backwards'],
  ])('%s are told once', (_how, size, order) => {
    const run = new ApplicationRun()
    run.read(syn())
    const frames = segments(real, size)
    if (order === 'backwards') frames.reverse()
    for (const frame of frames) run.read(frame)
    expect(run.told).toMatchObject([{ kind: 'tls', hello: { serverName: 'www.example.com' } }])
    expect(run.end()).toHaveLength(1)
  })

  test('whose second segment came first and twice are told once', () => {
    const run = new ApplicationRun()
    run.read(syn())
    const [first, second, ...rest] = segments(real, 90)
    for (const frame of [second!, second!, first!, ...rest]) run.read(frame)
    expect(run.end()).toMatchObject([{ hello: { serverName: 'www.example.com', isWhole: true } }])
  })

  test('without the SYN of their connection are known by their first bytes', () => {
    const run = new ApplicationRun()
    for (const frame of segments(real, 90)) run.read(frame)
    expect(run.told).toHaveLength(1)
  })

  test('of frames that the mirror cut say the name that was left', () => {
    const run = new ApplicationRun()
    const [frame] = segments(real, 5000)
    run.read(frame!, { lost: 10 })
    expect(run.told).toMatchObject([{ hello: { serverName: 'www.example.com', isWhole: false } }])
  })

  test('whose end never comes are told at the end', () => {
    const run = new ApplicationRun()
    run.read(syn())
    for (const frame of segments(real, real.length - 5).slice(0, 1)) run.read(frame)
    expect(run.told).toEqual([])
    expect(run.end()).toMatchObject([{ hello: { serverName: 'www.example.com', isWhole: false } }])
  })
})

describe('JA4', () => {
  const counted = (...values: number[]) =>
    Buffer.concat([Buffer.of((values.length * 2) >>> 8, values.length * 2), words(values)])
  const words = (values: readonly number[]) =>
    Buffer.concat(values.map((value) => Buffer.of(value >>> 8, value & 0xff)))
  const nothing = Buffer.alloc(0)
  /** The lists of the example in FoxIO's description of JA4; values of RFC 8701 between them. */
  const CIPHERS = [
    0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
    0x009c, 0x009d, 0x002f, 0x0035,
  ]
  const extensions = (alpn: Buffer): [number, Buffer][] => [
    [0x1a1a, nothing],
    [0x001b, nothing],
    [0x0000, hex`000e 00 000b 6578616d706c652e636f6d`],
    [0x0033, nothing],
    [0x0010, Buffer.concat([Buffer.of(0, alpn.length + 1, alpn.length), alpn])],
    [0x4469, nothing],
    [0x0017, nothing],
    [0x002d, nothing],
    [0x000d, counted(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)],
    [0x0005, nothing],
    [0x0023, nothing],
    [0x0012, nothing],
    [0x002b, Buffer.concat([Buffer.of(6), words([0x2a2a, 0x0304, 0x0303])])],
    [0xff01, nothing],
    [0x000b, nothing],
    [0x000a, nothing],
    [0x0015, nothing],
  ]
  const fingerprint = (message: Buffer, transport: 'tcp' | 'quic' = 'tcp') =>
    ja4(helloOf(records(message)) as ClientHello, transport)

  test('is that of the published example', () => {
    const message = clientHello({ ciphers: CIPHERS, extensions: extensions(Buffer.from('h2')) })
    expect(fingerprint(message)).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1')
    expect(fingerprint(message, 'quic')).toBe('q13d1516h2_8daaf6152771_e5627efa2ab1')
  })

  test.each([
    [hex`ab`, 'ab'],
    [hex`20`, '20'],
    [hex`abcd`, 'ad'],
    [hex`2061`, '21'],
    [hex`30ab`, '3b'],
    [hex`6120`, '60'],
    [hex`3031abcd`, '3d'],
    [hex`30abcd31`, '01'],
    [Buffer.from('http/1.1'), 'h1'],
    [Buffer.from('x'), 'xx'],
  ])('has of the first protocol %s its ends, %s', (alpn, ends) => {
    const message = clientHello({ ciphers: CIPHERS, extensions: extensions(alpn) })
    expect(fingerprint(message)?.slice(8, 10)).toBe(ends)
  })

  test('has zeros where there is nothing', () => {
    expect(fingerprint(clientHello({ ciphers: [], extensions: [] }))).toBe(
      't12i000000_000000000000_000000000000',
    )
  })
})
