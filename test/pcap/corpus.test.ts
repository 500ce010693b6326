import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { type CaptureSummary, readCapture } from '../../src/pcap/reader.js'
import { CAPTURES_DIR, captureFiles } from '../support/captures.js'
import { timeText } from './sample-capture.js'

/** The fields of a truth file that speak of the file and not of what its packets mean. */
interface Truth {
  format: {
    type: string | null
    gzip: boolean
    linktype?: number
    snaplen?: number
    sections?: { interfaces: { linktype: number; snaplen: number; name?: string }[] }[]
  }
  damage: { whole_packets_readable: number; opens: boolean } | null
  unsure_file?: string
  unreadable_by_tshark?: unknown
  whole_packets_by_libpcap?: number
  packets: {
    count: number
    captured_bytes: number
    original_bytes: number
    first: string | null
    last: string | null
    earliest: string | null
    latest: string | null
    without_timestamp?: number
  }
  unsure: { layer: string; frame: number }[]
}

type Aspect = 'everything' | 'damage' | 'interfaces'

/** What is not held against us, and why; a file or the start of its name. */
const EXCEPTIONS: readonly { file: string; but: Aspect; why: string }[] = [
  { file: 'flowtest-dummy.pcap', but: 'damage', why: 'empty: libpcap refuses it too' },
  {
    file: 'derived-zeroed-tail.pcap',
    but: 'everything',
    why: 'its zeros may be read as packets of length 0 or as damage',
  },
]

function isExcepted(file: string, aspect: Aspect): boolean {
  return EXCEPTIONS.some(
    ({ file: start, but }) => file.startsWith(start) && (but === aspect || but === 'everything'),
  )
}

interface Totals {
  count: number
  captured: number
  original: number
  times: string[]
}

async function total(path: string): Promise<{ totals: Totals; summary: CaptureSummary }> {
  const totals: Totals = { count: 0, captured: 0, original: 0, times: [] }
  const summary = await readCapture(path, (packet) => {
    totals.count += 1
    totals.captured += packet.end - packet.start
    totals.original += packet.originalLength
    totals.times.push(timeText(packet))
  })
  return { totals, summary }
}

function wholeInterfaces(truth: Truth): unknown[] {
  const { sections, linktype, snaplen } = truth.format
  if (sections === undefined) return [{ linkType: linktype, snaplen }]
  return sections.flatMap(({ interfaces }) =>
    interfaces.map((one) =>
      one.name === undefined
        ? { linkType: one.linktype, snaplen: one.snaplen }
        : { linkType: one.linktype, snaplen: one.snaplen, name: one.name },
    ),
  )
}

/** Compares nine-digit times by value. */
function units(time: string): bigint {
  const [seconds, fraction] = time.split('.')
  return BigInt(seconds!) * 1_000_000_000n + BigInt(fraction!)
}

function checkTimes(truth: Truth, totals: Totals): void {
  const { first, last, earliest, latest, without_timestamp } = truth.packets
  const unsure = new Set(truth.unsure.filter((u) => u.layer === 'timestamp').map((u) => u.frame))
  const sure = totals.times.filter((_, i) => !unsure.has(i + 1))
  if (unsure.size > 0 || without_timestamp !== undefined) {
    // Which packet is the first or the earliest is in doubt; between the two all the others lie.
    const times = sure.map(units).filter((one) => without_timestamp === undefined || one > 0n)
    const outside = times.filter((one) => one < units(earliest!) || one > units(latest!))
    expect(outside).toEqual([])
    return
  }
  const byValue = sure.map((text) => ({ text, value: units(text) }))
  const sorted = byValue.sort((a, b) => (a.value < b.value ? -1 : 1)).map(({ text }) => text)
  expect({
    first: sure[0] ?? null,
    last: sure.at(-1) ?? null,
    earliest: sorted[0] ?? null,
    latest: sorted.at(-1) ?? null,
  }).toEqual({ first, last, earliest, latest })
}

const files = captureFiles()

describe('readCapture of captures made by others', () => {
  test.skipIf(files.length === 0)(`finds some (needs captures in ${CAPTURES_DIR})`, () => {
    expect(files.length).toBeGreaterThan(0)
  })

  test.each(files.map((path) => [basename(path), path]))('%s', async (file, path) => {
    const truth = JSON.parse(readFileSync(`${path}.truth.json`, 'utf8')) as Truth
    if (isExcepted(file, 'everything')) return
    const read = await total(path).catch((error: unknown) => error)

    if (read instanceof Error) {
      expect(read).toBeInstanceOf(OperatorError)
      expect(truth.damage).not.toBeNull()
      if (!isExcepted(file, 'damage')) expect(truth.damage).toMatchObject({ opens: false })
      return
    }
    const { totals, summary } = read as { totals: Totals; summary: CaptureSummary }
    expect(summary.packets).toBe(totals.count)
    expect(summary.format).toBe(truth.format.type)
    expect(summary.compression).toBe(truth.format.gzip ? 'gzip' : 'none')
    const interfaces = wholeInterfaces(truth)
    expect(summary.interfaces.slice(0, interfaces.length)).toEqual(interfaces)
    if (truth.unsure_file !== undefined) return

    if (truth.unreadable_by_tshark !== undefined) {
      expect(totals.count).toBe(truth.whole_packets_by_libpcap)
      return
    }
    expect(summary.damage === undefined, String(summary.damage?.message)).toBe(
      truth.damage === null,
    )
    expect(totals.count).toBe(truth.damage?.whole_packets_readable ?? truth.packets.count)
    expect(totals.captured).toBe(truth.packets.captured_bytes)
    expect(totals.original).toBe(truth.packets.original_bytes)
    checkTimes(truth, totals)
  })
})
