import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const START = 1_600_000_000
const SINCE = START + 950
const UNTIL = START + 1420

/** A connection every hundred seconds. */
function shots(from: number, count: number): Shot[] {
  return Array.from({ length: count }, (_, index) => {
    const port = 1024 + Math.floor((from + index) / 100)
    const payload = Buffer.alloc(900)
    const frame = ethernet(
      tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: port, dport: 443, payload }),
    )
    return { seconds: START + from + index, frame }
  })
}

/** Captures of which some lie between the times in part, some not at all; and one that has what lies between. */
function captures(): { directory: string; between: string } {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'sub'))
  writeFileSync(join(directory, 'a.pcap'), pcapFile(shots(0, 1200)))
  writeFileSync(join(directory, 'sub/b.pcap.gz'), gzipSync(pcapFile(shots(1200, 900))))
  writeFileSync(join(directory, 'sub/c.pcap'), pcapFile(shots(2100, 600)))
  writeFileSync(join(directory, 'sub/d.pcap.part'), pcapFile(shots(1300, 10)))
  const between = join(temporaryDirectory(), 'between.pcap')
  const inside = [...shots(0, 1200), ...shots(1200, 900)].filter(
    ({ seconds }) => seconds! >= SINCE && seconds! <= UNTIL,
  )
  writeFileSync(between, pcapFile(inside))
  return { directory, between }
}

/** What lies before the times is then damaged behind its index's back: who reads it says so. */
async function indexAndDamage(directory: string): Promise<void> {
  const path = join(directory, 'a.pcap')
  utimesSync(path, START, START)
  await runCommand('index', directory)
  const bytes = readFileSync(path)
  bytes.fill(0xff, 300_000, 310_000)
  writeFileSync(path, bytes)
  utimesSync(path, START, START)
}

const TIMES = ['--since', `${SINCE}`, '--until', `${UNTIL}`]

describe('--dir, --since and --until', () => {
  test.each([
    ['flows', ['--json']],
    ['flow-log', []],
    ['query', ['SELECT count(*), min(time), max(time) FROM packets', '--format', 'csv']],
  ])(
    'have %s say what it says of a file of the packets between them, with indexes or without, and read only that with them',
    async (command, args) => {
      const { directory, between } = captures()
      const expected = await runCommand(command, ...args, between)
      expect(expected).toMatchObject({ code: 0, err: '' })
      for (const isIndexed of [false, true]) {
        if (isIndexed) await indexAndDamage(directory)
        expect(await runCommand(command, ...args, '--dir', directory, ...TIMES)).toEqual(expected)
      }
    },
  )

  test('have analyze count only what lies between them, and read only that', async () => {
    const { directory } = captures()
    const report = async (): Promise<{ files: { packets: number }[]; totals: unknown }> => {
      const { code, out } = await runCommand('analyze', '--json', '--dir', directory, ...TIMES)
      expect(code).toBe(0)
      return JSON.parse(out)
    }
    const without = await report()
    expect(without.files.map(({ packets }) => packets)).toEqual([250, 221, 0])
    await indexAndDamage(directory)
    expect(await report()).toEqual(without)
  })

  test('say what is wrong with them', async () => {
    const { directory } = captures()
    const backward = ['--since', `${UNTIL}`, '--until', `${SINCE}`]
    expect(await runCommand('flows', '--dir', directory, ...backward)).toMatchObject({
      code: 2,
      err: 'mirrortap: --until is before --since, so no packet can match: change one of them\n',
    })
    const twice = ['--at', `${UNTIL}`, '--until', `${UNTIL}`]
    expect(await runCommand('flows', '--dir', directory, ...twice)).toMatchObject({ code: 2 })
  })
})
