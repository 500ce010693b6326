/**
 * What it costs to read names in traffic that has none: a million packets in the middle of TCP connections and of
 * UDP that nobody knows, in a capture file, with and without --no-names, in turns.
 *
 * Measured: CPU time of `mirrortap flows`, less that of a run with the same options over a single packet; the least
 * of all rounds. The number that matters: `ratio` of the time with names to that without, which is to be 1.05 at most.
 *
 * Not measured: packets that have names, whose parsers take microseconds each.
 *
 * Run after `npm run build`: node scripts/bench/names.mjs [--rounds 7] [--packets 1000000]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CaptureFile } from './capture-file.js'
import { xorshift } from './random.js'
import { run } from './timed-process.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    packets: { type: 'string', default: '1000000' },
  },
})

const PROGRAM = new URL('../../dist/cli/bin.js', import.meta.url).pathname
const CONNECTIONS = 500
const SERVERS = [443, 80, 5432, 8443]
const TCP = 6
const UDP = 17

/** Frames of 54 to 1454 bytes, whose data is noise that nothing begins with. */
function makeCapture(path, packets) {
  const random = xorshift(7)
  const file = new CaptureFile(path, Buffer.of(0xa5))
  for (let packet = 0; packet < packets; packet++) {
    const connection = random() % CONNECTIONS
    const isUdp = connection % 5 === 0
    const isAnswer = random() % 2 === 0
    const length = 54 + (random() % 1400)
    const at = file.frame(
      1_700_000_000 + Math.floor(packet / 100_000),
      packet % 1e6,
      length,
      length,
    )
    const { block } = file
    block.fill(0, at, at + 54)
    block.writeUInt16BE(0x0800, at + 12)
    block[at + 14] = 0x45
    block.writeUInt16BE(length - 14, at + 16)
    block[at + 22] = 64
    block[at + 23] = isUdp ? UDP : TCP
    const [client, server] = [0x0a00_0000 + connection, 0xc633_6400 + (connection % 200)]
    block.writeUInt32BE(isAnswer ? server : client, at + 26)
    block.writeUInt32BE(isAnswer ? client : server, at + 30)
    const ports = [
      40_000 + (connection % 20_000),
      isUdp ? 9999 : SERVERS[connection % SERVERS.length],
    ]
    block.writeUInt16BE(ports[isAnswer ? 1 : 0], at + 34)
    block.writeUInt16BE(ports[isAnswer ? 0 : 1], at + 36)
    if (isUdp) block.writeUInt16BE(length - 34, at + 38)
    else {
      block.writeUInt32BE(random(), at + 38)
      block[at + 46] = 0x50
      block[at + 47] = 0x18
    }
    block.fill(0xa5, at + 54, at + length)
  }
  file.close()
}

const scratch = mkdtempSync(join(tmpdir(), 'mirrortap-names-'))
try {
  const [capture, single] = ['million.pcap', 'single.pcap'].map((name) => join(scratch, name))
  makeCapture(capture, Number(values.packets))
  makeCapture(single, 1)
  const ways = [
    { name: 'without', options: ['--no-names'], start: Infinity, whole: Infinity },
    { name: 'with', options: [], start: Infinity, whole: Infinity },
  ]
  const measure = async (options, file) => {
    const command = [process.execPath, PROGRAM, 'flows', '--json', ...options, file]
    const { cpuSeconds, seconds } = await run(command, { scratch })
    return cpuSeconds ?? seconds
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const way of ways) {
      way.start = Math.min(way.start, await measure(way.options, single))
      way.whole = Math.min(way.whole, await measure(way.options, capture))
    }
  }
  for (const { name, start, whole } of ways) console.log(`${name} names`, { start, whole })
  const [without, withNames] = ways.map(({ start, whole }) => whole - start)
  console.log(`ratio ${(withNames / without).toFixed(3)}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
