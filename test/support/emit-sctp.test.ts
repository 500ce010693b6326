import { describe, expect, test } from 'vitest'

import { hex } from '../support/hex.js'
import { crc32c, emitSctp } from './emit.js'

describe('emitSctp', () => {
  test('writes every byte of a dirty header, the CRC least significant byte first', () => {
    const chunk = hex`0b000004` // COOKIE ACK
    const bytes = Buffer.concat([Buffer.alloc(13, 0xa5), chunk, hex`a5`])
    const header = {
      sourcePort: 0x8001,
      destinationPort: 80,
      verificationTag: 0xfedc_ba98,
      payloadLength: 4,
    }
    expect(emitSctp(header, bytes, 1)).toBe(13)
    const crc = bytes.readUInt32LE(9)
    bytes.writeUInt32LE(0, 9)
    expect(bytes).toEqual(hex`a5 80010050 fedcba98 00000000 0b000004 a5`)
    expect(crc).toBe(crc32c(bytes, 1, 17))
  })
})
