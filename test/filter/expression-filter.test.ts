import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { Frame } from '../../src/wire/frame.js'
import { Packet } from '../../src/wire/packet.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { ethernet, tcp4 } from '../support/frames.js'

const NOT_MIRRORED = { vni: null, name: null }
const MIRRORED = { vni: 7, name: 'vni-7_2001:db8::5' }
const WEB = tcp4({
  src: '10.0.0.1',
  dst: '10.0.0.2',
  sport: 40_000,
  dport: 80,
  payload: Buffer.alloc(500),
})

function accepts(
  filter: ExpressionFilter,
  octets: Buffer,
  {
    linkType = 1,
    originalLength = octets.length,
    subject = NOT_MIRRORED as typeof MIRRORED | typeof NOT_MIRRORED,
  } = {},
): boolean {
  const packet = new Packet()
  packet.bytes = octets
  packet.end = octets.length
  packet.originalLength = originalLength
  packet.linkType = linkType
  const frame = new Frame()
  parseFrame(octets, 0, octets.length, linkType, originalLength, frame)
  return filter.accepts(packet, frame, subject)
}

describe('ExpressionFilter', () => {
  test.each([
    ['vni 7', true, false],
    ['vni 8', false, false],
    ['vni 8 or 7', true, false],
    ['not vni 8', true, true],
    ['vni 0', false, false],
    ['session vni-7_2001:db8::5', true, false],
    ['session other or vni-7', false, false],
    ['not session vni-7_2001:db8::5 and tcp', false, true],
    ['(session vni-7_2001:db8::5) and tcp port 80', true, false],
    ['vni 7 and udp', false, false],
    ['', true, true],
  ])('"%s" of a session: %s, of what was not mirrored: %s', (text, mirrored, notMirrored) => {
    const filter = new ExpressionFilter(text)
    expect(accepts(filter, ethernet(WEB), { subject: MIRRORED })).toBe(mirrored)
    expect(accepts(filter, ethernet(WEB))).toBe(notMirrored)
  })

  test('takes the length that a capture file would say', () => {
    const cut = ethernet(WEB).subarray(0, 60)
    const filter = new ExpressionFilter('greater 554')
    // The session cut it, as its IP header tells; the datagram was no longer than that.
    expect(accepts(filter, cut, { subject: MIRRORED })).toBe(true)
    // A file's own packet has the length its file gives it.
    expect(accepts(filter, cut)).toBe(false)
    expect(accepts(filter, cut, { originalLength: 554 })).toBe(true)
    expect(accepts(new ExpressionFilter('greater 555'), cut, { subject: MIRRORED })).toBe(false)
  })

  test('has a program for each link type', () => {
    const problems: string[] = []
    const filter = new ExpressionFilter('tcp port 80', (line) => problems.push(line))
    const cooked = Buffer.concat([Buffer.alloc(14), Buffer.of(8, 0), WEB])
    for (let round = 0; round < 2; round++) {
      expect(accepts(filter, ethernet(WEB))).toBe(true)
      expect(accepts(filter, WEB, { linkType: 101 })).toBe(true)
      expect(accepts(filter, WEB, { linkType: 1 })).toBe(false)
      expect(accepts(filter, cooked, { linkType: 113 })).toBe(true)
    }
    expect(problems).toEqual([])
  })

  test('refuses frames that do not have what it asks for, and says so', () => {
    const problems: string[] = []
    const filter = new ExpressionFilter('not ether host 02:00:00:00:00:01', (line) =>
      problems.push(line),
    )
    expect(accepts(filter, WEB, { linkType: 101 })).toBe(false)
    expect(accepts(filter, ethernet(WEB))).toBe(true)
    expect(accepts(filter, WEB, { linkType: 101 })).toBe(false)
    expect(problems).toEqual([
      'frames of RAW (101) are left out: ' +
        'the filter is wrong at column 5, "ether": frames of RAW (101) have no Ethernet addresses',
    ])
  })

  test('takes link types that are not read together, and what can be said of them', () => {
    const problems: string[] = []
    const filter = new ExpressionFilter('ip', (line) => problems.push(line))
    const any = new ExpressionFilter('greater 20 and ether[0] = 0x45', (line) =>
      problems.push(line),
    )
    for (let linkType = 300; linkType < 600; linkType++) {
      expect(accepts(filter, WEB, { linkType })).toBe(false)
      expect(accepts(any, WEB, { linkType })).toBe(true)
    }
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('frames of link type 300 are left out')
  })

  test('must make sense of Ethernet', () => {
    expect(() => new ExpressionFilter('mpls and arp')).toThrow(OperatorError)
  })
})
