import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  emitGeneve,
  GENEVE_AWS_HEADER_LEN,
  GENEVE_HEADER_LEN,
  Geneve,
  parseGeneve,
} from '../../src/wire/geneve.js'
import { hex } from '../support/hex.js'
import { bit, holdsFor, u16, u24, u32 } from '../support/property.js'

const GWLB = hex`
  08000800 00000000           // eight words of options, IPv4, VNI 0
  01080102 0123456789abcdef   // endpoint
  01080202 fedcba9876543210   // attachment
  01080301 e7837e6d           // flow cookie
`

const GWLB_FIELDS = geneve({
  protocol: 0x0800,
  payloadAt: 40,
  hasEndpointId: true,
  endpointIdHigh: 0x0123_4567,
  endpointIdLow: 0x89ab_cdef,
  hasAttachmentId: true,
  attachmentIdHigh: 0xfedc_ba98,
  attachmentIdLow: 0x7654_3210,
  hasFlowCookie: true,
  flowCookie: 0xe783_7e6d,
})

/** A view with the fields a header has; the rest as parse leaves it. */
function geneve(fields: Partial<Geneve>): Geneve {
  return Object.assign(new Geneve(), fields)
}

/** A view in which every field holds something that no test expects. */
function dirty(): Geneve {
  const out = geneve(GWLB_FIELDS)
  return Object.assign(out, { vni: 9, protocol: 9, payloadAt: 9, critical: true, flowCookie: 9 })
}

describe('parseGeneve', () => {
  test.each([
    { name: 'a header as a Gateway Load Balancer sends it', bytes: GWLB, fields: GWLB_FIELDS },
    {
      name: "Google's network, endpoint and profile, of which the last is stepped over",
      bytes: hex`
        08000800 00000000
        01320101 abcdef01 01320202 0123456789abcdef 01320302 000000000000004d
      `,
      fields: geneve({
        protocol: 0x0800,
        payloadAt: 40,
        hasNetworkId: true,
        networkId: 0xabc_def0,
        hasEndpointId: true,
        endpointIdHigh: 0x0123_4567,
        endpointIdLow: 0x89ab_cdef,
      }),
    },
    {
      name: "Google's options of another length (ignored)",
      bytes: hex`05000800 00000000 01320102 abcdef01abcdef01 01320201 01234567`,
      fields: geneve({ protocol: 0x0800, payloadAt: 28 }),
    },
    {
      name: 'no options, an Ethernet frame inside',
      bytes: hex`00006558 00006400`,
      fields: geneve({ vni: 100, protocol: 0x6558, payloadAt: 8 }),
    },
    {
      name: 'all bits of VNI and protocol',
      bytes: hex`0000ffff ffffff00`,
      fields: geneve({ vni: 0xff_ffff, protocol: 0xffff, payloadAt: 8 }),
    },
    {
      name: 'reserved bits set (ignored, RFC 8926 §3.4)',
      bytes: hex`003f0800 0000647a`,
      fields: geneve({ vni: 100, protocol: 0x0800, payloadAt: 8, reserved: true }),
    },
    {
      name: 'the critical bit',
      bytes: hex`00406558 00006400`,
      fields: geneve({ vni: 100, protocol: 0x6558, payloadAt: 8, critical: true }),
    },
    {
      name: 'options in another order, with strangers between',
      bytes: hex`
        0b000800 00000000            // eleven words
        01080301 e7837e6d
        01000001 aabbccdd            // another class
        01080900                     // another type, no data
        01080102 0123456789abcdef
        01080202 fedcba9876543210
      `,
      fields: geneve({ ...GWLB_FIELDS, payloadAt: 8 + 44 }),
    },
    {
      name: 'reserved bits of an option header',
      bytes: hex`02000800 00000000 010803e1 e7837e6d`,
      fields: geneve({
        protocol: 0x0800,
        payloadAt: 16,
        hasFlowCookie: true,
        flowCookie: 0xe783_7e6d,
      }),
    },
    {
      name: 'an Amazon option of a length we do not know, skipped',
      bytes: hex`03000800 00000000 01080302 e7837e6d 00000000`,
      fields: geneve({ protocol: 0x0800, payloadAt: 20 }),
    },
    {
      name: 'the critical twin of an Amazon option, which is another type',
      bytes: hex`02000800 00000000 01088301 e7837e6d`,
      fields: geneve({ protocol: 0x0800, payloadAt: 16 }),
    },
    {
      name: 'the same type in another class',
      bytes: hex`02000800 00000000 01070301 e7837e6d`,
      fields: geneve({ protocol: 0x0800, payloadAt: 16 }),
    },
    {
      name: 'the longest options, whose data looks like flow cookies',
      bytes: Buffer.concat([
        hex`3f000800 00000000`,
        hex`0101001f`,
        Buffer.alloc(124, hex`01080301`),
        hex`0101001e`,
        Buffer.alloc(120, hex`01080301`),
      ]),
      fields: geneve({ protocol: 0x0800, payloadAt: 8 + 252 }),
    },
  ])('reads $name', ({ bytes, fields }) => {
    const out = dirty()
    expect(parseGeneve(bytes, 0, bytes.length, out)).toBeUndefined()
    expect(out).toEqual(fields)

    const shifted = Buffer.concat([hex`a5a5a5`, bytes, hex`a5`])
    expect(parseGeneve(shifted, 3, shifted.length, out)).toBeUndefined()
    expect(out).toEqual({ ...fields, payloadAt: fields.payloadAt + 3 })
  })

  test.each([1, 2, 3])('refuses version %i', (version) => {
    const bytes = Buffer.from(GWLB)
    bytes[0]! |= version << 6
    expect(parseGeneve(bytes, 0, bytes.length, new Geneve())).toBe('geneve-version')
  })

  test('reads a control packet like any other', () => {
    const bytes = hex`00806558 00006400`
    const out = dirty()
    expect(parseGeneve(bytes, 0, bytes.length, out)).toBeUndefined()
    expect(out).toEqual(geneve({ vni: 100, protocol: 0x6558, payloadAt: 8 }))
  })

  test('refuses every proper prefix of a header with options', () => {
    for (let end = 0; end < GWLB.length; end++) {
      expect(parseGeneve(GWLB, 0, end, new Geneve()), `end ${end}`).toBe('geneve-truncated')
    }
  })

  test.each([
    { name: 'by one word', bytes: hex`02000800 00000000 01080302 e7837e6d 00000000` },
    { name: 'at its longest', bytes: hex`01000800 00000000 0108031f e7837e6d` },
    { name: 'behind a sound one', bytes: hex`02000800 00000000 01080900 01080301 e7837e6d` },
  ])('refuses an option that overruns the header $name', ({ bytes }) => {
    expect(parseGeneve(bytes, 0, bytes.length, new Geneve())).toBe('geneve-truncated')
  })

  test('keeps the payload inside the datagram, whatever bits are wrong', () => {
    const flips = fc.array(fc.nat({ max: 8 * GWLB.length - 1 }), { maxLength: 6 })
    holdsFor([flips, fc.nat({ max: GWLB.length })], (places, end) => {
      const bytes = Buffer.from(GWLB)
      for (const place of places) bytes[place >>> 3]! ^= 1 << (place & 7)
      const out = new Geneve()
      if (parseGeneve(bytes, 0, end, out) !== undefined) return
      expect(out.payloadAt).toBeGreaterThanOrEqual(GENEVE_HEADER_LEN)
      expect(out.payloadAt).toBeLessThanOrEqual(end)
    })
  })
})

describe('emitGeneve', () => {
  test('writes every byte of a dirty buffer and none beyond', () => {
    const bytes = Buffer.alloc(1 + GENEVE_AWS_HEADER_LEN + 1, 0xa5)
    expect(emitGeneve(GWLB_FIELDS, bytes, 1)).toBe(1 + GENEVE_AWS_HEADER_LEN)
    expect(bytes).toEqual(Buffer.concat([hex`a5`, GWLB, hex`a5`]))
  })

  test('writes eight bytes where there is no option', () => {
    const bytes = Buffer.alloc(GENEVE_HEADER_LEN + 1, 0xa5)
    expect(emitGeneve(geneve({ vni: 100, protocol: 0x6558 }), bytes, 0)).toBe(GENEVE_HEADER_LEN)
    expect(bytes).toEqual(hex`00006558 00006400 a5`)
  })

  test('is undone by parseGeneve', () => {
    const wide = fc.option(fc.tuple(u32, u32))
    holdsFor(
      [u24, u16, bit, wide, wide, fc.option(u32), fc.nat({ max: 4 })],
      (vni, protocol, critical, endpoint, attachment, cookie, start) => {
        const sent = geneve({
          ...{ vni, protocol, critical },
          hasEndpointId: endpoint !== null,
          endpointIdHigh: endpoint?.[0] ?? 0,
          endpointIdLow: endpoint?.[1] ?? 0,
          hasAttachmentId: attachment !== null,
          attachmentIdHigh: attachment?.[0] ?? 0,
          attachmentIdLow: attachment?.[1] ?? 0,
          hasFlowCookie: cookie !== null,
          flowCookie: cookie ?? 0,
        })
        const bytes = Buffer.alloc(start + GENEVE_AWS_HEADER_LEN, 0xa5)
        sent.payloadAt = emitGeneve(sent, bytes, start)
        const received = dirty()
        expect(parseGeneve(bytes, start, sent.payloadAt, received)).toBeUndefined()
        expect(received).toEqual(sent)
      },
    )
  })
})
