import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { InterfaceIdentity } from '../../src/session/interface-identity.js'
import { formatMac, parseAddress, parseMac } from '../../src/wire/address.js'
import { DIRECTION_UNKNOWN, EGRESS, Frame, INGRESS } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../../src/wire/link-type.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { CAPTURES_DIR } from '../support/captures.js'
import { ethernet, mirrored, tcp4, udp4, udp6, vlan } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool, tshark } from '../support/tools.js'

/** The mirrored interface: its MAC, primary and secondary addresses. */
const ME = '02:00:00:00:00:0a'
const PRIMARY = '10.0.0.10'
const SECONDARY = '10.0.0.11'
const ROUTER = '02:00:00:00:00:01'
const NEIGHBOUR = '02:00:00:00:00:0b'
const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const MULTICAST = '01:00:5e:00:00:fb'
const FAR = '192.0.2.1'

/** Addresses, then MACs, each from and to. */
function frame(src: string, dst: string, from: string, to: string): Buffer {
  const ends = { src, dst, sport: 1000, dport: 2000 }
  return ethernet(src.includes(':') ? udp6(ends) : udp4(ends), { src: from, dst: to })
}

type Verdict = 'egress' | 'ingress' | 'unknown'

/** What `identity` makes of a frame. */
function decide(
  identity: InterfaceIdentity,
  bytes: Buffer,
  linkType: number = LINKTYPE_ETHERNET,
): Verdict {
  const view = new Frame()
  expect(parseFrame(bytes, 0, bytes.length, linkType, bytes.length, view)).toBeUndefined()
  identity.observe(view)
  expect(view.isInterfaceConfirmed).toBe(identity.primaryConfirmed)
  if (view.direction === DIRECTION_UNKNOWN) return 'unknown'
  return view.direction === EGRESS ? 'egress' : 'ingress'
}

type Step = readonly [frame: Buffer, verdict: Verdict]

const far = (near: string): string => (near.includes(':') ? 'fd99::1' : FAR)
const out = (src: string): Buffer => frame(src, far(src), ME, ROUTER)
const back = (dst: string): Buffer => frame(far(dst), dst, ROUTER, ME)

interface Case {
  what: string
  primary?: string | null
  steps: readonly Step[]
  mac?: string
  confirmed?: boolean
}

const CASES: readonly Case[] = [
  {
    what: 'the primary address as source: egress, and its MAC is known',
    steps: [[out(PRIMARY), 'egress']],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'the primary address as destination: ingress, and its MAC is known',
    steps: [[back(PRIMARY), 'ingress']],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'a secondary address by the MAC that the primary told',
    steps: [
      [out(PRIMARY), 'egress'],
      [out(SECONDARY), 'egress'],
      [back(SECONDARY), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'two MACs in all frames tell nothing until an address does',
    steps: [
      [out(SECONDARY), 'unknown'],
      [back(SECONDARY), 'unknown'],
      [out(SECONDARY), 'unknown'],
      [back(PRIMARY), 'ingress'],
      [out(SECONDARY), 'egress'],
      [back(SECONDARY), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'two MACs in all frames tell nothing until a third MAC does',
    steps: [
      [out(SECONDARY), 'unknown'],
      [back(SECONDARY), 'unknown'],
      [frame('10.0.0.12', SECONDARY, NEIGHBOUR, ME), 'ingress'],
      [out(SECONDARY), 'egress'],
    ],
    mac: ME,
  },
  {
    what: 'a third MAC at the other end',
    steps: [
      [back(SECONDARY), 'unknown'],
      [frame(SECONDARY, '10.0.0.12', ME, NEIGHBOUR), 'egress'],
      [back(SECONDARY), 'ingress'],
    ],
    mac: ME,
  },
  {
    what: 'what others broadcast comes in, and names nobody',
    steps: [
      [frame('10.0.0.12', '10.0.0.255', NEIGHBOUR, BROADCAST), 'unknown'],
      [frame('10.0.0.13', '224.0.0.251', ROUTER, MULTICAST), 'unknown'],
      [out(SECONDARY), 'unknown'],
      [back(PRIMARY), 'ingress'],
      [frame('10.0.0.12', '10.0.0.255', NEIGHBOUR, BROADCAST), 'ingress'],
      [out(SECONDARY), 'egress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'what the interface broadcasts goes out',
    steps: [
      [out(PRIMARY), 'egress'],
      [frame(SECONDARY, '10.0.0.255', ME, BROADCAST), 'egress'],
      [frame('0.0.0.0', '255.255.255.255', ME, BROADCAST), 'egress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'a broadcast from the primary address names the MAC',
    steps: [
      [frame(PRIMARY, '10.0.0.255', ME, BROADCAST), 'egress'],
      [back(SECONDARY), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'a broadcast between two MACs in question tells nothing of them',
    steps: [
      [out(SECONDARY), 'unknown'],
      [frame('10.0.0.12', '10.0.0.255', NEIGHBOUR, BROADCAST), 'unknown'],
      [back(SECONDARY), 'unknown'],
      [out(PRIMARY), 'egress'],
      [back(SECONDARY), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'a frame without the MAC: from then on only the primary address is believed',
    steps: [
      [out(PRIMARY), 'egress'],
      [out(SECONDARY), 'egress'],
      [frame('10.0.0.12', '10.0.0.13', NEIGHBOUR, ROUTER), 'unknown'],
      [out(SECONDARY), 'unknown'],
      [back(PRIMARY), 'ingress'],
      [frame(PRIMARY, FAR, NEIGHBOUR, ROUTER), 'egress'],
      [back(SECONDARY), 'unknown'],
    ],
    confirmed: true,
  },
  {
    what: 'IPv6 in IPv4: by the MAC alone, once IPv4 has named it',
    steps: [
      [out('fd00::10'), 'unknown'],
      [out(PRIMARY), 'egress'],
      [out('fd00::10'), 'egress'],
      [back('fd00::10'), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'an IPv6 primary address',
    primary: 'fd00::10',
    steps: [
      [frame('fd00::1', 'fd00::10', ROUTER, ME), 'ingress'],
      [frame('fd00::10', 'fd00::1', ME, ROUTER), 'egress'],
      [out(SECONDARY), 'egress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'an IPv6 address that differs from the primary in its last bit alone',
    primary: 'fd00::10',
    steps: [
      [frame('fd00::11', 'fd00::1', ME, ROUTER), 'unknown'],
      [frame('fd01::10', 'fd00::1', ME, ROUTER), 'unknown'],
    ],
  },
  {
    what: 'an outer source that is nobody inside (loopback, a translator): by MACs alone',
    primary: '127.0.0.1',
    steps: [
      [out(PRIMARY), 'unknown'],
      [back(PRIMARY), 'unknown'],
      [frame('10.0.0.12', PRIMARY, NEIGHBOUR, ME), 'ingress'],
      [out(PRIMARY), 'egress'],
    ],
    mac: ME,
  },
  {
    what: 'no outer source (sessions by VNI alone): by MACs alone',
    primary: null,
    steps: [
      [out(PRIMARY), 'unknown'],
      [frame(PRIMARY, '10.0.0.12', ME, NEIGHBOUR), 'egress'],
      [back(PRIMARY), 'ingress'],
    ],
    mac: ME,
  },
  {
    what: 'a packet from the interface to itself',
    steps: [
      [frame(PRIMARY, PRIMARY, ME, ME), 'unknown'],
      [out(PRIMARY), 'egress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'VLAN tags between the MACs and the packet',
    steps: [
      [vlan([7], out(PRIMARY)), 'egress'],
      [vlan([7, 8], back(SECONDARY)), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
  {
    what: 'MACs that differ in one end of their 48 bits alone',
    steps: [
      [frame(PRIMARY, FAR, '02:00:00:00:00:0a', ROUTER), 'egress'],
      [frame(SECONDARY, FAR, '02:00:00:00:00:0a', '03:00:00:00:00:0a'), 'egress'],
      [frame(FAR, SECONDARY, '06:00:00:00:00:0a', '02:00:00:00:00:0a'), 'ingress'],
    ],
    mac: ME,
    confirmed: true,
  },
]

describe('InterfaceIdentity', () => {
  test.each(CASES)('$what', ({ primary = PRIMARY, steps, mac, confirmed = false }) => {
    const identity = new InterfaceIdentity(primary === null ? null : parseAddress(primary)!)
    const verdicts = steps.map(([bytes]) => decide(identity, bytes))
    expect(verdicts).toEqual(steps.map(([, verdict]) => verdict))
    expect(identity.mac && formatMac(identity.mac)).toBe(mac)
    expect(identity.primaryConfirmed).toBe(confirmed)
  })

  test('where there is no Ethernet, by the primary address alone', () => {
    const identity = new InterfaceIdentity(parseAddress(PRIMARY)!)
    const ends = { sport: 1, dport: 2 }
    const packet = (src: string, dst: string) => udp4({ src, dst, ...ends })
    expect(decide(identity, packet(PRIMARY, FAR), LINKTYPE_RAW)).toBe('egress')
    expect(decide(identity, packet(FAR, PRIMARY), LINKTYPE_RAW)).toBe('ingress')
    expect(decide(identity, packet(SECONDARY, FAR), LINKTYPE_RAW)).toBe('unknown')
    expect(identity.mac).toBeUndefined()
  })

  /** Of a real mirrored interface; the first is AWS's own, from June 2019. */
  const REAL = ['suricata-vxlan-decoder-03.pcap', 'suricata-vxlan-non-zero-reserved-fields.pcap']
  for (const name of REAL) {
    const path = join(CAPTURES_DIR, name)
    const needs = `needs tshark and ${name} among the captures`
    test.skipIf(!existsSync(path) || !hasTool('tshark'))(
      `decides every packet of a real mirrored interface as its addresses do (${needs})`,
      async () => {
        const fields = ['-T', 'fields', '-E', 'occurrence=a', '-e', 'ip.src', '-e', 'ip.dst']
        const lines = tshark(readFileSync(path), fields)
        const expected = lines.map((line) => {
          const [[outer, inner], [, innerTo]] = line.split('\t').map((cell) => cell.split(',')) as [
            [string, string],
            [string, string],
          ]
          expect([inner, innerTo]).toContain(outer)
          return outer === inner ? 'egress' : 'ingress'
        })
        const { code, out: text } = await runCommand('flows', '--json', path)
        expect(code).toBe(0)
        const flows = JSON.parse(text) as { direction: string; packets: number }[]
        for (const direction of ['egress', 'ingress']) {
          const packets = flows
            .filter((flow) => flow.direction === direction)
            .reduce((sum, flow) => sum + flow.packets, 0)
          expect(packets).toBe(expected.filter((verdict) => verdict === direction).length)
        }
      },
    )
  }
})

describe('flow-log of a mirrored interface', () => {
  const FORMAT = '${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${flow-direction}'

  /** Records of these frames as the interface `source` mirrors them. */
  async function recordsOf(source: string, frames: readonly Buffer[]): Promise<string[]> {
    const file = join(temporaryDirectory(), 'mirrored.pcap')
    const shots: Shot[] = frames.map((inner, index) => ({
      frame: mirrored({ source, target: '10.9.9.9', vni: 7, frame: inner }),
      seconds: 1_700_000_000 + index,
    }))
    writeFileSync(file, pcapFile(shots))
    const { code, out: text, err } = await runCommand('flow-log', file, '--log-format', FORMAT)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return text.split('\n').slice(1, -1).sort()
  }

  const packet = (src: string, dst: string, sport: number, from: string, to: string): Buffer =>
    ethernet(tcp4({ src, dst, sport, dport: 443 }), { src: from, dst: to })

  test('shows the primary address in place of others that the interface has or stands for', async () => {
    const records = await recordsOf(PRIMARY, [
      packet(PRIMARY, FAR, 1, ME, ROUTER),
      packet(FAR, PRIMARY, 2, ROUTER, ME),
      packet(SECONDARY, FAR, 3, ME, ROUTER),
      packet(FAR, SECONDARY, 4, ROUTER, ME),
      // The interface of a translator: packets that are neither from nor for it.
      packet('172.16.0.5', FAR, 5, ME, ROUTER),
      packet(FAR, '172.16.0.5', 6, ROUTER, ME),
    ])
    expect(records).toEqual(
      [
        `${PRIMARY} ${FAR} ${PRIMARY} ${FAR} 1 egress`,
        `${FAR} ${PRIMARY} ${FAR} ${PRIMARY} 2 ingress`,
        `${PRIMARY} ${FAR} ${SECONDARY} ${FAR} 3 egress`,
        `${FAR} ${PRIMARY} ${FAR} ${SECONDARY} 4 ingress`,
        `${PRIMARY} ${FAR} 172.16.0.5 ${FAR} 5 egress`,
        `${FAR} ${PRIMARY} ${FAR} 172.16.0.5 6 ingress`,
      ].sort(),
    )
  })

  test('leaves IPv6 as it is, whose primary address nobody tells', async () => {
    const records = await recordsOf(PRIMARY, [
      packet(PRIMARY, FAR, 1, ME, ROUTER),
      ethernet(udp6({ src: 'fd00::10', dst: 'fd00::1', sport: 2, dport: 53 }), {
        src: ME,
        dst: ROUTER,
      }),
    ])
    expect(records[1]).toBe('fd00::10 fd00::1 fd00::10 fd00::1 2 egress')
  })

  test('takes an outer source that no packet has inside for a translator, not for the interface', async () => {
    const records = await recordsOf('203.0.113.9', [
      packet(PRIMARY, FAR, 1, ME, ROUTER),
      packet(PRIMARY, '10.0.0.12', 2, ME, NEIGHBOUR),
      packet(FAR, SECONDARY, 3, ROUTER, ME),
      packet(PRIMARY, FAR, 1, ME, ROUTER),
    ])
    expect(records).toEqual(
      [
        `${PRIMARY} ${FAR} ${PRIMARY} ${FAR} 1 egress`,
        `${PRIMARY} 10.0.0.12 ${PRIMARY} 10.0.0.12 2 egress`,
        `${FAR} ${SECONDARY} ${FAR} ${SECONDARY} 3 ingress`,
      ].sort(),
    )
  })
})

describe('InterfaceIdentity of an interface that a configuration names', () => {
  const knowing = (mac: string | undefined, ...addresses: string[]) =>
    new InterfaceIdentity(null, {
      addresses: addresses.map((address) => parseAddress(address)!),
      mac: mac === undefined ? undefined : parseMac(mac)!,
    })

  test.each([
    { src: SECONDARY, dst: FAR, verdict: 'egress' },
    { src: FAR, dst: SECONDARY, verdict: 'ingress' },
    { src: 'fd00::10', dst: 'fd99::1', verdict: 'egress' },
    { src: 'fd99::1', dst: 'fd00::10', verdict: 'ingress' },
    { src: PRIMARY, dst: FAR, verdict: 'egress' },
    { src: FAR, dst: '192.0.2.2', verdict: 'unknown' },
  ])('knows its other addresses from the first frame on: $src to $dst', ({ src, dst, verdict }) => {
    const identity = knowing(undefined, PRIMARY, SECONDARY, 'fd00::10')
    expect(decide(identity, frame(src, dst, ROUTER, NEIGHBOUR))).toBe(verdict)
    expect(identity.primaryConfirmed).toBe(true)
  })

  test('knows its MAC from the first frame on', () => {
    expect(decide(knowing(ME), frame('10.9.9.9', FAR, ME, ROUTER))).toBe('egress')
    expect(decide(knowing(ME), frame(FAR, '10.9.9.9', ROUTER, ME))).toBe('ingress')
    expect(formatMac(knowing(ME).mac!)).toBe(ME)
  })

  test('learns its primary address where none is known, once', () => {
    const identity = knowing(undefined)
    expect(decide(identity, frame(PRIMARY, FAR, ROUTER, NEIGHBOUR))).toBe('unknown')
    expect(identity.primaryConfirmed).toBe(false)
    identity.learnPrimary(parseAddress(PRIMARY)!)
    identity.learnPrimary(parseAddress(SECONDARY)!)
    expect(decide(identity, frame(PRIMARY, FAR, ROUTER, NEIGHBOUR))).toBe('egress')
    expect(decide(identity, frame(SECONDARY, PRIMARY, ROUTER, NEIGHBOUR))).toBe('ingress')
  })
})

describe('InterfaceIdentity.observe', () => {
  test.each([
    { bytes: out(PRIMARY), direction: EGRESS },
    { bytes: back(PRIMARY), direction: INGRESS },
    { bytes: frame('10.9.9.9', FAR, NEIGHBOUR, ROUTER), direction: DIRECTION_UNKNOWN },
    { bytes: ethernet(Buffer.alloc(46), { type: 0x0806 }), direction: DIRECTION_UNKNOWN },
  ])('notes it on the frame as rules have it: $direction', ({ bytes, direction }) => {
    const view = new Frame()
    parseFrame(bytes, 0, bytes.length, LINKTYPE_ETHERNET, bytes.length, view)
    view.direction = INGRESS
    new InterfaceIdentity(parseAddress(PRIMARY)!).observe(view)
    expect(view.direction).toBe(direction)
  })
})
