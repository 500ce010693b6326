import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { Appliance, BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const FILE_HEADER_LEN = 24
/** One member of a gzip file, and how many: seconds of work for whoever reads them all. */
const MEMBER_LEN = 8 * 1024 * 1024
const MEMBERS = 150

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], { stdio: 'pipe', env: { ...process.env, ...env } })
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
    const program = start(['flow-log', '--max-aggregation-interval', '60', '-'])
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
    { name: 'flow-log into a file', args: ['flow-log', 'IN', '-o', 'OUT'], made: /^out\.part$/ },
    {
      name: 'flow-log into a directory',
      args: ['flow-log', 'IN', '-o', 'OUT/'],
      made: /^out\/\.mirrortap\.lock$/,
    },
    { name: 'analyze', args: ['analyze', 'IN', '--report', 'OUT'], made: /^out\.part$/ },
    { name: 'capture', args: ['capture', '--read', 'IN', '-w', 'OUT'], made: /^out\.part$/ },
    {
      name: 'capture, compressed',
      args: ['capture', '--read', 'IN', '-w', 'OUT.gz'],
      made: /^out\.gz\.part$/,
    },
    {
      name: 'capture into a directory',
      args: ['capture', '--read', 'IN', '-w', 'OUT', '--split'],
      made: /^out\/.+\.part$/,
    },
    {
      name: 'query',
      args: ['query', 'SELECT count(*) FROM packets', '-o', 'OUT', 'IN'],
      made: /^tmp\/mirrortap-query-[^/]+$/,
    },
  ])('ends $name of files, and leaves nothing half done', async ({ args, made }) => {
    const directory = temporaryDirectory()
    const input = longCapture(join(directory, 'long.pcap.gz'))
    const output = join(directory, 'out')
    const temporary = join(directory, 'tmp')
    mkdirSync(temporary)
    const named = args.map((arg) => arg.replace('IN', input).replace('OUT', output))
    const program = start(named, { TMPDIR: temporary })
    let err = ''
    program.stderr!.on('data', (text: Buffer) => {
      err += text.toString()
    })
    // Reading begins in the same turn: when it has been seen a few times, that is over.
    let looks = 0
    await until(() => {
      const isMade = readdirSync(directory, { recursive: true }).some((path) =>
        made.test(String(path)),
      )
      return isMade && ++looks > 3
    })
    program.kill('SIGTERM')
    expect(await once(program, 'close')).toEqual([null, 'SIGTERM'])
    expect(err).toBe('mirrortap: interrupted by SIGTERM: what was not finished has been removed\n')
    const left = readdirSync(directory, { recursive: true, withFileTypes: true })
    const files = left.filter((entry) => entry.isFile()).map(({ name }) => name)
    // Below a directory there may be flow logs, which are whole.
    expect(files.filter((name) => !name.endsWith('.log.gz'))).toEqual(['long.pcap.gz'])
    expect(readdirSync(temporary)).toEqual([])
  })

  test('leaves a reader that does not read', async () => {
    const directory = temporaryDirectory()
    const input = longCapture(join(directory, 'long.pcap.gz'))
    const program = start(['capture', '--read', input, '-w', '-'])
    program.stdout!.pause()
    // As much as a pipe holds has been written, and the writer waits.
    await until(() => program.stdout!.readableLength > 0)
    program.kill('SIGINT')
    program.stdout!.resume()
    expect(await once(program, 'exit')).toEqual([null, 'SIGINT'])
  })
})

describe.skipIf(!IS_BUILT)(`signals to what receives${NEEDS_BUILD}`, UNHURRIED, () => {
  test('SIGHUP ends a capture and finishes its file, as SIGTERM does', async () => {
    const path = join(temporaryDirectory(), 'out.pcap')
    const capture = new Appliance(['-w', path], [], 'capture')
    await capture.port()
    capture.signal('SIGHUP')
    expect(await capture.ended()).toBe(0)
    expect(readFileSync(path).length).toBe(FILE_HEADER_LEN)
  })

  test.each([
    { how: 'nohup', within: ['bash', '-c', 'nohup "$@" <&0; exit', 'bash'] },
    { how: 'a shell that ignores it', within: ['bash', '-c', 'trap "" HUP; "$@"; exit', 'bash'] },
  ])('SIGHUP means nothing to a capture started by $how', async ({ within }) => {
    const path = join(temporaryDirectory(), 'out.pcap')
    const capture = new Appliance(['-w', path], within, 'capture')
    await capture.port()
    const pid = Number(childOf(capture.pid))
    process.kill(pid, 'SIGHUP')
    process.kill(pid, 'SIGUSR1')
    // Heard in this order.
    await capture.says(/^0 packets captured/m)
    expect(existsSync(path)).toBe(false)
    process.kill(pid, 'SIGINT')
    await capture.ended()
    expect(existsSync(path)).toBe(true)
  })

  test('SIGHUP does not end listen, and SIGUSR1 shows the ledger in place of a debugger', async () => {
    const appliance = new Appliance([])
    await appliance.port()
    appliance.signal('SIGHUP')
    await appliance.says(/^SIGHUP: there is no --config to read again$/m)
    appliance.signal('SIGUSR1')
    await appliance.says(/^0 received = 0 accepted/m)
    expect(appliance.stderr).not.toMatch(/debugger/i)
    expect(await appliance.stop()).toBe(0)
  })
})

/** The one child of a process. */
function childOf(pid: number): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
}
