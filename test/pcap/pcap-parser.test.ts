import { describe, expect, test } from 'vitest'
import { readAll, SampleCapture } from './sample-capture.js'

function record(claimed: number, snaplen: number, behind: Buffer = Buffer.alloc(0)): Buffer {
  return new SampleCapture(true)
    .pcapHeader(0xa1b2c3d4, 1, snaplen)
    .pcapRecord(1, 2, Buffer.from('frame'), 5)
    .u32(3)
    .u32(4)
    .u32(claimed)
    .u32(claimed)
    .bytes(behind)
    .finish()
}

describe('PcapParser', () => {
  test.each([
    [262144, 0],
    [262144, 96],
    [262144, 262144],
    [300_000, 300_000],
  ])('reads a frame of %i bytes where the snaplen is %i', (length, snaplen) => {
    const { parser, packets } = readAll(record(length, snaplen, Buffer.alloc(length, 7)))
    expect(parser.damage).toBeUndefined()
    expect(packets[1]!.frame).toBe('07'.repeat(length))
  })

  test.each([
    [262145, 0],
    [262145, 96],
    [300_001, 300_000],
    [0xffff_ffff, 0xffff_ffff],
  ])('takes a frame of %i bytes for damage where the snaplen is %i', (length, snaplen) => {
    const { parser, packets } = readAll(record(length, snaplen, Buffer.alloc(1000)))
    expect(packets).toHaveLength(1)
    expect(parser.damage).toMatchObject({
      offset: 24 + 16 + 5,
      message: expect.stringContaining(`a frame of ${length} bytes`),
    })
  })

  test('does not look for another record behind damage', () => {
    const more = new SampleCapture(true).pcapRecord(1, 2, Buffer.from('frame'), 5).finish()
    const { parser, packets } = readAll(record(0x7fff_ffff, 96, more))
    expect(packets).toHaveLength(1)
    parser.push(more)
    expect(parser.parse(more, 0, more.length)).toBe(more.length)
    expect(parser.packets).toBe(1)
  })

  test('keeps a captured length above the original one as it stands', () => {
    const bytes = new SampleCapture(false)
      .pcapHeader(0xa1b2c3d4, 1, 96)
      .pcapRecord(1, 2, Buffer.from('frame'), 3)
      .finish()
    expect(readAll(bytes).packets).toEqual([
      { linkType: 1, time: '1.000002000', original: 3, frame: '6672616d65' },
    ])
  })

  test('refuses version 1 as a whole', () => {
    const bytes = new SampleCapture(true).pcapHeader(0xa1b2c3d4, 1, 96, 1, 4).finish()
    expect(readAll(bytes).parser.refusal).toMatch(/^is a pcap file of version 1\.4, /)
  })
})
