import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  UNHURRIED,
  until,
} from './program.js'

const HOST = '127.0.0.1'
const JUDGES = [
  { name: 'tcpdump', command: ['tcpdump', '-n', '-r'] },
  { name: 'capinfos', command: ['capinfos', '-c'] },
] as const
const judges = JUDGES.filter(({ name }) => hasTool(name))
const unjudged = JUDGES.filter(({ name }) => !hasTool(name)).map(({ name }) => ` (without ${name})`)

/** Packet `number`: of one of two sessions, in a connection of its own. */
function datagram(number: number): Buffer {
  const payload = Buffer.alloc(64)
  payload.writeUInt32BE(number)
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', sport: number % 60_000, dport: 53 }
  return vxlan(number % 2, ethernet(udp4({ ...flow, payload })))
}

function numberOf(frame: Buffer): number {
  return frame.readUInt32BE(42)
}

async function send(port: number, from: number, to: number): Promise<void> {
  const sender = await UdpSender.open(HOST)
  for (let number = from; number < to; number++) await sender.send(datagram(number), port, HOST)
  await sender.close()
}

/** Numbers of the packets on the disk, or undefined while a file there is cut. */
function written(dir: string): number[] | undefined {
  try {
    return captureFiles(dir)
      .flatMap((name) => readWritten(join(dir, name)))
      .map(({ frame }) => numberOf(frame))
      .sort((a, b) => a - b)
  } catch {
    return undefined
  }
}

function captureFiles(dir: string): string[] {
  return filesBelow(dir).filter((name) => /\.pcap/.test(name))
}

/** Lines that can be read of a compressed log, up to where it ends. */
function linesOf(path: string): string[] {
  try {
    const text = gunzipSync(readFileSync(path), { finishFlush: constants.Z_SYNC_FLUSH })
    return text.toString().split('\n').slice(0, -1)
  } catch {
    return []
  }
}

describe.skipIf(!IS_BUILT)(
  `mirrortap listen, killed and started again${NEEDS_BUILD}`,
  UNHURRIED,
  () => {
    test.each(['pcap', 'pcapng'])(
      `keeps every packet that had reached the disk: %s${unjudged.join('')}`,
      async (format) => {
        const dir = temporaryDirectory()
        const args = ['--capture-dir', dir, '--capture-format', format, '--rotate-size', '20kB']
        const first = new Appliance(args)
        const port = await first.port()
        await send(port, 0, 500)
        await until(() => written(dir)?.length === 500)
        await send(port, 500, 700)
        first.signal('SIGKILL')
        expect(await first.ended()).toBe('SIGKILL')
        const left = filesBelow(dir).filter((name) => name.endsWith('.part')).length
        expect(left).toBeGreaterThanOrEqual(2)

        const second = new Appliance(args)
        await second.port()
        expect(await second.stop()).toBe(0)
        expect(second.stderr.match(/^(adopted|removed) /gm)).toHaveLength(left)

        const files = captureFiles(dir)
        expect(filesBelow(dir)).toEqual(files)
        expect(files.filter((name) => !name.endsWith(`.${format}`))).toEqual([])
        const numbers = written(dir)!
        expect(new Set(numbers).size).toBe(numbers.length)
        expect(numbers.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, number) => number))
        expect(numbers.at(-1)).toBeLessThan(700)

        const paths = files.map((name) => join(dir, name))
        for (const { command } of judges) {
          const [program, ...options] = command
          for (const path of paths) {
            execFileSync(program, [...options, path], { stdio: ['ignore', 'ignore', 'pipe'] })
          }
        }
        const reader = mirrortap(['flows', '--json', ...paths])
        expect(await reader.ended()).toBe(0)
        expect(JSON.parse(reader.stdout.toString())).toHaveLength(numbers.length)
      },
    )

    test('keeps every flow log record that had reached the disk', async () => {
      const dir = temporaryDirectory()
      // A full table gives records out at once; else they wait for the end of their window.
      const flows = ['--max-flows', '64', '--log-format', '${srcport} ${bytes}']
      const args = ['--flow-log-dir', dir, ...flows]
      const first = new Appliance(args)
      const port = await first.port()
      let sent = 0
      let flushed: string[] = []
      // Until the compressor has put something out, which takes some ten thousand records.
      while (flushed.length < 1000) {
        await send(port, sent, sent + 5000)
        sent += 5000
        const [part] = filesBelow(dir).filter((name) => name.endsWith('.part'))
        if (part !== undefined) flushed = linesOf(join(dir, part))
      }
      first.signal('SIGKILL')
      expect(await first.ended()).toBe('SIGKILL')

      const second = new Appliance(args)
      await second.port()
      expect(await second.stop()).toBe(0)
      const adopted = /^adopted \S+: (\d+) records/m.exec(second.stderr)
      const files = filesBelow(dir)
      expect(files.filter((name) => !name.endsWith('.log.gz'))).toEqual([])
      const records = files.flatMap((name) => {
        const [header, ...lines] = gunzipSync(readFileSync(join(dir, name)))
          .toString()
          .split('\n')
        expect(header).toBe('srcport bytes')
        expect(lines.pop()).toBe('')
        return lines
      })
      // More only when the first run had finished a file, at the end of five minutes.
      expect(records.length).toBeGreaterThanOrEqual(Number(adopted![1]))
      const kept = new Set(records)
      expect(flushed.slice(1).filter((record) => !kept.has(record))).toEqual([])
      expect(records.every((record) => /^\d{1,5} 92$/.test(record))).toBe(true)
      expect(records.length).toBeLessThanOrEqual(sent)
    })
  },
)
