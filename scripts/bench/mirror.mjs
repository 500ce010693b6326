/**
 * Being a mirror source over loopback: packets a second and CPU a packet.
 *
 * Measured: the CPU time of the sending process, user and system. `sockets` is the sockets
 * alone, with datagrams that are ready; `sender` all that `mirrortap mirror` does with a
 * packet once it has it (parsing, sessions, copy, headers, sending), in batches of sendmmsg
 * and one by one with Node's sockets. `interface` is the whole of `mirrortap mirror
 * --interface lo` at a rate, reading included: it needs CAP_NET_RAW, else it is left out.
 *
 * Not measured: a network card. On loopback the sender pays for the way of its datagram up to
 * the receiving socket, which is there and never read; on a card it would pay for the driver.
 *
 * The number that matters: CPU µs a packet, `batches` beside `singly`. In the row of an
 * interface `unaccounted` is to be 0.
 *
 *     node scripts/bench/mirror.mjs [--packets 300000] [--length 200] [--flows 4096]
 *       [--rounds 3] [--rates 50000,200000,max] [--seconds 2] [--json FILE]
 */
import { execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { cpuOf, settle } from './process-cpu.js'

const { values: options } = parseArgs({
  options: {
    packets: { type: 'string', default: '300000' },
    length: { type: 'string', default: '200' },
    flows: { type: 'string', default: '4096' },
    rounds: { type: 'string', default: '3' },
    rates: { type: 'string', default: '50000,200000,max' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
})
const here = (name) => join(import.meta.dirname, name)
const run = promisify(execFile)

/** A port where datagrams may go, and end. */
async function sink() {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** Its event loop would read what comes: a process that is stopped does not. */
async function sinks(count) {
  const sockets = await Promise.all(Array.from({ length: count }, sink))
  const ports = sockets.map((socket) => socket.address().port)
  for (const socket of sockets) socket.close()
  const script = `
    for (const port of process.argv.slice(1)) {
      require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 1 })
        .bind(Number(port), '127.0.0.1', () => process.stdout.write('.'))
    }`
  const child = spawn(process.execPath, ['-e', script, ...ports.map(String)])
  for (let bound = 0; bound < count; ) bound += (await once(child.stdout, 'data'))[0].length
  child.kill('SIGSTOP')
  return { ports, close: () => child.kill('SIGKILL') }
}

async function measureSending(what, how, port) {
  const { packets, length, flows } = options
  const args = [here('mirror-sender.mjs'), what, how, port, packets, length, flows]
  const { stdout } = await run(process.execPath, args.map(String))
  const { sent, notSent, seconds, cpuMicros } = JSON.parse(stdout)
  return {
    what: `${what}, ${how}`,
    packets: sent,
    'packets/s': Math.round(sent / seconds),
    'CPU µs/packet': Number((cpuMicros / sent).toFixed(3)),
    'not sent': Object.values(notSent).reduce((sum, count) => sum + count, 0),
  }
}

/** The whole program, mirroring what a load generator sends over loopback. */
async function measureInterface(rate, targetPort, loadPort) {
  const bin = here('../../dist/cli/bin.js')
  const to = ['--to', `127.0.0.1:${targetPort}`, '--vni', '1', '--json']
  const child = spawn(process.execPath, [bin, 'mirror', '--interface', 'lo', ...to])
  const [said] = await once(child.stderr, 'data')
  if (!`${said}`.startsWith('mirroring')) {
    console.log(`interface is left out: ${said}`)
    return undefined
  }
  const load = async (at, total) => {
    const args = [here('receive-sender.mjs'), loadPort, at, total, options.length, options.flows]
    const { stdout } = await run(process.execPath, args.map(String))
    return JSON.parse(stdout)
  }
  const warmUp = await load(20_000, 40_000)
  await settle(child.pid)
  const before = cpuOf(child.pid)
  const total = Math.ceil((rate === 'max' ? 300_000 : Number(rate)) * Number(options.seconds))
  const { sent: offered, seconds } = await load(rate, total)
  await settle(child.pid)
  const cpu = cpuOf(child.pid) - before
  let summary = ''
  child.stdout.on('data', (chunk) => {
    summary += chunk
  })
  child.kill('SIGINT')
  await once(child, 'close')
  const { packets, kernelLost, notSent } = JSON.parse(summary)
  const mirrored = packets - warmUp.sent
  return {
    what: `interface, ${rate}`,
    packets: mirrored,
    'packets/s': Math.round(offered / seconds),
    'CPU µs/packet': Number((cpu / 1000 / mirrored).toFixed(3)),
    'not sent': Object.values(notSent).reduce((sum, count) => sum + count, 0),
    'kernel drops': kernelLost,
    // What else passes on loopback is mirrored too, and is not ours to account for.
    unaccounted: Math.max(0, offered - mirrored - kernelLost),
  }
}

const { ports, close } = await sinks(2)
const rows = []
for (const what of ['sockets', 'sender']) {
  const best = new Map()
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const how of ['batches', 'singly']) {
      const row = await measureSending(what, how, ports[0])
      const least = best.get(how)
      if (!(least?.['CPU µs/packet'] <= row['CPU µs/packet'])) best.set(how, row)
    }
  }
  rows.push(...best.values())
}
for (const rate of options.rates.split(',')) {
  const row = await measureInterface(rate, ports[0], ports[1])
  if (row === undefined) break
  rows.push(row)
}
close()
console.table(rows)
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ options, rows }))
