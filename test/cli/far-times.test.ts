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

/** One packet after one second, of an interface that counts from `offset` in units of 10 ** -exponent. */
function farCapture(little: boolean, offset: bigint, exponent: number): string {
  const value = Buffer.alloc(8)
  if (little) value.writeBigInt64LE(offset)
  else value.writeBigInt64BE(offset)
  const bytes = new SampleCapture(little)
    .section()
    .interface(1, 0, [
      [IF_TSRESOL, Buffer.from([exponent])],
      [IF_TSOFFSET, value],
    ])
    .enhanced(0, 10n ** BigInt(exponent), FRAME, FRAME.length)
    .finish()
  const path = join(temporaryDirectory(), 'far.pcapng')
  writeFileSync(path, bytes)
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
    name: 'capture --read',
    args: (file: string) => ['capture', '--read', file, '-w', `${file}.pcap`],
  },
]

describe.each(COMMANDS)('$name of times that no date has', ({ name, args, isJson }) => {
  test.each(FAR)('names them once and goes on, from if_tsoffset $name', async ({ offset }) => {
    // How the file says it is the reader's business, the same for every command.
    const forms = name === 'flows' ? FORMS : FORMS.slice(0, 1)
    for (const { little, exponent } of forms) {
      const { code, out, err } = await runCommand(...args(farCapture(little, offset, exponent)))
      const said = err.split('\n').filter((line) => line.startsWith('mirrortap: '))
      expect(code).toBe(1)
      expect(said).toEqual([
        expect.stringMatching(/ 1 packet has a time before 1970 or after the year 586000; /),
      ])
      expect(out).not.toContain('\0')
      if (isJson === true) expect(() => JSON.parse(out)).not.toThrow()
    }
  })
})
