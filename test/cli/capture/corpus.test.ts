import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../../src/cli/main.js'
import { OperatorError } from '../../../src/errors.js'
import { type CaptureSummary, readCapture } from '../../../src/pcap/reader.js'
import { captureFiles } from '../../support/captures.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { hasTool, tshark } from '../../support/tools.js'

const files = captureFiles()
/** The longest frame that is written whole. */
const LONGEST = 262_080

let err: string

beforeEach(() => {
  err = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

interface Content {
  packets: string[]
  summary: CaptureSummary
}

/** Every packet of a file in a line; undefined for what is no capture. */
async function contentOf(path: string): Promise<Content | undefined> {
  const packets: string[] = []
  try {
    const summary = await readCapture(path, (packet) => {
      const { seconds, nanoseconds, originalLength, linkType, start, end } = packet
      const frame = (packet.bytes as Buffer).toString(
        'base64',
        start,
        Math.min(end, start + LONGEST),
      )
      packets.push(`${linkType} ${seconds}.${nanoseconds} ${originalLength} ${frame}`)
    })
    return { packets, summary }
  } catch (error) {
    if (error instanceof OperatorError) return undefined
    throw error
  }
}

/** Converts a file of this content and answers with what must be found in the new one. */
async function convert(
  from: string,
  content: Content | undefined,
  to: string,
): Promise<string[] | undefined> {
  err = ''
  const code = await main(['capture', '--read', from, '-w', to, '--decap', 'none'])
  const last = to.endsWith('.pcapng') ? 2 ** 64 / 1e9 - 1 : 2 ** 32 - 1
  const packets = content?.packets.map((packet) => withTimeUpTo(last, packet))
  const isWhole =
    content?.summary.damage === undefined && packets?.join() === content?.packets.join()
  expect(code, err).toBe(content === undefined || !isWhole ? 1 : 0)
  return packets
}

/** A time that the new file cannot hold becomes none. */
function withTimeUpTo(last: number, packet: string): string {
  const [linkType, time, ...rest] = packet.split(' ')
  return Number(time) <= last ? packet : [linkType, '0.0', ...rest].join(' ')
}

describe.skipIf(files.length === 0)('capture --read --decap none (needs captures)', () => {
  test.each(files.map((path) => ({ name: basename(path), path })))(
    'keeps every frame, time and length of $name',
    async ({ path }) => {
      const directory = temporaryDirectory()
      const out = join(directory, 'out.pcapng')
      const content = await contentOf(path)
      const packets = await convert(path, content, out)
      if (packets === undefined) {
        expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
        return
      }
      expect((await contentOf(out))!.packets).toEqual(packets)

      const linkTypes = new Set(packets.map((packet) => packet.split(' ', 1)[0]))
      const pcap = join(directory, 'out.pcap')
      if (linkTypes.size > 1) {
        expect(await main(['capture', '--read', path, '-w', pcap, '--decap', 'none'])).toBe(1)
        expect(err).toContain('a pcap file holds one link type')
        return
      }
      const kept = await convert(path, content, pcap)
      expect((await contentOf(pcap))!.packets).toEqual(kept)
    },
  )

  const few = files.filter((path) =>
    /vxlan-mirror\.pcap$|-(concatenated|example)\.pcapng$/.test(path),
  )
  test.skipIf(!hasTool('tshark')).each(few.map((path) => ({ name: basename(path), path })))(
    'tells tshark the same as $name does (needs tshark)',
    async ({ path }) => {
      const content = await contentOf(path)
      if (content?.summary.damage !== undefined || content === undefined) return
      const out = join(temporaryDirectory(), 'out.pcapng')
      await convert(path, content, out)
      // Not the protocols: decryption secrets that a file brings along are not copied.
      const fields = ['frame.time_epoch', 'frame.len', 'frame.cap_len', 'frame.encap_type', 'ip.id']
      const args = ['-T', 'fields', ...fields.flatMap((field) => ['-e', field])]
      const ours = tshark(readFileSync(out), args)
      expect(ours.length).toBe(content.packets.length)
      const theirs = tshark(readFileSync(path), args)
      // A time beyond 64 bits of nanoseconds is lost.
      expect(ours).toEqual(theirs.map((line) => line.replace(/^\d{12,}\.\d+/, '0.000000000')))
    },
  )
})
