import { describe, expect, test } from 'vitest'
import { readAll, SampleCapture } from './sample-capture.js'

const FRAME = Buffer.from('a frame of 21 bytes!')

/** A section with an Ethernet interface and one packet, then what `rest` adds. */
function continued(little: boolean, rest: (capture: SampleCapture) => SampleCapture): Buffer {
  return rest(start(little)).finish()
}

function start(little: boolean): SampleCapture {
  return new SampleCapture(little).section().interface(1, 0).enhanced(0, 5n, FRAME, 21)
}

const START_LEN = start(true).finish().length

describe.each([true, false])('PcapngParser, little-endian %s', (little) => {
  test.each<[string, (capture: SampleCapture) => SampleCapture, RegExp]>([
    ['a length of 0', (c) => c.u32(6).u32(0), /length of 0, and its type needs 32/],
    ['a length below any block', (c) => c.u32(0x99).u32(8), /length of 8, and its type needs 12/],
    ['an odd length', (c) => c.u32(0x99).u32(14).bytes(Buffer.alloc(20)), /14.*multiple of 4/],
    ['a length of 4 GiB', (c) => c.u32(0x99).u32(0xfffffffc), /4294967292, more than the 16 MiB/],
    ['16 MiB and 4', (c) => c.u32(0x99).u32((1 << 24) + 4), /more than the 16 MiB/],
    [
      'another length at its end',
      (c) => c.u32(0x99).u32(16).u32(1).u32(20).u32(0),
      /length of 16 at its start and of 20 at its end/,
    ],
    [
      'a simple packet too short',
      (c) => c.block(3, c.body()),
      /length of 12, and its type needs 16/,
    ],
    ['an interface too short', (c) => c.block(1, c.body().u32(1)), /needs 20/],
    ['a packet block too short', (c) => c.block(2, c.body().u32(1)), /needs 32/],
    ['statistics too short', (c) => c.block(5, c.body().u32(1)), /needs 24/],
    ['an unknown interface', (c) => c.enhanced(1, 0n, FRAME, 21), /from interface 1, /],
    ['an unknown interface of old', (c) => c.obsolete(65535, 0n, FRAME, 21), /interface 65535/],
    [
      'a frame longer than the block',
      (c) => c.block(6, c.body().u32(0).u64(0n).u32(25).u32(25).bytes(Buffer.alloc(24))),
      /frame of 25 bytes and only 56 bytes/,
    ],
    [
      'a simple frame longer than the block',
      (c) => c.block(3, c.body().u32(25).bytes(Buffer.alloc(24))),
      /frame of 25 bytes/,
    ],
    [
      'an option beyond its block',
      (c) => c.block(1, c.body().u16(1).u16(0).u32(0).u16(2).u16(5).u32(0)),
      /option of 5 bytes beyond/,
    ],
    ['a section of no order', (c) => c.u32(0x0a0d0d0a).u32(28).u32(0), /no byte-order magic/],
    ['a section of version 2.0', (c) => c.section(-1n, 2, 0), /version 2\.0/],
    ['a section of version 1.1', (c) => c.section(-1n, 1, 1), /version 1\.1/],
  ])('takes %s for damage', (_, rest, message) => {
    const { parser, packets } = readAll(continued(little, rest))
    expect(packets).toHaveLength(1)
    expect(parser.damage?.message).toMatch(message)
    expect(parser.damage?.offset).toBe(START_LEN)
  })

  test('takes a frame longer than any for damage', () => {
    const long = Buffer.alloc(262145)
    const { parser } = readAll(continued(little, (c) => c.enhanced(0, 0n, long, 262145)))
    expect(parser.damage?.message).toMatch(/frame of 262145 bytes, and 262144 is the most/)
  })

  test('reads a frame as long as a larger snaplen allows', () => {
    const frame = Buffer.alloc(300_000, 9)
    const bytes = continued(little, (c) => c.interface(1, 300_000).enhanced(1, 0n, frame, 300_000))
    expect(readAll(bytes).packets[1]!.frame).toHaveLength(600_000)
  })

  test('refuses a file whose first section header is wrong', () => {
    for (const [major, minor] of [
      [0, 1],
      [2, 0],
      [1, 1],
    ] as const) {
      const { parser } = readAll(new SampleCapture(little).section(-1n, major, minor).finish())
      expect(parser.refusal).toMatch(
        new RegExp(`^is not a readable pcapng file: .* ${major}\\.${minor}, `),
      )
    }
    const { parser } = readAll(new SampleCapture(little).u32(0x0a0d0d0a).u32(28).u32(1).finish())
    expect(parser.refusal).toMatch(/^is not a readable pcapng file: .*byte-order magic/)
  })

  test('reads version 1.2 as 1.0', () => {
    const bytes = new SampleCapture(little).section(-1n, 1, 2).interface(1, 0).finish()
    expect(readAll(bytes).parser).toMatchObject({ refusal: undefined, damage: undefined })
  })

  test('skips what is no packet', () => {
    const skipped = [4, 5, 8, 10, 0xbad, 0x40000bad, 0x80000001, 0xdeadbeef]
    const bytes = continued(little, (c) => {
      for (const type of skipped) c.block(type, c.body().bytes(Buffer.alloc(16)))
      return c.enhanced(0, 5n, FRAME, 21)
    })
    const { parser, packets } = readAll(bytes)
    expect(parser.damage).toBeUndefined()
    expect(packets).toHaveLength(2)
  })

  test('reads the options of an interface', () => {
    const bytes = continued(little, (c) => {
      const offset = c.body().u64(-3n).finish()
      return c
        .interface(113, 96, [
          [1, Buffer.from('a comment')],
          [2, Buffer.from('wlan0 é')],
          [9, Buffer.of(0x8a)],
          [14, offset],
        ])
        .enhanced(1, 1024n * 10n + 512n, FRAME, 21)
    })
    const { parser, packets } = readAll(bytes)
    expect(parser.interfaces.list[1]).toEqual({ linkType: 113, snaplen: 96, name: 'wlan0 é' })
    expect(packets[1]).toMatchObject({ linkType: 113, time: '7.500000000' })
  })

  test('reads options that no end-of-options closes', () => {
    const body = new SampleCapture(little)
      .u16(1)
      .u16(0)
      .u32(0)
      .u16(9)
      .u16(1)
      .bytes(Buffer.of(9, 0, 0, 0))
    const bytes = new SampleCapture(little).section().block(1, body).enhanced(0, 7n, FRAME, 21)
    expect(readAll(bytes.finish()).packets[0]!.time).toBe('0.000000007')
  })

  test('takes a simple packet without an interface for damage', () => {
    const { parser } = readAll(new SampleCapture(little).section().simple(FRAME, 21).finish())
    expect(parser.damage?.message).toMatch(/interface 0, which the section has not described/)
  })

  test('forgets the interfaces of a section with its end', () => {
    const bytes = continued(little, (c) => c.section().enhanced(0, 5n, FRAME, 21))
    expect(readAll(bytes).parser.damage?.message).toMatch(/interface 0/)
  })

  test('bounds the number of interfaces', () => {
    const one = new SampleCapture(little).interface(1, 0).finish()
    const many = Buffer.concat(Array.from({ length: 65536 }, () => one))
    const { parser } = readAll(continued(little, (c) => c.bytes(many)))
    expect(parser.interfaces.count).toBe(65536)
    expect(parser.damage?.message).toMatch(/the section has more than 65536 interfaces/)
    const sections = continued(little, (c) =>
      c.bytes(many.subarray(one.length)).section().bytes(many).enhanced(65535, 5n, FRAME, 21),
    )
    const other = readAll(sections)
    expect(other.parser.damage).toBeUndefined()
    expect(other.parser.interfaces.count).toBe(131_072)
    expect(other.packets).toHaveLength(2)
  })

  test('keeps 8 MiB of the interfaces at most, however long their names are', () => {
    const one = new SampleCapture(little).interface(1, 0, [[2, Buffer.alloc(65_535, 'n')]]).finish()
    const many = Buffer.concat(Array.from({ length: 300 }, () => one))
    const { parser } = readAll(
      continued(little, (c) => c.bytes(many).interface(113, 7).enhanced(301, 5n, FRAME, 21)),
    )
    expect(parser.damage).toBeUndefined()
    expect(parser.interfaces).toMatchObject({ count: 302, linkTypes: [1, 113] })
    const kept = parser.interfaces.list.reduce((sum, { name = '' }) => sum + name.length, 0)
    expect(kept).toBeGreaterThan(7_000_000)
    expect(kept).toBeLessThan(8 * 1024 * 1024)
  })

  test('bounds the ways in which packets of a section are read', () => {
    const capture = new SampleCapture(little)
    for (let snaplen = 1; snaplen <= 4096; snaplen++) capture.interface(1, snaplen)
    const { parser } = readAll(continued(little, (c) => c.bytes(capture.finish())))
    expect(parser.damage?.message).toMatch(/more than 4096 kinds of interfaces/)
  })
})
