import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const FILE_HEADER_LEN = 24
/** One member of a gzip file, and how many: seconds of work for whoever reads them all. */
const MEMBER_LEN = 8 * 1024 * 1024
const MEMBERS = 150

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], { stdio: 'pipe' })
}

/** A capture that takes long to read and no room. */
function longCapture(path: string): string {
  const capture = readFileSync(join(SAMPLES, 'cut-by-packet-length.pcap'))
  const records = capture.subarray(FILE_HEADER_LEN)
  const member = gzipSync(Buffer.alloc(MEMBER_LEN - (MEMBER_LEN % records.length), records))
  const header = gzipSync(capture.subarray(0, FILE_HEADER_LEN))
  writeFileSync(path, Buffer.concat([header, ...Array<Buffer>(MEMBERS).fill(member)]))
  return path
}

describe.skipIf(!IS_BUILT)(`a signal${NEEDS_BUILD}`, UNHURRIED, () => {
  test('is the end of standard input: what came is put out', async () => {
    const program = start('flow-log', '--max-aggregation-interval', '60', '-')
    let out = ''
    program.stdout!.on('data', (text: Buffer) => {
      out += text.toString()
    })
    program.stdin!.on('error', () => undefined)
    program.stdin!.write(readFileSync(join(SAMPLES, 'web-and-dns.pcap')))
    // The first of two minutes is over.
    await until(() => out.includes('\n2 '))
    program.kill('SIGINT')
    expect(await once(program, 'close')).toEqual([0, null])
    // Each of the 24 flows, and the one that is open over both minutes again.
    const flows = new Set(
      out
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ', 8).join(' ')),
    )
    expect(flows.size).toBe(24)
  })

  test.each([
    { name: 'flow-log into a file', args: ['flow-log', 'IN', '-o', 'OUT'], made: 'out.part' },
    {
      name: 'flow-log into a directory',
      args: ['flow-log', 'IN', '-o', 'OUT/'],
      made: 'out/.mirrortap.lock',
    },
    { name: 'analyze', args: ['analyze', 'IN', '--report', 'OUT'], made: 'out.part' },
  ])('ends $name of files, and leaves nothing half done', async ({ args, made }) => {
    const directory = temporaryDirectory()
    const input = longCapture(join(directory, 'long.pcap.gz'))
    const output = join(directory, 'out')
    const named = args.map((arg) => arg.replace('IN', input).replace('OUT', output))
    const program = start(...named)
    // Reading begins in the same turn: when it has been seen a few times, that is over.
    let looks = 0
    await until(() => existsSync(join(directory, made)) && ++looks > 3)
    program.kill('SIGTERM')
    expect(await once(program, 'close')).toEqual([null, 'SIGTERM'])
    const left = readdirSync(directory, { recursive: true, withFileTypes: true })
    const files = left.filter((entry) => entry.isFile()).map(({ name }) => name)
    // Below a directory there may be flow logs, which are whole.
    expect(files.filter((name) => !name.endsWith('.log.gz'))).toEqual(['long.pcap.gz'])
  })
})
