/**
 * What delivering costs: `listen` with flow logs alone, and with every destination at once, under the same
 * packets. Local servers take everything: S3 (s3rver), CloudWatch Logs and Firehose (which only answer), NATS
 * JetStream (nats-server, where installed), IPFIX over UDP and TCP (which only read). In the last run they
 * are away for the first half, so that what waits on the disk has to be drained.
 *
 * Not measured: whether what arrives is right (test/deliver), and real networks.
 *
 * Run after `npm run build`:
 * node scripts/bench/deliver.mjs [--rate PACKETS] [--records PER_MINUTE] [--seconds NUMBER] [--keep DIRECTORY]
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import S3rver from 's3rver'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '200000' },
    records: { type: 'string', default: '500000' },
    seconds: { type: 'string', default: '180' },
    keep: { type: 'string' },
  },
})
const RATE = Number(values.rate)
const SECONDS = Number(values.seconds)
/** Each flow has a record a minute. */
const FLOWS = Number(values.records)
const PACKET_BYTES = 200
/** How long what is left may take to arrive. */
const DRAIN_MS = 10 * 60_000
const HOST = '127.0.0.1'
const ROOT = join(import.meta.dirname, '../..')
const MB = 1024

async function portOf(server, ...listen) {
  server.listen(...listen)
  await once(server, 'listening')
  return server.address().port
}

/** Services that take what comes. `down`: they refuse it for now. */
const state = { down: false }
const taken = { logs: 0, firehose: 0, udp: 0, tcp: 0 }

const aws = createHttpServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const operation = String(request.headers['x-amz-target']).split('.')[1]
    const input = JSON.parse(Buffer.concat(chunks).toString() || '{}')
    const answer = state.down ? { __type: 'ServiceUnavailableException' } : {}
    if (!state.down && operation === 'PutLogEvents') taken.logs += input.logEvents.length
    if (!state.down && operation === 'PutRecordBatch') {
      taken.firehose += input.Records.length
      answer.FailedPutCount = 0
      answer.RequestResponses = input.Records.map(() => ({ RecordId: '1' }))
    }
    response.writeHead(state.down ? 503 : 200, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify(answer))
  })
})
const awsPort = await portOf(aws, 0, HOST)

const udp = createSocket('udp4')
udp.on('message', (bytes) => {
  taken.udp += bytes.length
})
udp.bind(0, HOST)
await once(udp, 'listening')

const tcp = createServer((socket) => {
  if (state.down) return void socket.destroy()
  socket.on('data', (bytes) => {
    taken.tcp += bytes.length
  })
  socket.on('error', () => undefined)
})
const tcpPort = await portOf(tcp, 0, HOST)

const directory = mkdtempSync(join(tmpdir(), 'mirrortap-deliver-'))
const hasNats = spawnSync('nats-server', ['--version']).error === undefined
const probe = createServer()
const natsPort = await portOf(probe, 0, HOST)
probe.close()
await once(probe, 'close')

let s3
let nats
async function startServers(s3Port) {
  state.down = false
  s3 = new S3rver({
    ...{ address: HOST, port: s3Port, directory: join(directory, 'bucket'), silent: true },
    configureBuckets: [{ name: 'logs' }],
  })
  const { port } = await s3.run()
  if (hasNats) {
    const args = ['-a', HOST, '-p', String(natsPort), '-js', '-sd', join(directory, 'nats')]
    nats = spawn('nats-server', args, { stdio: 'ignore' })
  }
  return port
}
async function stopServers() {
  state.down = true
  const closed = s3.close()
  s3.httpServer.closeAllConnections()
  await closed
  if (nats !== undefined) {
    nats.kill('SIGKILL')
    await once(nats, 'exit')
  }
}
mkdirSync(join(directory, 'bucket'))
const s3Port = await startServers(0)

const DESTINATIONS = [
  's3://logs/flows',
  'cloudwatch-logs://flows',
  'firehose://flows',
  `ipfix+udp://${HOST}:${udp.address().port}`,
  `ipfix+tcp://${HOST}:${tcpPort}`,
  ...(hasNats ? [`nats://${HOST}:${natsPort}/flows`] : []),
]

/** VmRSS of a process, in MB. */
function rssOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / MB)
}

async function run(name, destinations, { outage = false } = {}) {
  if (outage) await stopServers()
  const program = spawn(
    process.execPath,
    [
      ...[join(ROOT, 'dist/cli/bin.js'), 'listen', '--bind', HOST, '--port', '0'],
      ...['--api', `${HOST}:0`, '--no-auth', '--max-flows', String(FLOWS * 2)],
      ...['--flow-log-dir', join(directory, name), '--max-aggregation-interval', '60'],
      ...['--stats', join(directory, `${name}.json`)],
      ...destinations.flatMap((url) => ['--deliver', url]),
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: 'S3RVER',
        AWS_SECRET_ACCESS_KEY: 'S3RVER',
        AWS_ENDPOINT_URL_S3: `http://${HOST}:${s3Port}`,
        AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: `http://${HOST}:${awsPort}`,
        AWS_ENDPOINT_URL_FIREHOSE: `http://${HOST}:${awsPort}`,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    },
  )
  let said = ''
  program.stderr.on('data', (bytes) => {
    said += bytes
  })
  const exited = once(program, 'exit')
  const says = async (pattern) => {
    for (;;) {
      const found = pattern.exec(said)
      if (found !== null) return found[1]
      if (program.exitCode !== null) throw new Error(`it ended: ${said}`)
      await sleep(50)
    }
  }
  const port = await says(/^listening on \S+ port (\d+) /m)
  const api = await says(/^API on (http:\S+),/m)
  /** @type {(path: string) => Promise<any>} */
  const get = (path) => fetch(api + path).then((answer) => answer.json())
  const waiting = async () =>
    (await get('/health')).deliveries?.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0) ?? 0

  const args = [port, RATE, RATE * SECONDS, PACKET_BYTES, FLOWS].map(String)
  const sender = spawn(
    process.execPath,
    [join(import.meta.dirname, 'receive-sender.mjs'), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let isSent = false
  const sent = once(sender, 'exit').then(() => {
    isSent = true
  })
  const began = Date.now()
  const rss = []
  let backlog = 0
  let isBack = !outage
  const look = async () => {
    rss.push(rssOf(program.pid))
    backlog = Math.max(backlog, await waiting().catch(() => 0))
    if (isBack || Date.now() - began < (SECONDS * 1000) / 2) return
    isBack = true
    await startServers(s3Port)
  }
  while (!isSent) {
    await look()
    await Promise.race([sleep(1000), sent])
  }
  // A last window of flow logs, and then all that waits.
  const draining = Date.now()
  await sleep(destinations.length === 0 ? 0 : 15_000)
  while (destinations.length > 0 && Date.now() - draining < DRAIN_MS) {
    await look()
    if ((await waiting()) === 0) break
    await sleep(1000)
  }
  const left = destinations.length === 0 ? 0 : await waiting()
  program.kill('SIGTERM')
  await exited
  const ledger = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8'))
  rss.sort((a, b) => a - b)
  return {
    run: name,
    received: ledger.received,
    'lost by the kernel': ledger.kernelLost,
    'records a minute': Math.round((ledger.flows.recordsWritten * 60) / SECONDS),
    'records lost': ledger.flows.recordsLost,
    'memory, median MB': rss[rss.length >> 1],
    'memory, most MB': rss.at(-1),
    'backlog, most MB': Number((backlog / 1e6).toFixed(1)),
    'left, MB': Number((left / 1e6).toFixed(1)),
  }
}

const rows = [
  await run('none', []),
  await run('all', DESTINATIONS),
  await run('after-an-outage', DESTINATIONS, { outage: true }),
]
await stopServers()
aws.closeAllConnections()
aws.close()
udp.close()
tcp.close()
rmSync(directory, { recursive: true, force: true })

const names = Object.keys(rows[0])
const table = [names, names.map(() => '---'), ...rows.map((row) => names.map((name) => row[name]))]
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')
const facts = `${RATE} packets/s of ${FLOWS} flows for ${SECONDS} s; ${DESTINATIONS.length} destinations${hasNats ? '' : ', NATS not installed'}`
const more = `memory with all destinations: ${rows[1]['memory, most MB'] - rows[0]['memory, most MB']} MB above none (most)`
console.log(`${facts}\n${table}\n${more}\ntaken: ${JSON.stringify(taken)}`)
if (values.keep !== undefined) {
  mkdirSync(values.keep, { recursive: true })
  const git = ['-C', ROOT, 'rev-parse', '--short', 'HEAD']
  const commit = execFileSync('git', git, { encoding: 'utf8' }).trim()
  const machine = `${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`
  writeFileSync(
    join(values.keep, 'README.md'),
    `# A run of scripts/bench/deliver.mjs\n\n- commit ${commit}, Node ${process.version}, kernel ${release()}\n- ${machine}\n- ${facts}\n- ${more}\n\n${table}\n`,
  )
}
