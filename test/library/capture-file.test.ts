import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CaptureFile } from '../../src/library/capture-file.js'
import { readCapture } from '../../src/pcap/reader.js'
import { Packet } from '../../src/wire/packet.js'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mirrortap-test-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('CaptureFile', () => {
  test.each(['pcap', 'pcapng'] as const)('writes a %s file that it reads back', async (format) => {
    const path = join(directory, `out.${format}`)
    const frame = Buffer.from('020000000001020000000002080045', 'hex')
    const file = new CaptureFile(path, { format })
    const packet = new Packet()
    packet.bytes = frame
    packet.end = frame.length
    packet.seconds = 1_700_000_000
    packet.nanoseconds = 123_456_789
    packet.originalLength = 60
    expect(file.write(packet)).toBe(true)
    await file[Symbol.asyncDispose]()

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

  test('says by its code why it cannot be written', () => {
    const path = join(directory, 'missing/out.pcap')
    expect(() => new CaptureFile(path)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })

  test('has packets that were copied, when those that were lent are overwritten', async () => {
    const path = join(directory, 'copied.pcap')
    const file = new CaptureFile(path)
    const lent = new Packet()
    lent.bytes = Buffer.from('..0123456789abcdef..')
    lent.start = 2
    lent.end = 18
    lent.originalLength = 1500
    const copy = lent.copy()
    lent.bytes.fill(0)
    file.write(copy)
    await file.close()
    const seen: unknown[] = []
    await readCapture(path, ({ bytes, start, end, originalLength }) => {
      seen.push([Buffer.from(bytes.subarray(start, end)).toString(), originalLength])
    })
    expect(seen).toEqual([['0123456789abcdef', 1500]])
  })
})
