import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../../src/cli/main.js'
import { readCapture } from '../../../src/pcap/reader.js'
import { captureFiles } from '../../support/captures.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { readWritten } from '../../support/written-captures.js'

const SAMPLES = join(import.meta.dirname, '../../../samples')

/** What fits a datagram behind the VXLAN header. */
const FRAME_MAX = 65_507 - 8
const PACKETS_MAX = 2000

const ETHERNET = 1

/** The frames of a capture, or undefined of one that is no Ethernet, unreadable, damaged, or too much for a quick test. */
async function framesOf(path: string): Promise<string[] | undefined> {
  const frames: string[] = []
  let fits = true
  const summary = await readCapture(path, ({ bytes, start, end, linkType }) => {
    if (linkType !== ETHERNET || end - start > FRAME_MAX) fits = false
    frames.push(Buffer.from(bytes.subarray(start, end)).toString('hex'))
  }).catch(() => undefined)
  return fits &&
    summary !== undefined &&
    summary.damage === undefined &&
    frames.length <= PACKETS_MAX
    ? frames
    : undefined
}

/** Mirrors the files to `capture` on loopback and answers with the frames that it wrote. */
async function roundTrip(files: readonly string[], packets: number): Promise<string[]> {
  const out = join(temporaryDirectory(), 'out.pcap')
  let said: (port: string) => void = () => undefined
  const listening = new Promise<string>((resolve) => {
    said = resolve
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    const port = /^listening on \S+ port (\d+)/m.exec(String(text))?.[1]
    if (port !== undefined) said(port)
    return true
  })
  const bind = ['--bind', '127.0.0.1', '--port', '0']
  const capturing = main([
    'capture',
    ...bind,
    '-w',
    out,
    '-c',
    String(packets),
    '--duration',
    '20s',
  ])
  const port = await Promise.race([listening, capturing.then(() => 'nowhere')])
  // Slow enough for a receive buffer of any size, as both share this thread.
  const to = ['--to', `127.0.0.1:${port}`, '--vni', '7', '--rate', '20000']
  expect(await main(['mirror', '--read', ...files, ...to])).toBe(0)
  expect(await capturing).toBe(0)
  return readWritten(out).map(({ frame }) => frame.toString('hex'))
}

afterEach(() => vi.restoreAllMocks())

describe('mirror and capture', () => {
  test('bring the frames of a sample over as they are', async () => {
    const file = join(SAMPLES, 'web-and-dns.pcap')
    const frames = (await framesOf(file))!
    expect((await roundTrip([file], frames.length)).sort()).toEqual(frames.sort())
  })

  const corpus = captureFiles()
  const absent = corpus.length === 0
  test.skipIf(absent)('bring captures made by others over (needs the corpus)', async () => {
    const files: string[] = []
    const frames: string[] = []
    // Some of every kind; all of them is for the night.
    for (let index = 0; index < corpus.length; index += 9) {
      const own = await framesOf(corpus[index]!)
      if (own === undefined) continue
      files.push(corpus[index]!)
      frames.push(...own)
    }
    expect(files.length).toBeGreaterThan(5)
    expect((await roundTrip(files, frames.length)).sort()).toEqual(frames.sort())
  })
})
