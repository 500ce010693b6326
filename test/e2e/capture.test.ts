import { spawn } from 'node:child_process'
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
import { BIN, IS_BUILT, mirrortap, NEEDS_BUILD, Program, readStats, until } from './program.js'

const HOST = '127.0.0.1'

function frame(number: number): Buffer {
  const payload = Buffer.alloc(18, number)
  return ethernet(
    udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 41_000 + number, dport: 40_000, payload }),
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

const READERS = [
  {
    tool: 'tshark',
    reader: 'tshark -n -l -r -',
    line: (n: number) => `${41_000 + n} → 40000`,
  },
  {
    tool: 'tcpdump',
    reader: 'tcpdump -n -l -r -',
    line: (n: number) => `10.0.0.1.${41_000 + n} > 10.0.0.2.40000`,
  },
] as const

describe.skipIf(!IS_BUILT)(`mirrortap capture${NEEDS_BUILD}`, () => {
  for (const { tool, reader, line } of READERS) {
    for (const format of ['pcap', 'pcapng']) {
      test.skipIf(!hasTool(tool))(
        `streams ${format} to ${tool} while packets come (needs ${tool})`,
        async () => {
          // A shell makes the pipe: what Node gives to a child is a socket, which tshark reads otherwise.
          const args = `capture --bind ${HOST} --port 0 -w - -c 3 --format ${format}`
          const pipe = `"${process.execPath}" "${BIN}" ${args} | exec ${reader} 2>/dev/null`
          const program = new Program(['sh', '-c', pipe])
          const port = await portOf(program)
          // One at a time: each must be seen before the next is sent.
          for (let number = 0; number < 3; number++) {
            await send(port, [vxlan(7 + number, frame(number))])
            await until(() => program.stdout.includes(line(number)))
          }
          expect(await program.ended()).toBe(0)
          expect(program.stderr).toContain('3 packets captured, 3 received, ')
          expect(program.stdout.toString().trimEnd().split('\n')).toHaveLength(3)
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
