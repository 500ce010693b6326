import { describe, expect, test } from 'vitest'
import { addWords, foldChecksum, ipv6AddressSum } from '../../src/wire/checksum.js'
import {
  TCP_ACK,
  TCP_CWR,
  TCP_ECE,
  TCP_FIN,
  TCP_HEADER_LEN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
} from '../../src/wire/tcp.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'
import { emitTcp } from './emit.js'

describe('emitTcp', () => {
  test('writes every byte of a dirty header with options', () => {
    const bytes = Buffer.alloc(26, 0xa5)
    const header = {
      sourcePort: 0x1234,
      destinationPort: 443,
      sequence: 0xfedc_ba98,
      acknowledgment: 0x8000_0001,
      flags: TCP_SYN | TCP_ACK,
      window: 0xffff,
      urgent: 0x00ff,
      options: hex`020405b4`,
      payloadLength: 0,
    }
    expect(emitTcp(header, bytes, 1, 0)).toBe(25)
    const sum = bytes.readUInt16BE(17)
    bytes.writeUInt16BE(0, 17)
    expect(bytes).toEqual(hex`
      a5 123401bb fedcba98 80000001 6012ffff 000000ff 020405b4 a5
    `)
    // Protocol and length are what the pseudo header adds when the addresses are zero.
    expect(sum).toBe(foldChecksum(addWords(bytes, 1, 25, 6 + 24)))
  })

  test('names each flag by its bit, FIN lowest (RFC 9293 §3.1)', () => {
    const flags = [TCP_FIN, TCP_SYN, TCP_RST, TCP_PSH, TCP_ACK, TCP_URG, TCP_ECE, TCP_CWR]
    expect(flags).toEqual([1, 2, 4, 8, 16, 32, 64, 128])
  })

  test('writes a checksum that verifies over IPv6 addresses and payload, seed 9293', () => {
    const random = new Random(9293)
    for (let payloadLength = 0; payloadLength < 40; payloadLength++) {
      const pseudo = random.bytes(40)
      const words = [0, 4, 8, 12, 16, 20, 24, 28].map((at) => pseudo.readUInt32BE(at))
      const options = random.bytes(4 * random.below(11))
      const bytes = random.bytes(TCP_HEADER_LEN + options.length + payloadLength)
      const header = {
        sourcePort: random.below(65_536),
        destinationPort: random.below(65_536),
        sequence: random.next(),
        acknowledgment: random.next(),
        flags: random.below(256),
        window: random.below(65_536),
        urgent: random.below(65_536),
        options,
        payloadLength,
      }
      const payloadAt = emitTcp(header, bytes, 0, ipv6AddressSum(words.slice(0, 4), words.slice(4)))
      expect(payloadAt).toBe(bytes.length - payloadLength)
      expect(bytes[12]).toBe((payloadAt / 4) << 4)

      pseudo.writeUInt32BE(bytes.length, 32)
      pseudo.writeUInt32BE(6, 36)
      expect(foldChecksum(addWords(bytes, 0, bytes.length, addWords(pseudo, 0, 40)))).toBe(0)
    }
  })
})
