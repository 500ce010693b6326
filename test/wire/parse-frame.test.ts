import { describe, expect, test } from 'vitest'
import {
  ABSENT,
  FRAGMENT_FIRST,
  FRAGMENT_LATER,
  FRAGMENT_NONE,
  Frame,
} from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { TCP_ACK, TCP_SYN } from '../../src/wire/tcp.js'
import { type FrameView, parsed, viewOf } from '../support/frame-view.js'
import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  icmp6,
  ip4,
  ip6,
  mpls,
  paddedExtension,
  pppoe,
  sctp4,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../support/frames.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'

const HOSTS = { src: '192.0.2.1', dst: '255.254.253.252' }
const HOSTS6 = { src: '2001:db8::1', dst: 'fe80::ffff:fffe' }
const PORTS = { sport: 65_535, dport: 53 }
const PAYLOAD = Buffer.from('payload of twenty-four b')

const UDP4 = udp4({ ...HOSTS, ...PORTS, payload: PAYLOAD })
const UDP6 = udp6({ ...HOSTS6, ...PORTS, payload: PAYLOAD })
const TCP4 = tcp4({ ...HOSTS, ...PORTS, flags: TCP_SYN | TCP_ACK, payload: PAYLOAD })
const TCP6 = tcp6({ ...HOSTS6, ...PORTS, flags: 0xff, payload: PAYLOAD })

const IPV4 = 0x0800
const IPV6 = 0x86dd

const VIEW4: FrameView = {
  etherType: IPV4,
  ipVersion: 4,
  ...HOSTS,
  ipAt: 14,
  ipLength: 52,
  protocol: 17,
  transportAt: 34,
  srcPort: 65_535,
  dstPort: 53,
  tcpFlags: 0,
  fragment: FRAGMENT_NONE,
  fragmentId: 0,
}

const VIEW6: FrameView = {
  ...VIEW4,
  etherType: IPV6,
  ipVersion: 6,
  ...HOSTS6,
  ipLength: 72,
  transportAt: 54,
}

/** The same view with the IP header `by` bytes further in. */
function shifted(view: FrameView, by: number): FrameView {
  return { ...view, ipAt: view.ipAt! + by, transportAt: view.transportAt! + by }
}

/** A frame of 802.3 with a SNAP header, where Ethernet II would have the type. */
function snap(packet: Buffer): Buffer {
  const type = packet[0]! >>> 4 === 6 ? hex`86dd` : hex`0800`
  const body = Buffer.concat([hex`aaaa03 000000`, type, packet])
  return ethernet(body, { type: body.length })
}

describe('parseFrame on Ethernet', () => {
  test.each([
    { name: 'UDP over IPv4', frame: ethernet(UDP4), view: VIEW4 },
    { name: 'UDP over IPv6', frame: ethernet(UDP6), view: VIEW6 },
    {
      name: 'TCP over IPv4',
      frame: ethernet(TCP4),
      view: { ...VIEW4, ipLength: 64, protocol: 6, tcpFlags: 0x12 },
    },
    {
      name: 'TCP over IPv6, every flag',
      frame: ethernet(TCP6),
      view: { ...VIEW6, ipLength: 84, protocol: 6, tcpFlags: 0xff },
    },
    {
      name: 'SCTP, which has ports',
      frame: ethernet(sctp4({ ...HOSTS, ...PORTS })),
      view: { ...VIEW4, ipLength: 32, protocol: 132 },
    },
    ...[33, 136].map((protocol) => ({
      name: `protocol ${protocol}, which has ports`,
      frame: ethernet(ip4({ ...HOSTS, protocol, payload: hex`ffff 0035 00000000` })),
      view: { ...VIEW4, ipLength: 28, protocol },
    })),
    ...[0, 1, 2, 47, 50, 51, 58, 89, 255].map((protocol) => ({
      name: `protocol ${protocol} over IPv4, which has no ports`,
      frame: ethernet(ip4({ ...HOSTS, protocol, payload: PAYLOAD })),
      view: { ...VIEW4, ipLength: 44, protocol, srcPort: 0, dstPort: 0 },
    })),
    {
      name: 'ICMP',
      frame: ethernet(icmp4({ ...HOSTS, type: 8, rest: 0x1234_5678 })),
      view: { ...VIEW4, ipLength: 28, protocol: 1, srcPort: 0, dstPort: 0 },
    },
    {
      name: 'ICMPv6',
      frame: ethernet(icmp6({ ...HOSTS6, type: 128, rest: 0x1234_5678 })),
      view: { ...VIEW6, ipLength: 48, protocol: 58, srcPort: 0, dstPort: 0 },
    },
    {
      name: 'Ethernet padding that looks like ports behind an empty packet',
      frame: ethernet(Buffer.concat([ip4({ ...HOSTS, protocol: 17 }), hex`11112222 33334444`])),
      view: { ...VIEW4, ipLength: 20, srcPort: 0, dstPort: 0 },
    },
    {
      name: 'an IPv4 packet with padding behind it',
      frame: ethernet(Buffer.concat([UDP4, Buffer.alloc(9, 0xff)])),
      view: VIEW4,
    },
    ...[4, 20, 40].map((length) => ({
      name: `${length} bytes of IPv4 options`,
      frame: ethernet(
        udp4({ ...HOSTS, ...PORTS, payload: PAYLOAD, options: Buffer.alloc(length, 1) }),
      ),
      view: { ...VIEW4, ipLength: 52 + length, transportAt: 34 + length },
    })),
  ])('reads $name', ({ frame, view }) => {
    expect(parsed(frame)).toEqual(view)
  })

  test.each([
    { name: 'one tag', tags: [7] },
    { name: 'the largest tag', tags: [0xfff] },
    { name: 'an 802.1ad pair', tags: [{ vlan: 5, type: 0x88a8 }, 7] },
    { name: 'a pair of the old kind', tags: [{ vlan: 5, type: 0x9100 }, 7] },
    { name: 'two plain tags', tags: [5, 7] },
    { name: 'eight tags', tags: [1, 2, 3, 4, 5, 6, 7, 8] },
  ])('reads behind $name', ({ tags }) => {
    expect(parsed(vlan(tags, ethernet(UDP4)))).toEqual(shifted(VIEW4, 4 * tags.length))
    expect(parsed(vlan(tags, ethernet(UDP6)))).toEqual(shifted(VIEW6, 4 * tags.length))
    expect(parsed(vlan(tags, pppoe(UDP4)))).toEqual(shifted(VIEW4, 4 * tags.length + 8))
  })

  test.each([[[16]], [[0xf_ffff, 0]], [[1, 2, 3, 4, 5]]])(
    'reads behind MPLS labels %j',
    (labels) => {
      expect(parsed(mpls(labels, UDP4))).toEqual(shifted(VIEW4, 4 * labels.length))
      expect(parsed(mpls(labels, UDP6))).toEqual(shifted(VIEW6, 4 * labels.length))
      expect(parsed(vlan([9], mpls(labels, UDP4)))).toEqual(shifted(VIEW4, 4 * labels.length + 4))
    },
  )

  test('takes what lies behind MPLS labels for IP only by its version', () => {
    expect(parsed(mpls([16], hex`00000000 01020304`))).toEqual({ etherType: 0x8847, ipVersion: 0 })
    expect(parsed(mpls([16], Buffer.alloc(0)))).toBe('mpls-truncated')
  })

  test('reads behind PPPoE, whole and compressed protocol field, either version', () => {
    expect(parsed(pppoe(UDP4))).toEqual(shifted(VIEW4, 8))
    expect(parsed(pppoe(UDP6))).toEqual(shifted(VIEW6, 8))
    const whole = pppoe(UDP4)
    const compressed = Buffer.concat([whole.subarray(0, 20), whole.subarray(21)])
    expect(parsed(compressed)).toEqual(shifted(VIEW4, 7))
    const control = pppoe(UDP4)
    control.writeUInt16BE(0xc021, 20)
    expect(parsed(control)).toEqual({ etherType: 0x8864, ipVersion: 0 })
  })

  test('reads behind 802.2 SNAP, tagged or not', () => {
    expect(parsed(snap(UDP4))).toEqual(shifted(VIEW4, 8))
    expect(parsed(snap(UDP6))).toEqual(shifted(VIEW6, 8))
    expect(parsed(vlan([7], snap(UDP6)))).toEqual(shifted(VIEW6, 12))
  })

  test.each([
    { name: 'ARP', type: 0x0806 },
    { name: 'LLDP', type: 0x88cc },
    { name: 'an 802.3 length', type: 38 },
    { name: 'PPPoE discovery', type: 0x8863 },
    { name: 'the largest type', type: 0xffff },
  ])('finds no IP in $name, and no fault', ({ type }) => {
    expect(parsed(ethernet(UDP4, { type }))).toEqual({ etherType: type, ipVersion: 0 })
    expect(parsed(vlan([7], ethernet(UDP4, { type })))).toEqual({ etherType: type, ipVersion: 0 })
  })
})

describe('parseFrame on other link types', () => {
  const sll = (type: string) => hex`0000 0001 0006 0200000000aa 0000 ${type}`
  const sll2 = (type: string) => hex`${type} 0000 00000002 0001 00 06 0200000000aa 0000`

  test.each([
    { name: 'raw IP (101)', linkType: 101, head: hex``, head6: hex`` },
    { name: 'raw IP as BSD numbers it (12)', linkType: 12, head: hex``, head6: hex`` },
    { name: 'raw IP as OpenBSD numbers it (14)', linkType: 14, head: hex``, head6: hex`` },
    { name: 'IPv4 and IPv6 (228, 229)', linkType: 228, head: hex``, head6: hex`` },
    { name: 'IPv6 (229)', linkType: 229, head: hex``, head6: hex`` },
    { name: 'cooked (113)', linkType: 113, head: sll('0800'), head6: sll('86dd') },
    { name: 'cooked, version 2 (276)', linkType: 276, head: sll2('0800'), head6: sll2('86dd') },
    { name: 'NULL, little endian', linkType: 0, head: hex`02000000`, head6: hex`1e000000` },
    { name: 'NULL, big endian', linkType: 0, head: hex`00000002`, head6: hex`0000001c` },
    { name: 'NULL from NetBSD', linkType: 0, head: hex`02000000`, head6: hex`18000000` },
    { name: 'NULL from Linux', linkType: 0, head: hex`02000000`, head6: hex`0a000000` },
    { name: 'LOOP', linkType: 108, head: hex`00000002`, head6: hex`00000018` },
  ])('reads $name', ({ linkType, head, head6 }) => {
    const view = shifted(VIEW4, head.length - 14)
    const view6 = shifted(VIEW6, head6.length - 14)
    expect(parsed(Buffer.concat([head, UDP4]), linkType)).toEqual(view)
    expect(parsed(Buffer.concat([head6, UDP6]), linkType)).toEqual(view6)
    for (let length = 0; length < Math.max(head.length, 1); length++) {
      expect(parsed(head.subarray(0, length), linkType), `length ${length}`).toBe('link-truncated')
    }
  })

  test('reads tags and labels behind cooked headers', () => {
    const tagged = Buffer.concat([sll('8100'), hex`0007 0800`, UDP4])
    expect(parsed(tagged, 113)).toEqual(shifted(VIEW4, 6))
    const labelled = Buffer.concat([sll2('8847'), hex`00010140`, UDP6])
    expect(parsed(labelled, 276)).toEqual(shifted(VIEW6, 10))
  })

  test.each([
    { name: 'an unknown address family', linkType: 0, bytes: hex`07000000 45000014` },
    { name: 'ARP in a cooked header', linkType: 113, bytes: sll('0806') },
    { name: 'raw IP of version 5', linkType: 101, bytes: hex`55000014` },
  ])('finds no IP in $name, and no fault', ({ linkType, bytes }) => {
    expect(parsed(bytes, linkType)).toMatchObject({ ipVersion: 0 })
  })

  test.each([6, 105, 127, 147, 239, -1, 65_536])('refuses link type %i', (linkType) => {
    expect(parsed(ethernet(UDP4), linkType)).toBe('link-type')
  })
})

describe('parseFrame on IPv4', () => {
  test.each([
    { name: 'version 6 under the type of IPv4', at: 0, octet: 0x65, fault: 'ip-version' },
    { name: 'version 0', at: 0, octet: 0x05, fault: 'ip-version' },
    { name: 'a header of four words', at: 0, octet: 0x44, fault: 'ipv4-header-length' },
    { name: 'a header of no words', at: 0, octet: 0x40, fault: 'ipv4-header-length' },
    { name: 'a total length below the header', at: 3, octet: 19, fault: 'ipv4-total-length' },
    { name: 'a header longer than the total', at: 0, octet: 0x4f, fault: 'ipv4-total-length' },
  ])('refuses $name', ({ at, octet, fault }) => {
    const frame = ethernet(UDP4)
    frame[14 + at] = octet
    expect(parsed(frame)).toBe(fault)
  })

  test('takes the length of the frame where the header says 0', () => {
    const frame = ethernet(TCP4)
    frame.writeUInt16BE(0, 16)
    expect(parsed(frame)).toMatchObject({ ipLength: 64, srcPort: 65_535, tcpFlags: 0x12 })
    expect(parsed(frame, 1, 9014)).toMatchObject({ ipLength: 9000 })
  })

  test('keeps the length the header promises where the frame was cut', () => {
    const frame = ethernet(udp4({ ...HOSTS, ...PORTS, payload: Buffer.alloc(8000) }))
    expect(parsed(frame.subarray(0, 64), 1, 64)).toEqual({ ...VIEW4, ipLength: 8028 })
  })

  test('reads the ports of the first fragment alone', () => {
    const packet = udp4({ ...HOSTS, ...PORTS, id: 0xbeef, payload: Buffer.alloc(4000, 0xff) })
    const views = fragments4(packet, 1500).map((fragment) => parsed(ethernet(fragment)))
    const fragmentId = 0xbeef
    const later = { srcPort: 0, dstPort: 0, transportAt: ABSENT, fragment: FRAGMENT_LATER }
    expect(views).toEqual([
      { ...VIEW4, ipLength: 1500, fragment: FRAGMENT_FIRST, fragmentId },
      { ...VIEW4, ipLength: 1500, ...later, fragmentId },
      { ...VIEW4, ipLength: 4028 - 2960, ...later, fragmentId },
    ])
  })

  test('sees a fragment in either half of the offset', () => {
    for (const fragmentOffset of [8, 256 * 8, 8191 * 8]) {
      const frame = ethernet(ip4({ ...HOSTS, protocol: 17, fragmentOffset, payload: PAYLOAD }))
      expect(parsed(frame)).toMatchObject({ fragment: FRAGMENT_LATER, srcPort: 0 })
    }
    const whole = ethernet(udp4({ ...HOSTS, ...PORTS, dontFragment: true, id: 1 }))
    expect(parsed(whole)).toMatchObject({ fragment: FRAGMENT_NONE, srcPort: 65_535 })
  })
})

describe('parseFrame on IPv6', () => {
  test('refuses another version', () => {
    const frame = ethernet(UDP6)
    frame[14] = 0x45
    expect(parsed(frame)).toBe('ip-version')
  })

  test('takes the length of the frame where the header says 0 (jumbogram)', () => {
    const frame = ethernet(UDP6)
    frame.writeUInt16BE(0, 18)
    expect(parsed(frame)).toEqual(VIEW6)
    expect(parsed(frame, 1, 70_014)).toMatchObject({ ipLength: 70_000 })
  })

  test('takes a length of 0 without a next header for what it is, and the rest for padding', () => {
    const frame = ethernet(UDP6)
    frame.writeUInt16BE(0, 18)
    frame[20] = 59
    expect(parsed(frame)).toMatchObject({ ipLength: 40, protocol: 59 })
  })

  test.each([
    { name: 'hop-by-hop options', chain: [paddedExtension(0)] },
    { name: 'a routing header', chain: [paddedExtension(43)] },
    { name: 'destination options', chain: [paddedExtension(60)] },
    { name: 'the longest header there is', chain: [paddedExtension(60, 32)] },
    {
      name: 'all of them, destination options twice',
      chain: [paddedExtension(0), paddedExtension(60), paddedExtension(43, 3), paddedExtension(60)],
    },
  ])('walks over $name', ({ chain }) => {
    const length = chain.reduce((sum, extension) => sum + 1 + extension.rest.length, 0)
    const packet = udp6({ ...HOSTS6, ...PORTS, payload: PAYLOAD, extensions: chain })
    expect(parsed(ethernet(packet))).toEqual({
      ...VIEW6,
      ipLength: 72 + length,
      transportAt: 54 + length,
    })
  })

  test.each([51, 50, 59, 135, 139, 140, 4, 41])('takes header %i for the protocol', (protocol) => {
    const packet = ip6({
      ...HOSTS6,
      protocol,
      payload: PAYLOAD,
      extensions: [paddedExtension(0)],
    })
    expect(parsed(ethernet(packet))).toMatchObject({ protocol, srcPort: 0, transportAt: 62 })
  })

  test('reads the ports of the first fragment alone', () => {
    const packet = udp6({ ...HOSTS6, ...PORTS, payload: Buffer.alloc(3000, 0xff) })
    const views = fragments6(packet, 1280, 0xfeed_beef).map((part) => parsed(ethernet(part)))
    const fragmentId = 0xfeed_beef
    const later = { srcPort: 0, dstPort: 0, transportAt: ABSENT, fragment: FRAGMENT_LATER }
    expect(views).toEqual([
      { ...VIEW6, ipLength: 1280, transportAt: 62, fragment: FRAGMENT_FIRST, fragmentId },
      { ...VIEW6, ipLength: 1280, ...later, fragmentId },
      { ...VIEW6, ipLength: 48 + 3008 - 2 * 1232, ...later, fragmentId },
    ])
  })

  test('takes a fragment header that fragments nothing for a whole packet (RFC 6946)', () => {
    const atomic = { header: 44, rest: hex`00 0000 deadbeef` }
    const packet = udp6({ ...HOSTS6, ...PORTS, payload: PAYLOAD, extensions: [atomic] })
    expect(parsed(ethernet(packet))).toEqual({ ...VIEW6, ipLength: 80, transportAt: 62 })
  })

  test('does not walk on behind the header of a later fragment', () => {
    const later = { header: 44, rest: hex`00 0008 deadbeef` }
    const chain = [later, paddedExtension(60)]
    const packet = udp6({ ...HOSTS6, ...PORTS, extensions: chain })
    expect(parsed(ethernet(packet))).toMatchObject({
      protocol: 60,
      fragment: FRAGMENT_LATER,
      transportAt: ABSENT,
    })
  })

  test('bounds the number of extension headers, not below sixteen', () => {
    const chain = (count: number) => Array.from({ length: count }, () => paddedExtension(60))
    const frame = (count: number) =>
      ethernet(udp6({ ...HOSTS6, ...PORTS, extensions: chain(count) }))
    expect(parsed(frame(16))).toMatchObject({ protocol: 17, dstPort: 53 })
    expect(parsed(frame(100))).toBe('ipv6-extension-count')
  })
})

describe('parseFrame on frames cut short', () => {
  const kinds: { name: string; frame: Buffer; needs?: number }[] = [
    { name: 'UDP over IPv4', frame: ethernet(UDP4) },
    { name: 'TCP over IPv4', frame: ethernet(TCP4) },
    { name: 'UDP over IPv6', frame: ethernet(UDP6) },
    { name: 'TCP over IPv6 behind two tags', frame: vlan([1, 2], ethernet(TCP6)) },
    { name: 'TCP over IPv4 behind three labels', frame: mpls([1, 2, 3], TCP4) },
    { name: 'UDP over IPv6 in PPPoE', frame: pppoe(UDP6) },
    { name: 'UDP over IPv4 behind SNAP', frame: snap(UDP4) },
    {
      name: 'IPv4 options',
      frame: ethernet(tcp4({ ...HOSTS, ...PORTS, options: Buffer.alloc(40, 1) })),
    },
    {
      name: 'IPv6 extension headers',
      frame: ethernet(
        tcp6({ ...HOSTS6, ...PORTS, extensions: [paddedExtension(0), paddedExtension(43, 2)] }),
      ),
      // The first byte of the last extension header names the protocol.
      needs: 54 + 8 + 1,
    },
    { name: 'a first fragment', frame: ethernet(fragments6(UDP6, 72, 7)[0]!), needs: 62 },
    { name: 'a later fragment', frame: ethernet(fragments6(UDP6, 72, 7)[1]!), needs: 62 },
  ]

  test.each(kinds)('says what is left at every length: $name', ({ frame, needs }) => {
    const whole = parsed(frame) as FrameView
    const at = whole.transportAt!
    const headersEnd = needs ?? whole.ipAt! + (whole.ipVersion === 4 ? 20 : 40)
    for (let length = 0; length < frame.length; length++) {
      const label = `length ${length}`
      const view = parsed(frame.subarray(0, length), 1, frame.length)
      // SNAP cut off cannot be told from another 802.3 payload.
      if (typeof view === 'object' && view.ipVersion === 0) {
        expect(length, label).toBeLessThan(whole.ipAt!)
      } else if (length < headersEnd) {
        expect(view, label).toMatch(/truncated$/)
      } else {
        expect(view, label).toEqual({
          ...whole,
          transportAt: length < at ? ABSENT : at,
          srcPort: at !== ABSENT && length >= at + 4 ? whole.srcPort : 0,
          dstPort: at !== ABSENT && length >= at + 4 ? whole.dstPort : 0,
          tcpFlags: at !== ABSENT && length >= at + 14 ? whole.tcpFlags : 0,
        })
      }
    }
  })

  test.each(kinds)('never shows the frame before: $name', ({ frame }) => {
    const out = new Frame()
    const before = vlan([3], ethernet(tcp6({ ...HOSTS6, sport: 4242, dport: 2424, flags: 0x3f })))
    for (let length = 0; length <= frame.length; length++) {
      expect(parseFrame(before, 0, before.length, 1, before.length, out)).toBeUndefined()
      const fault = parseFrame(frame, 0, length, 1, length, out)
      expect([out.bytes, out.start, out.end, out.originalLength]).toEqual([
        frame,
        0,
        length,
        length,
      ])
      if (fault !== undefined) expect(out.ipVersion).toBe(0)
      else expect(viewOf(out), `length ${length}`).toEqual(parsed(frame.subarray(0, length)))
    }
  })
})

describe('parseFrame on any bytes', () => {
  const frames = [
    ethernet(UDP4),
    ethernet(TCP6),
    vlan([1, { vlan: 2, type: 0x88a8 }], ethernet(TCP4)),
    mpls([1, 2], UDP6),
    pppoe(TCP4),
    snap(UDP4),
    ethernet(fragments4(UDP4, 44)[1]!),
    ethernet(fragments6(TCP6, 72, 1)[0]!),
    ethernet(udp4({ ...HOSTS, ...PORTS, options: Buffer.alloc(24, 1) })),
    ethernet(udp6({ ...HOSTS6, ...PORTS, extensions: [paddedExtension(0), paddedExtension(60)] })),
  ]
  const linkTypes = [1, 1, 1, 1, 0, 12, 101, 108, 113, 228, 229, 276]

  test.each([1, 2, 3, 4])('keeps every position inside the frame, seed %i', (seed) => {
    const random = new Random(seed)
    const out = new Frame()
    let faults = 0
    for (let run = 0; run < 20_000; run++) {
      const start = random.below(20)
      const bytes = Buffer.concat([random.bytes(start), random.pick(frames), random.bytes(8)])
      for (let flips = random.below(6); flips > 0; flips--) {
        bytes[start + random.below(bytes.length - start)]! ^= 1 << random.below(8)
      }
      const cut = random.below(3) === 0 ? random.below(bytes.length - start) : 0
      const end = bytes.length - cut
      const linkType = random.pick(linkTypes)
      if (parseFrame(bytes, start, end, linkType, end - start, out) !== undefined) {
        faults++
        expect(out.ipVersion).toBe(0)
        continue
      }
      if (out.ipVersion === 0) continue
      const width = out.ipVersion === 4 ? 4 : 16
      const inside =
        out.ipAt >= start &&
        out.srcAt > out.ipAt &&
        out.dstAt === out.srcAt + width &&
        out.dstAt + width <= end &&
        (out.transportAt === ABSENT ||
          (out.transportAt >= out.dstAt + width && out.transportAt <= end))
      expect(inside, `run ${run}: ${bytes.toString('hex')} [${start}, ${end}) ${linkType}`).toBe(
        true,
      )
      expect(out.ipLength).toBeGreaterThanOrEqual(20)
      if (out.fragment === FRAGMENT_LATER) expect(out.transportAt).toBe(ABSENT)
    }
    expect(faults).toBeGreaterThan(1000)
  })

  test.each([5, 6])('reads nothing outside the frame, seed %i', (seed) => {
    const random = new Random(seed)
    const [one, other] = [new Frame(), new Frame()]
    for (let run = 0; run < 5000; run++) {
      const frame = Buffer.from(random.pick(frames))
      frame[random.below(frame.length)]! ^= 1 << random.below(8)
      const end = random.below(frame.length + 1)
      const linkType = random.pick(linkTypes)
      const zeros = Buffer.alloc(300)
      const ones = Buffer.alloc(300, 0xff)
      frame.copy(zeros, 100, 0, end)
      frame.copy(ones, 100, 0, end)
      const fault = parseFrame(zeros, 100, 100 + end, linkType, end, one)
      expect(parseFrame(ones, 100, 100 + end, linkType, end, other)).toBe(fault)
      if (fault === undefined) expect(viewOf(other)).toEqual(viewOf(one))
    }
  })
})

describe('Frame.wireLength', () => {
  test.each([
    { name: 'the captured length of a whole frame', cut: 0, original: 66, expected: 66 },
    { name: 'what the IP header promises of a cut frame', cut: 26, original: 40, expected: 66 },
    { name: 'what the capture file says when that is more', cut: 26, original: 70, expected: 70 },
  ])('is $name', ({ cut, original, expected }) => {
    const frame = new Frame()
    const bytes = ethernet(UDP4)
    parseFrame(bytes, 0, bytes.length - cut, 1, original, frame)
    expect(frame.wireLength()).toBe(expected)
  })

  test('is the captured length of a frame without IP', () => {
    const frame = new Frame()
    parseFrame(ethernet(UDP4), 0, 66, 1, 66, frame)
    const arp = ethernet(Buffer.alloc(28), { type: 0x0806 })
    parseFrame(arp, 0, arp.length, 1, 60, frame)
    expect(frame.wireLength()).toBe(60)
  })
})
