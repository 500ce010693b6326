import { describe, expect, test } from 'vitest'
import { flowMember } from '../../../src/api/network-firewall/actions.js'
import { emptyRow } from '../../../src/flow/flow-row.js'

describe('flowMember', () => {
  test('writes IPv6, and keeps numbers within their types', () => {
    const row = {
      ...emptyRow(),
      ipVersion: 6 as const,
      protocol: 58,
      packetSource: Uint32Array.of(0x2001_0db8, 0, 0, 1),
      packetDestination: Uint32Array.of(0xfe80_0000, 0, 0, 0xffff_ffff),
      sourcePort: 65_535,
      packets: 2 ** 31,
      bytes: 2 ** 40,
      firstNanoseconds: 1,
    }
    expect(flowMember(row, 2 ** 33, 0)).toEqual({
      SourceAddress: { AddressDefinition: '2001:db8::1' },
      DestinationAddress: { AddressDefinition: 'fe80::ffff:ffff' },
      SourcePort: '65535',
      DestinationPort: '0',
      Protocol: '58',
      Age: 2 ** 31 - 1,
      PacketCount: 2 ** 31 - 1,
      ByteCount: 2 ** 40,
    })
    expect(flowMember(row, 100, 0).Age).toBe(99)
    expect(flowMember(row, 100, 1).Age).toBe(100)
  })
})
