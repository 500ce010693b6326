/**
 * What delivering costs: `listen` with flow logs alone, and with every destination at once, under the same
 * packets. Local servers take everything: S3 (s3rver), CloudWatch Logs and Firehose (which only answer), NATS
 * JetStream (nats-server, where installed), IPFIX over UDP and TCP (which only read). Then all of them are
 * away for a run, which leaves a backlog on the disk, and back for the next, which drains it. With --backlog
 * it is made that large by hard links to its files; S3 keeps its share of it, in the temporary directory.
 *
 * Not measured: whether what arrives is right (test/deliver), and real networks. The servers and the sender
 * share the processors with what is measured. For a quiet machine, an hour or more:
 *
 *   node scripts/bench/deliver.mjs --rate 200000 --records 500000 --seconds 600 --backlog 10
 *
 * Run after `npm run build`:
 * node scripts/bench/deliver.mjs [--rate PACKETS] [--records PER_MINUTE] [--seconds NUMBER] [--backlog GIGABYTES]
 *   [--keep DIRECTORY]
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import S3rver from 's3rver'
import { cpuOf } from './process-cpu.js'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '200000' },
    records: { type: 'string', default: '500000' },
    seconds: { type: 'string', default: '180' },
    backlog: { type: 'string', default: '0' },
    keep: { type: 'string' },
  },
})
const RATE = Number(values.rate)
const SECONDS = Number(values.seconds)
/** Each flow has a record a minute. */
const FLOWS = Number(values.records)
const PACKET_BYTES = 200
const BACKLOG = Number(values.backlog) * 1e9
/** How long what is left may stay as it is before nobody waits for it any more. */
const STUCK_MS = 2 * 60_000
/** What NATS keeps of what it got. */
const STREAM_BYTES = 256 * 2 ** 20
const HOST = '127.0.0.1'
const ROOT = join(import.meta.dirname, '../..')
const MB = 1024
/** What a queue's file and a window's records wait for. */
const LAST_FILES_MS = 15_000

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
if (hasNats) {
  const { connect } = await import('@nats-io/transport-node')
  const { jetstreamManager } = await import('@nats-io/jetstream')
  const connection = await connect({ port: natsPort, waitOnFirstConnect: true })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({
    ...{ name: 'flows', subjects: ['flows.>'], max_bytes: STREAM_BYTES },
    duplicate_window: 2 * 60 * 1e9,
  })
  await connection.close()
}

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

/** Makes what waits below a directory of flow logs as large as asked for, by further names for its files. */
function enlargeBacklog(logs) {
  const files = readdirSync(logs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.gz'))
    .map((entry) => join(entry.parentPath, entry.name))
  let bytes = files.reduce((sum, path) => sum + statSync(path).size, 0)
  for (let copy = 1; bytes < BACKLOG && bytes > 0; copy++) {
    for (const path of files) {
      linkSync(path, join(dirname(path), `copy-${copy}-${basename(path)}`))
      bytes += statSync(path).size
    }
  }
}

/** `logs`: the directory of flow logs. `away`: nothing is drained. */
async function run(name, destinations, { logs = name, away = false } = {}) {
  const program = spawn(
    process.execPath,
    [
      ...[join(ROOT, 'dist/cli/bin.js'), 'listen', '--bind', HOST, '--port', '0'],
      ...['--api', `${HOST}:0`, '--no-auth', '--max-flows', String(FLOWS * 2)],
      ...['--flow-log-dir', join(directory, logs), '--max-aggregation-interval', '60'],
      ...['--stats', join(directory, `${name}.json`), '--keep-total', '1000GB'],
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
  let left = 0
  let cpu = 0
  let decreasedAt = began
  const look = async () => {
    rss.push(rssOf(program.pid))
    cpu = cpuOf(program.pid)
    const now = await waiting().catch(() => left)
    if (now < left) decreasedAt = Date.now()
    left = now
    backlog = Math.max(backlog, left)
  }
  while (!isSent) {
    await look()
    await Promise.race([sleep(1000), sent])
  }
  const drains = destinations.length > 0 && !away
  // The last windows of flow logs.
  if (drains) await sleep(LAST_FILES_MS)
  decreasedAt = Date.now()
  do {
    await look()
    if (left === 0 || !drains) break
    await sleep(1000)
  } while (Date.now() - decreasedAt < STUCK_MS)
  const seconds = (Date.now() - began) / 1000
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
    'seconds in all': Math.round(seconds),
    'CPU, s': Number((cpu / 1e9).toFixed(1)),
    'memory, median MB': rss[rss.length >> 1],
    'memory, most MB': rss.at(-1),
    'backlog, most MB': Number((backlog / 1e6).toFixed(1)),
    'left, MB': Number((left / 1e6).toFixed(1)),
  }
}

const rows = [await run('none', []), await run('all', DESTINATIONS)]
await stopServers()
rows.push(await run('away', DESTINATIONS, { away: true }))
enlargeBacklog(join(directory, 'away'))
await startServers(s3Port)
rows.push(await run('back', DESTINATIONS, { logs: 'away' }))
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
const above = rows.slice(1).map((row) => {
  return `${row['memory, most MB'] - rows[0]['memory, most MB']} MB (${row.run})`
})
const more = `memory above none, at most: ${above.join(', ')}; asked for: at most 150 MB, and nothing lost`
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
