import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addWords, foldChecksum, ipv4AddressSum } from '../../src/wire/checksum.js'
import { emitUdp } from '../../src/wire/udp.js'
import { hex } from '../support/hex.js'
import { holdsFor, u16, u32 } from '../support/property.js'

describe('emitUdp', () => {
  test('writes every byte of a dirty header, without a checksum', () => {
    const bytes = Buffer.alloc(12, 0xa5)
    const header = { sourcePort: 65_445, destinationPort: 4789, payloadLength: 2 }
    expect(emitUdp(header, bytes, 1, undefined)).toBe(9)
    expect(bytes).toEqual(hex`a5 ffa5 12b5 000a 0000 a5a5a5`)
  })

  test('writes a checksum that verifies over pseudo header and payload, odd lengths too', () => {
    const payload = fc.uint8Array({ maxLength: 40 })
    holdsFor([u32, u32, u16, u16, payload], (source, destination, from, to, octets) => {
      const bytes = Buffer.concat([Buffer.alloc(8, 0xa5), octets])
      const header = { sourcePort: from, destinationPort: to, payloadLength: octets.length }
      emitUdp(header, bytes, 0, ipv4AddressSum(source, destination))

      const pseudo = Buffer.alloc(12)
      pseudo.writeUInt32BE(source, 0)
      pseudo.writeUInt32BE(destination, 4)
      pseudo.writeUInt16BE(17, 8)
      pseudo.writeUInt16BE(bytes.length, 10)
      expect(foldChecksum(addWords(bytes, 0, bytes.length, addWords(pseudo, 0, 12)))).toBe(0)
      expect(bytes.readUInt16BE(6)).not.toBe(0)
    })
  })

  test('writes a checksum that comes out as zero as all ones (RFC 768)', () => {
    // Ports, both lengths, protocol and payload add up to 0xffff.
    const payload = 0xffff - 17 - 10 - 10 - 1 - 2
    const bytes = Buffer.alloc(10)
    bytes.writeUInt16BE(payload, 8)
    emitUdp({ sourcePort: 1, destinationPort: 2, payloadLength: 2 }, bytes, 0, 0)
    expect(bytes.readUInt16BE(6)).toBe(0xffff)
  })
})
