import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ethernet, mirrored, udp4, vxlan } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { burst, UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { BIN, IS_BUILT, mirrortap, NEEDS_BUILD, type Program, readStats, until } from './program.js'

const HOST = '127.0.0.1'

function frame(number: number): Buffer {
  const payload = Buffer.alloc(18, number)
  return ethernet(
    udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1000 + number, dport: 9, payload }),
  )
}

async function send(port: number, datagrams: readonly Buffer[]): Promise<void> {
  const sender = await UdpSender.open(HOST)
  for (const datagram of datagrams) await sender.send(datagram, port, HOST)
  await sender.close()
}

/** `mirrortap capture` on a free port of loopback. */
function live(...args: string[]): Program {
  return mirrortap(['capture', '--bind', HOST, '--port', '0', ...args])
}

async function portOf(program: Program): Promise<number> {
  return Number((await program.says(/^listening on \S+ port (\d+) \(VXLAN\)/m))[1])
}

/** The built program with its output piped into another; what both say can be looked at. */
class Pipe {
  readonly capture: ChildProcess
  readonly reader: ChildProcess
  stderr = ''
  stdout = ''

  constructor(args: readonly string[], reader: readonly [string, ...string[]]) {
    this.capture = spawn(process.execPath, [BIN, 'capture', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.reader = spawn(reader[0], reader.slice(1), {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.capture.stdout!.pipe(this.reader.stdin!)
    this.reader.stdin!.on('error', () => this.capture.stdout!.destroy())
    this.capture.stderr!.on('data', (bytes: Buffer) => {
      this.stderr += bytes.toString()
    })
    this.reader.stdout!.on('data', (bytes: Buffer) => {
      this.stdout += bytes.toString()
    })
    onTestFinished(() => {
      this.capture.kill('SIGKILL')
      this.reader.kill('SIGKILL')
    })
  }

  async port(): Promise<number> {
    const match = await until(() => /^listening on \S+ port (\d+) /m.exec(this.stderr) ?? undefined)
    return Number(match[1])
  }
}

const READERS = [
  {
    tool: 'tshark',
    reader: ['tshark', '-n', '-l', '-r', '-'],
    line: (n: number) => `${1000 + n} → 9`,
  },
  {
    tool: 'tcpdump',
    reader: ['tcpdump', '-n', '-l', '-r', '-'],
    line: (n: number) => `10.0.0.1.${1000 + n} > 10.0.0.2.9`,
  },
] as const

describe.skipIf(!IS_BUILT)(`mirrortap capture${NEEDS_BUILD}`, () => {
  for (const { tool, reader, line } of READERS) {
    for (const format of ['pcap', 'pcapng']) {
      test.skipIf(!hasTool(tool))(
        `streams ${format} to ${tool} while packets come (needs ${tool})`,
        async () => {
          const args = ['--bind', HOST, '--port', '0', '-w', '-', '--format', format]
          const pipe = new Pipe(args, [...reader])
          const port = await pipe.port()
          // One at a time: each must be seen before the next is sent.
          for (let number = 0; number < 3; number++) {
            await send(port, [vxlan(7 + number, frame(number))])
            await until(() => pipe.stdout.includes(line(number)))
          }
          const ended = once(pipe.capture, 'exit')
          pipe.capture.kill('SIGINT')
          expect((await ended)[0]).toBe(0)
          await until(() => pipe.stderr.includes('3 packets captured, 3 received, '))
          expect(pipe.stdout.trimEnd().split('\n')).toHaveLength(3)
        },
        30_000,
      )
    }
  }

  test('ends in silence when who reads its output has gone', async () => {
    const args = ['--bind', HOST, '--port', '0', '-w', '-']
    const capture = spawn(process.execPath, [BIN, 'capture', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    onTestFinished(() => void capture.kill('SIGKILL'))
    let stderr = ''
    capture.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString()
    })
    const ended = once(capture, 'exit')
    await once(capture.stdout, 'data')
    capture.stdout.destroy()
    const match = await until(() => /port (\d+) /.exec(stderr) ?? undefined)
    await send(Number(match[1]), [vxlan(7, frame(0))])
    expect((await ended)[0]).toBe(0)
    expect(stderr.split('\n').filter((line) => !/^listening|^the kernel|^$/.test(line))).toEqual([])
  })

  test.skipIf(!existsSync('/proc/net/udp'))(
    'leaves at once at the second signal, whatever it waits for (needs /proc)',
    async () => {
      const capture = spawn(
        process.execPath,
        [BIN, 'capture', '--bind', HOST, '--port', '0', '-w', '-'],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      )
      onTestFinished(() => void capture.kill('SIGKILL'))
      let stderr = ''
      capture.stderr.on('data', (bytes: Buffer) => {
        stderr += bytes.toString()
      })
      const match = await until(() => /port (\d+) /.exec(stderr) ?? undefined)
      // Nobody reads: the pipe fills, and the first signal finds writes that wait.
      capture.stdout.pause()
      const port = Number(match[1])
      const large = vxlan(7, Buffer.alloc(60_000))
      for (let round = 0; round < 10; round++) await send(port, [large])
      const ended = once(capture, 'exit')
      capture.kill('SIGINT')
      // The port is given back when what was queued has been taken.
      await until(() => !listens(port))
      expect(capture.exitCode).toBeNull()
      capture.kill('SIGINT')
      expect((await ended)[1]).toBe('SIGINT')
    },
  )

  test('captures a burst to the last packet before it ends', async () => {
    const dir = temporaryDirectory()
    const path = join(dir, 'x.pcap')
    const program = live('-w', path, '--stats', join(dir, 'stats'))
    const port = await portOf(program)
    burst(5000, 200, port, HOST)
    program.signal('SIGTERM')
    expect(await program.ended()).toBe(0)
    const stats = readStats(join(dir, 'stats'))
    expect(stats.received + (stats.kernelLost ?? 0)).toBe(5000)
    expect(program.stderr).toMatch(/\n\d+ packets captured, \d+ received, \d+ lost by the kernel, /)
    expect(readWritten(path)).toHaveLength(stats.sessions.reduce((sum, s) => sum + s.captured, 0))
  })

  test.skipIf(!existsSync('/dev/full'))(
    'fails at once on a full device (needs /dev/full)',
    async () => {
      const program = live('-w', '/dev/full')
      await send(await portOf(program), [vxlan(7, frame(1))])
      expect(await program.ended()).toBe(1)
      expect(program.stderr).toMatch(
        /\nmirrortap: cannot write \/dev\/full: no space left[^\n]*\n$/,
      )
    },
  )

  test('takes a capture from a pipe as it comes, and keeps it at a signal', async () => {
    const dir = temporaryDirectory()
    const path = join(dir, 'x.pcap')
    const child = spawn(process.execPath, [BIN, 'capture', '--read', '-', '-w', path], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    const inner = frame(1)
    const wrapped = mirrored({ source: '10.1.1.1', target: '10.9.9.9', vni: 7, frame: inner })
    child.stdin.write(pcapFile([{ frame: wrapped }, { frame: wrapped }]))
    await until(() => {
      const part = `${path}.part`
      return existsSync(part) && statSync(part).size === 24 + 2 * (16 + inner.length)
    })
    child.kill('SIGINT')
    expect((await ended)[0]).toBe(0)
    expect(readWritten(path).map(({ frame }) => frame)).toEqual([inner, inner])
    expect(readdirSync(dir)).toEqual(['x.pcap'])
  })

  test('converts from standard input to standard output', async () => {
    const dir = temporaryDirectory()
    const shots = [{ frame: frame(1) }, { frame: frame(2) }]
    const args = ['capture', '--read', '-', '-w', '-']
    const program = mirrortap(args, pcapFile(shots))
    expect(await program.ended()).toBe(0)
    expect(program.stderr).toBe('')
    expect(program.stdout).toEqual(pcapFile(shots))
    writeFileSync(join(dir, 'x'), pcapFile(shots))
    const pcapng = mirrortap(['capture', '--read', join(dir, 'x'), '-w', '-', '--format', 'pcapng'])
    expect(await pcapng.ended()).toBe(0)
    writeFileSync(join(dir, 'y'), pcapng.stdout)
    expect(readWritten(join(dir, 'y'))).toHaveLength(2)
  })
})

/** Whether a UDP socket of this host has the port. */
function listens(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/net/udp', 'utf8').includes(`:${hex} `)
}
