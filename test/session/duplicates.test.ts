import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Column } from '../../src/appliance/column.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { readCapture } from '../../src/pcap/reader.js'
import { DUPLICATE_MODES, type DuplicateMode, Duplicates } from '../../src/session/duplicates.js'
import type { LedgerReport } from '../../src/session/ledger.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../../src/wire/link-type.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { CAPTURES_DIR } from '../support/captures.js'
import {
  ethernet,
  fragments4,
  icmp4,
  icmp6,
  ip4,
  paddedExtension,
  sctp4,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
  vxlan,
} from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool, tshark } from '../support/tools.js'
import { readWritten } from '../support/written-captures.js'
import { datagramOf } from './datagrams.js'

const T = 1_700_000_000
const A = 1
const B = 2
const C = 3

function isCopy(of: Duplicates, bytes: Buffer, session: number, seconds = T, nanoseconds = 0) {
  const frame = new Frame()
  // Not at the start of memory, and behind an odd number of bytes.
  const memory = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(5, 0xa5)])
  const end = 3 + bytes.length
  const fault = parseFrame(memory, 3, end, LINKTYPE_ETHERNET, bytes.length, frame)
  expect(fault).toBeUndefined()
  return of.isCopy(frame, session, seconds, nanoseconds)
}

/** Whether `second` is taken for a copy of `first`, the one in session A, the other in B. */
function areCopies(first: Buffer, second: Buffer): boolean {
  const duplicates = new Duplicates()
  expect(isCopy(duplicates, first, A)).toBe(false)
  return isCopy(duplicates, second, B, T, 1_000_000)
}

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 443 }
const ENDS_6 = { ...ENDS, src: 'fd00::1', dst: 'fd00::2' }
const segment = (of: object = {}): Buffer => tcp4({ ...ENDS, id: 7, seq: 1, ...of })
const TEXT = Buffer.from('of some length, so that it goes on behind what is compared')

/** A packet with bytes of it changed. */
function changed(packet: Buffer, changes: Record<number, number>): Buffer {
  const copy = Buffer.from(packet)
  for (const [at, value] of Object.entries(changes)) copy[Number(at)]! ^= value
  return copy
}

describe('Duplicates', () => {
  test.each([
    { apart: [0, 0], copy: true },
    { apart: [0, 1], copy: true },
    { apart: [0, 5_000_000], copy: true },
    { apart: [0, 5_000_001], copy: false },
    { apart: [1, 0], copy: false },
    { apart: [0, -5_000_000], copy: true },
    { apart: [0, -5_000_001], copy: false },
    { apart: [-1, 0], copy: false },
  ])('a copy comes within 5 ms: $apart s and ns apart', ({ apart, copy }) => {
    for (const nanoseconds of [0, 2_000_000, 500_000_000, 999_999_999]) {
      const duplicates = new Duplicates()
      const frame = ethernet(segment())
      const at = T * 1_000_000_000 + nanoseconds
      expect(isCopy(duplicates, frame, A, T, nanoseconds)).toBe(false)
      const then = BigInt(T) * 1_000_000_000n + BigInt(nanoseconds)
      const later = then + BigInt(apart[0]!) * 1_000_000_000n + BigInt(apart[1]!)
      const seconds = Number(later / 1_000_000_000n)
      const found = isCopy(duplicates, frame, B, seconds, Number(later % 1_000_000_000n))
      expect(found, String(at)).toBe(copy)
    }
  })

  test('in the same session there is none, however often a packet comes', () => {
    const duplicates = new Duplicates()
    for (let round = 0; round < 20; round++) {
      expect(isCopy(duplicates, ethernet(segment()), A, T, round)).toBe(false)
    }
  })

  test('a packet has one copy, and so has each of its retransmissions', () => {
    const duplicates = new Duplicates()
    const frame = ethernet(segment())
    const found = [A, A, B, B, B].map((session, index) =>
      isCopy(duplicates, frame, session, T, index * 1000),
    )
    expect(found).toEqual([false, false, true, true, false])
  })

  test('of three sessions that bring a packet the second has the copy', () => {
    const duplicates = new Duplicates()
    const frame = ethernet(segment())
    expect([A, B, C, A].map((session) => isCopy(duplicates, frame, session))).toEqual([
      false,
      true,
      false,
      true,
    ])
  })

  test.each<[string, Buffer, Buffer]>([
    ['the same bytes', ethernet(segment()), ethernet(segment())],
    [
      'other MACs',
      ethernet(segment()),
      ethernet(segment(), { src: '06:00:00:00:00:01', dst: '06:00:00:00:00:02' }),
    ],
    ['a VLAN tag', ethernet(segment()), vlan([7], ethernet(segment()))],
    ['two VLAN tags, and one', vlan([8, 7], ethernet(segment())), vlan([9], ethernet(segment()))],
    ['time to live', ethernet(segment({ ttl: 64 })), ethernet(segment({ ttl: 61 }))],
    [
      'hop limit',
      ethernet(tcp6({ ...ENDS_6, hopLimit: 64 })),
      ethernet(tcp6({ ...ENDS_6, hopLimit: 61 })),
    ],
    ['IPv4 checksum', ethernet(segment()), ethernet(changed(segment(), { 10: 0xff, 11: 0xff }))],
    ['TCP checksum', ethernet(segment()), ethernet(changed(segment(), { 36: 0xff, 37: 0xff }))],
    [
      'TCP checksum in IPv6',
      ethernet(tcp6(ENDS_6)),
      ethernet(changed(tcp6(ENDS_6), { 56: 0xff, 57: 0xff })),
    ],
    [
      'UDP checksum',
      ethernet(udp4({ ...ENDS, payload: TEXT })),
      ethernet(udp4({ ...ENDS, payload: TEXT, checksum: false })),
    ],
    [
      'UDP checksum behind extension headers',
      ethernet(udp6({ ...ENDS_6, extensions: [paddedExtension(60)] })),
      ethernet(
        changed(udp6({ ...ENDS_6, extensions: [paddedExtension(60)] }), { 54: 0xff, 55: 0xff }),
      ),
    ],
    [
      'ICMP checksum',
      ethernet(icmp4({ ...ENDS, type: 8 })),
      ethernet(changed(icmp4({ ...ENDS, type: 8 }), { 22: 0xff, 23: 0xff })),
    ],
    [
      'ICMPv6 checksum',
      ethernet(icmp6({ ...ENDS_6, type: 128 })),
      ethernet(changed(icmp6({ ...ENDS_6, type: 128 }), { 42: 0xff, 43: 0xff })),
    ],
    [
      'TCP checksum behind IP options',
      ethernet(segment({ options: Buffer.alloc(12, 1) })),
      ethernet(changed(segment({ options: Buffer.alloc(12, 1) }), { 48: 0xff, 49: 0xff })),
    ],
    [
      'a checksum in the last bytes there are',
      ethernet(ip4({ ...ENDS, protocol: 1, payload: Buffer.from([8, 0, 1, 2]) })),
      ethernet(ip4({ ...ENDS, protocol: 1, payload: Buffer.from([8, 0, 3, 4]) })),
    ],
    [
      'a checksum that a PacketLength cut in two',
      ethernet(segment()).subarray(0, 14 + 20 + 17),
      ethernet(changed(segment(), { 36: 0xff })).subarray(0, 14 + 20 + 17),
    ],
    [
      'Ethernet padding',
      Buffer.concat([ethernet(udp4(ENDS)), Buffer.alloc(18)]),
      Buffer.concat([ethernet(udp4(ENDS)), Buffer.alloc(18, 1)]),
    ],
    [
      'what lies far behind',
      ethernet(segment({ payload: Buffer.alloc(900) })),
      ethernet(changed(segment({ payload: Buffer.alloc(900) }), { 800: 1 })),
    ],
    [
      'later fragments',
      ethernet(fragments4(udp4({ ...ENDS, payload: Buffer.alloc(2000) }), 1500)[1]!),
      ethernet(fragments4(udp4({ ...ENDS, payload: Buffer.alloc(2000), ttl: 9 }), 1500)[1]!),
    ],
  ])('is found though copies differ in: %s', (_, first, second) => {
    expect(areCopies(first, second)).toBe(true)
    expect(areCopies(second, first)).toBe(true)
  })

  test.each<[string, Buffer, Buffer]>([
    ['source address', segment(), segment({ src: '10.0.0.3' })],
    ['destination address', segment(), segment({ dst: '10.0.0.3' })],
    ['identification', segment(), segment({ id: 8 })],
    ['type of service', segment(), segment({ tos: 4 })],
    ['length', segment({ payload: Buffer.alloc(4) }), segment({ payload: Buffer.alloc(5) })],
    ['IP options', segment({ options: Buffer.alloc(4, 1) }), segment({ options: Buffer.alloc(4) })],
    ['ports', segment(), segment({ sport: 1001 })],
    ['sequence number', segment(), segment({ seq: 2 })],
    ['acknowledgment', segment(), segment({ ack: 1 })],
    ['flags', segment(), segment({ flags: 2 })],
    ['window', segment(), segment({ window: 1 })],
    [
      'TCP time stamps',
      segment({ tcpOptions: Buffer.from('0101080a0000000100000002', 'hex') }),
      segment({ tcpOptions: Buffer.from('0101080a0000000200000002', 'hex') }),
    ],
    ['first payload', segment({ payload: TEXT }), segment({ payload: changed(TEXT, { 0: 1 }) })],
    [
      'the last byte compared',
      udp4({ ...ENDS, payload: TEXT }),
      udp4({ ...ENDS, payload: changed(TEXT, { 23: 1 }) }),
    ],
    [
      'the odd byte at the end',
      udp4({ ...ENDS, payload: Buffer.from('abc') }),
      udp4({ ...ENDS, payload: Buffer.from('abd') }),
    ],
    ['echo number', icmp4({ ...ENDS, type: 8, rest: 1 }), icmp4({ ...ENDS, type: 8, rest: 2 })],
    ['SCTP tag', sctp4({ ...ENDS, tag: 1 }), sctp4({ ...ENDS, tag: 2 })],
    ['flow label', udp6({ ...ENDS_6, flowLabel: 1 }), udp6({ ...ENDS_6, flowLabel: 2 })],
    [
      'protocol',
      ip4({ ...ENDS, protocol: 47, payload: Buffer.alloc(8) }),
      ip4({ ...ENDS, protocol: 50, payload: Buffer.alloc(8) }),
    ],
    [
      'fragment offset',
      ip4({ ...ENDS, protocol: 17, id: 3, fragmentOffset: 8, payload: TEXT }),
      ip4({ ...ENDS, protocol: 17, id: 3, fragmentOffset: 16, payload: TEXT }),
    ],
    [
      'what would be a checksum in a first fragment',
      ip4({ ...ENDS, protocol: 17, id: 3, fragmentOffset: 8, payload: TEXT }),
      ip4({ ...ENDS, protocol: 17, id: 3, fragmentOffset: 8, payload: changed(TEXT, { 6: 1 }) }),
    ],
  ])('is none where packets differ in: %s', (_, first, second) => {
    expect(areCopies(ethernet(first), ethernet(second))).toBe(false)
  })

  test('is none where later fragments at the very start of memory have another source', () => {
    // There a checksum that is not there would lie in the source address.
    const duplicates = new Duplicates()
    const fragment = (src: string): Frame => {
      const packet = fragments4(tcp4({ ...ENDS, src, payload: Buffer.alloc(2000) }), 1500)[1]!
      const frame = new Frame()
      expect(parseFrame(packet, 0, packet.length, LINKTYPE_RAW, packet.length, frame)).toBe(
        undefined,
      )
      return frame
    }
    expect(duplicates.isCopy(fragment('10.0.0.1'), A, T, 0)).toBe(false)
    expect(duplicates.isCopy(fragment('10.0.0.3'), B, T, 0)).toBe(false)
    expect(duplicates.isCopy(fragment('10.0.0.1'), B, T, 0)).toBe(true)
  })

  test('a stream that differs in its counters alone has none, as RTP over UDP without identification', () => {
    const duplicates = new Duplicates()
    const header = Buffer.alloc(12)
    for (let number = 0; number < 20_000; number++) {
      header.writeUInt32BE(0x8000_0000 + (number & 0xffff), 0)
      header.writeUInt32BE(number * 160, 4)
      const frame = ethernet(udp4({ ...ENDS, payload: Buffer.concat([header, TEXT]) }))
      // As if it were sent through both, in turns.
      expect(isCopy(duplicates, frame, number % 2 === 0 ? A : B, T, number * 100)).toBe(false)
    }
  })

  test('nearly every packet of a full load has its copy', () => {
    const duplicates = new Duplicates()
    const random = new Random(3)
    // A million packets a second, the other session 1 ms behind. Some fall into a set that is full.
    const packets = Array.from({ length: 12_000 }, (_, index) =>
      ethernet(segment({ seq: index, id: random.below(65_536) })),
    )
    let copies = 0
    for (let index = 0; index < packets.length; index++) {
      expect(isCopy(duplicates, packets[index]!, A, T, index * 1000)).toBe(false)
      const behind = packets[index - 1000]
      if (behind !== undefined && isCopy(duplicates, behind, B, T, index * 1000 + 500)) copies++
    }
    expect(copies / 11_000).toBeGreaterThan(0.99)
  })
})

interface Moment {
  frame: Buffer
  vni: number
  seconds: number
  nanoseconds: number
}

/**
 * A packet of each session, long before all others: until a second session has come, nothing
 * is looked for.
 */
function greetings(moments: readonly Moment[]): Moment[] {
  return [...new Set(moments.map(({ vni }) => vni))].map((vni) => ({
    frame: ethernet(udp4({ ...ENDS, sport: vni })),
    vni,
    seconds: moments[0]!.seconds - 1,
    nanoseconds: 0,
  }))
}

/** Frames of a capture file, as each of `vnis` mirrors them, one millisecond behind the other. */
async function mirroredTwice(name: string, vnis: readonly number[]): Promise<Moment[]> {
  const moments: (Moment & { at: bigint })[] = []
  await readCapture(join(CAPTURES_DIR, name), (packet) => {
    expect(packet.linkType).toBe(LINKTYPE_ETHERNET)
    const frame = Buffer.from(packet.bytes.subarray(packet.start, packet.end))
    for (const [index, vni] of vnis.entries()) {
      const at = BigInt(packet.seconds) * 1_000_000_000n + BigInt(packet.nanoseconds)
      const then = at + BigInt(index) * 1_000_000n
      const seconds = Number(then / 1_000_000_000n)
      moments.push({ frame, vni, seconds, nanoseconds: Number(then % 1_000_000_000n), at: then })
    }
  })
  moments.sort((left, right) => Number(left.at - right.at))
  return [...greetings(moments), ...moments]
}

interface Outcome {
  report: LedgerReport
  /** Packets in flows. */
  flowPackets: number
  /** By session, what its capture file holds. */
  files: Record<string, string>
}

/** A column that receives these, with flow logs of nothing but counts and captures in pcapng. */
async function receive(moments: readonly Moment[], duplicates: DuplicateMode): Promise<Outcome> {
  const directory = temporaryDirectory()
  const column = new Column(
    {
      sessionKey: 'source+vni',
      unknownSessions: 'accept',
      maxSessions: 8,
      maxFlows: 10_000,
      sessionQuota: 10_000,
      lifetime: LIFETIMES.nfw,
      duplicates,
      capture: {
        directory,
        format: 'pcapng',
        snaplen: 0,
        rotateBytes: Number.POSITIVE_INFINITY,
        rotateSeconds: Number.POSITIVE_INFINITY,
        keepFiles: Number.POSITIVE_INFINITY,
        keepBytes: Number.POSITIVE_INFINITY,
        suffix: '',
      },
    },
    (line) => expect.fail(line),
  )
  for (const { frame, vni, seconds, nanoseconds } of moments) {
    column.demux.acceptVxlan(datagramOf(vxlan(vni, frame), { seconds, nanoseconds }))
  }
  await column.close()
  const report = column.report()
  const files: Record<string, string> = {}
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.pcapng')) files[path.split('/')[0]!] = join(directory, path)
  }
  const flowPackets = report.sessions.reduce((sum, session) => sum + session.flowPackets, 0)
  return { report, flowPackets, files }
}

function expectLedger(report: LedgerReport): void {
  const { received, accepted, filtered, unknownSession, duplicate, malformed } = report
  const faults = Object.values(malformed).reduce((sum, faulty) => sum + faulty, 0)
  expect(received).toBe(accepted + filtered + unknownSession + duplicate + faults)
  for (const session of report.sessions) {
    expect(session.accepted).toBe(session.flowPackets + session.untracked)
  }
}

/** With retransmissions and duplicates of their own. */
const REAL = ['arkime-wireshark-retrans.pcap', 'zeek-ssh-dups.pcap', 'zeek-retransmit-fast009.pcap']

describe('packets that two sessions bring', () => {
  describe.each(REAL)('%s', (name) => {
    const missing = !existsSync(join(CAPTURES_DIR, name))

    test.skipIf(missing)('has no copies in one session (needs the captures folder)', async () => {
      const moments = await mirroredTwice(name, [10])
      const { report } = await receive(moments, 'drop')
      expect(report).toMatchObject({ received: moments.length, duplicate: 0 })
      expect(report.sessions[0]!.duplicates).toBe(0)
      expectLedger(report)
    })

    test.skipIf(missing)('has one copy of each in two (needs the captures folder)', async () => {
      const moments = await mirroredTwice(name, [10, 20])
      const { report, files } = await receive(moments, 'drop')
      expectLedger(report)
      const copies = report.sessions.reduce((sum, session) => sum + session.duplicates, 0)
      expect(copies).toBe(moments.length / 2 - 1)
      expect(report.duplicate).toBe(copies)
      const kept = Object.values(files).flatMap(readWritten)
      expect(kept).toHaveLength(moments.length / 2 + 1)
    })
  })

  const frames = Array.from({ length: 50 }, (_, index) => ethernet(segment({ seq: index })))
  const arp = ethernet(Buffer.alloc(46), { type: 0x0806 })
  const broken = ethernet(Buffer.alloc(10, 0x45))
  const twice: Moment[] = [...frames, arp, broken].flatMap((frame, index) =>
    [10, 20].map((vni, session) => ({
      frame,
      vni,
      seconds: T,
      nanoseconds: index * 1_000_000 + session * 300_000,
    })),
  )
  const moments = [...greetings(twice), ...twice]

  test.each(DUPLICATE_MODES)('the ledger adds up when they are to be: %s', async (mode) => {
    const { report, flowPackets, files } = await receive(moments, mode)
    expectLedger(report)
    const [first, second] = report.sessions.sort((left, right) => left.vni! - right.vni!)
    expect([first!.duplicates, second!.duplicates]).toEqual([0, 50])
    // What carries no IP, or is not understood, is no copy.
    expect(report.duplicate).toBe(mode === 'drop' ? 50 : 0)
    expect(report.accepted).toBe(mode === 'drop' ? 54 : 104)
    expect(flowPackets).toBe(mode === 'keep' ? 102 : 52)
    expect(second).toMatchObject({
      received: 53,
      captured: mode === 'drop' ? 3 : 53,
      malformed: 1,
    })
    expect(readWritten(files['vni-10_10.0.0.1']!)).toHaveLength(53)
    expect(readWritten(files['vni-20_10.0.0.1']!)).toHaveLength(mode === 'drop' ? 3 : 53)
  })

  test.skipIf(!hasTool('tshark'))(
    'are marked in pcapng, each of them and no other (needs tshark)',
    async () => {
      const { files } = await receive(moments, 'mark')
      const marked = (session: string): string[] =>
        tshark(readFileSync(files[session]!), [
          '-Y',
          'frame.comment',
          '-T',
          'fields',
          '-e',
          'tcp.seq_raw',
        ])
      expect(marked('vni-10_10.0.0.1')).toEqual([])
      expect(marked('vni-20_10.0.0.1')).toEqual(frames.map((_, index) => String(index)))
    },
  )

  test('from a capture file are taken the same way, and packets that were not mirrored left alone', async () => {
    const file = join(temporaryDirectory(), 'outer.pcap')
    const outer = moments.map(({ frame, vni, seconds, nanoseconds }) => ({
      frame: ethernet(
        udp4({
          src: '10.0.0.1',
          dst: '10.9.9.9',
          sport: 65_000,
          dport: 4789,
          payload: vxlan(vni, frame),
        }),
      ),
      seconds,
      nanoseconds,
    }))
    const packetsOf = async (mode: DuplicateMode): Promise<number> => {
      const { out } = await runCommand('flows', '--json', '--duplicates', mode, file)
      const flows = JSON.parse(out) as { packets: number }[]
      return flows.reduce((sum, { packets }) => sum + packets, 0)
    }
    writeFileSync(file, pcapFile(outer))
    expect(await packetsOf('keep')).toBe(102)
    expect(await packetsOf('mark')).toBe(52)
    expect(await packetsOf('drop')).toBe(52)
    writeFileSync(file, pcapFile(moments))
    expect(await packetsOf('drop')).toBe(102)
  })
})
