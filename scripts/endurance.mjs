/**
 * Whether an appliance can be left running: `listen` with everything switched on takes packets at an even
 * rate, while the configuration is reloaded, receiving threads are made to crash, the destination is
 * down now and then, and clients of the API make and delete flow logs, capture flows and search captures.
 *
 * In the end every packet sent is in one count of the ledger or dropped by the kernel, every flow log file is
 * at its destination, and memory and descriptors are in the last third what they were in the second.
 *
 * Run after `npm run build`; an hour is what it is for:
 * ENDURANCE_SECONDS=3600 ENDURANCE_RATE=20000 node scripts/endurance.mjs [--keep DIRECTORY] [--seed NUMBER]
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CreateFlowLogsCommand, DeleteFlowLogsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { NetworkFirewallClient, StartFlowCaptureCommand } from '@aws-sdk/client-network-firewall'
import S3rver from 's3rver'

const { values } = parseArgs({ options: { keep: { type: 'string' }, seed: { type: 'string' } } })
const SECONDS = Number(process.env['ENDURANCE_SECONDS'] ?? 3600)
const RATE = Number(process.env['ENDURANCE_RATE'] ?? 20_000)
const SEED = Number(values.seed ?? Date.now() % 2 ** 31)
const WORKERS = 2
const SAMPLE_MS = 10_000
const EVENT_MS = 7000
/** What may be more in the last third than in the second. */
const RSS_GROWTH_MB = 40
const FDS_GROWTH = 24

const ROOT = join(import.meta.dirname, '..')
const ACCESS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
const directory = mkdtempSync(join(tmpdir(), 'mirrortap-endurance-'))
const path = (name) => join(directory, name)

let state = SEED || 1
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

// The destination: a server that can be stopped and started on the same port.
let s3
async function startS3(port) {
  mkdirSync(path('bucket'), { recursive: true })
  const options = { address: '127.0.0.1', port, directory: path('bucket'), silent: true }
  s3 = new S3rver({ ...options, configureBuckets: [{ name: 'logs' }] })
  return (await s3.run()).port
}
async function stopS3() {
  const closed = s3.close()
  s3.httpServer.closeAllConnections()
  await closed
}
const s3Port = await startS3(0)

/** Each reload takes the next: captures off and on, filters, formats, bounds. */
const CONFIGS = [
  `capture-dir: ${path('captures')}\nrotate-size: 4MB\nkeep-bytes: 20MB\ndeliver-captures: s3://logs/captures\n`,
  `capture-dir: ${path('captures')}\nrotate-size: 1MB\nkeep-files: 4\nfilter: not udp port 9\n`,
  'filter: tcp or udp\nlog-level: debug\n',
  `capture-dir: ${path('captures')}\ncapture-format: pcapng\nsnaplen: 96\nkeep-files: 4\nlog-format: "\${interface-id} \${srcaddr} \${dstaddr} \${packets}"\n`,
]
const COMMON = `flow-log-dir: ${path('logs')}\nmax-aggregation-interval: 60\ndeliver: s3://logs/flows\nkeep-total: 2GB\n`
function configure(index) {
  writeFileSync(path('config.yaml'), COMMON + CONFIGS[index % CONFIGS.length])
}
configure(0)

const ENVIRONMENT = {
  ...process.env,
  AWS_ACCESS_KEY_ID: ACCESS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: ACCESS.secretAccessKey,
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3Port}`,
  AWS_EC2_METADATA_DISABLED: 'true',
  ENDURANCE_KILL: path('kill-'),
}
const program = spawn(
  process.execPath,
  [
    ...['--require', join(import.meta.dirname, 'endurance-preload.cjs')],
    ...[join(ROOT, 'dist/cli/bin.js'), 'listen', '--config', path('config.yaml')],
    ...['--bind', '127.0.0.1', '--port', '0', '--workers', String(WORKERS)],
    ...['--api', '127.0.0.1:0', '--no-auth', '--state', path('state.json')],
    ...['--stats', path('ledger.json')],
  ],
  {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: ENVIRONMENT,
  },
)
let said = ''
program.stderr.on('data', (bytes) => {
  said += bytes
})
const exited = once(program, 'exit')
async function says(pattern) {
  for (;;) {
    const found = pattern.exec(said)
    if (found !== null) return found[1]
    if (program.exitCode !== null) throw new Error(`it ended: ${said.slice(-2000)}`)
    await sleep(100)
  }
}
const port = await says(/^listening on \S+ port (\d+) /m)
const api = await says(/^API on (http:\S+),/m)

const sender = spawn(
  process.execPath,
  [
    join(import.meta.dirname, 'bench/receive-sender.mjs'),
    port,
    RATE,
    RATE * SECONDS,
    200,
    20_000,
  ].map(String),
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
let sent = ''
sender.stdout.on('data', (bytes) => {
  sent += bytes
})
const isSent = once(sender, 'exit')

const client = { endpoint: api, region: 'us-east-1', credentials: ACCESS, maxAttempts: 1 }
const ec2 = new EC2Client(client)
const firewall = new NetworkFirewallClient(client)
let flowLogId
let reloads = 0
const events = {}

const EVENTS = {
  async reload() {
    configure(++reloads)
    program.kill('SIGHUP')
  },
  async kill() {
    writeFileSync(path(`kill-${random(WORKERS)}`), '')
  },
  async outage() {
    await stopS3()
    await sleep(5000)
    await startS3(s3Port)
  },
  async flowLog() {
    if (flowLogId !== undefined) {
      await ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [flowLogId] }))
      flowLogId = undefined
      return
    }
    const made = await ec2.send(
      new CreateFlowLogsCommand({
        ResourceIds: ['eni-0aa11bb22cc33dd44'],
        ResourceType: 'NetworkInterface',
        TrafficType: 'ALL',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::logs/made',
      }),
    )
    flowLogId = made.FlowLogIds?.[0]
  },
  async flowCapture() {
    await firewall.send(
      new StartFlowCaptureCommand({
        FirewallArn: 'arn:aws:network-firewall:us-east-1:000000000000:firewall/mirrortap',
        AvailabilityZone: 'us-east-1a',
        // A few: results are kept for twelve hours, up to 256 MiB of them.
        FlowFilters: [{ SourcePort: '32768', DestinationPort: '443' }],
      }),
    )
  },
  async search() {
    const answer = await fetch(`${api}/captures/find?filter=tcp+port+443&count=100`, {
      signal: AbortSignal.timeout(60_000),
    })
    await answer.arrayBuffer().catch(() => undefined)
  },
}
/** At most so often within ten minutes: the sixth crash of a thread ends the appliance. */
const KILLS_MAX = 4
let kills = []

async function makeEvent() {
  const names = Object.keys(EVENTS)
  let name = names[random(names.length)]
  const now = Date.now()
  kills = kills.filter((at) => now - at < 600_000)
  if (name === 'kill' && kills.length >= KILLS_MAX) name = 'reload'
  if (name === 'kill') kills.push(now)
  try {
    await EVENTS[name]()
    events[name] = (events[name] ?? 0) + 1
  } catch (error) {
    // A worker that is just being started again has the API refuse some operations.
    events[`${name} refused`] = (events[`${name} refused`] ?? 0) + 1
    if (events[`${name} refused`] === 1)
      console.log(`${name}: ${/** @type {Error} */ (error).message}`)
  }
}

const samples = []
const began = Date.now()
async function sample() {
  const status = readFileSync(`/proc/${program.pid}/status`, 'latin1')
  /** @type {any} */
  const ledger = await fetch(`${api}/ledger`).then((answer) => answer.json())
  const one = {
    seconds: Math.round((Date.now() - began) / 1000),
    rssMB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024),
    fds: readdirSync(`/proc/${program.pid}/fd`).length,
    threads: Number(/Threads:\s+(\d+)/.exec(status)?.[1]),
    received: ledger.received,
    kernelLost: ledger.kernelLost,
    crashLost: ledger.crashLost,
    restarts: ledger.workerRestarts,
    missing: ledger.received - sumOf(ledger),
  }
  samples.push(one)
  console.log(JSON.stringify(one))
}

function sumOf({ accepted, filtered, unknownSession, duplicate, malformed, crashLost }) {
  const bad = Object.values(malformed).reduce((sum, count) => sum + count, 0)
  return accepted + filtered + unknownSession + duplicate + bad + crashLost
}

let isOver = false
const eventing = (async () => {
  while (!isOver) {
    await Promise.race([sleep(EVENT_MS), isSent])
    if (!isOver) await makeEvent()
  }
})()
const sampling = (async () => {
  while (!isOver) {
    await sample().catch((error) => console.log(`no sample: ${error.message}`))
    await Promise.race([sleep(SAMPLE_MS), isSent])
  }
})()
await Promise.race([isSent, exited])
isOver = true
await Promise.all([eventing, sampling])
console.log('all packets are sent')

// The last files are delivered while it stops, or at the next start.
program.kill('SIGTERM')
const [code] = await exited
console.log('it has ended')
const ledger = JSON.parse(readFileSync(path('ledger.json'), 'utf8'))
const { sent: packets } = JSON.parse(sent)
// What was left is delivered by a second run.
const rest = spawn(
  process.execPath,
  [
    ...[
      join(ROOT, 'dist/cli/bin.js'),
      'listen',
      '--config',
      path('config.yaml'),
      '--bind',
      '127.0.0.1',
    ],
    ...['--port', '0', '--no-api', '--state', path('state.json'), '--duration', '20'],
  ],
  { stdio: 'ignore', env: ENVIRONMENT },
)
await once(rest, 'exit')
await stopS3()

const filesBelow = (below) =>
  readdirSync(below, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
const arrived = new Set(filesBelow(path('bucket')).map((name) => name.split('._S3rver')[0]))
const written = filesBelow(path('logs')).filter((name) => name.endsWith('.log.gz'))
const undelivered = written.filter((name) => !arrived.has(name))

const third = Math.floor(samples.length / 3)
const medianOf = (some, name) =>
  some.map((one) => one[name]).sort((a, b) => a - b)[some.length >> 1]
const second = samples.slice(third, 2 * third)
const last = samples.slice(-third)
const verdicts = {
  'it ended by itself with exit code 0': code === 0,
  'every packet sent was received or dropped by the kernel':
    packets === ledger.received + ledger.kernelLost,
  'every packet received is in one count': ledger.received === sumOf(ledger),
  'no sample of the ledger had a packet in no count': samples.every(({ missing }) => missing === 0),
  'no flow log record was lost': ledger.flows.recordsLost === 0,
  'every flow log file is at its destination': written.length > 0 && undelivered.length === 0,
  'memory is flat':
    third > 0 && medianOf(last, 'rssMB') <= medianOf(second, 'rssMB') + RSS_GROWTH_MB,
  'descriptors are flat':
    third > 0 && medianOf(last, 'fds') <= medianOf(second, 'fds') + FDS_GROWTH,
}
const facts = [
  `${SECONDS} s at ${RATE} packets/s, seed ${SEED}, ${WORKERS} workers`,
  `${packets} packets sent, ${ledger.received} received, ${ledger.kernelLost} dropped by the kernel, ${ledger.crashLost} lost in ${ledger.workerRestarts} crashes`,
  `flow log records: ${ledger.flows.recordsWritten} written, ${ledger.flows.recordsLost} lost; ${written.length} files, ${undelivered.length} not delivered`,
  `memory (median): ${medianOf(second, 'rssMB')} MB in the second third, ${medianOf(last, 'rssMB')} MB in the last; descriptors ${medianOf(second, 'fds')}, ${medianOf(last, 'fds')}`,
  `events: ${Object.entries(events)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}`,
]
const lines = Object.entries(verdicts).map(([what, holds]) => `${holds ? 'ok  ' : 'FAIL'} ${what}`)
for (const line of [...facts, ...lines]) console.log(line)
const holds = Object.values(verdicts).every(Boolean)
if (!holds) console.log(`the last that it said:\n${said.slice(-4000)}`)

if (values.keep !== undefined) {
  mkdirSync(values.keep, { recursive: true })
  const commit = execFileSync('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'], {
    encoding: 'utf8',
  })
  const machine = `${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`
  writeFileSync(
    join(values.keep, 'README.md'),
    `# A run of scripts/endurance.mjs\n\n- commit ${commit.trim()}, Node ${process.version}, kernel ${release()}\n- ${machine}\n${facts.map((fact) => `- ${fact}\n`).join('')}\n${lines.map((line) => `    ${line}\n`).join('')}`,
  )
  writeFileSync(
    join(values.keep, 'raw.json'),
    `${JSON.stringify({ samples, ledger: { ...ledger, sessions: undefined } }, null, 1)}\n`,
  )
}
rmSync(directory, { recursive: true, force: true })
process.exitCode = holds ? 0 : 1
