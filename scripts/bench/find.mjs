/**
 * Packets of seven days of captures by `mirrortap find`, beside tcpdump over the same files.
 *
 * Measured, by whole processes, start-up and writing included: what `mirrortap index` takes of CPU time and
 * leaves of bytes; of three searches the least and the median time, the time to the first packet in a
 * pipe, and the share of the captures that is read; `tcpdump -r` with the same expression over every file,
 * one after the other; and reading the same parts of the files and nothing else. `find` and tcpdump must
 * find as many packets as were put there, or the run fails.
 *
 * The searches: one flow (400 packets within a minute), a host on one day (3000 packets of 100
 * connections, all over the day), and a port that ten datagrams of the week have.
 *
 * Not measured: a cold disk. What fits the page cache is there: of 20 GB on a machine with less memory
 * tcpdump reads from the disk, and so would anybody.
 *
 * The number that matters: `ratio` of the flow, which is to be 50 or more, its first packet, which is to be
 * there within 200 ms, and the rate of the index, 1 GB/s of a core.
 *
 * Run after `npm run build`; it makes its captures and removes them (--leave does not):
 *     node scripts/bench/find.mjs [--gigabytes 20] [--directory /tmp/mirrortap-find] [--rounds 5]
 *       [--leave] [--keep DIRECTORY]
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PacketSearch } from '../../dist/search/packet-search.js'
import { daysOfCaptures, FLOW, HOST, HOST_DAY, RARE_PORT } from './make-days.js'
import { isInstalled, run } from './timed-process.js'

const { values: options } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '20' },
    directory: { type: 'string', default: join(tmpdir(), 'mirrortap-find') },
    rounds: { type: 'string', default: '5' },
    leave: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
})
const home = join(import.meta.dirname, '../..')
const bin = [process.execPath, join(home, 'dist/cli/bin.js')]
const rounds = Number(options.rounds)
const { directory } = options
const PCAP_HEADER_LEN = 24
/** Whole weeks are read: more than anything else here takes. */
const PATIENCE_MS = 3_600_000

const SEARCHES = [
  {
    name: 'one flow',
    text: `host ${FLOW.host} and host ${FLOW.other} and tcp port ${FLOW.hostPort} and port ${FLOW.port}`,
    expected: 'flow',
  },
  { name: "a host's day", text: `host ${HOST}`, expected: 'hostDay', ...HOST_DAY },
  { name: 'a rare port', text: `udp port ${RARE_PORT}`, expected: 'rare' },
]

function least(samples) {
  return Math.min(...samples)
}

function median(samples) {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1]
}

/** `find` with the times of a search. */
function command({ text, since, until }, ...more) {
  const times = since === undefined ? [] : ['--since', String(since), '--until', String(until)]
  return [...bin, 'find', '--dir', directory, ...times, ...more, text]
}

/** Seconds from the start of a process to the first packet that it writes, which is then ended. */
async function firstPacket(search) {
  const began = process.hrtime.bigint()
  const [program, ...args] = command(search, '-w', '-')
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let bytes = 0
  let seconds
  child.stdout.on('data', (piece) => {
    bytes += piece.length
    if (bytes <= PCAP_HEADER_LEN || seconds !== undefined) return
    seconds = Number(process.hrtime.bigint() - began) / 1e9
    child.kill()
  })
  await once(child, 'close')
  return seconds
}

/** What is read of the files for a search: bytes, and the seconds that this alone takes. */
function readParts({ text, since, until }, files) {
  const moment = (seconds) => seconds && { seconds, nanoseconds: 0 }
  const search = new PacketSearch({
    files: files.map((path) => ({ path, session: path.split('/').at(-2) })),
    text,
    since: moment(since),
    until: moment(until),
    session: undefined,
    decap: 'auto',
    vxlanPort: 4789,
    genevePort: 6081,
    onProblem: () => undefined,
  })
  const plans = [...search.plan()]
  const block = Buffer.allocUnsafeSlow(1 << 20)
  let bytes = 0
  const began = process.hrtime.bigint()
  for (const { file, ranges = [] } of plans) {
    if (ranges.length === 0) continue
    const fd = openSync(file.path, 'r')
    for (const { start, end } of ranges) {
      for (let at = start; at < end; ) {
        const read = readSync(fd, block, 0, Math.min(block.length, end - at), at)
        if (read === 0) break
        at += read
        bytes += read
      }
    }
    closeSync(fd)
  }
  return { bytes, seconds: Number(process.hrtime.bigint() - began) / 1e9 }
}

/** Packets of a pcap file that tcpdump can count. */
function packetsIn(path) {
  const text = execFileSync('sh', ['-c', `tcpdump -n -r "${path}" 2>/dev/null | wc -l`], {
    encoding: 'utf8',
  })
  return Number(text)
}

async function tcpdumpOver(files, { text, since, until }, scratch) {
  const list = join(scratch, 'files')
  const out = join(scratch, 'tcpdump.pcap')
  writeFileSync(list, `${files.join('\n')}\n`)
  // What it finds goes one behind the other, without the headers of all files but the first.
  const each = `tcpdump -r "$file" -w - '${text}' 2>/dev/null | tail -c +25`
  const script = `head -c 24 '${files[0]}' > ${out}; while read -r file; do ${each}; done < ${list} >> ${out}`
  const sample = await run(['sh', '-c', script], { scratch, patienceMs: PATIENCE_MS })
  if (since === undefined) return { ...sample, packets: packetsIn(out) }
  const within = execFileSync(
    'sh',
    [
      '-c',
      `tcpdump -n -tt -r ${out} 2>/dev/null | awk '$1 >= ${since} && $1 < ${until + 1}' | wc -l`,
    ],
    { encoding: 'utf8' },
  )
  return { ...sample, packets: Number(within) }
}

async function buildAll(scratch) {
  const output = join(scratch, 'index.json')
  const sample = await run([...bin, 'index', '--json', directory], {
    scratch,
    output,
    patienceMs: PATIENCE_MS,
  })
  const { indexed } = JSON.parse(
    execFileSync('cat', [output], { encoding: 'utf8', maxBuffer: 1 << 28 }),
  )
  const sum = (name) => indexed.reduce((total, row) => total + row[name], 0)
  return { ...sample, captureBytes: sum('captureBytes'), indexBytes: sum('indexBytes') }
}

async function searched(search, made, hasTcpdump, scratch) {
  const output = join(scratch, 'found.pcap')
  const samples = []
  const firsts = []
  for (let round = 0; round < rounds; round++) {
    samples.push(await run(command(search, '-w', output), { scratch, patienceMs: PATIENCE_MS }))
    firsts.push(await firstPacket(search))
  }
  const seconds = samples.map((sample) => sample.seconds)
  const parts = Array.from({ length: rounds }, () => readParts(search, made.files))
  const tcpdump = hasTcpdump ? await tcpdumpOver(made.files, search, scratch) : undefined
  const cpuSeconds = least(samples.map((sample) => sample.cpuSeconds ?? 0))
  const expected = made.found[search.expected]
  const packets = hasTcpdump ? packetsIn(output) : expected
  if (packets !== expected || (tcpdump && tcpdump.packets !== expected)) {
    throw new Error(
      `${search.name}: ${packets} found, ${tcpdump?.packets} by tcpdump, not ${expected}`,
    )
  }
  const row = {
    search: search.name,
    packets,
    'least s': least(seconds).toFixed(3),
    'median s': median(seconds).toFixed(3),
    'CPU s': cpuSeconds.toFixed(2),
    'first packet ms': Math.round(least(firsts) * 1000),
    'read MB': (parts[0].bytes / 1e6).toFixed(1),
    'reading alone s': least(parts.map((part) => part.seconds)).toFixed(3),
    'tcpdump s': tcpdump?.seconds.toFixed(1) ?? '-',
    'its CPU s': tcpdump?.cpuSeconds?.toFixed(1) ?? '-',
    ratio: tcpdump === undefined ? '-' : Math.round(tcpdump.seconds / least(seconds)),
    'CPU ratio': tcpdump?.cpuSeconds ? Math.round(tcpdump.cpuSeconds / cpuSeconds) : '-',
  }
  return { row, samples, firsts, parts, tcpdump }
}

function keep(path, facts, build, rows, results) {
  const table = (of) => {
    const names = Object.keys(of[0])
    const lines = [
      names,
      names.map(() => '---'),
      ...of.map((row) => names.map((name) => row[name])),
    ]
    return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  }
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: home,
    encoding: 'utf8',
  })
  const machine = `${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`
  const ran = `node scripts/bench/find.mjs --gigabytes ${options.gigabytes} --rounds ${rounds}`
  mkdirSync(path, { recursive: true })
  writeFileSync(
    join(path, 'find.md'),
    `# Find, commit ${commit.trim()}\n\n- ${machine}, Node ${process.version}\n- \`${ran}\`\n- ${facts.packets} packets, ${facts.files.length} files\n\n${table([build])}\n\n${table(rows)}\n`,
  )
  writeFileSync(
    join(path, 'find.json'),
    `${JSON.stringify({ commit: commit.trim(), build, results }, null, 1)}\n`,
  )
}

const made = daysOfCaptures(directory, Number(options.gigabytes) * 1e9)
const scratch = mkdtempSync(join(tmpdir(), 'mirrortap-bench-'))
try {
  const built = await buildAll(scratch)
  const { captureBytes, indexBytes, seconds, cpuSeconds } = built
  const build = {
    'captures GB': (captureBytes / 1e9).toFixed(2),
    'index MB': (indexBytes / 1e6).toFixed(1),
    share: `${((100 * indexBytes) / captureBytes).toFixed(2)} %`,
    s: seconds.toFixed(1),
    'CPU s': cpuSeconds?.toFixed(1) ?? '-',
    'GB/s of a core': cpuSeconds === null ? '-' : (captureBytes / 1e9 / cpuSeconds).toFixed(2),
  }
  if (captureBytes > 0) console.table([build])
  const hasTcpdump = isInstalled('tcpdump')
  const results = []
  for (const search of SEARCHES) results.push(await searched(search, made, hasTcpdump, scratch))
  const rows = results.map(({ row }) => row)
  console.table(rows)
  if (options.keep !== undefined) keep(options.keep, made, build, rows, results)
} finally {
  rmSync(scratch, { recursive: true, force: true })
  if (!options.leave) rmSync(directory, { recursive: true, force: true })
}
