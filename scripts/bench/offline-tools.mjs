/**
 * The offline commands beside the tools that people use for the same, as whole processes in turns: the
 * least CPU of several times, all threads, and how the peer's stands to ours. The number that matters is
 * the ratio: filtering at least 1 (tcpdump), statistics at least 20 (tshark), reading gzip at least 1
 * (zcat into the same command), a file of many sessions and many small files near 1 (ours with few, and
 * with one). The physical limit of each is `capinfos -c`, which only walks the records.
 *
 * Not the same work: tshark dissects every packet, `analyze` reads what it reports; the query's peer is two
 * steps, tshark writing fields as CSV and DuckDB reading that. Commands that are not installed are left out.
 *
 * Run after `npm run build`: node scripts/bench/offline-tools.mjs [--file FILE] [--rounds 3] [--packets 1000000]
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeSessions } from './make-sessions.js'
import { isInstalled, run, warm } from './timed-process.js'

const { values: options } = parseArgs({
  options: {
    file: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    packets: { type: 'string', default: '1000000' },
  },
})
const home = join(import.meta.dirname, '../..')
const bin = join(home, 'dist/cli/bin.js')
const kept = join(home, '.bench')
const SMALL_FILES = 171
const FILTER = 'udp port 4789 and host 10.0.0.1'
const FIELDS = ['frame.time_epoch', 'ip.src', 'ip.dst', 'udp.srcport', 'udp.dstport', 'frame.len']

mkdirSync(kept, { recursive: true })
const packets = Number(options.packets)
const file = options.file ?? makeSessions(join(kept, `sessions-16-${packets}.pcap`), 16, packets)
const many = makeSessions(join(kept, `sessions-6000-${packets}.pcap`), 6000, packets)
const scratch = mkdtempSync(join(tmpdir(), 'mirrortap-tools-'))
const out = (name) => join(scratch, name)

const ours = (...args) => [process.execPath, bin, ...args]
const shell = (...parts) => ['sh', '-c', parts.join(' ')]
const quoted = (command) => command.map((word) => `'${word}'`).join(' ')

/** Made once from the file. */
function derived() {
  const gzip = out('a.pcap.gz')
  execFileSync('sh', ['-c', `gzip -1c '${file}' >'${gzip}'`])
  const zstd = isInstalled('zstd') ? out('a.pcap.zst') : undefined
  if (zstd !== undefined) execFileSync('zstd', ['-1', '-q', '-o', zstd, file])
  const pcapng = isInstalled('editcap') ? out('a.pcapng') : undefined
  if (pcapng !== undefined) execFileSync('editcap', ['-F', 'pcapng', file, pcapng])
  const small = join(scratch, 'small')
  mkdirSync(small)
  const each = Math.ceil(packets / SMALL_FILES)
  if (isInstalled('editcap'))
    execFileSync('editcap', ['-F', 'pcap', '-c', String(each), file, join(small, 's.pcap')])
  else copyFileSync(file, join(small, 's.pcap'))
  return { gzip, zstd, pcapng, small: readdirSync(small).map((name) => join(small, name)) }
}

const { gzip, zstd, pcapng, small } = derived()
const flowLog = (...from) => ours('flow-log', ...from, '--decap', 'none', '-o', out('flows.log'))
const csv = out('fields.csv')
const DUCKDB = `import { DuckDBInstance } from '${join(home, 'node_modules/@duckdb/node-api/lib/index.js')}'
const c = await (await DuckDBInstance.create()).connect()
await c.run("select column1, count(*), sum(column5) from read_csv('${csv}') group by 1 order by 2 desc limit 10")
process.exit(0)`

/** What it is, ours, and the peer; undefined where that is not installed. */
/** @type {{ what: string, ours: string[], peer: any }[]} */
const PAIRS = [
  {
    what: 'filter: capture --read FILTER, tcpdump -w',
    ours: ours('capture', '--decap', 'none', '--read', file, '-w', out('ours.pcap'), FILTER),
    peer: isInstalled('tcpdump') && ['tcpdump', '-r', file, '-w', out('peer.pcap'), FILTER],
  },
  {
    what: 'statistics: analyze, tshark -z conv,endpoints,io',
    ours: ours('analyze', '--decap', 'none', '--json', file),
    peer: isInstalled('tshark') && [
      'tshark',
      '-q',
      '-r',
      file,
      ...['conv,ip', 'conv,udp', 'conv,tcp', 'endpoints,ip', 'io,phs', 'io,stat,1'].flatMap(
        (one) => ['-z', one],
      ),
    ],
  },
  {
    what: 'query, tshark -T fields into DuckDB',
    ours: ours(
      'query',
      'select src_addr, count(*), sum(length) from packets group by 1 order by 2 desc limit 10',
      '--decap',
      'none',
      file,
    ),
    peer:
      isInstalled('tshark') &&
      shell(
        quoted([
          'tshark',
          '-r',
          file,
          '-T',
          'fields',
          '-E',
          'separator=,',
          ...FIELDS.flatMap((name) => ['-e', name]),
        ]),
        `>'${csv}' &&`,
        quoted([process.execPath, '--input-type=module', '-e']),
        `"$0"`,
      ).concat(DUCKDB),
  },
  {
    what: 'gzip: flow-log, zcat | flow-log',
    ours: flowLog(gzip),
    peer: shell('zcat', `'${gzip}' |`, quoted(flowLog('-'))),
  },
  {
    what: 'zstd: flow-log, zstd -dc | flow-log',
    ours: flowLog(zstd ?? ''),
    peer: zstd && shell('zstd', '-dc', `'${zstd}' |`, quoted(flowLog('-'))),
  },
  {
    what: 'pcapng: flow-log of pcapng, of pcap',
    ours: flowLog(pcapng ?? ''),
    peer: pcapng && flowLog(file),
  },
  {
    what: `${small.length} files in one call, one file`,
    ours: flowLog(...small),
    peer: flowLog(file),
  },
  {
    what: '6,000 mirror sessions, 16',
    ours: ours('flow-log', many, '-o', out('flows.log')),
    peer: ours('flow-log', file, '-o', out('flows.log')),
  },
  {
    what: 'flow-log, capinfos -c',
    ours: flowLog(file),
    peer: isInstalled('capinfos') && ['capinfos', '-c', file],
  },
].filter(({ peer }) => peer)

console.log(
  'CPU seconds, the least of the rounds: what, ours, the peer, peer / ours; on the clock: ours, the peer',
)
try {
  for (const path of [file, many, gzip]) if (existsSync(path)) warm(path)
  for (const { what, ours: mine, peer } of PAIRS) {
    const least = { ours: [Infinity, Infinity], peer: [Infinity, Infinity] }
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [name, command] of Object.entries({ ours: mine, peer })) {
        const { cpuSeconds, seconds } = await run(command, { scratch, patienceMs: 600_000 })
        least[name] = [
          Math.min(least[name][0], cpuSeconds ?? seconds),
          Math.min(least[name][1], seconds),
        ]
      }
    }
    const [[cpu, clock], [peerCpu, peerClock]] = [least.ours, least.peer]
    console.log(
      `${what.padEnd(52)}${cpu.toFixed(2).padStart(8)}${peerCpu.toFixed(2).padStart(8)}${(peerCpu / cpu).toFixed(2).padStart(8)}${clock.toFixed(2).padStart(10)}${peerClock.toFixed(2).padStart(8)}`,
    )
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
