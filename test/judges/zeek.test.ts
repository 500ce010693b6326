import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

/**
 * States and histories of connections, and what packets say of applications, against the logs that Zeek's own tests
 * expect of their traces: those of one trace and one run, in the folder `testing/btest` of a checkout of Zeek that
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

/** Each trace once, with the log of this name that one of the tests expects. */
function cases(wanted = 'conn.log'): [trace: string, log: string][] {
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
    const log = join(BTEST, 'Baseline', folder, wanted)
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

interface Judged {
  /** What tells which of our rows a row of Zeek's is, beside the connection. */
  readonly same: readonly string[]
  readonly of: readonly string[]
  /** Fields that may differ, in these traces or in all, and why. */
  readonly known: Readonly<Record<string, string>>
}

/** By the name of the log. */
const JUDGED: Readonly<Record<string, Judged>> = {
  dns: {
    same: ['trans_id', 'query'],
    of: [
      ...['proto', 'qclass_name', 'qtype_name', 'rcode_name', 'AA', 'TC', 'RD', 'RA'],
      ...['answers', 'TTLs'],
    ],
    known: {
      qclass_name:
        'Zeek takes it from a query alone, and not from an answer whose query was not seen',
      qtype_name: 'the same',
      RD: 'the same',
      AA: 'Zeek does not note it of an answer that was cut',
      answers: 'records of RRSIG, WKS and TKEY are shown by their type alone',
      TTLs: 'Zeek leaves out records that it has no text for',
    },
  },
  http: {
    same: ['trans_depth'],
    of: ['method', 'host', 'uri', 'referrer', 'version', 'user_agent', 'status_code', 'status_msg'],
    known: {
      'methods.pcap':
        'requests without a version (HTTP/0.9), with spaces in their target or with no target are none for us',
      'http-desync-request-response-5.pcap': 'of a segment with several messages the first is read',
      'connect-with-smtp.pcap': 'Zeek goes on within what CONNECT carries',
    },
  },
  ssl: {
    same: [],
    of: ['version', 'cipher', 'curve', 'server_name', 'next_protocol'],
    known: {
      curve: 'up to TLS 1.2 it is in the ServerKeyExchange, which is not read',
      version: 'Zeek renumbers drafts',
      cipher: 'its name is another',
    },
  },
  ssh: { same: [], of: ['version', 'client', 'server'], known: {} },
  smtp: { same: [], of: ['helo'], known: {} },
  kerberos: {
    same: [],
    of: ['request_type', 'client', 'service', 'success', 'error_msg'],
    known: {},
  },
  smb_mapping: { same: ['path'], of: ['share_type'], known: {} },
}

/** Cells of each row by the name of the field. */
function cellsOf(log: string): Record<string, string>[] {
  const lines = log.split('\n')
  const header = lines.find((line) => line.startsWith('#fields')) ?? ''
  const names = header.split('\t').slice(1)
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => Object.fromEntries(line.split('\t').map((cell, at) => [names[at]!, cell])))
}

describe.skipIf(!existsSync(BTEST)).each(Object.entries(JUDGED))(
  '%s.log has what Zeek says',
  (name, { same, of, known }) => {
    const counts = { rows: 0, both: 0, equal: 0 }

    test.each(existsSync(BTEST) ? cases(`${name}.log`) : [])('in %s', async (trace, log) => {
      const directory = temporaryDirectory()
      const options = ['--format', 'zeek', '--decap', 'none', '-o', directory]
      await runCommand('flows', ...options, join(BTEST, 'Traces', trace))
      const ours = join(directory, `${name}.log`)
      const mine = existsSync(ours) ? cellsOf(readFileSync(ours, 'utf8')) : []
      const keys = ['id.orig_h', 'id.orig_p', 'id.resp_h', 'id.resp_p', ...same]
      const different: string[] = []
      for (const row of cellsOf(readFileSync(log, 'utf8'))) {
        // Some tests show other fields alone.
        if (row['id.orig_h'] === undefined) continue
        counts.rows++
        const found = mine.filter((other) => keys.every((key) => other[key] === row[key]))
        if (found.length === 0) continue
        counts.both++
        const fields = of.filter((field) => row[field] !== undefined)
        const isEqual = (other: Record<string, string>) =>
          fields.every((field) => other[field] === row[field])
        if (found.some(isEqual)) counts.equal++
        for (const field of fields) {
          if (
            known[field] ??
            known[basename(trace)] ??
            found.some((other) => other[field] === row[field])
          )
            continue
          different.push(`${field}: Zeek ${row[field]}, ours ${found.map((other) => other[field])}`)
        }
      }
      expect(different).toEqual([])
    })

    test('in most of all that both have', () => {
      console.log(name, counts)
      expect(counts.equal).toBeGreaterThan(0)
    })
  },
)
