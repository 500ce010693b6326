import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emitVxlan, parseVxlan, VXLAN_HEADER_LEN } from '../../src/wire/vxlan.js'
import { hex } from '../support/hex.js'
import { dirt, holdsFor, u24 } from '../support/property.js'

const HEADER = hex`
  08000000  // I flag
  54fa1100  // VNI 5569041
`

describe('parseVxlan', () => {
  test.each([
    { name: 'a header as AWS sends it', bytes: HEADER, vni: 5_569_041, reserved: false },
    { name: 'VNI 0', bytes: hex`08000000 00000000`, vni: 0, reserved: false },
    { name: 'the largest VNI', bytes: hex`08000000 ffffff00`, vni: 0xff_ffff, reserved: false },
    { name: 'group policy bits', bytes: hex`88080bad 00002a00`, vni: 42, reserved: true },
    { name: 'the flag byte all ones', bytes: hex`ff000000 00002a00`, vni: 42, reserved: true },
    { name: 'reserved bytes 1 to 3', bytes: hex`08000001 00002a00`, vni: 42, reserved: true },
    { name: 'the byte behind the VNI', bytes: hex`08000000 00002a80`, vni: 42, reserved: true },
  ])('reads $name', ({ bytes, vni, reserved }) => {
    const out = { vni: -1, reserved: !reserved }
    expect(parseVxlan(bytes, 0, bytes.length, out)).toBeUndefined()
    expect(out).toEqual({ vni, reserved })
  })

  test.each([
    { name: 'no flag at all', bytes: hex`00000000 00002a00` },
    { name: 'every flag but I', bytes: hex`f7000000 00002a00` },
  ])('refuses $name and leaves the view alone', ({ bytes }) => {
    const out = { vni: 7, reserved: false }
    expect(parseVxlan(bytes, 0, bytes.length, out)).toBe('vxlan-no-vni')
    expect(out).toEqual({ vni: 7, reserved: false })
  })

  test('refuses every proper prefix of a header, wherever it starts', () => {
    const out = { vni: 7, reserved: false }
    const bytes = Buffer.concat([Buffer.alloc(3), HEADER])
    for (let end = 3; end < bytes.length; end++) {
      expect(parseVxlan(bytes, 3, end, out), `end ${end}`).toBe('vxlan-truncated')
    }
    expect(out).toEqual({ vni: 7, reserved: false })
    expect(parseVxlan(bytes, 3, bytes.length, out)).toBeUndefined()
  })
})

describe('emitVxlan', () => {
  test('writes every byte of a dirty buffer and none beyond', () => {
    const bytes = Buffer.alloc(1 + VXLAN_HEADER_LEN + 1, 0xa5)
    expect(emitVxlan({ vni: 5_569_041 }, bytes, 1)).toBe(1 + VXLAN_HEADER_LEN)
    expect(bytes).toEqual(Buffer.concat([hex`a5`, HEADER, hex`a5`]))
  })

  test('is undone by parseVxlan, wherever it is', () => {
    holdsFor([u24, fc.nat({ max: 4 }), dirt], (vni, start, around) => {
      const bytes = Buffer.concat([around, Buffer.alloc(VXLAN_HEADER_LEN, 0xa5)]).subarray(
        around.length - start,
      )
      const out = { vni: -1, reserved: true }
      expect(emitVxlan({ vni }, bytes, start)).toBe(bytes.length)
      expect(parseVxlan(bytes, start, bytes.length, out)).toBeUndefined()
      expect(out).toEqual({ vni, reserved: false })
    })
  })

  test('is one byte per eight bits of the VNI, whatever the rest of the header says', () => {
    holdsFor([fc.uint8Array({ minLength: 8, maxLength: 8 })], (bytes) => {
      const out = { vni: -1, reserved: false }
      const fault = parseVxlan(Buffer.from(bytes), 0, 8, out)
      expect(fault).toBe((bytes[0]! & 0x08) === 0 ? 'vxlan-no-vni' : undefined)
      if (fault === undefined) expect(out.vni).toBe(Buffer.from(bytes).readUIntBE(4, 3))
    })
  })
})
