import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { main } from '../src/cli/main.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './e2e/program.js'

const DIR = join(import.meta.dirname, '../samples')
const readme = readFileSync(join(DIR, 'README.md'), 'utf8')

/** One flow: VNI or nothing, addresses and ports, protocol, packets, bytes. */
type Row = string

/** The rows of the table of flows below the heading that names `sample`, counted with tshark. */
function tableOf(sample: string): Row[] {
  const section = readme.split('\n## ').find((text) => text.split('\n')[0]!.includes(sample))
  const rows = (section ?? '')
    .split('\n')
    .filter((line) => /^\|.*\d+ → \d+|^\|.*\| (1|58) \|/.test(line))
  return rows.map((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    const from = /^\d+$/.test(cells[1]!) ? 2 : 1
    const vni = from === 2 ? cells[1] : '-'
    const [src, dst, ports, ...counts] = cells.slice(from, from + 6)
    return [vni, src, dst, ports === '' ? '0 → 0' : ports, ...counts].join(' ')
  })
}

const FORMAT = '${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes}'

/** The records `flow-log` writes for a sample, of one VNI or of packets that were not mirrored. */
async function recordsOf(sample: string, vni?: string): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'mirrortap-golden-'))
  try {
    const file = join(dir, 'flows.log')
    const only = vni === undefined ? [] : ['--vni', vni]
    const argv = ['flow-log', join(DIR, sample), ...only, '--log-format', FORMAT, '-o', file]
    expect(await main(argv)).toBe(0)
    const [, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n')
    return lines.map((line) => {
      const [src, dst, sport, dport, ...counts] = line.split(' ')
      return [vni ?? '-', src, dst, `${sport} → ${dport}`, ...counts].join(' ')
    })
  } finally {
    rmSync(dir, { recursive: true })
  }
}

describe('flow-log finds in each sample what its page says', () => {
  test('web-and-dns.pcap', async () => {
    const expected = tableOf('web-and-dns.pcap')
    expect(expected).toHaveLength(24)
    expect((await recordsOf('web-and-dns.pcap')).sort()).toEqual(expected.sort())
  })

  test.each([
    { sample: 'vxlan-two-sessions.pcap', vni: '5569041', flows: 8 },
    { sample: 'vxlan-two-sessions.pcap', vni: '42', flows: 4 },
    { sample: 'geneve-gwlb.pcap', vni: '5569041', flows: 8 },
    { sample: 'geneve-gwlb.pcap', vni: '42', flows: 4 },
    { sample: 'cut-by-packet-length.pcap', vni: '5569041', flows: 8 },
  ])('$sample, VNI $vni', async ({ sample, vni, flows }) => {
    const expected = tableOf('vxlan-two-sessions.pcap').filter((row) => row.startsWith(`${vni} `))
    expect(expected).toHaveLength(flows)
    expect((await recordsOf(sample, vni)).sort()).toEqual(expected.sort())
  })

  test('fragments.pcap, later parts by themselves or with their first part', async () => {
    const records = await recordsOf('fragments.pcap')
    const counts = records.map((row) => row.split(' ').slice(-2).map(Number))
    expect(counts.reduce((sum, [packets]) => sum + packets!, 0)).toBe(28)
    expect(counts.reduce((sum, [, octets]) => sum + octets!, 0)).toBe(31_616)
    expect(records.some((row) => row.includes(' 5003 → '))).toBe(false)
  })
})

/** What is kept beside each sample, by the end of its name. */
const GOLDEN = { '.flows.json': ['flows', '--json'], '.flow-log.txt': ['flow-log'] }
const endOf = (name: string): string => name.replace(/^[^.]*/, '')

describe.skipIf(!IS_BUILT)(`what is kept beside each sample${NEEDS_BUILD}`, UNHURRIED, () => {
  const files = readdirSync(DIR)
  const kept = files.filter((name) => endOf(name) in GOLDEN)
  const captures = files.filter((name) => name.endsWith('.pcap'))

  test('is an output of every command', () => {
    const due = captures.flatMap((name) =>
      Object.keys(GOLDEN).map((end) => name.replace(/\.pcap$/, end)),
    )
    expect(kept.sort()).toEqual(due.sort())
  })

  test.each(kept)('%s comes out the same (if not: scripts/make-samples --golden)', (name) => {
    const end = endOf(name) as keyof typeof GOLDEN
    const capture = join(DIR, name.replace(end, '.pcap'))
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...GOLDEN[end], capture], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe(readFileSync(join(DIR, name), 'utf8'))
  })
})
