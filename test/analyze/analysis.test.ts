import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ethernet, fragments4, mirrored, tcp4, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { analyzed, analyzedFiles } from './analyzed.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const sample = (name: string): string => join(SAMPLES, name)

const dns = (octets: number, sport = 5353) =>
  ethernet(
    udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53, payload: Buffer.alloc(octets) }),
  )

describe('Analysis', () => {
  test
    .skipIf(!hasTool('capinfos'))
    .each([
      'web-and-dns.pcap',
      'vxlan-two-sessions.pcap',
      'fragments.pcap',
      'cut-by-packet-length.pcap',
    ])('counts the same as capinfos in %s (needs capinfos)', async (name) => {
    const out = execFileSync('capinfos', ['-MTm', '-cdaeS', sample(name)], { encoding: 'utf8' })
    const [keys, values] = out
      .trim()
      .split('\n')
      .map((line) => line.split(','))
    const info = Object.fromEntries(keys!.map((key, index) => [key, values![index]!]))
    const { files, totals } = await analyzedFiles([sample(name)])
    const expected = {
      packets: Number(info['Number of packets']),
      bytes: Number(info['Data size (bytes)']),
      first: info['Start time'],
      last: info['End time'],
    }
    expect(files[0]).toMatchObject(expected)
    expect(totals).toMatchObject(expected)
  })

  test('counts every frame in one session, one protocol and one line of each kind', async () => {
    for (const name of ['web-and-dns.pcap', 'vxlan-two-sessions.pcap', 'geneve-gwlb.pcap']) {
      const { totals, sessions, protocols, series, distributions } = await analyzedFiles([
        sample(name),
      ])
      const sum = (of: readonly { packets: number }[]): number =>
        of.reduce((total, { packets }) => total + packets, 0)
      const inLines = (lines: readonly { packets: number[] }[]): number =>
        lines.flatMap(({ packets }) => packets).reduce((total, each) => total + each, 0)
      expect(sum(sessions)).toBe(totals.packets)
      expect(sum(protocols)).toBe(totals.packets)
      expect(inLines(series.sessions)).toBe(totals.packets)
      expect(inLines(series.protocols)).toBe(totals.packets)
      expect(distributions.frameSize.count).toBe(totals.packets)
    }
  })

  test('tells mirrored sessions apart, and which way their packets ran', async () => {
    const { sessions, findings } = await analyzedFiles([sample('vxlan-two-sessions.pcap')])
    expect(sessions).toMatchObject([
      {
        session: 'vni-5569041_10.0.1.20',
        vni: 5569041,
        source: '10.0.1.20',
        macAddress: '02:00:5e:00:53:14',
        packets: 49,
        flows: 8,
      },
      { session: 'vni-42_10.0.2.30', vni: 42, packets: 43, flows: 4 },
    ])
    for (const { directions } of sessions) {
      expect(directions.ingress.packets).toBeGreaterThan(0)
      expect(directions.egress.packets).toBeGreaterThan(0)
      expect(directions.unknown.packets).toBe(0)
    }
    expect(findings).toMatchObject([{ kind: 'duplicates', level: 'notice' }])
  })

  test('counts copies once where they are to be dropped', async () => {
    const path = sample('vxlan-two-sessions.pcap')
    const kept = await analyzedFiles([path])
    const dropped = await analyzedFiles([path], { duplicates: 'drop' })
    const packetsOf = ({ talkers }: typeof kept): number =>
      talkers.byBytes.reduce((sum, { sentPackets }) => sum + sentPackets, 0)
    expect(kept.totals.duplicates).toBe(23)
    expect(packetsOf(kept) - packetsOf(dropped)).toBe(23)
  })

  test('says what cut frames', async () => {
    const { findings, totals, sessions } = await analyzedFiles([
      sample('cut-by-packet-length.pcap'),
    ])
    expect(totals.cut).toBe(16)
    expect(sessions[0]).toMatchObject({
      cut: 16,
      cutCauses: { packetLength: 16 },
      packetLength: 96,
    })
    expect(findings).toMatchObject([{ kind: 'cut', level: 'problem' }])
  })

  test.each([
    { where: 'a mirror', wrap: true, who: 'the mirror lost packets' },
    { where: 'a host', wrap: false, who: 'whoever captured it lost packets' },
  ])('says who lost what the receiver has, in a capture of $where', async ({ wrap, who }) => {
    const segment = (src: string, dst: string, seq: number, ack: number, octets: number) => {
      const payload = Buffer.alloc(octets)
      const frame = ethernet(tcp4({ src, dst, sport: 7, dport: 7, seq, ack, payload }))
      const outer = { source: '10.9.0.1', target: '10.9.0.2', vni: 1 }
      return { frame: wrap ? mirrored({ ...outer, frame }) : frame }
    }
    const { findings } = await analyzed([
      segment('10.0.0.1', '10.0.0.2', 1, 1, 100),
      segment('10.0.0.1', '10.0.0.2', 1101, 1, 100),
      segment('10.0.0.2', '10.0.0.1', 1, 1201, 0),
    ])
    expect(findings).toMatchObject([{ kind: 'loss', level: 'problem' }])
    expect(findings[0]!.text).toMatch(/^1\.0 kB of TCP data in 1 gap /)
    expect(findings[0]!.text).toContain(who)
  })

  test('finds nothing to say of a sound capture', async () => {
    const { findings } = await analyzed([{ frame: dns(100) }, { frame: dns(200) }])
    expect(findings).toEqual([])
  })

  test('says how far packets stand before the ones in front of them', async () => {
    const seconds = [1, 2, 5, 3, 6, 4].map((second) => 1_600_000_000 + second)
    const { files, findings, distributions, totals } = await analyzed(
      seconds.map((second) => ({ frame: dns(100), seconds: second })),
    )
    expect(files[0]!.ordering).toEqual({ backwards: 2, largestStepNs: 2e9 })
    expect(findings).toMatchObject([{ kind: 'ordering' }])
    // 1 to 2, 2 to 5, 3 to 6: only what ran forward.
    expect(distributions.interArrival).toMatchObject({ count: 3, min: 1e9, max: 3e9 })
    expect(totals).toMatchObject({ span: '5.000000000' })
  })

  test('counts the time between packets within each file, and flows across them', async () => {
    const directory = temporaryDirectory()
    const [first, second] = ['a.pcap', 'b.pcap'].map((name) => join(directory, name)) as [
      string,
      string,
    ]
    writeFileSync(first, pcapFile([10, 20].map((at) => ({ frame: dns(100), seconds: at }))))
    writeFileSync(second, pcapFile([15, 25].map((at) => ({ frame: dns(100), seconds: at }))))
    const { files, distributions, flows, totals } = await analyzedFiles([second, first])
    expect(files.map(({ file, packets }) => [file, packets])).toEqual([
      [second, 2],
      [first, 2],
    ])
    expect(files.map(({ ordering }) => ordering.backwards)).toEqual([0, 0])
    expect(distributions.interArrival).toMatchObject({ count: 2, min: 10e9, max: 10e9 })
    expect(flows.topByBytes).toMatchObject([
      { packets: 4, firstSeen: '10.000000000', lastSeen: '25.000000000' },
    ])
    expect(totals).toMatchObject({ packets: 4, span: '15.000000000' })
  })

  test('uses all before the damage, and says where that is', async () => {
    const whole = readFileSync(sample('web-and-dns.pcap'))
    const path = join(temporaryDirectory(), 'cut.pcap')
    writeFileSync(path, whole.subarray(0, 20_000))
    const { files, totals, findings } = await analyzedFiles([path])
    const { damage } = files[0]!
    expect(damage!.offset).toBeLessThan(20_000)
    expect(damage!.offset).toBeGreaterThan(18_000)
    expect(totals.packets).toBeGreaterThan(40)
    expect(findings[0]).toMatchObject({ kind: 'damage', level: 'problem' })
    expect(findings[0]!.text).toContain(`byte ${damage!.offset}`)
  })

  test('sums up flows that had to leave the full table, and says so', async () => {
    const shots = Array.from({ length: 40 }, (_, index) => ({ frame: dns(100, 1000 + index) }))
    const { flows, findings, talkers } = await analyzed(shots, { maxFlows: 16 })
    expect(flows.connections).toBe(40)
    expect(flows.evicted).toBe(24)
    expect(findings).toMatchObject([{ kind: 'flow-table-full' }])
    expect(talkers.byBytes[0]).toMatchObject({ sentPackets: 40, flows: 40 })
  })

  test('names the port that was connected to, or else the lower one', async () => {
    const call = (src: string, dst: string, sport: number, dport: number, flags: number) => ({
      frame: ethernet(tcp4({ src, dst, sport, dport, flags })),
    })
    const { services } = await analyzed([
      // The server's port is the higher one here.
      call('10.0.0.1', '10.0.0.2', 1025, 50_000, 0x02),
      call('10.0.0.2', '10.0.0.1', 50_000, 1025, 0x12),
      call('10.0.0.3', '10.0.0.2', 40_000, 443, 0x10),
      { frame: dns(10) },
    ])
    expect(services.map(({ protocol, port, flows }) => [protocol, port, flows]).sort()).toEqual([
      ['tcp', 443, 1],
      ['tcp', 50_000, 2],
      ['udp', 53, 1],
    ])
  })

  test('leaves ports out of the services on which nothing answered, where they are many', async () => {
    const syn = (dport: number) => ({
      frame: ethernet(
        tcp4({ src: '10.0.0.9', dst: '10.0.0.2', sport: 40_000, dport, flags: 0x02 }),
      ),
    })
    const refused = (sport: number) => ({
      frame: ethernet(
        tcp4({ src: '10.0.0.2', dst: '10.0.0.9', sport, dport: 40_000, flags: 0x14 }),
      ),
    })
    const served = [
      {
        frame: ethernet(
          tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 50_000, dport: 443, flags: 0x02 }),
        ),
      },
      {
        frame: ethernet(
          tcp4({ src: '10.0.0.2', dst: '10.0.0.1', sport: 443, dport: 50_000, flags: 0x12 }),
        ),
      },
    ]
    const few = await analyzed([...served, ...[22, 23, 80].map(syn)], { top: 1000 })
    expect(few.services.map(({ port }) => port).sort()).toEqual([22, 23, 443, 80])
    expect(few.unansweredPorts).toBe(0)
    const ports = Array.from({ length: 266 }, (_, index) => 1000 + index)
    const scan = ports.flatMap((port) => [syn(port), ...(port % 2 === 0 ? [refused(port)] : [])])
    const udp = ports.map((dport) => ({
      frame: ethernet(udp4({ src: '10.0.0.9', dst: '10.0.0.2', sport: 40_000, dport })),
    }))
    const { services, unansweredPorts } = await analyzed([...scan, ...udp, ...served], {
      top: 1000,
    })
    expect(services).toMatchObject([{ protocol: 'tcp', port: 443, name: 'https', flows: 2 }])
    expect(unansweredPorts).toBe(2 * 266)
  })

  test('fills the matrix with what each sent to each', async () => {
    const say = (src: string, dst: string, octets: number) => ({
      frame: ethernet(udp4({ src, dst, sport: 7, dport: 7, payload: Buffer.alloc(octets) })),
    })
    const { conversations } = await analyzed([
      say('10.0.0.1', '10.0.0.2', 72),
      say('10.0.0.1', '10.0.0.2', 72),
      say('10.0.0.2', '10.0.0.1', 32),
      say('10.0.0.3', '10.0.0.3', 2),
    ])
    const { addresses, bytes, packets } = conversations.matrix
    expect(addresses).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    expect(bytes).toEqual([
      [0, 200, 0],
      [60, 0, 0],
      [0, 0, 30],
    ])
    expect(packets).toEqual([
      [0, 2, 0],
      [1, 0, 0],
      [0, 0, 1],
    ])
    expect(conversations.top[0]).toEqual({
      a: '10.0.0.1',
      b: '10.0.0.2',
      aToBPackets: 2,
      aToBBytes: 200,
      bToAPackets: 1,
      bToABytes: 60,
    })
  })

  test('takes many sessions, of which some share a line', async () => {
    const shots = Array.from({ length: 100 }, (_, vni) => ({
      frame: mirrored({ source: '10.9.0.1', target: '10.9.0.2', vni, frame: dns(vni) }),
    }))
    const { sessions, series } = await analyzed(shots)
    expect(sessions).toHaveLength(100)
    expect(series.sessions).toHaveLength(65)
    expect(series.sessions.at(-1)).toMatchObject({ name: 'other' })
    const packets = series.sessions.at(-1)!.packets.reduce((sum, each) => sum + each, 0)
    expect(packets).toBe(36)
  })

  test('gives the same answers to a compressed file', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'x.pcap')
    copyFileSync(sample('web-and-dns.pcap'), path)
    const plain = await analyzedFiles([path])
    execFileSync('gzip', ['-k', path])
    const zipped = await analyzedFiles([`${path}.gz`])
    expect(zipped.files[0]).toMatchObject({ compression: 'gzip' })
    expect({ ...zipped, files: [] }).toEqual({ ...plain, files: [] })
  })

  test('says how many datagrams to the port of a tunnel may be none, and leaves them', async () => {
    const payload = Buffer.concat([
      Buffer.from('081281800001000100000000', 'hex'),
      Buffer.from('\x03www\x07example\x03com\0\0\x01\0\x01', 'latin1'),
    ])
    const [src, dst] = ['192.0.2.53', '192.0.2.1']
    const frame = ethernet(udp4({ src, dst, sport: 53, dport: 4789, payload }))
    const { findings, totals, sessions } = await analyzed([{ frame }, { frame }])
    expect(totals).toMatchObject({ inDoubt: 2, mirrored: 0 })
    expect(sessions).toMatchObject([{ session: null, packets: 2, flows: 1 }])
    expect(findings).toMatchObject([{ kind: 'tunnel-doubt', level: 'notice' }])
    expect(findings[0]!.text).toMatch(/^2 datagrams to the port of a tunnel/)
    expect((await analyzed([{ frame: dns(1) }])).findings).toEqual([])
  })

  test('names missing fragments of mirror datagrams as the cause, and no packet length', async () => {
    const frame = ethernet(
      tcp4({ src: '10.1.0.1', dst: '10.2.0.1', sport: 1, dport: 2, payload: Buffer.alloc(1460) }),
    )
    const outer = mirrored({ source: '10.0.0.1', target: '10.0.0.2', vni: 7, frame }).subarray(14)
    const [first, last] = fragments4(outer, 1500).map((fragment) => ethernet(fragment))
    const whole = await analyzed([{ frame: first! }, { frame: last! }])
    expect(whole).toMatchObject({ findings: [], totals: { mirrored: 1, cut: 0 } })
    expect(whole.totals.fragments).toMatchObject({ joined: 1, parts: 2 })
    expect(whole.sessions).toMatchObject([{ packets: 1, bytes: 1514, flows: 1 }])

    const small = ethernet(tcp4({ src: '10.1.0.1', dst: '10.2.0.1', sport: 1, dport: 2 }))
    const other = mirrored({ source: '10.0.0.1', target: '10.0.0.2', vni: 7, frame: small })
    const firstMissing = await analyzed([{ frame: other }, { frame: last! }])
    expect(firstMissing.findings).toMatchObject([{ kind: 'fragments-unclaimed', level: 'notice' }])
    const lastMissing = await analyzed([{ frame: other }, { frame: first! }])
    expect(lastMissing.findings).toMatchObject([{ kind: 'fragments-missing', level: 'problem' }])
    expect(lastMissing.findings[0]!.text).toMatch(/^1 fragment of mirror datagrams left out/)
    expect(lastMissing.sessions).toMatchObject([{ packets: 1, cut: 0 }])
  })
})

test('names the addresses in its lists as the packets do, unless that is not wanted', async () => {
  const plain = sample('web-and-dns.pcap')
  const named = await analyzedFiles([plain])
  expect(named.names).toEqual({
    '198.51.100.80': 'www.example.com',
    '2001:db8:2::80': 'www.example.com',
  })
  expect((await analyzedFiles([plain], { names: false })).names).toEqual({})
})
