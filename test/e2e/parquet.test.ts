import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { asText, readParquet, rowsOfText } from '../flowlog/parquet-file.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, filesBelow, IS_BUILT, mirrortap, NEEDS_BUILD, UNHURRIED } from './program.js'

const HOST = '127.0.0.1'
const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

async function send(port: number, from: number, to: number): Promise<void> {
  const sender = await UdpSender.open(HOST)
  for (let sport = from; sport < to; sport++) {
    const flow = { src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }
    await sender.send(vxlan(7, ethernet(udp4({ ...flow, payload: Buffer.alloc(64) }))), port, HOST)
  }
  await sender.close()
}

async function recordsBelow(dir: string): Promise<Record<string, unknown>[]> {
  const files = filesBelow(dir)
  expect(files.filter((name) => !name.endsWith('.log.parquet'))).toEqual([])
  return (await Promise.all(files.map((name) => readParquet(join(dir, name))))).flat()
}

describe.skipIf(!IS_BUILT)(`mirrortap and Parquet${NEEDS_BUILD}`, UNHURRIED, () => {
  test('flow-log writes it to a pipe, as to a file', async () => {
    const program = mirrortap(['flow-log', SAMPLE, '--format', 'parquet'])
    expect(await program.ended()).toBe(0)
    const path = join(temporaryDirectory(), 'flows.parquet')
    writeFileSync(path, program.stdout)
    const text = mirrortap(['flow-log', SAMPLE])
    expect(await text.ended()).toBe(0)
    expect(asText(await readParquet(path))).toEqual(rowsOfText(text.stdout.toString()))
  })

  test('listen writes it, converted in a thread of its own', async () => {
    const dir = temporaryDirectory()
    const format = ['--log-format', '${srcport} ${bytes} ${log-status}']
    const appliance = new Appliance(['--flow-log-dir', dir, '--file-format', 'parquet', ...format])
    await send(await appliance.port(), 1000, 1100)
    expect(await appliance.stop()).toBe(0)
    const records = await recordsBelow(dir)
    const ports = records.map(({ srcport }) => srcport)
    expect(ports.sort()).toEqual(Array.from({ length: 100 }, (_, at) => 1000 + at))
    expect(records[0]).toMatchObject({ bytes: 92n, log_status: 'OK' })
  })

  test('listen, killed and started again, keeps every record that had reached the disk', async () => {
    const dir = temporaryDirectory()
    // A full table gives records out at once; else they wait for the end of their window.
    const flows = ['--max-flows', '64', '--log-format', '${srcport} ${bytes}']
    const args = ['--flow-log-dir', dir, '--file-format', 'parquet', ...flows]
    const first = new Appliance(args)
    const port = await first.port()
    let flushed: string[] = []
    for (let from = 0; flushed.length < 1000; from = (from + 5000) % 60_000) {
      await send(port, from, from + 5000)
      const [part] = filesBelow(dir).filter((name) => name.endsWith('.part'))
      if (part !== undefined) flushed = linesOf(join(dir, part))
    }
    first.signal('SIGKILL')
    expect(await first.ended()).toBe('SIGKILL')

    const second = new Appliance(args)
    await second.port()
    expect(await second.stop()).toBe(0)
    expect(second.stderr).toMatch(/^adopted \S+\.log\.parquet$/m)
    const kept = new Set(
      (await recordsBelow(dir)).map((row) => `${row['srcport']} ${row['bytes']}`),
    )
    expect(flushed.slice(1).filter((record) => !kept.has(record))).toEqual([])
  })
})

/** Lines that can be read of a compressed log, up to where it ends. */
function linesOf(path: string): string[] {
  try {
    return gunzipSync(readFileSync(path), { finishFlush: 2 }).toString().split('\n').slice(0, -1)
  } catch {
    return []
  }
}
