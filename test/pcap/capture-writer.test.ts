import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CAPTURE_FORMATS, CaptureWriter } from '../../src/pcap/capture-writer.js'
import { SINK_BLOCK_LEN } from '../../src/sink/byte-sink.js'
import { hex } from '../support/hex.js'
import { lentPacket } from '../support/lent-packet.js'
import { MemorySink } from '../support/memory-sink.js'
import { Random } from '../support/random.js'
import { readAll, timeText } from './sample-capture.js'

const HEADER_LEN = { pcap: 24, pcapng: 80 } as const

interface Written {
  frame: Buffer
  seconds: number
  nanoseconds: number
  original: number
}

function packets(seed: number, count: number): Written[] {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, i) => ({
    frame: random.bytes(i < 400 ? i : random.below(2000)),
    seconds: random.next(),
    nanoseconds: random.pick([0, 999_999_999, random.below(1_000_000_000)]),
    original: random.pick([0, i, random.next()]),
  }))
}

function write(writer: CaptureWriter, packet: Written, interfaceId?: number): boolean {
  const { frame, seconds, nanoseconds, original } = packet
  return writer.write(
    lentPacket(frame, { seconds, nanoseconds, originalLength: original }),
    interfaceId,
  )
}

function expected(packet: Written, snaplen: number, linkType: number): unknown {
  return {
    linkType,
    time: timeText(packet),
    original: packet.original,
    frame: packet.frame.subarray(0, snaplen).toString('hex'),
  }
}

describe.each(CAPTURE_FORMATS)('CaptureWriter, %s', (format) => {
  test.each([262144, 1000, 96, 1])('writes what reads back to the byte, snaplen %i', (snaplen) => {
    const sink = new MemorySink()
    const writer = new CaptureWriter(sink, { format, linkType: 113, snaplen })
    const written = packets(31, 800)
    for (const packet of written) expect(write(writer, packet)).toBe(true)
    const bytes = sink.bytes()
    expect(writer).toMatchObject({ octets: bytes.length, packets: 800 })

    const { parser, packets: got } = readAll(bytes)
    expect(parser.damage).toBeUndefined()
    expect(parser.interfaces.list).toMatchObject([{ linkType: 113, snaplen }])
    expect(got).toEqual(written.map((packet) => expected(packet, snaplen, 113)))
  })

  test('writes the same file again from what it reads', () => {
    const first = new MemorySink()
    const writer = new CaptureWriter(first, { format, linkType: 1, snaplen: 262144 })
    for (const packet of packets(32, 300)) write(writer, packet)
    const second = new MemorySink()
    const again = new CaptureWriter(second, { format, linkType: 1, snaplen: 262144 })
    for (const { frame, time, original } of readAll(first.bytes()).packets) {
      const [seconds, nanoseconds] = time.split('.').map(Number)
      const facts = { seconds: seconds!, nanoseconds: nanoseconds!, originalLength: original }
      again.write(lentPacket(Buffer.from(frame, 'hex'), facts))
    }
    expect(second.bytes().equals(first.bytes())).toBe(true)
  })

  test('writes a header even without packets', () => {
    const sink = new MemorySink()
    const writer = new CaptureWriter(sink, { format, linkType: 276, snaplen: 96 })
    expect(writer).toMatchObject({ octets: HEADER_LEN[format], packets: 0 })
    expect(readAll(sink.bytes()).parser).toMatchObject({
      damage: undefined,
      interfaces: { list: [{ linkType: 276, snaplen: 96 }] },
    })
  })

  test('writes nothing at all, not even a part, where the sink has no room', () => {
    const packet = packets(33, 101)[100]!
    const record = format === 'pcap' ? 116 : 132
    for (let limit = 0; limit < HEADER_LEN[format] + 3 * record; limit++) {
      const sink = new MemorySink(limit)
      const writer = new CaptureWriter(sink, { format, linkType: 1, snaplen: 262144 })
      const fits = Math.max(0, Math.floor((limit - HEADER_LEN[format]) / record))
      for (let n = 0; n < 5; n++) expect(write(writer, packet)).toBe(n < fits)
      expect(writer.packets).toBe(fits)
      expect(sink.bytes()).toHaveLength(writer.octets)
      const { parser } = readAll(sink.bytes())
      expect(parser.damage).toBeUndefined()
      expect(parser.packets).toBe(fits)

      // With room again it goes on, the header first.
      sink.limit = Number.POSITIVE_INFINITY
      expect(write(writer, packet)).toBe(true)
      expect(readAll(sink.bytes())).toMatchObject({
        parser: { damage: undefined, packets: fits + 1 },
      })
    }
  })

  test('takes nothing once the sink has failed', () => {
    const sink = new MemorySink()
    const writer = new CaptureWriter(sink, { format, linkType: 1, snaplen: 262144 })
    sink.error = new Error('ENOSPC')
    expect(write(writer, packets(34, 1)[0]!)).toBe(false)
    writer.finish({ received: 1, dropped: 1 })
    expect(sink.bytes()).toHaveLength(HEADER_LEN[format])
  })

  test('cuts the longest frames to what fits one block of the sink', () => {
    const sink = new MemorySink()
    const writer = new CaptureWriter(sink, { format, linkType: 1, snaplen: 262144 })
    const frame = Buffer.alloc(262144, 5)
    expect(writer.write(lentPacket(frame, { seconds: 1, nanoseconds: 2 }))).toBe(true)
    expect(readAll(sink.bytes()).packets).toMatchObject([
      { original: 262144, frame: '05'.repeat(SINK_BLOCK_LEN - 64) },
    ])
  })
})

describe('CaptureWriter', () => {
  test('pads pcapng frames with zeros, over whatever the block held', () => {
    for (let length = 0; length < 9; length++) {
      const sink = new MemorySink()
      const writer = new CaptureWriter(sink, { format: 'pcapng', linkType: 1, snaplen: 96 })
      writer.write(lentPacket(Buffer.alloc(length, 0xff)))
      const block = sink.bytes().subarray(HEADER_LEN.pcapng)
      const padding = block.subarray(28 + length, -4)
      expect(padding).toEqual(Buffer.alloc(-length & 3))
    }
  })

  test('writes pcapng blocks byte by byte as the draft draws them', () => {
    const sink = new MemorySink()
    const options = { format: 'pcapng', linkType: 1, snaplen: 4, interfaceName: 'eth0' } as const
    const writer = new CaptureWriter(sink, { ...options, comment: 'tms-1' })
    const time = { seconds: 1_700_000_000, nanoseconds: 123_456_789 }
    writer.write(lentPacket(Buffer.from('bcd'), { ...time, originalLength: 60 }))
    writer.finish({ received: 0x1_0000_0002, dropped: 3 })
    expect(sink.bytes()).toEqual(hex`
      0a0d0d0a 30000000 4d3c2b1a 0100 0000 ffffffffffffffff  // section header
        0400 0900 6d6972726f72746170 000000                  // shb_userappl: mirrortap
        0000 0000 30000000
      01000000 34000000 0100 0000 04000000                   // interface, Ethernet, snaplen 4
        0100 0500 746d732d31 000000                          // opt_comment: tms-1
        0200 0400 65746830                                   // if_name: eth0
        0900 0100 09 000000                                  // if_tsresol: nanoseconds
        0000 0000 34000000
      06000000 24000000 00000000                             // packet of interface 0
        fe 9c 97 17 15 cd 85 3d                              // 1700000000123456789 ns
        03000000 3c000000 626364 00 24000000
      05000000 4c000000 00000000 fe9c9717 15cd853d           // statistics
        0200 0800 fe9c9717 15cd853d                          // isb_starttime
        0300 0800 fe9c9717 15cd853d                          // isb_endtime
        0400 0800 0200000001000000                           // isb_ifrecv
        0500 0800 0300000000000000                           // isb_ifdrop
        0000 0000 4c000000
    `)
    expect(writer.octets).toBe(sink.bytes().length)
  })

  test('leaves the times out of the statistics of no packets', () => {
    const sink = new MemorySink()
    const writer = new CaptureWriter(sink, { format: 'pcapng', linkType: 1, snaplen: 96 })
    writer.finish({ received: 0, dropped: 0 })
    expect(sink.bytes().subarray(HEADER_LEN.pcapng)).toEqual(hex`
      05000000 34000000 00000000 00000000 00000000
        0400 0800 0000000000000000
        0500 0800 0000000000000000
        0000 0000 34000000
    `)
  })

  test('writes several interfaces into a pcapng file', () => {
    const sink = new MemorySink()
    const options = { format: 'pcapng', linkType: 1, snaplen: 262144, interfaceName: 'a' } as const
    const writer = new CaptureWriter(sink, options)
    const written = packets(35, 30)
    expect(write(writer, written[0]!)).toBe(true)
    expect(writer.addInterface(101, 96, 'b')).toBe(1)
    expect(writer.addInterface(113, 0)).toBe(2)
    written.slice(1).forEach((packet, i) => {
      expect(write(writer, packet, i % 3)).toBe(true)
    })
    const { parser, packets: got } = readAll(sink.bytes())
    expect(parser.interfaces.list).toEqual([
      { linkType: 1, snaplen: 262144, name: 'a' },
      { linkType: 101, snaplen: 96, name: 'b' },
      { linkType: 113, snaplen: 0 },
    ])
    expect(got).toEqual(
      written.map((packet, i) =>
        expected(packet, 262144, i === 0 ? 1 : [1, 101, 113][(i - 1) % 3]!),
      ),
    )
    expect(writer.octets).toBe(sink.bytes().length)
  })

  test('describes interfaces before their packets where the sink had no room at first', () => {
    const sink = new MemorySink(0)
    const writer = new CaptureWriter(sink, { format: 'pcapng', linkType: 1, snaplen: 262144 })
    writer.addInterface(101, 96)
    sink.limit = 1000
    expect(write(writer, packets(36, 20)[19]!, 1)).toBe(true)
    expect(readAll(sink.bytes()).packets).toMatchObject([{ linkType: 101 }])
  })

  test('refuses a second interface of a pcap file as a mistake of ours', () => {
    const options = { format: 'pcap', linkType: 1, snaplen: 96 } as const
    expect(() => new CaptureWriter(new MemorySink(), options).addInterface(1, 96)).toThrow(
      /one interface/,
    )
  })

  test('cuts a comment that no option could hold', () => {
    const sink = new MemorySink()
    const comment = 'é'.repeat(50_000)
    new CaptureWriter(sink, { format: 'pcapng', linkType: 1, snaplen: 96, comment })
    expect(readAll(sink.bytes()).parser).toMatchObject({ damage: undefined, refusal: undefined })
  })
})

const dir = mkdtempSync(join(tmpdir(), 'mirrortap-writer-'))
afterAll(() => rmSync(dir, { recursive: true }))

function has(tool: string): boolean {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A file of packets that judges know no fault with, and those packets. */
function judged(format: 'pcap' | 'pcapng'): { path: string; written: Written[] } {
  const path = join(dir, `judged.${format}`)
  const sink = new MemorySink()
  const writer = new CaptureWriter(sink, {
    format,
    linkType: 1,
    snaplen: 600,
    interfaceName: 'eni-0123',
    comment: 'tms-0456, Zürich',
  })
  const random = new Random(41)
  const written = Array.from({ length: 100 }, (_, i) => {
    const frame = random.bytes(14 + random.below(800))
    // An experimental EtherType: the judges are to look at the file, not into the frame.
    frame.writeUInt16BE(0x88b5, 12)
    const nanoseconds = i < 3 ? [0, 1, 999_999_999][i]! : random.below(1_000_000_000)
    return { frame, seconds: 1_700_000_000 + i, nanoseconds, original: frame.length + i }
  })
  for (const packet of written) write(writer, packet)
  writer.finish({ received: 107, dropped: 7 })
  writeFileSync(path, sink.bytes())
  return { path, written }
}

function run(tool: string, ...args: string[]): string {
  return execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

describe.each(CAPTURE_FORMATS)('files of CaptureWriter, %s', (format) => {
  test.skipIf(!has('tshark'))('are to tshark what was written (needs tshark)', () => {
    const { path, written } = judged(format)
    const fields = ['frame.time_epoch', 'frame.cap_len', 'frame.len'].flatMap((name) => [
      '-e',
      name,
    ])
    const lines = run('tshark', '-r', path, '-T', 'fields', ...fields)
      .trim()
      .split('\n')
    expect(lines).toEqual(
      written.map((packet) =>
        [timeText(packet), Math.min(packet.frame.length, 600), packet.original].join('\t'),
      ),
    )
  })

  test.skipIf(!has('tcpdump'))('are to tcpdump what was written (needs tcpdump)', () => {
    const { path, written } = judged(format)
    const args = ['-tt', '--time-stamp-precision=nano', '-enxx', '-r', path]
    const text = run('tcpdump', ...args)
    const times = [...text.matchAll(/^(\d+\.\d{9}) /gm)].map((match) => match[1])
    expect(times).toEqual(written.map(timeText))
    const octets = text
      .split(/^\d+\.\d{9} .*$/m)
      .slice(1)
      .map((dump) => dump.replace(/0x[0-9a-f]{4}:|\s/g, ''))
    expect(octets).toEqual(written.map(({ frame }) => frame.subarray(0, 600).toString('hex')))
  })

  test.skipIf(!has('capinfos'))('are sound to capinfos (needs capinfos)', () => {
    const { path, written } = judged(format)
    const text = run('capinfos', '-M', path)
    const said = (name: string) => text.match(new RegExp(`${name} *[:=] *(.*)`))?.[1]
    expect(said('Number of packets')).toBe('100')
    expect(said('Data size')).toBe(
      `${written.reduce((sum, { original }) => sum + original, 0)} bytes`,
    )
    expect(said('File timestamp precision')).toBe('nanoseconds (9)')
    if (format === 'pcap') {
      expect(said('Packet size limit')).toBe('file hdr: 600 bytes')
    } else {
      expect(said('Capture application')).toBe('mirrortap')
      expect(said('Name')).toBe('eni-0123')
      expect(said('Comment')).toBe('tms-0456, Zürich')
      expect(said('Capture length')).toBe('600')
      expect(said('Number of stat entries')).toBe('1')
    }
  })
})
