import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ethernet, tcp4, udp4, vxlan } from '../../support/frames.js'
import { hex } from '../../support/hex.js'
import { pcapFile } from '../../support/pcap-file.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { hasTool, tshark } from '../../support/tools.js'
import { UdpTarget } from '../../support/udp-target.js'
import { readWritten } from '../../support/written-captures.js'
import { runMain } from '../run-main.js'

const SAMPLES = join(import.meta.dirname, '../../../samples')
const CAPTURE = join(SAMPLES, 'web-and-dns.pcap')

const HOST = '10.0.1.20'
const OTHER = '10.0.1.30'
const PEER = '198.51.100.80'
const ANY = 'SourceCidrBlock: 0.0.0.0/0, DestinationCidrBlock: 0.0.0.0/0'

const OUT = ethernet(tcp4({ src: HOST, dst: PEER, sport: 50_000, dport: 443 }))
const IN = ethernet(tcp4({ src: PEER, dst: HOST, sport: 443, dport: 50_000 }))
const LONG = ethernet(
  udp4({ src: HOST, dst: PEER, sport: 1, dport: 2, payload: Buffer.alloc(1000, 7) }),
)
const METADATA = ethernet(tcp4({ src: HOST, dst: '169.254.169.254', sport: 1, dport: 80 }))
const ARP = ethernet(hex`0001`, { type: 0x0806 })
const BETWEEN = ethernet(tcp4({ src: HOST, dst: OTHER, sport: 1, dport: 2 }))
const FOREIGN = ethernet(tcp4({ src: '10.9.9.9', dst: PEER, sport: 1, dport: 2 }))
const FRAMES = [OUT, IN, LONG, METADATA, ARP, BETWEEN, FOREIGN]

let first: UdpTarget
let second: UdpTarget
let file: string

beforeEach(async () => {
  first = await UdpTarget.open()
  second = await UdpTarget.open()
  file = join(temporaryDirectory(), 'in.pcap')
  writeFileSync(file, pcapFile(FRAMES.map((frame) => ({ frame }))))
})

afterEach(async () => {
  await first.close()
  await second.close()
})

interface Written {
  number: number
  vni: number
  filter: string
  target?: string
  of?: string
  packetLength?: number
}

/** A session file over two interfaces and two targets, the second of which has no address of its own. */
function sessionFile(sessions: readonly Written[], mac = ''): string {
  const path = join(temporaryDirectory(), 'sessions.yaml')
  const written = sessions.map(
    ({ number, vni, filter, target = 'tmt-one', of = 'eni-host', packetLength }) => `
  - TrafficMirrorSessionId: tms-${vni}
    NetworkInterfaceId: ${of}
    TrafficMirrorTargetId: ${target}
    TrafficMirrorFilterId: tmf-${filter}
    SessionNumber: ${number}
    VirtualNetworkId: ${vni}
    ${packetLength === undefined ? '' : `PacketLength: ${packetLength}`}`,
  )
  writeFileSync(
    path,
    `
NetworkInterfaces:
  - { NetworkInterfaceId: eni-host, PrivateIpAddress: ${HOST}${mac} }
  - { NetworkInterfaceId: eni-other, PrivateIpAddress: ${OTHER} }
TrafficMirrorTargets:
  - { TrafficMirrorTargetId: tmt-one, Address: '127.0.0.1:${first.port}' }
  - { TrafficMirrorTargetId: tmt-two, NetworkInterfaceId: eni-two }
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-all
    IngressFilterRules: [{ RuleNumber: 1, RuleAction: accept, ${ANY} }]
    EgressFilterRules: [{ RuleNumber: 1, RuleAction: accept, ${ANY} }]
  - TrafficMirrorFilterId: tmf-tcp-out
    EgressFilterRules: [{ RuleNumber: 1, RuleAction: accept, Protocol: 6, ${ANY} }]
TrafficMirrorSessions:${written.join('')}
`,
  )
  return path
}

async function mirror(...args: string[]) {
  return runMain('mirror', '--read', file, '--speed', 'max', '--json', ...args)
}

async function arrived(target: UdpTarget, count: number): Promise<string[]> {
  await target.received(count)
  return target.datagrams.map(({ payload }) => payload.toString('hex')).sort()
}

const copies = (vni: number, frames: readonly Buffer[]): string[] =>
  frames.map((frame) => vxlan(vni, frame).toString('hex')).sort()

describe('mirror --session', () => {
  test('mirrors each packet once, for the first session whose filter accepts', async () => {
    const sessions = sessionFile([
      { number: 20, vni: 20, filter: 'all', packetLength: 100 },
      { number: 10, vni: 10, filter: 'tcp-out', target: 'tmt-two' },
    ])
    const { code, out } = await mirror('--session', sessions, '--to', `127.0.0.1:${second.port}`)
    expect(code).toBe(0)
    expect(await arrived(second, 2)).toEqual(copies(10, [OUT, BETWEEN]))
    expect(await arrived(first, 2)).toEqual(copies(20, [IN, LONG.subarray(0, 100)]))
    expect(JSON.parse(out)).toMatchObject({
      packets: 7,
      sent: 4,
      cut: 1,
      filtered: 0,
      neverMirrored: 1,
      // ARP of nobody known, and what runs between others.
      passing: 2,
      unknownDirection: 0,
      NetworkMirrorIn: IN.length,
      NetworkMirrorOut: OUT.length + BETWEEN.length + LONG.length,
      NetworkPacketsMirrorIn: 1,
      NetworkPacketsMirrorOut: 3,
      NetworkSkipMirrorIn: 0,
      NetworkSkipMirrorOut: 0,
      NetworkPacketsSkipMirrorIn: 0,
      NetworkPacketsSkipMirrorOut: 0,
      sessions: [
        { session: 'tms-10', vni: 10, target: `127.0.0.1:${second.port}`, packets: 2, sent: 2 },
        { session: 'tms-20', vni: 20, target: `127.0.0.1:${first.port}`, packets: 2, cut: 1 },
      ],
    })
  })

  test('mirrors a packet between two mirrored interfaces for each of them', async () => {
    const sessions = sessionFile([
      { number: 1, vni: 1, filter: 'tcp-out' },
      { number: 1, vni: 2, filter: 'all', of: 'eni-other' },
    ])
    expect((await mirror('--session', sessions)).code).toBe(0)
    const expected = [...copies(1, [OUT, BETWEEN]), ...copies(2, [BETWEEN])]
    expect(await arrived(first, 3)).toEqual(expected.sort())
  })

  test('mirrors on request what AWS never does', async () => {
    const sessions = sessionFile(
      [{ number: 1, vni: 1, filter: 'all' }],
      ', MacAddress: 02:00:00:00:00:0a',
    )
    const asked = await mirror('--session', sessions, '--never-mirrored', 'mirror')
    expect(JSON.parse(asked.out)).toMatchObject({ neverMirrored: 0, passing: 0, sent: 7 })
    expect(await arrived(first, 7)).toEqual(copies(1, FRAMES))
    const not = await mirror('--session', sessions)
    expect(JSON.parse(not.out)).toMatchObject({ neverMirrored: 2, sent: 5 })
  })

  test('leaves that out on request where there is no session', async () => {
    const to = ['--to', `127.0.0.1:${first.port}`, '--vni', '9']
    const { out } = await mirror(...to, '--never-mirrored', 'leave-out')
    expect(JSON.parse(out)).toMatchObject({ neverMirrored: 2, sent: 5 })
  })

  test('says all of it in lines for people, with the names of CloudWatch', async () => {
    const sessions = sessionFile([{ number: 1, vni: 1, filter: 'tcp-out', packetLength: 50 }])
    const { err } = await runMain('mirror', '--read', file, '--speed', 'max', '--session', sessions)
    expect(err).toMatch(
      /^2 of 7 packets sent, 116 bytes in [\d.]+ s; 2 cut to the packet length; 2 taken by no filter; 1 never mirrored; 2 between other hosts\nNetworkMirrorIn 0, NetworkMirrorOut 108, NetworkPacketsMirrorIn 0, NetworkPacketsMirrorOut 2, /,
    )
  })

  test('counts what a dead target does not take, and goes on', async () => {
    const sessions = sessionFile([
      { number: 1, vni: 1, filter: 'tcp-out', target: 'tmt-two' },
      { number: 2, vni: 2, filter: 'all' },
    ])
    const gone = await UdpTarget.open()
    const { port } = gone
    await gone.close()
    const args = ['--session', sessions, '--to', `127.0.0.1:${port}`, '--loop', '20']
    const { code, out, err } = await mirror(...args)
    expect([code, err]).toEqual([0, ''])
    const summary = JSON.parse(out)
    expect(await arrived(first, 40)).toHaveLength(40)
    expect(summary.notSent['ECONNREFUSED']).toBeGreaterThan(0)
    expect(summary.NetworkPacketsMirrorIn).toBe(20)
    expect(summary.NetworkPacketsSkipMirrorIn).toBe(0)
    expect(summary.NetworkPacketsSkipMirrorOut).toBeGreaterThan(0)
    expect(summary.NetworkPacketsSkipMirrorOut + summary.NetworkPacketsMirrorOut).toBe(60)
  })

  test('reads several files, one right behind the other, and again', async () => {
    const later = join(temporaryDirectory(), 'later.pcap')
    writeFileSync(later, pcapFile([{ frame: IN, seconds: 2_000_000_000 }]))
    const sessions = sessionFile([{ number: 1, vni: 1, filter: 'all' }])
    // Years lie between the files: nobody waits for them.
    const args = [
      '--read',
      file,
      later,
      '--session',
      sessions,
      '--loop',
      '2',
      '--json',
      '--speed',
      '1000',
    ]
    const { code, out } = await runMain('mirror', ...args)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ packets: 16, NetworkPacketsMirrorIn: 4 })
    expect(await arrived(first, 10)).toHaveLength(10)
  })

  test('goes on with the next file behind damage, and fails at the end', async () => {
    const broken = join(temporaryDirectory(), 'broken.pcap')
    const whole = pcapFile([{ frame: IN }, { frame: OUT }])
    writeFileSync(broken, whole.subarray(0, whole.length - 1))
    const sessions = sessionFile([{ number: 1, vni: 1, filter: 'all' }])
    const args = ['--read', broken, file, '--session', sessions, '--speed', 'max']
    const { code, err } = await runMain('mirror', ...args)
    expect(code).toBe(1)
    expect(err).toMatch(/^5 of 8 packets sent, /)
    expect(err).toContain(`mirrortap: ${broken}: damaged at byte 94: `)
  })

  test('stops at a signal though nothing is mirrored, for ever', async () => {
    const sessions = sessionFile([{ number: 1, vni: 1, filter: 'tcp-out', of: 'eni-other' }])
    const done = mirror('--session', sessions, '--loop', '0')
    while (process.listenerCount('SIGINT') === 0) await new Promise(setImmediate)
    setImmediate(() => process.emit('SIGINT'))
    const { code, out } = await done
    // Nothing was sent.
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ sent: 0 })
    expect(process.listenerCount('SIGINT')).toBe(0)
  })

  test.each([
    {
      name: 'a target without an address',
      args: ['--session', 'FILE'],
      says: 'tmt-two has no Address',
    },
    { name: 'a VNI beside sessions', args: ['--session', 'FILE', '--vni', '1'], says: '--vni' },
    {
      name: 'a packet length beside sessions',
      args: ['--session', 'FILE', '--packet-length', '1'],
      says: '--packet-length',
    },
    { name: 'neither sessions nor target', args: ['--vni', '1'], says: '--session FILE' },
    { name: 'a target without a VNI', args: ['--to', '127.0.0.1:1'], says: '--vni NUMBER' },
  ])('refuses $name in one line', async ({ args, says }) => {
    const path = sessionFile([{ number: 1, vni: 1, filter: 'all', target: 'tmt-two' }])
    const { code, out, err } = await mirror(...args.map((arg) => (arg === 'FILE' ? path : arg)))
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test('says of a file that is not there what to do', async () => {
    expect(await mirror('--session', '/no/such')).toEqual({
      code: 1,
      out: '',
      err: 'mirrortap: cannot read the session file /no/such: it does not exist; check the path (ENOENT)\n',
    })
  })
})

/** What is to come of samples/web-and-dns.pcap: counts by its README, packets by a display filter. */
const HOSTS = '(ip.addr == 10.0.1.20 or ipv6.addr == 2001:db8:1::20)'
const OF_SAMPLES = [
  {
    name: 'session-web.yaml',
    packets: 76,
    expression: `${HOSTS} and (tcp.port in {80, 443} or udp.port == 443)`,
    packetLength: 65_535,
  },
  {
    name: 'session-dns.yaml',
    packets: 4,
    expression: `${HOSTS} and (tcp.port == 53 or udp.port == 53)`,
    packetLength: 65_535,
  },
  { name: 'session-headers.yaml', packets: 84, expression: HOSTS, packetLength: 128 },
]

describe('the session files of samples/', () => {
  const frames = readWritten(CAPTURE).map(({ frame }) => frame)

  async function mirrored(name: string, packets: number): Promise<string[]> {
    const session = join(SAMPLES, name)
    const args = ['--session', session, '--to', `127.0.0.1:${first.port}`, '--speed', 'max']
    const { code, err } = await runMain('mirror', '--read', CAPTURE, ...args)
    expect(code).toBe(0)
    expect(err).toMatch(new RegExp(`^${packets} of 118 packets sent, `))
    await first.received(packets)
    return first.datagrams.map(({ payload }) => payload.subarray(8).toString('hex')).sort()
  }

  test.each(OF_SAMPLES)(
    '$name mirrors $packets packets',
    async ({ name, packets, packetLength }) => {
      const sent = await mirrored(name, packets)
      expect(Math.max(...sent.map(({ length }) => length / 2))).toBeLessThanOrEqual(packetLength)
      const readme = readFileSync(join(SAMPLES, 'README.md'), 'utf8')
      expect(readme).toMatch(new RegExp(`^\\| \`${name}\` \\| ${packets} \\| `, 'm'))
    },
  )

  test.skipIf(!hasTool('tshark')).each(OF_SAMPLES)(
    '$name mirrors what a display filter finds (needs tshark)',
    async ({ name, packets, expression, packetLength }) => {
      const fields = ['-Y', expression, '-T', 'fields', '-e', 'frame.number']
      const found = tshark(readFileSync(CAPTURE), fields).map(
        (number) => frames[Number(number) - 1]!,
      )
      const expected = found.map((frame) => frame.subarray(0, packetLength).toString('hex'))
      expect(await mirrored(name, packets)).toEqual(expected.sort())
    },
  )
})
