import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

/**
 * States and histories of connections against the conn.log that Zeek's own tests expect of their
 * traces: those of one trace and one run, in the folder `testing/btest` of a checkout of Zeek that
 * ZEEK_BTEST names. Nothing of Zeek is part of the repository.
 */
const BTEST = process.env['ZEEK_BTEST'] ?? ''

/** What differs, by trace, and why. */
const KNOWN: Readonly<Record<string, string>> = {
  'Teredo.pcap': 'Zeek ended the connection before its last packets',
  'modbus-and-non-modbus-p502.pcap': 'Zeek ended the connection before its last packets',
  'ssh.client-side-half-duplex.pcap': 'Zeek gives up what is not answered within five seconds',
  'smtp.pcap': 'the test of Zeek drops packets',
  'wikipedia.pcap': 'the test of Zeek drops packets',
  'globus-url-copy.pcap': 'the test of Zeek skips the rest of the connection',
  'fake-long-commands.pcap': 'Zeek notes that its analysis was given up (X)',
  'vxlan-encapsulated-igmp-v2.pcap': 'Zeek judges checksums (C)',
}

interface Row {
  readonly key: string
  readonly went: string
}

function rowsOf(log: string): Row[] {
  const lines = log.split('\n')
  const names =
    lines
      .find((line) => line.startsWith('#fields'))
      ?.split('\t')
      .slice(1) ?? []
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const cells = line.split('\t')
      const of = (name: string): string => cells[names.indexOf(name)] ?? '-'
      const ends = ['id.orig_h', 'id.orig_p', 'id.resp_h', 'id.resp_p'].map(of)
      return { key: ends.join(' '), went: `${of('conn_state')} ${of('history')}` }
    })
}

/** Each trace once, with the log that one of the tests expects. */
function cases(): [trace: string, log: string][] {
  const found = new Map<string, string>()
  for (const name of readdirSync(BTEST, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/\.(?:zeek|test)$/.test(name) || /^(?:Baseline|Traces|Files)/.test(name)) continue
    const text = readFileSync(join(BTEST, name), 'utf8')
    const traces = new Set(
      [...text.matchAll(/\$\{?TRACES\}?\/([\w./@+-]+)/g)].map(([, trace]) => trace!),
    )
    const runs = text.match(/@TEST-EXEC:.*\bzeek .*-r/g) ?? []
    const [trace] = traces
    const folder = name.replace(/\.\w+$/, '').replaceAll('/', '.')
    const log = join(BTEST, 'Baseline', folder, 'conn.log')
    if (trace === undefined || traces.size !== 1 || runs.length !== 1 || found.has(trace)) continue
    if (existsSync(log) && existsSync(join(BTEST, 'Traces', trace))) found.set(trace, log)
  }
  return [...found]
}

describe.skipIf(!existsSync(BTEST))('connections went as Zeek says', () => {
  const counts = { traces: 0, rows: 0, both: 0, equal: 0 }

  test.each(existsSync(BTEST) ? cases() : [])('in %s', async (trace, log) => {
    const directory = temporaryDirectory()
    const path = join(BTEST, 'Traces', trace)
    await runCommand(
      'flows',
      '--format',
      'zeek',
      '--no-names',
      '--decap',
      'none',
      '-o',
      directory,
      path,
    )
    const ours = join(directory, 'conn.log')
    const mine = existsSync(ours) ? rowsOf(readFileSync(ours, 'utf8')) : []
    const different: string[] = []
    counts.traces++
    for (const { key, went } of rowsOf(readFileSync(log, 'utf8'))) {
      counts.rows++
      const same = mine.filter((row) => row.key === key)
      // Of what is not read (other link layers, tunnels) or named otherwise (ICMP) there is none.
      if (same.length === 0) continue
      counts.both++
      if (same.some((row) => row.went === went)) counts.equal++
      else different.push(`${key}: Zeek ${went}, ours ${same.map((row) => row.went).join(' or ')}`)
    }
    if (KNOWN[basename(trace)] === undefined) expect(different).toEqual([])
  })

  test('in most of all that both have', () => {
    console.log(counts)
    expect(counts.equal).toBeGreaterThan(0.9 * counts.both)
  })
})
