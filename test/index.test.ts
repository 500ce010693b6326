import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CaptureWriter, openSink, Packet, readCapture } from '../src/index.js'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mirrortap-test-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('the package', () => {
  test.each(['pcap', 'pcapng'] as const)('writes a %s file that it reads back', async (format) => {
    const path = join(directory, `out.${format}`)
    const frame = Buffer.from('020000000001020000000002080045', 'hex')
    const sink = openSink(path, { limitBytes: Number.POSITIVE_INFINITY })
    const writer = new CaptureWriter(sink, { format, linkType: 1, snaplen: 262_144 })
    const packet = new Packet()
    packet.bytes = frame
    packet.end = frame.length
    packet.seconds = 1_700_000_000
    packet.nanoseconds = 123_456_789
    packet.originalLength = 60
    expect(writer.write(packet)).toBe(true)
    await sink.close()

    const seen: unknown[] = []
    const summary = await readCapture(path, (packet) => {
      const { seconds, nanoseconds, originalLength, linkType } = packet
      const octets = Buffer.from(packet.bytes.subarray(packet.start, packet.end)).toString('hex')
      seen.push({ seconds, nanoseconds, originalLength, linkType, octets })
    })
    expect(summary).toMatchObject({ format, packets: 1, damage: undefined })
    expect(seen).toEqual([
      {
        seconds: 1_700_000_000,
        nanoseconds: 123_456_789,
        originalLength: 60,
        linkType: 1,
        octets: frame.toString('hex'),
      },
    ])
  })
})
