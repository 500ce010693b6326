import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  clientInitialKeys,
  parseInitial,
  QUIC_VERSION_1,
  QUIC_VERSION_2,
} from '../../src/application/quic.js'
import { ethernet, udp4 } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { ApplicationRun, clientHello } from './application-run.js'

const ID = hex`8394c8f03e515708`

/** A padded datagram of one Initial packet of a client (RFC 9001 §5). */
function initial(
  frames: Buffer,
  { version = QUIC_VERSION_1, id = ID, number = 2, token = Buffer.alloc(0) } = {},
): Buffer {
  const keys = clientInitialKeys(version, id)!
  const padded = Buffer.concat([frames, Buffer.alloc(Math.max(0, 1150 - frames.length))])
  const type = version === QUIC_VERSION_2 ? 0xd0 : 0xc0
  const length = 4 + padded.length + 16
  const header = Buffer.concat([
    Buffer.of(type | 3),
    u32(version),
    Buffer.of(id.length),
    id,
    Buffer.of(0, token.length),
    token,
    Buffer.of(0x40 | (length >>> 8), length & 0xff),
    u32(number),
  ])
  const nonce = Buffer.from(keys.iv)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ number) >>> 0, 8)
  const cipher = createCipheriv('aes-128-gcm', keys.key, nonce)
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()])
  const mask = createCipheriv('aes-128-ecb', keys.headerProtection, null).update(
    sealed.subarray(0, 16),
  )
  header[0]! ^= mask[0]! & 0x0f
  for (let at = 0; at < 4; at++) header[header.length - 4 + at]! ^= mask[1 + at]!
  return Buffer.concat([header, sealed])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function crypto(offset: number, data: Buffer): Buffer {
  const number = (value: number) => Buffer.of(0x40 | (value >>> 8), value & 0xff)
  return Buffer.concat([Buffer.of(6), number(offset), number(data.length), data])
}

const HELLO = clientHello({
  ciphers: [0x1301],
  extensions: [
    [0, hex`000e 00 000b 6578616d706c652e636f6d`],
    [16, hex`0003 02 6833`],
    [0x0039, Buffer.alloc(600)],
  ],
})

const ENDS = { src: '10.0.0.1', dst: '192.0.2.1', sport: 50_000, dport: 443 }

const datagram = (payload: Buffer, ends = ENDS) => ethernet(udp4({ ...ends, payload }))

describe('keys of Initial packets', () => {
  test.each([
    [
      'RFC 9001 A.1',
      QUIC_VERSION_1,
      '1f369613dd76d5467730efcbe3b1a22d',
      'fa044b2f42a3fd3b46fb255c',
      '9f50449e04a0e810283a1e9933adedd2',
    ],
    [
      'RFC 9369 A.1',
      QUIC_VERSION_2,
      '8b1a0bc121284290a29e0971b5cd045d',
      '91f73e2351d8fa91660e909f',
      '45b95e15235d6f45a6b19cbcb0294ba9',
    ],
  ])('are those of %s', (_where, version, key, iv, hp) => {
    const keys = clientInitialKeys(version, ID)!
    expect(keys.key.toString('hex')).toBe(key)
    expect(keys.iv.toString('hex')).toBe(iv)
    expect(keys.headerProtection.toString('hex')).toBe(hp)
  })
})

describe('the hello of a QUIC client', () => {
  const expected = { kind: 'quic', hello: { serverName: 'example.com', alpn: ['h3'] } }

  test.each([
    ['1', QUIC_VERSION_1],
    ['2', QUIC_VERSION_2],
    ['1, draft 29', 0xff00_001d],
  ])('is read from one packet of version %s', (_name, version) => {
    const run = new ApplicationRun()
    run.read(datagram(initial(crypto(0, HELLO), { version })))
    expect(run.told).toMatchObject([{ ...expected, version }])
  })

  test('is put together from pieces out of order in two datagrams, and told once', () => {
    const piece = (from: number, to: number) => crypto(from, HELLO.subarray(from, to))
    const datagrams = [
      initial(Buffer.concat([piece(500, HELLO.length), Buffer.of(1, 0, 0), piece(40, 90)])),
      initial(Buffer.concat([piece(80, 500), piece(0, 50)]), { number: 3 }),
    ]
    for (const order of [datagrams, [...datagrams].reverse()]) {
      const run = new ApplicationRun()
      for (const one of [...order, datagrams[0]!]) run.read(datagram(one))
      expect(run.end()).toMatchObject([{ ...expected, hello: { isWhole: true } }])
    }
  })

  test('is read with a token, and from the second packet of a datagram', () => {
    const run = new ApplicationRun()
    const token = Buffer.alloc(40, 1)
    const packets = [initial(Buffer.of(1)), initial(crypto(0, HELLO), { token, number: 3 })]
    run.read(datagram(Buffer.concat(packets)))
    expect(run.told).toMatchObject([expected])
  })

  test('says its name where the mirror cut the packet', () => {
    const run = new ApplicationRun()
    run.read(datagram(initial(crypto(0, HELLO))), { lost: 700 })
    expect(run.told).toMatchObject([{ ...expected, hello: { isWhole: false } }])
  })

  test('is not read from what another sent or a bad line changed', () => {
    const packet = initial(crypto(0, HELLO))
    for (const at of [0, 8, 30, 600, packet.length - 1]) {
      const changed = Buffer.from(packet)
      changed[at]! ^= 0x01
      const run = new ApplicationRun()
      run.read(datagram(changed))
      expect(run.end(), `byte ${at}`).toEqual([])
    }
  })

  test('header is refused at every length too short for it', () => {
    const packet = initial(crypto(0, HELLO))
    const header = parseInitial(packet, 0, packet.length)!
    expect(header.end).toBe(packet.length)
    for (let end = 0; end < header.packetNumberAt; end++) {
      expect(parseInitial(packet, 0, end)).toBeUndefined()
    }
  })
})
