/**
 * A capture file of about 1 GB into flow records, by whole processes side by side.
 *
 * Measured: from the start of a process to its end, start-up and writing included,
 * with the file in the page cache, several rounds in turn; of every command the
 * least and the median time, its CPU time (all threads), its memory, and how its
 * least time stands to that of our `flow-log`. Ours must also be right: what it
 * wrote is added up and held against what was put into the file, by flow and by
 * minute, and a run that differs fails.
 *
 * Not measured: reading from a disk. And not the same work: everybody runs with
 * its own idea of a flow. Ours writes text, a record for every flow and ten minutes
 * (AWS's default) or one; nfpcapd (records at most 300 s long), argus (60 s) and
 * softflowd (once a flow is over, to a UDP socket that reads and forgets) write
 * binary records; capinfos only walks the headers of the capture's records and is
 * the floor. The numbers of records tell.
 *
 * The number that matters: `ratio` of the fastest of nfpcapd, softflowd and argus,
 * on both captures. Times on the clock suffer from whoever else uses the machine,
 * CPU times less: where they disagree, look at both.
 *
 * `scattered` is made here, see make-scattered.js; `burst` is the same packets
 * within half a minute, so that there is about one record a flow; `merged` is made
 * of real captures (MIRRORTAP_CAPTURES or ../shared/captures/open), see
 * make-merged.js. All are kept in .bench/, about 1 GB each.
 *
 * Run after `npm run build`:
 *     node scripts/bench/offline.mjs [--rounds 5] [--captures scattered,burst,merged]
 *       [--keep DIRECTORY]
 */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkFlowLog, checkFlows } from './check-report.js'
import { keepRun } from './keep-run.js'
import { mergedCapture } from './make-merged.js'
import { scatteredCapture } from './make-scattered.js'
import { isInstalled, run, warm } from './timed-process.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    captures: { type: 'string', default: 'scattered,burst,merged' },
    keep: { type: 'string' },
  },
})
const home = join(import.meta.dirname, '../..')
const bin = join(home, 'dist/cli/bin.js')
const realCaptures = process.env.MIRRORTAP_CAPTURES ?? join(home, '../shared/captures/open')

const MAKERS = {
  scattered: (directory) => scatteredCapture(directory, { name: 'scattered', seconds: 600 }),
  burst: (directory) => scatteredCapture(directory, { name: 'burst', seconds: 30 }),
  merged: (directory) =>
    existsSync(realCaptures) ? mergedCapture(directory, realCaptures) : undefined,
}

/** Connections the others are allowed to hold: as many as our offline commands do. */
const FLOWS_MAX = 1_048_576

/** Ours, with records of `interval` seconds; `before`: what the command is given to. */
function flowLog(name, interval, before = []) {
  return {
    name,
    command: (file, out) => {
      const options = ['--decap', 'none', '--max-aggregation-interval', String(interval)]
      return [
        ...before,
        process.execPath,
        bin,
        'flow-log',
        file,
        ...options,
        '-o',
        `${out}/flows.log`,
      ]
    },
    check: (out, capture) => checkFlowLog(`${out}/flows.log`, capture, interval),
  }
}

/** What is run, on `file`, with a directory of its own for what it writes. */
const COMMANDS = [
  flowLog('mirrortap flow-log', 600),
  flowLog('the same, windows of 60 s', 60),
  flowLog('the same on one core', 600, ['taskset', '-c', '0']),
  {
    name: 'mirrortap flows --json',
    command: (file) => [process.execPath, bin, 'flows', '--json', '--decap', 'none', file],
    toFile: 'flows.json',
    check: (out, capture) => checkFlows(`${out}/flows.json`, capture),
  },
  { name: 'capinfos -c', command: (file) => ['capinfos', '-c', file] },
  { name: 'nfpcapd', command: (file, out) => ['nfpcapd', '-r', file, '-w', out] },
  {
    name: 'softflowd',
    command: (file, out, port) => {
      // With a control socket, 1.1.0 may wait on it for ever: it looks at a poll that it has not made.
      const paths = ['-p', `${out}/pid`, '-c', 'none']
      const to = ['-n', `127.0.0.1:${port}`, '-m', FLOWS_MAX]
      return ['softflowd', '-d', '-v', 9, '-6', '-r', file, ...to, ...paths].map(String)
    },
  },
  {
    name: 'argus',
    command: (file, out) => ['argus', '-X', '-S', '60', '-r', file, '-w', `${out}/argus`],
  },
]

async function openSink() {
  const sink = createSocket('udp4')
  sink.on('message', () => undefined)
  sink.bind(0, '127.0.0.1')
  await once(sink, 'listening')
  return sink
}

async function measure(capture, commands, port) {
  const scratch = mkdtempSync(join(tmpdir(), 'mirrortap-bench-'))
  const samples = new Map(commands.map(({ name }) => [name, []]))
  const checks = new Map()
  try {
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const { name, command, toFile, check } of commands) {
        const out = join(scratch, 'out')
        mkdirSync(out)
        warm(capture.path)
        const output = toFile && `${out}/${toFile}`
        samples.get(name).push(await run(command(capture.path, out, port), { scratch, output }))
        if (round === 0 && check !== undefined) checks.set(name, check(out, capture))
        rmSync(out, { recursive: true })
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return { capture, samples: Object.fromEntries(samples), checks: Object.fromEntries(checks) }
}

function least(samples, name) {
  return Math.min(...samples.map((sample) => sample[name]))
}

function median(samples, name) {
  const sorted = samples.map((sample) => sample[name]).sort((left, right) => left - right)
  return sorted[sorted.length >> 1]
}

/** With two decimals; a dash where it was not measured (null of some is 0 here). */
function fixed(value) {
  return value > 0 ? value.toFixed(2) : '-'
}

function rowsOf({ samples, checks }) {
  const [ours] = Object.values(samples)
  return Object.entries(samples).map(([name, of]) => ({
    command: name,
    'least s': least(of, 'seconds').toFixed(2),
    'median s': median(of, 'seconds').toFixed(2),
    ratio: (least(of, 'seconds') / least(ours, 'seconds')).toFixed(2),
    'CPU s': fixed(least(of, 'cpuSeconds')),
    'CPU ratio': fixed(least(of, 'cpuSeconds') / least(ours, 'cpuSeconds')),
    'RSS MB': Math.round(median(of, 'rssMB')) || '-',
    records: checks[name]?.records ?? '',
    'adds up': checks[name] === undefined ? '' : checks[name].wrong.length === 0 ? 'yes' : 'NO',
  }))
}

const installed = COMMANDS.filter(({ command }) => isInstalled(command('', '', 0)[0]))
const absent = COMMANDS.filter((command) => !installed.includes(command)).map(({ name }) => name)
const sink = await openSink()
const runs = []
for (const name of options.captures.split(',')) {
  const capture = await MAKERS[name](join(home, '.bench'))
  if (capture === undefined) {
    console.log(`${name}: left out, no captures in ${realCaptures}`)
    continue
  }
  const { path, ...facts } = capture
  const result = await measure(capture, installed, sink.address().port)
  const rows = rowsOf(result)
  console.log(`\n${name}: ${facts.packets} packets, ${facts.flows} flows, ${facts.seconds} s`)
  console.table(rows)
  runs.push({ capture: facts, rows, samples: result.samples, checks: result.checks })
}
sink.close()
if (absent.length > 0) console.log(`not installed, so not compared: ${absent.join(', ')}`)

if (options.keep !== undefined) {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: home,
    encoding: 'utf8',
  })
  keepRun(options.keep, { commit: commit.trim(), rounds: options.rounds, absent, runs })
}
const wrong = runs.flatMap(({ capture, checks }) =>
  Object.entries(checks).flatMap(([name, check]) =>
    check.wrong.map((line) => `${capture.name}, ${name}: ${line}`),
  ),
)
for (const line of wrong) console.error(line)
if (wrong.length > 0) process.exitCode = 1
