import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SampleCapture } from '../pcap/sample-capture.js'
import { ethernet, udp4 } from '../support/frames.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const FRAME = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 5000, dport: 53 }))
const IF_TSRESOL = 9
const IF_TSOFFSET = 14

/** Packets after so many seconds, of an interface that counts from `offset` in units of 10 ** -exponent. */
function farCapture(little: boolean, offset: bigint, exponent: number, after = [1n]): string {
  const value = Buffer.alloc(8)
  if (little) value.writeBigInt64LE(offset)
  else value.writeBigInt64BE(offset)
  const capture = new SampleCapture(little).section().interface(1, 0, [
    [IF_TSRESOL, Buffer.from([exponent])],
    [IF_TSOFFSET, value],
  ])
  for (const seconds of after) {
    capture.enhanced(0, seconds * 10n ** BigInt(exponent), FRAME, FRAME.length)
  }
  const path = join(temporaryDirectory(), 'far.pcapng')
  writeFileSync(path, capture.finish())
  return path
}

const FAR = [
  { name: '2 ** 63 - 1', offset: (1n << 63n) - 1n },
  { name: '2 ** 53 + 1', offset: (1n << 53n) + 1n },
  { name: '-1000', offset: -1000n },
  { name: '-2 ** 63', offset: -(1n << 63n) },
]

const FORMS = [true, false].flatMap((little) => [9, 6, 0].map((exponent) => ({ little, exponent })))

const COMMANDS = [
  { name: 'flows', args: (file: string) => ['flows', file] },
  { name: 'flows --json', args: (file: string) => ['flows', '--json', file], isJson: true },
  { name: 'flow-log', args: (file: string) => ['flow-log', file] },
  {
    name: 'flow-log --format json',
    args: (file: string) => ['flow-log', '--format', 'json', file],
    isJson: true,
  },
  {
    name: 'flow-log --format parquet',
    args: (file: string) => ['flow-log', '-o', `${file}.parquet`, file],
  },
  { name: 'analyze', args: (file: string) => ['analyze', file] },
  { name: 'analyze --json', args: (file: string) => ['analyze', '--json', file], isJson: true },
  {
    name: 'flow-log into a directory',
    args: (file: string) => ['flow-log', '-o', `${file}.logs/`, file],
  },
  {
    name: 'flow-log into partitions',
    args: (file: string) => [
      ...['flow-log', '--format', 'parquet', '--hive-compatible-partitions', '-o', `${file}.d/`],
      file,
    ],
  },
  {
    name: 'capture --read',
    args: (file: string) => ['capture', '--read', file, '-w', `${file}.pcap`],
  },
]

const said = (err: string) => err.split('\n').filter((line) => line.startsWith('mirrortap: '))
const DAY = 86_400n
const LAST_DATE = 253_402_300_799n

describe.each(COMMANDS)('$name of times that no date has', ({ name, args, isJson }) => {
  test.each(FAR)('names them once and goes on, from if_tsoffset $name', async ({ offset }) => {
    // How the file says it is the reader's business, the same for every command.
    const forms = name === 'flows' ? FORMS : FORMS.slice(0, 1)
    for (const { little, exponent } of forms) {
      const { code, out, err } = await runCommand(...args(farCapture(little, offset, exponent)))
      expect(code).toBe(1)
      expect(said(err)).toEqual([
        expect.stringMatching(/ 1 packet has a time before 1970 or after the year 586000; /),
      ])
      expect(out).not.toContain('\0')
      if (isJson === true) expect(() => JSON.parse(out)).not.toThrow()
    }
  })
})

describe.each(COMMANDS.slice(0, -1))('$name of times after the year 9999', ({ args, isJson }) => {
  test.each([
    ['10000', LAST_DATE + 1n],
    ['400000', LAST_DATE + 1n + 142_440_000n * DAY],
  ])('keeps them and says so once, in the year %s', async (_year, offset) => {
    const { code, out, err } = await runCommand(...args(farCapture(true, offset, 0, [0n, 1n, 2n])))
    expect(said(err)).toEqual([
      expect.stringMatching(/ 3 packets have times after the year 9999; taken as the file says$/),
    ])
    expect(code).toBe(0)
    if (isJson === true) expect(() => JSON.parse(out)).not.toThrow()
  })
})

describe('times far apart', () => {
  test('are said once of all files, from the first second of the year 10000 on', async () => {
    const files = [1, 2, 3].map(() => farCapture(true, LAST_DATE, 0, [0n, 1n]))
    const { code, err } = await runCommand('flows', ...files)
    expect(said(err)).toEqual([
      expect.stringMatching(
        /far.pcapng and others \(3 files\): 3 packets have times after the year 9999/,
      ),
    ])
    expect(code).toBe(0)
  })

  test('that flows cannot hold are counted and said', async () => {
    const times = [1n, 4_100_000_000n, 9_000_000_000n, 9_000_000_001n]
    const { code, out, err } = await runCommand('flows', '--json', farCapture(true, 0n, 0, times))
    expect(said(err)).toEqual([
      expect.stringMatching(
        /2 packets have times after 2097 and too far from the first such time;/,
      ),
    ])
    expect(code).toBe(1)
    expect(JSON.parse(out)[0]).toMatchObject({ packets: 4, firstSeen: '1.000000000' })
  })
})
