/**
 * Receiving over loopback: rate offered against received, kernel drops, CPU a packet.
 *
 * Measured: the CPU time of the receiving process, all threads, user and system, divided by
 * the packets it received, from the first to the last of them; with `--what receiver` a
 * consumer that only counts, with `--what listen` the whole of `mirrortap listen`.
 *
 * Not measured: what a network card, its driver and the softirq cost. On loopback the
 * *sender* pays for the way of a packet up to the receiving socket, so the figures are
 * those of the process alone, and a sender on the same machine limits the rate. The row
 * `backlog` leaves the sender out: the receiver is stopped (SIGSTOP) while the kernel's
 * buffer is filled, and then let go; its rate is that of a core that does nothing else.
 *
 * The number that matters: CPU µs a packet, at the rate at which you receive. Lost packets
 * must equal the kernel's drops: `unaccounted` is to be 0 in every row.
 *
 *     node scripts/bench/receive.mjs [--what receiver|listen] [--receivers recvmmsg,dgram]
 *       [--rates 50000,200000,max,backlog] [--seconds 2] [--length 200] [--flows 16384]
 *       [--receive-buffer 67108864] [--json FILE] [-- options for listen]
 */
import { execFile, fork, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { cpuOf, settle } from './process-cpu.js'

const { values: options, positionals: listenOptions } = parseArgs({
  allowPositionals: true,
  options: {
    what: { type: 'string', default: 'receiver' },
    receivers: { type: 'string', default: 'recvmmsg,dgram' },
    rates: {
      type: 'string',
      default: '50000,100000,200000,300000,400000,600000,800000,max,backlog',
    },
    seconds: { type: 'string', default: '2' },
    length: { type: 'string', default: '200' },
    flows: { type: 'string', default: '16384' },
    'receive-buffer': { type: 'string', default: String(64 << 20) },
    json: { type: 'string' },
  },
})
const here = (name) => join(import.meta.dirname, name)
/** Enough for the kernel to queue a datagram of 200 bytes several times over, and no more. */
const BACKLOG_OCTETS_EACH = 1400

/** What is measured: a process, its port, and how to stop it and hear what it received. */
const SUBJECTS = {
  async receiver(name) {
    const child = fork(here('receive-consumer.mjs'), [name, options['receive-buffer']])
    const [{ port, granted }] = await once(child, 'message')
    return {
      pid: child.pid,
      port,
      granted,
      async reset() {
        child.send('reset')
        await once(child, 'message')
      },
      async stop() {
        child.send('stop')
        const [report] = await once(child, 'message')
        await once(child, 'exit')
        return report
      },
    }
  },

  async listen(name) {
    const directory = mkdtempSync(join(tmpdir(), 'mirrortap-bench-'))
    const stats = join(directory, 'stats.json')
    const port = await freePort()
    const args = ['listen', '--no-api', '--bind', '127.0.0.1', '--port', port, '--receiver', name]
    args.push('--receive-buffer', options['receive-buffer'], '--stats', stats, ...listenOptions)
    const child = spawn(process.execPath, [here('../../dist/cli/bin.js'), ...args.map(String)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    while (!isBound(port)) {
      if (child.exitCode !== null) throw new Error(`listen ended with ${child.exitCode}`)
      await sleep(20)
    }
    return {
      pid: child.pid,
      port,
      granted: Number(options['receive-buffer']),
      async stop() {
        child.kill('SIGINT')
        await once(child, 'exit')
        const report = JSON.parse(readFileSync(stats, 'utf8'))
        rmSync(directory, { recursive: true })
        return report
      },
    }
  },
}

async function freePort() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

function isBound(port) {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  return readFileSync('/proc/net/udp', 'latin1').includes(suffix)
}

async function send(port, rate, total) {
  const args = [here('receive-sender.mjs'), port, rate, total, options.length, options.flows]
  const { stdout } = await promisify(execFile)(process.execPath, args.map(String))
  return JSON.parse(stdout)
}

async function measure(name, rate) {
  const subject = await SUBJECTS[options.what](name)
  // Code that has not run yet is slow, and so is a table that is being filled.
  const warmUp = await send(subject.port, 20_000, 40_000)
  await settle(subject.pid)
  const backlog = rate === 'backlog'
  const total = backlog
    ? Math.min(100_000, Math.floor(subject.granted / BACKLOG_OCTETS_EACH))
    : Math.ceil((rate === 'max' ? 1_000_000 : Number(rate)) * Number(options.seconds))

  if (backlog) process.kill(subject.pid, 'SIGSTOP')
  else await subject.reset?.()
  const before = cpuOf(subject.pid)
  const { sent, seconds } = await send(subject.port, backlog ? 'max' : rate, total)
  if (backlog) process.kill(subject.pid, 'SIGCONT')
  await settle(subject.pid)
  const cpu = cpuOf(subject.pid) - before

  const report = await subject.stop()
  const received = report.received - warmUp.sent
  return {
    receiver: name,
    offered: backlog ? 'backlog' : Math.round(sent / seconds),
    sent,
    received,
    'kernel drops': report.kernelLost,
    unaccounted: sent - received - report.kernelLost,
    'CPU µs/packet': Number((cpu / 1000 / received).toFixed(3)),
    'CPU %': backlog ? 100 : Math.round(cpu / 1e7 / seconds),
    'loop held ms': report.loopDelayMs === undefined ? '' : Math.round(report.loopDelayMs),
  }
}

const rows = []
for (const name of options.receivers.split(',')) {
  for (const rate of options.rates.split(',')) rows.push(await measure(name, rate))
}
console.table(rows)
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ options, rows }))
