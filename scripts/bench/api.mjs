/**
 * The control plane while packets come: latency of the API, and whether it costs a packet.
 *
 * `mirrortap listen` as built, with its state in a file, drops what no session was
 * registered for. The sessions are registered through the API, and packets of all of them
 * come at a fixed rate. Three rows, each a process of its own: packets alone, requests
 * alone, and both. A request is signed; 8 of 20 are a page of DescribeTrafficMirrorSessions,
 * 4 modify a session that has packets, 3 make one, 3 delete one (each of these ten is saved
 * before it is answered), one begins a flow capture of a session and one asks for its flows.
 *
 * Measured: milliseconds from when a request was due until its answer was read, the client's
 * own time included; datagrams sent against those in the ledger.
 *
 * Not measured: many clients, and TLS, which the API does not have. Sender, client and
 * appliance share the machine: on two cores they wait for each other, so latency under
 * packets is above what the appliance alone is to blame for. `waited %` is the time in which
 * threads of the appliance could have run and others had the cores: rows are to be compared
 * where it is about the same.
 *
 * The number that matters: kernel drops with packets and requests, against those of packets
 * alone; p99 of all requests. `unaccounted`, `not accepted` and errors are to be 0.
 *
 *     node scripts/bench/api.mjs [--sessions 1000] [--requests 100] [--kinds describe,modify]
 *       [--rate 200000] [--seconds 10] [--length 200] [--flows 16384] [--receive-buffer 67108864]
 *       [--json FILE] [-- options for listen]
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { build } from 'hdr-histogram-js'
import { ApiCaller, ApiLoad, textOf } from './api-load.js'
import { cpuOf, settle, waitOf } from './process-cpu.js'

const { values: options, positionals: listenOptions } = parseArgs({
  allowPositionals: true,
  options: {
    sessions: { type: 'string', default: '1000' },
    requests: { type: 'string', default: '100' },
    kinds: { type: 'string', default: 'describe,modify,create,delete,start capture,results' },
    rate: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '10' },
    length: { type: 'string', default: '200' },
    flows: { type: 'string', default: '16384' },
    'receive-buffer': { type: 'string', default: String(64 << 20) },
    json: { type: 'string' },
  },
})
const here = (name) => join(import.meta.dirname, name)
const sessionCount = Number(options.sessions)
const seconds = Number(options.seconds)
const CREDENTIAL = { accessKeyId: 'AKIDBENCH', secretAccessKey: 'not a secret' }
/** As the sender numbers them. */
const FIRST_VNI = 1000
/** Sessions registered at a time. */
const TOGETHER = 16
const ANYWHERE = {
  RuleNumber: 1,
  RuleAction: 'accept',
  SourceCidrBlock: '0.0.0.0/0',
  DestinationCidrBlock: '0.0.0.0/0',
}
/** One that is no interface may be the target of any number of sessions. */
const TARGET = {
  NetworkLoadBalancerArn:
    'arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/bench/0123456789abcdef',
}

async function startAppliance(directory) {
  const credentials = join(directory, 'credentials')
  const { accessKeyId, secretAccessKey } = CREDENTIAL
  const profile = `[bench]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`
  writeFileSync(credentials, profile, { mode: 0o600 })
  const stats = join(directory, 'stats.json')
  const args = ['listen', '--bind', '127.0.0.1', '--port', 0, '--api', '127.0.0.1:0']
  args.push('--credentials', credentials, '--state', join(directory, 'state.json'))
  args.push('--unknown-sessions', 'drop', '--stats', stats)
  args.push('--receive-buffer', options['receive-buffer'], ...listenOptions)
  const child = spawn(process.execPath, [here('../../dist/cli/bin.js'), ...args.map(String)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  let said = ''
  let where
  for await (const bytes of child.stderr.iterator({ destroyOnReturn: false })) {
    said += bytes
    const [, port] = /^listening on \S+ port (\d+)/m.exec(said) ?? []
    const [, url] = /^API on ([^\s,]+)/m.exec(said) ?? []
    where = { port, url }
    if (port !== undefined && url !== undefined) break
  }
  if (where?.url === undefined) throw new Error(`listen did not begin: ${said}`)
  child.stderr.resume()
  return {
    pid: child.pid,
    ...where,
    kill,
    async stop() {
      child.kill('SIGINT')
      await once(child, 'exit')
      process.off('exit', kill)
      return JSON.parse(readFileSync(stats, 'utf8'))
    },
  }
}

/** Registers them; resolves with their ids, and what another would be like. */
async function register(caller) {
  const filter = await caller.ec2('CreateTrafficMirrorFilter', {})
  const TrafficMirrorFilterId = textOf(filter, 'trafficMirrorFilterId')
  for (const TrafficDirection of ['ingress', 'egress']) {
    const rule = { TrafficMirrorFilterId, TrafficDirection, ...ANYWHERE }
    await caller.ec2('CreateTrafficMirrorFilterRule', rule)
  }
  const target = await caller.ec2('CreateTrafficMirrorTarget', TARGET)
  const TrafficMirrorTargetId = textOf(target, 'trafficMirrorTargetId')
  const like = { TrafficMirrorFilterId, TrafficMirrorTargetId, SessionNumber: 1 }
  const ids = []
  const client = async () => {
    while (ids.length < sessionCount) {
      const number = ids.length
      ids.push('')
      const NetworkInterfaceId = `eni-0${number.toString(16).padStart(16, '0')}`
      const made = { ...like, NetworkInterfaceId, VirtualNetworkId: FIRST_VNI + number }
      const reply = await caller.ec2('CreateTrafficMirrorSession', made)
      ids[number] = textOf(reply, 'trafficMirrorSessionId')
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, client))
  return { ids, like }
}

async function send(port, rate, total) {
  const { length, flows } = options
  const args = [here('receive-sender.mjs'), port, rate, total, length, flows, sessionCount]
  const { stdout } = await promisify(execFile)(process.execPath, args.map(String))
  return JSON.parse(stdout)
}

const noPackets = { sent: 0, seconds }

async function measure(what, { packets, requests }) {
  const directory = mkdtempSync(join(tmpdir(), 'mirrortap-bench-'))
  const appliance = await startAppliance(directory)
  const caller = new ApiCaller(appliance.url, CREDENTIAL)
  try {
    const began = performance.now()
    const { ids, like } = await register(caller)
    const registering = (performance.now() - began) / 1000
    // Code that has not run yet is slow, and so is a table that is being filled.
    const warmUp = packets ? await send(appliance.port, 20_000, 40_000) : noPackets
    await settle(appliance.pid)

    const load = new ApiLoad(caller, ids, like, options.kinds.split(','))
    const before = cpuOf(appliance.pid)
    const waitedBefore = waitOf(appliance.pid)
    const [{ sent, seconds: took }] = await Promise.all([
      packets
        ? send(appliance.port, options.rate, Math.ceil(Number(options.rate) * seconds))
        : noPackets,
      requests ? load.run(Number(options.requests), seconds) : undefined,
    ])
    await settle(appliance.pid)
    const cpu = cpuOf(appliance.pid) - before
    const waited = waitOf(appliance.pid) - waitedBefore
    const report = await appliance.stop()
    const received = report.received - warmUp.sent
    const row = {
      what,
      'registered in s': Number(registering.toFixed(2)),
      'packets/s': Math.round(sent / took),
      sent,
      received,
      'kernel drops': report.kernelLost,
      unaccounted: sent - received - report.kernelLost,
      'not accepted': report.received - report.accepted,
      'CPU %': Math.round(cpu / 1e7 / took),
      'waited %': Math.round(waited / 1e7 / took),
    }
    return { row, load }
  } finally {
    caller.close()
    appliance.kill()
    rmSync(directory, { recursive: true })
  }
}

function latencyRows(what, { latency, errors }) {
  const all = build({ numberOfSignificantValueDigits: 3 })
  for (const histogram of latency.values()) all.add(histogram)
  const ms = (us) => Number((us / 1000).toFixed(2))
  return [...latency, ['all', all]].map(([kind, histogram]) => ({
    what,
    kind,
    requests: histogram.totalCount,
    errors: errors.filter((text) => kind === 'all' || text.startsWith(`${kind}:`)).length,
    'p50 ms': ms(histogram.getValueAtPercentile(50)),
    'p99 ms': ms(histogram.getValueAtPercentile(99)),
    'max ms': ms(histogram.maxValue),
  }))
}

const rows = []
const latencies = []
const errors = []
for (const [what, parts] of Object.entries({
  packets: { packets: true, requests: false },
  requests: { packets: false, requests: true },
  both: { packets: true, requests: true },
})) {
  const { row, load } = await measure(what, parts)
  rows.push(row)
  if (parts.requests) latencies.push(...latencyRows(what, load))
  errors.push(...load.errors)
  if (parts.packets && parts.requests) console.log(`${load.flows} flows shown`)
}
console.table(rows)
console.table(latencies)
for (const text of errors.slice(0, 10)) console.error(text)
if (options.json !== undefined) {
  writeFileSync(options.json, JSON.stringify({ options, rows, latencies, errors }))
}
const isSound = rows.every((row) => row.unaccounted === 0 && row['not accepted'] === 0)
if (!isSound || errors.length > 0) process.exitCode = 1
