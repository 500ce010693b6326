import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readCapture } from '../../src/pcap/reader.js'
import { SplitCapture, type SplitSource } from '../../src/pcap/split-capture.js'
import { FailingDisk } from '../support/failing-disk.js'
import { lentPacket } from '../support/lent-packet.js'
import { temporaryDirectory } from '../support/temporary.js'

const FRAME = Buffer.alloc(1000, 7)

function open(directory: string): SplitCapture {
  return new SplitCapture({
    directory,
    format: 'pcap',
    snaplen: 0,
    count: Number.POSITIVE_INFINITY,
    onOtherLinkType: () => undefined,
  })
}

function write(source: SplitSource, linkType = 1): boolean {
  return source.write(lentPacket(FRAME, { linkType }), FRAME.length, FRAME.length, undefined)
}

const packetsOf = async (path: string) => (await readCapture(path, () => undefined)).packets

describe('SplitCapture', () => {
  test('begins another file for a session that comes back', async () => {
    const directory = temporaryDirectory()
    const capture = open(directory)
    for (const packets of [1, 2, 3]) {
      const source = capture.source('a')
      for (let packet = 0; packet < packets; packet++) write(source)
      await source.close()
    }
    await capture.close()
    expect(readdirSync(directory)).toEqual(['a-1.pcap', 'a-2.pcap', 'a.pcap'])
    expect(await packetsOf(join(directory, 'a-2.pcap'))).toBe(3)
    expect(capture.packets).toBe(6)
  })

  test('asks to wait before too much is in memory, and then there is room again', async () => {
    const directory = temporaryDirectory()
    const capture = open(directory)
    const sources = Array.from({ length: 300 }, (_, index) => capture.source(String(index)))
    let packets = 0
    while (capture.room() === undefined) {
      for (const source of sources) write(source)
      packets++
    }
    // 64 MiB of blocks, of which each session fills at most the last half.
    expect(packets * sources.length * FRAME.length).toBeGreaterThan(1_000_000)
    await capture.room()
    expect(capture.room()).toBeUndefined()
    await capture.close()
    expect(await packetsOf(join(directory, '299.pcap'))).toBe(packets)
  })

  test('fails with the first error of a disk, and keeps what is whole', async () => {
    const directory = temporaryDirectory()
    const capture = open(directory)
    // One session: whose write meets the full disk first is not for us to say.
    const a = capture.source('a')
    const disk = new FailingDisk()
    disk.room = 24 + 3 * 1016 + 10
    for (let packet = 0; packet < 5; packet++) write(a)
    await expect(capture.close()).rejects.toThrow(/no space left/)
    expect(readdirSync(directory)).toEqual(['a.pcap'])
    expect(await packetsOf(join(directory, 'a.pcap'))).toBe(3)
  })

  test('leaves out frames of another link type, unless the caller throws', async () => {
    const directory = temporaryDirectory()
    const capture = open(directory)
    const source = capture.source('a')
    expect([101, 1, 101].map((linkType) => write(source, linkType))).toEqual([true, false, true])
    await capture.close()
    expect(await packetsOf(join(directory, 'a.pcap'))).toBe(2)
  })
})
