import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const PLAIN = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const WHOLE = readFileSync(PLAIN)

/** Whole blocks of part of it, and behind them one of the type that there is not. */
function wrongBlock(): Buffer {
  const header = Buffer.from('1f8b0800000000000003', 'hex')
  const part = WHOLE.subarray(0, Math.floor(WHOLE.length * 0.8))
  const blocks = deflateRawSync(part, { finishFlush: constants.Z_SYNC_FLUSH })
  return Buffer.concat([header, blocks, Buffer.alloc(5000, 0xff)])
}

const DAMAGES: readonly (readonly [what: string, file: () => Buffer])[] = [
  ['is cut', () => gzipSync(WHOLE).subarray(0, -2000)],
  ['has wrong bytes', wrongBlock],
  [
    'has a wrong checksum',
    () => Buffer.concat([gzipSync(WHOLE).subarray(0, -8), Buffer.alloc(8, 0xaa)]),
  ],
]

/** What each command makes of files, as text that can be compared. */
const COMMANDS: readonly (readonly [
  name: string,
  args: (files: string[], out: string) => string[],
])[] = [
  ['flows', (files) => ['flows', '--json', ...files]],
  ['flow-log', (files) => ['flow-log', '--format', 'json', ...files]],
  ['analyze', (files) => ['analyze', '--json', ...files]],
  [
    'capture --read',
    (files, out) => ['capture', ...files.flatMap((file) => ['--read', file]), '-w', out],
  ],
]

describe.each(COMMANDS)('%s of files that overlap in time', (name, args) => {
  test.each(DAMAGES)('uses all before the damage of one whose gzip %s', async (_, damaged) => {
    const directory = temporaryDirectory()
    const made = join(directory, 'made.pcap')
    const [first, second] = ['first', 'second'].map((file) => join(directory, file))
    const run = async (): Promise<{ code: number; result: string; err: string }> => {
      const { code, out, err } = await runCommand(...args([PLAIN, first!, second!, PLAIN], made))
      const result = name === 'capture --read' ? readFileSync(made).toString('hex') : out
      return { code, result, err }
    }
    writeFileSync(first!, damaged())
    writeFileSync(second!, damaged())
    const { code, result, err } = await run()
    expect(code).toBe(1)
    const offsets = [first, second].map((path) => {
      const line = err.split('\n').find((one) => one.includes(`${path}: damaged at byte `))
      return Number(/damaged at byte (\d+): the gzip data/.exec(line ?? '')![1])
    })
    expect(offsets[0]).toBeGreaterThan(WHOLE.length / 2)

    // The same files without compression, up to where the damage was said to be.
    writeFileSync(first!, WHOLE.subarray(0, offsets[0]))
    writeFileSync(second!, WHOLE.subarray(0, offsets[1]))
    const whole = await run()
    expect(whole.code).toBe(0)
    expect(comparable(result)).toBe(comparable(whole.result))
  })
})

interface Analysis {
  findings: { kind: string }[]
  files: object[]
}

/** Of an analysis without what is said of the compression and its damage. */
function comparable(result: string): string {
  if (!result.startsWith('{\n  "version"')) return result
  const analysis = JSON.parse(result) as Analysis
  const findings = analysis.findings.filter(({ kind }) => !kind.includes('damage'))
  const files = analysis.files.map((file) => ({ ...file, compression: null, damage: null }))
  return JSON.stringify({ ...analysis, findings, files })
}
