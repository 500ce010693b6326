import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LedgerReport } from '../../src/session/ledger.js'
import { ethernet, icmp4, mirrored, tcp4, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { tcpdumpSelects } from '../support/tcpdump.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { readWritten } from '../support/written-captures.js'

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2' }
const WEB = tcp4({ ...ENDS, sport: 40_000, dport: 443, payload: Buffer.alloc(400) })
const DNS = udp4({ ...ENDS, sport: 5000, dport: 53 })
const PING = icmp4({ ...ENDS, type: 8 })
const OUTER = { source: '10.9.0.1', target: '10.9.0.2' }

/** Two sessions and a packet that was not mirrored; the first cuts its frames after 100 bytes. */
function mirroredFile(directory: string): string {
  const shots = [
    mirrored({ ...OUTER, vni: 7, frame: ethernet(WEB).subarray(0, 100) }),
    mirrored({ ...OUTER, vni: 7, frame: ethernet(DNS) }),
    mirrored({ ...OUTER, vni: 8, frame: ethernet(WEB) }),
    mirrored({ ...OUTER, vni: 8, frame: ethernet(PING) }),
    ethernet(WEB),
  ]
  const file = join(directory, 'mirrored.pcap')
  writeFileSync(file, pcapFile(shots.map((frame) => ({ frame }))))
  return file
}

describe('a filter of', () => {
  test.each([
    ['tcp port 443', 3],
    ['not tcp', 2],
    ['vni 7', 2],
    ['vni 7 and udp', 1],
    ['session vni-8_10.9.0.1', 2],
    ['not (vni 7 or 8)', 1],
    // What the session cut was longer on the wire.
    ['vni 7 and greater 400', 1],
    ['', 5],
  ])('capture --read: "%s" writes %i packets, and counts the others', async (filter, packets) => {
    const directory = temporaryDirectory()
    const [out, stats] = [join(directory, 'out.pcap'), join(directory, 'stats.json')]
    const input = mirroredFile(directory)
    const outcome = await runCommand(
      ...['capture', '--read', input, '-w', out, '--stats', stats, ...filter.split(' ')],
    )
    const written = `${packets} packet${packets === 1 ? '' : 's'} written to ${out}\n`
    expect(outcome).toMatchObject({ code: 0, err: expect.stringContaining(written) })
    expect(readWritten(out)).toHaveLength(packets)
    const report = JSON.parse(readFileSync(stats, 'utf8')) as LedgerReport
    expect(report).toMatchObject({ received: 5, accepted: packets, filtered: 5 - packets })
    const filtered = report.sessions.reduce((sum, session) => sum + session.filtered, 0)
    expect(filtered).toBe(5 - packets)
  })

  test.skipIf(!hasTool('tcpdump'))(
    'capture --read selects what tcpdump does from all that capture writes (needs tcpdump)',
    async () => {
      const directory = temporaryDirectory()
      const [all, some] = [join(directory, 'all.pcap'), join(directory, 'some.pcap')]
      const input = mirroredFile(directory)
      for (const filter of [
        'greater 400',
        'tcp and less 500',
        'len - 14 = ip[2:2]',
        'host 10.0.0.2',
      ]) {
        expect((await runCommand('capture', '--read', input, '-w', all)).code).toBe(0)
        expect((await runCommand('capture', '--read', input, '-w', some, filter)).code).toBe(0)
        expect(await tcpdumpSelects(all, filter)).toEqual(await tcpdumpSelects(some, ''))
      }
    },
  )

  test('flows, flow-log and analyze counts only what it wants', async () => {
    const input = mirroredFile(temporaryDirectory())
    const flows = await runCommand('flows', '--json', '--filter', 'vni 8 or udp', input)
    expect(flows.code).toBe(0)
    const rows = JSON.parse(flows.out) as { vni: number; protocol: number }[]
    expect(rows.map(({ vni, protocol }) => [vni, protocol]).sort()).toEqual([
      [7, 17],
      [8, 1],
      [8, 6],
    ])

    const log = ['flow-log', '--log-format', '${protocol} ${packets}', '--filter', 'not tcp', input]
    const records = await runCommand(...log)
    expect(records.code).toBe(0)
    expect(records.out.trim().split('\n').slice(1).sort()).toEqual(['1 1', '17 1'])

    const analysis = await runCommand('analyze', '--json', '--filter', 'udp', input)
    expect(analysis.code).toBe(0)
    expect(JSON.stringify(JSON.parse(analysis.out))).toContain('"filtered":4')
  })

  test.each([
    ['capture', '-w', 'out.pcap', '--read', 'INPUT', '--', 'tcp', 'prot', '80'],
    ['capture', '-w', 'out.pcap', 'tcp prot 80'],
    ['flows', '--filter', 'tcp prot 80', 'INPUT'],
    ['flow-log', '-o', 'out.pcap', '--filter', 'tcp prot 80', 'INPUT'],
    ['analyze', '--filter', 'tcp prot 80', 'INPUT'],
    ['listen', '--no-api', '--filter', 'tcp prot 80'],
  ])('%s that is wrong is refused before anything is made', async (...args) => {
    const directory = temporaryDirectory()
    const out = join(directory, 'out.pcap')
    const input = mirroredFile(directory)
    const outcome = await runCommand(
      ...args.map((arg) => (arg === 'INPUT' ? input : arg === 'out.pcap' ? out : arg)),
    )
    expect(outcome).toMatchObject({ code: 2, out: '' })
    expect(outcome.err).toBe(
      'mirrortap: the filter is wrong at column 5, "prot": ' +
        '"and" or "or" is missing before it; did you mean "port"?\n',
    )
    expect(existsSync(out)).toBe(false)
  })

  test.each([['flows'], ['flow-log'], ['capture', '-w', 'out.pcap']])(
    '%s says which packets it cannot be asked about, and is done with the others',
    async (...command) => {
      const directory = temporaryDirectory()
      const input = join(directory, 'raw.pcap')
      writeFileSync(input, pcapFile([{ frame: WEB }, { frame: DNS }], 101))
      const filter = 'not ether host 02:00:00:00:00:01'
      const [name, ...rest] = command.map((arg) => arg.replace('out', join(directory, 'out')))
      const behind =
        name === 'capture' ? ['--read', input, '--', filter] : ['--filter', filter, input]
      const { code, err } = await runCommand(name!, ...rest, ...behind)
      expect(code).toBe(1)
      expect(err.replace(/^0 packets written to [^\n]+\n/, '')).toBe(
        'mirrortap: frames of RAW (101) are left out: the filter is wrong at column 5, ' +
          '"ether": frames of RAW (101) have no Ethernet addresses\n',
      )
    },
  )
})
