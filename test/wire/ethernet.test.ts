import { describe, expect, test } from 'vitest'
import { ETHERTYPE_IPV4, emitEthernet } from '../../src/wire/ethernet.js'
import { emitVlanTag } from '../support/emit.js'
import { hex } from '../support/hex.js'

describe('emitEthernet', () => {
  test('writes every byte of a dirty buffer and none beyond', () => {
    const bytes = Buffer.alloc(16, 0xa5)
    const header = { destination: 0x0285_69c2_ab02, source: 0xfedc_ba98_7654, type: ETHERTYPE_IPV4 }
    expect(emitEthernet(header, bytes, 1)).toBe(15)
    expect(bytes).toEqual(hex`a5 028569c2ab02 fedcba987654 0800 a5`)
  })

  test.each(Array.from({ length: 48 }, (_, bit) => bit))('writes bit %i of an address', (bit) => {
    const bytes = Buffer.alloc(14, 0xa5)
    emitEthernet({ destination: 2 ** bit, source: 2 ** 48 - 1 - 2 ** bit, type: 0 }, bytes, 0)
    expect(bytes.readUIntBE(0, 6)).toBe(2 ** bit)
    expect(bytes.readUIntBE(6, 6)).toBe(2 ** 48 - 1 - 2 ** bit)
  })
})

describe('emitVlanTag', () => {
  test.each([
    { tag: { vlan: 1, priority: 0, dropEligible: false, type: 0x0800 }, bytes: hex`0001 0800` },
    { tag: { vlan: 4095, priority: 7, dropEligible: true, type: 0xffff }, bytes: hex`ffff ffff` },
    { tag: { vlan: 0, priority: 7, dropEligible: false, type: 0 }, bytes: hex`e000 0000` },
    { tag: { vlan: 0, priority: 0, dropEligible: true, type: 0 }, bytes: hex`1000 0000` },
  ])('writes $bytes', ({ tag, bytes }) => {
    const out = Buffer.alloc(6, 0xa5)
    expect(emitVlanTag(tag, out, 1)).toBe(5)
    expect(out).toEqual(Buffer.concat([hex`a5`, bytes, hex`a5`]))
  })
})
