import { describe, expect, test } from 'vitest'
import { LINKTYPE_ETHERNET, LINKTYPE_LINUX_SLL, LINKTYPE_RAW } from '../../src/wire/link-type.js'
import {
  ethernet,
  geneve,
  gwlbGeneve,
  mirrored,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
  vxlan,
} from '../support/frames.js'
import { hex } from '../support/hex.js'
import { Random } from '../support/random.js'
import { datagramOf, packetOf } from './datagrams.js'
import { DemuxRun } from './demux-run.js'

const FRAME = ethernet(
  tcp4({ src: '10.9.0.1', dst: '192.0.2.1', sport: 1000, dport: 443, payload: Buffer.alloc(40) }),
)
const FRAME_6 = ethernet(tcp6({ src: '2001:db8::1', dst: '2001:db8::2', sport: 1, dport: 2 }))
const OUTER = { source: '10.0.0.1', target: '10.0.0.99' }
const GWLB = { ...OUTER, balancer: '10.0.1.1', appliance: '10.0.1.2' }

/** UDP from 10.0.0.1 to the VXLAN port of a target. */
function toTarget(payload: Buffer, dport = 4789): Buffer {
  return udp4({ src: OUTER.source, dst: OUTER.target, sport: 65_000, dport, payload })
}

describe('Demux.acceptVxlan', () => {
  test('hands the frame to the session of source and VNI, with time and length', () => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME), { seconds: 17, nanoseconds: 5 }))
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME), { source: '2001:db8::7' }))
    run.demux.acceptVxlan(datagramOf(vxlan(0xff_ffff, FRAME_6)))
    expect(run.delivered[0]).toEqual({
      session: 'vni-7_10.0.0.1',
      frame: FRAME,
      originalLength: FRAME.length,
      linkType: LINKTYPE_ETHERNET,
      seconds: 17,
      nanoseconds: 5,
    })
    expect(run.delivered.map(({ session }) => session)).toEqual([
      'vni-7_10.0.0.1',
      'vni-7_2001:db8::7',
      'vni-16777215_10.0.0.1',
    ])
    run.tracker.countQueued()
    expect(run.tracker.table.count).toBe(3)
    expect(run.wrongSums()).toEqual([])
  })

  test('counts a session by direction, and the ports that it comes from', () => {
    const run = new DemuxRun()
    const ends = { src: '10.0.0.1', dst: '192.0.2.1', sport: 1000, dport: 443 }
    const back = { src: '192.0.2.1', dst: '10.0.0.1', sport: 443, dport: 1000 }
    for (let packet = 0; packet < 9; packet++) {
      const sourcePort = 65_408 + (packet % 3)
      run.demux.acceptVxlan({ ...datagramOf(vxlan(7, ethernet(tcp4(ends)))), sourcePort })
    }
    run.demux.acceptVxlan({ ...datagramOf(vxlan(7, ethernet(tcp4(back)))), sourcePort: 65_408 })
    const [session] = run.sessions.values()
    const length = ethernet(tcp4(ends)).length
    expect(session!.report()).toMatchObject({
      egressPackets: 9,
      egressBytes: 9 * length,
      ingressPackets: 1,
      ingressBytes: length,
      outerPorts: 3,
    })
  })

  test.each([
    { what: 'I flag missing', datagram: hex`00000000 00000700`, fault: 'vxlan-no-vni' },
    { what: 'nothing at all', datagram: Buffer.alloc(0), fault: 'vxlan-truncated' },
    { what: 'seven bytes', datagram: hex`08000000 000007`, fault: 'vxlan-truncated' },
  ] as const)('counts as malformed: $what', ({ datagram, fault }) => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(datagram))
    expect(run.ledger.malformed[fault]).toBe(1)
    expect(run.sessions.size).toBe(0)
    expect(run.wrongSums()).toEqual([])
  })

  test('opens a session for a malformed frame, and captures it', () => {
    const run = new DemuxRun()
    for (const length of [0, 13, 33]) {
      run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME.subarray(0, length))))
    }
    expect(run.ledger.malformed).toMatchObject({ 'link-truncated': 2, 'ipv4-truncated': 1 })
    expect(run.delivered.map(({ frame }) => frame.length)).toEqual([0, 13, 33])
    expect(run.sessions.values().next().value!.report()).toMatchObject({
      received: 3,
      accepted: 0,
      malformed: 3,
      captured: 3,
    })
    expect(run.wrongSums()).toEqual([])
  })

  test.each([
    { what: 'none', datagram: hex`08000000 00000700`, reserved: 0 },
    { what: 'a flag', datagram: hex`88000000 00000700`, reserved: 1 },
    { what: 'the group policy', datagram: hex`08000bad 00000700`, reserved: 1 },
    { what: 'the last byte', datagram: hex`08000000 000007ff`, reserved: 1 },
  ])('takes reserved bits and counts them: $what', ({ datagram, reserved }) => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(Buffer.concat([datagram, FRAME])))
    expect(run.ledger.reservedBits).toBe(reserved)
    expect(run.delivered.map(({ session }) => session)).toEqual(['vni-7_10.0.0.1'])
  })

  test('counts datagrams that the receiver cut, and goes on with them', () => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME.subarray(0, 60)), { cut: true }))
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME)))
    expect(run.ledger.cutDatagrams).toBe(1)
    // The inner header says how long it was.
    expect(run.delivered.map(({ originalLength }) => originalLength)).toEqual([
      FRAME.length,
      FRAME.length,
    ])
    expect(run.sessions.values().next().value!.report()).toMatchObject({
      cut: 1,
      bytes: 2 * FRAME.length,
    })
  })

  test('takes exactly one layer off: VXLAN in VXLAN stays inside', () => {
    const inner = mirrored({ ...OUTER, vni: 9, frame: FRAME })
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(vxlan(7, inner)))
    expect(run.delivered).toMatchObject([{ session: 'vni-7_10.0.0.1', frame: inner }])
    expect(run.ledger.received).toBe(1)
  })

  test('does not track what carries no IP, and counts it as accepted', () => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(vxlan(7, ethernet(Buffer.alloc(28), { type: 0x0806 }))))
    expect(run.ledger.accepted).toBe(1)
    expect(run.sessions.values().next().value!.report()).toMatchObject({
      flowPackets: 0,
      untracked: 1,
    })
    expect(run.wrongSums()).toEqual([])
  })

  test('keeps to the VNIs asked for', () => {
    const run = new DemuxRun({ vnis: new Set([7, 9]) })
    for (const vni of [7, 8, 9, 10]) run.demux.acceptVxlan(datagramOf(vxlan(vni, FRAME)))
    expect(run.ledger).toMatchObject({ received: 4, accepted: 2, filtered: 2 })
    expect(run.delivered.map(({ session }) => session)).toEqual([
      'vni-7_10.0.0.1',
      'vni-9_10.0.0.1',
    ])
    expect(run.sessions.size).toBe(2)
  })

  test('drops sessions that nobody announced, where that is asked for', () => {
    const run = new DemuxRun({ unknownSessions: 'drop' })
    run.sessions.open(datagramOf(Buffer.alloc(0)), 7)
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME)))
    run.demux.acceptVxlan(datagramOf(vxlan(8, FRAME)))
    run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME), { source: '10.0.0.2' }))
    expect(run.ledger).toMatchObject({ received: 3, accepted: 1, unknownSession: 2 })
    expect(run.sessions.size).toBe(1)
    expect(run.wrongSums()).toEqual([])
  })

  test('tells sessions by VNI alone, where that is asked for', () => {
    const run = new DemuxRun({ key: 'vni' })
    for (const source of ['10.0.0.1', '10.0.0.2', '2001:db8::7']) {
      run.demux.acceptVxlan(datagramOf(vxlan(7, FRAME), { source }))
    }
    expect(new Set(run.delivered.map(({ session }) => session))).toEqual(new Set(['vni-7_any']))
    run.tracker.countQueued()
    expect(run.tracker.table.count).toBe(1)
  })
})

describe('Demux.acceptGeneve', () => {
  /** The datagram inside a frame made by gwlbGeneve: behind Ethernet, IPv4 and UDP. */
  const inside = (frame: Buffer) => frame.subarray(14 + 20 + 8)

  test('looks for the VXLAN of a Gateway Load Balancer, and names the session by who sent that', () => {
    const run = new DemuxRun()
    const datagram = inside(gwlbGeneve({ ...GWLB, vni: 7, frame: FRAME }))
    run.demux.acceptGeneve(datagramOf(datagram, { source: GWLB.balancer, nanoseconds: 3 }))
    expect(run.delivered).toEqual([
      {
        session: 'vni-7_10.0.0.1',
        frame: FRAME,
        originalLength: FRAME.length,
        linkType: LINKTYPE_ETHERNET,
        seconds: 1_700_000_000,
        nanoseconds: 3,
      },
    ])
    expect(run.wrongSums()).toEqual([])
  })

  test('the same with IPv6 inside', () => {
    const run = new DemuxRun()
    const middle = udp6({
      src: '2001:db8::aa',
      dst: '2001:db8::bb',
      sport: 1,
      dport: 4789,
      payload: vxlan(7, FRAME_6),
    })
    run.demux.acceptGeneve(datagramOf(geneve(middle)))
    expect(run.delivered).toMatchObject([{ session: 'vni-7_2001:db8::aa', frame: FRAME_6 }])
  })

  test.each([
    {
      what: 'a bare IPv4 packet',
      payload: FRAME.subarray(14),
      linkType: LINKTYPE_RAW,
      options: {},
    },
    {
      what: 'a bare IPv6 packet',
      payload: FRAME_6.subarray(14),
      linkType: LINKTYPE_RAW,
      options: {},
    },
    {
      what: 'an Ethernet frame',
      payload: FRAME,
      linkType: LINKTYPE_ETHERNET,
      options: { protocol: 0x6558 },
    },
    {
      what: 'an Ethernet frame with VXLAN in it, which stays',
      payload: mirrored({ ...OUTER, vni: 9, frame: FRAME }),
      linkType: LINKTYPE_ETHERNET,
      options: { protocol: 0x6558 },
    },
    {
      what: 'UDP to another port',
      payload: toTarget(vxlan(9, FRAME), 4790),
      linkType: LINKTYPE_RAW,
      options: {},
    },
  ])('GENEVE alone: $what is a frame of the session of the outer source', (of) => {
    const run = new DemuxRun()
    const datagram = geneve(of.payload, { vni: 5, ...of.options })
    run.demux.acceptGeneve(datagramOf(datagram, { source: GWLB.balancer }))
    expect(run.delivered).toMatchObject([
      {
        session: 'vni-5_10.0.1.1',
        frame: of.payload,
        originalLength: of.payload.length,
        linkType: of.linkType,
      },
    ])
    run.tracker.countQueued()
    expect(run.tracker.table.count).toBe(1)
    expect(run.wrongSums()).toEqual([])
  })

  test('takes one layer off: of VXLAN in GENEVE in VXLAN the first', () => {
    const run = new DemuxRun()
    const inner = mirrored({ ...OUTER, vni: 9, frame: FRAME })
    run.demux.acceptGeneve(datagramOf(inside(gwlbGeneve({ ...GWLB, vni: 7, frame: inner }))))
    expect(run.delivered).toMatchObject([{ session: 'vni-7_10.0.0.1', frame: inner }])
  })

  test.each([
    { what: 'nothing', datagram: Buffer.alloc(0), fault: 'geneve-truncated' },
    {
      what: 'options that go on behind the end',
      datagram: geneve(FRAME).subarray(0, 30),
      fault: 'geneve-truncated',
    },
    { what: 'version 1', datagram: hex`40000800 00000500`, fault: 'geneve-version' },
    { what: 'ARP', datagram: geneve(FRAME, { protocol: 0x0806 }), fault: 'geneve-protocol' },
    {
      what: 'UDP to the VXLAN port with seven bytes in it',
      datagram: geneve(toTarget(Buffer.alloc(7))),
      fault: 'vxlan-truncated',
    },
    {
      what: 'UDP to the VXLAN port, cut within its header',
      datagram: geneve(toTarget(vxlan(7, FRAME)).subarray(0, 26)),
      fault: 'vxlan-truncated',
    },
    {
      what: 'UDP to the VXLAN port without a VNI',
      datagram: geneve(toTarget(hex`00000000 00000700`)),
      fault: 'vxlan-no-vni',
    },
  ] as const)('counts as malformed: $what', ({ datagram, fault }) => {
    const run = new DemuxRun()
    run.demux.acceptGeneve(datagramOf(datagram))
    expect(run.ledger.malformed).toMatchObject({ [fault]: 1 })
    expect(run.ledger.malformedTotal).toBe(1)
    expect(run.sessions.size).toBe(0)
    expect(run.wrongSums()).toEqual([])
  })

  test('keeps to the VNIs asked for, of the VXLAN and not of the GENEVE header', () => {
    const run = new DemuxRun({ vnis: new Set([7]) })
    const middle = toTarget(vxlan(7, FRAME))
    run.demux.acceptGeneve(datagramOf(geneve(middle, { vni: 1 })))
    run.demux.acceptGeneve(datagramOf(geneve(toTarget(vxlan(1, FRAME)), { vni: 7 })))
    run.demux.acceptGeneve(datagramOf(geneve(FRAME.subarray(14), { vni: 7 })))
    expect(run.ledger).toMatchObject({ accepted: 2, filtered: 1 })
    expect(run.delivered.map(({ session }) => session)).toEqual([
      'vni-7_10.0.0.1',
      'vni-7_10.0.0.1',
    ])
  })
})

describe('Demux.acceptPacket', () => {
  const MIRRORED = mirrored({ ...OUTER, vni: 7, frame: FRAME })

  test.each([
    { what: 'IPv4', frame: MIRRORED, session: 'vni-7_10.0.0.1' },
    { what: 'IPv4 behind VLAN tags', frame: vlan([1, 2], MIRRORED), session: 'vni-7_10.0.0.1' },
    {
      what: 'IPv6',
      frame: ethernet(
        udp6({
          src: '2001:db8::a',
          dst: '2001:db8::b',
          sport: 1,
          dport: 4789,
          payload: vxlan(7, FRAME),
        }),
      ),
      session: 'vni-7_2001:db8::a',
    },
    {
      what: 'GENEVE',
      frame: gwlbGeneve({ ...GWLB, vni: 7, frame: FRAME }),
      session: 'vni-7_10.0.0.1',
    },
  ])('takes one mirror layer off: $what', ({ frame, session }) => {
    const run = new DemuxRun()
    run.demux.acceptPacket(packetOf(frame))
    expect(run.delivered).toMatchObject([
      { session, frame: FRAME, originalLength: FRAME.length, linkType: LINKTYPE_ETHERNET },
    ])
    expect(run.wrongSums()).toEqual([])
  })

  test('leaves what is inside a mirrored frame', () => {
    const run = new DemuxRun()
    run.demux.acceptPacket(packetOf(mirrored({ ...OUTER, vni: 3, frame: MIRRORED })))
    run.demux.acceptPacket(packetOf(gwlbGeneve({ ...GWLB, vni: 4, frame: MIRRORED })))
    expect(run.delivered).toMatchObject([
      { session: 'vni-3_10.0.0.1', frame: MIRRORED },
      { session: 'vni-4_10.0.0.1', frame: MIRRORED },
    ])
  })

  test('leaves all as it is, where that is asked for', () => {
    const run = new DemuxRun({ decap: 'none' })
    const frames = [MIRRORED, gwlbGeneve({ ...GWLB, vni: 7, frame: FRAME }), FRAME]
    for (const frame of frames) run.demux.acceptPacket(packetOf(frame))
    expect(run.delivered.map(({ session, frame }) => [session, frame])).toEqual(
      frames.map((frame) => [null, frame]),
    )
    expect(run.sessions.size).toBe(0)
    expect(run.wrongSums()).toEqual([])
  })

  test('looks at the ports it is told', () => {
    const run = new DemuxRun({ vxlanPort: 5000, genevePort: 5001 })
    run.demux.acceptPacket(packetOf(ethernet(toTarget(vxlan(7, FRAME), 5000))))
    run.demux.acceptPacket(
      packetOf(ethernet(toTarget(geneve(toTarget(vxlan(8, FRAME), 5000)), 5001))),
    )
    run.demux.acceptPacket(packetOf(MIRRORED))
    expect(run.delivered.map(({ session }) => session)).toEqual([
      'vni-7_10.0.0.1',
      'vni-8_10.0.0.1',
      null,
    ])
  })

  test.each([
    { what: 'an ordinary packet', frame: FRAME },
    {
      what: 'TCP to the VXLAN port',
      frame: ethernet(
        tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 4789, payload: vxlan(7, FRAME) }),
      ),
    },
    {
      what: 'UDP from the VXLAN port',
      frame: ethernet(
        udp4({
          src: '10.0.0.1',
          dst: '10.0.0.2',
          sport: 4789,
          dport: 53,
          payload: vxlan(7, FRAME),
        }),
      ),
    },
    {
      what: 'UDP to the VXLAN port with something else in it',
      frame: ethernet(toTarget(Buffer.alloc(100))),
    },
    {
      what: 'UDP to the VXLAN port with nothing in it',
      frame: ethernet(toTarget(Buffer.alloc(0))),
    },
    {
      what: 'UDP to the GENEVE port with something else in it',
      frame: ethernet(toTarget(Buffer.alloc(100, 0xff), 6081)),
    },
    {
      what: 'GENEVE with VXLAN that has no VNI',
      frame: ethernet(toTarget(geneve(toTarget(Buffer.alloc(8))), 6081)),
    },
    { what: 'ARP', frame: ethernet(Buffer.alloc(28), { type: 0x0806 }) },
  ])('is not mirrored: $what', ({ frame }) => {
    const run = new DemuxRun()
    run.demux.acceptPacket(packetOf(frame))
    expect(run.delivered).toMatchObject([{ session: null, frame, originalLength: frame.length }])
    expect(run.ledger).toMatchObject({ received: 1, accepted: 1 })
    expect(run.ledger.reservedBits).toBe(0)
    expect(run.wrongSums()).toEqual([])
  })

  test('takes no Ethernet padding for payload', () => {
    const run = new DemuxRun()
    const small = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
    const padded = Buffer.concat([
      mirrored({ ...OUTER, vni: 7, frame: small }),
      Buffer.alloc(20, 0xee),
    ])
    run.demux.acceptPacket(packetOf(padded))
    // A datagram that ends within the VXLAN header, with padding where the rest would be.
    const short = Buffer.concat([
      ethernet(toTarget(vxlan(8, FRAME).subarray(0, 7))),
      Buffer.alloc(40),
    ])
    run.demux.acceptPacket(packetOf(short))
    // An IP packet longer than its UDP length says.
    const tail = toTarget(Buffer.concat([vxlan(9, small), Buffer.alloc(16, 0xee)]))
    tail.writeUInt16BE(8 + 8 + small.length, 20 + 4)
    run.demux.acceptPacket(packetOf(ethernet(tail)))
    expect(run.delivered).toMatchObject([
      { session: 'vni-7_10.0.0.1', frame: small, originalLength: small.length },
      { session: null, frame: short },
      { session: 'vni-9_10.0.0.1', frame: small, originalLength: small.length },
    ])
  })

  test('goes by the IP length where the UDP length says nothing', () => {
    const run = new DemuxRun()
    const packet = toTarget(vxlan(7, FRAME))
    for (const length of [0, 7, 0xffff]) {
      packet.writeUInt16BE(length, 20 + 4)
      run.demux.acceptPacket(packetOf(Buffer.concat([ethernet(packet), Buffer.alloc(20, 0xee)])))
    }
    expect(run.delivered).toHaveLength(3)
    for (const of of run.delivered) {
      expect(of).toMatchObject({
        session: 'vni-7_10.0.0.1',
        frame: FRAME,
        originalLength: FRAME.length,
      })
    }
  })

  test('counts no bytes behind the payload to the length of a frame, through GENEVE either', () => {
    const run = new DemuxRun()
    const inner = ethernet(Buffer.alloc(50), { type: 0x88b5 })
    const tail = toTarget(Buffer.concat([vxlan(9, inner), Buffer.alloc(16, 0xee)]))
    tail.writeUInt16BE(8 + 8 + inner.length, 20 + 4)
    run.demux.acceptPacket(packetOf(ethernet(toTarget(geneve(tail), 6081))))
    run.demux.acceptGeneve(datagramOf(geneve(tail)))
    for (const of of run.delivered) {
      expect(of).toMatchObject({ frame: inner, originalLength: inner.length })
    }
    expect(run.delivered).toHaveLength(2)
  })

  test('tells the length a frame had before the file cut it', () => {
    const run = new DemuxRun()
    // No IP inside, so that nothing but the outer lengths can tell.
    const inner = ethernet(Buffer.alloc(200), { type: 0x88b5 })
    for (const lost of [0, 1, 100, 190]) {
      run.demux.acceptPacket(packetOf(mirrored({ ...OUTER, vni: 7, frame: inner }), 1, lost))
      run.demux.acceptPacket(packetOf(gwlbGeneve({ ...GWLB, vni: 8, frame: inner }), 1, lost))
    }
    for (const { originalLength } of run.delivered) expect(originalLength).toBe(inner.length)
    expect(run.delivered.map(({ frame }) => inner.length - frame.length)).toEqual([
      0, 0, 1, 1, 100, 100, 190, 190,
    ])
    expect([...run.sessions.values()].map((session) => session.counters.cut.total)).toEqual([3, 3])
  })

  test('takes the link type of the file: cooked and raw', () => {
    const run = new DemuxRun()
    const packet = MIRRORED.subarray(14)
    const cooked = Buffer.concat([hex`0000 0001 0006 020000000001 0000 0800`, packet])
    run.demux.acceptPacket(packetOf(cooked, LINKTYPE_LINUX_SLL))
    run.demux.acceptPacket(packetOf(packet, LINKTYPE_RAW))
    expect(run.delivered).toMatchObject([
      { session: 'vni-7_10.0.0.1', frame: FRAME, linkType: LINKTYPE_ETHERNET },
      { session: 'vni-7_10.0.0.1', frame: FRAME, linkType: LINKTYPE_ETHERNET },
    ])
  })

  test('keeps to the VNIs asked for: what was not mirrored has none', () => {
    const run = new DemuxRun({ vnis: new Set([7]) })
    run.demux.acceptPacket(packetOf(MIRRORED))
    run.demux.acceptPacket(packetOf(mirrored({ ...OUTER, vni: 8, frame: FRAME })))
    run.demux.acceptPacket(packetOf(FRAME))
    run.demux.acceptPacket(packetOf(FRAME.subarray(0, 5)))
    expect(run.ledger).toMatchObject({ received: 4, accepted: 1, filtered: 3 })
    expect(run.wrongSums()).toEqual([])
  })

  test('hands on whether a packet has a time', () => {
    const run = new DemuxRun()
    run.demux.acceptPacket(packetOf(MIRRORED))
    const another = mirrored({ ...OUTER, vni: 8, frame: FRAME })
    for (const frame of [MIRRORED, another, FRAME]) {
      run.demux.acceptPacket(Object.assign(packetOf(frame), { timed: false, seconds: 0 }))
    }
    // Counted as of now, not of 1970: the clock stands where it stood, and nothing is old.
    while (run.tracker.work(1000));
    run.tracker.countQueued()
    expect(run.tracker.table.count).toBe(3)
    // A packet with a time after one without is timed again.
    run.demux.acceptPacket(packetOf(MIRRORED))
    expect(run.tracker.now).toBe(1_700_000_000)
  })
})

describe('Ledger of a Demux', () => {
  const NOT_MIRRORED = [FRAME, FRAME_6, arpFrame(), FRAME.subarray(0, 20)]

  test.each(
    (['keep', 'mark', 'drop'] as const).flatMap((duplicates) =>
      [1, 2].map((seed) => ({ duplicates, seed })),
    ),
  )('adds up after every packet: duplicates $duplicates, seed $seed', ({ duplicates, seed }) => {
    const random = new Random(seed)
    const run = new DemuxRun({
      max: 3,
      maxFlows: 4,
      duplicates,
      ...(seed === 2 && { vnis: new Set([1, 2, 3]) }),
    })
    const known = new DemuxRun({ unknownSessions: 'drop', duplicates })
    known.sessions.open(datagramOf(Buffer.alloc(0)), 1)
    let fed = 0
    for (let step = 0; step < 400; step++) {
      const vni = random.below(5)
      const frame = random.pick([FRAME, FRAME, FRAME_6, arpFrame(), FRAME.subarray(0, 30)])
      const source = random.pick(['10.0.0.1', '10.0.0.2'])
      const cutTo = random.below(4) === 0 ? random.below(60) : Number.POSITIVE_INFINITY
      const arrival = { source, nanoseconds: step * 100_000 }
      for (const { demux } of [run, known]) {
        switch (random.below(4)) {
          case 0:
          case 1:
            demux.acceptVxlan(datagramOf(vxlan(vni, frame).subarray(0, cutTo), arrival))
            break
          case 2: {
            const middle = toTarget(vxlan(vni, frame))
            demux.acceptGeneve(datagramOf(geneve(middle).subarray(0, cutTo), arrival))
            break
          }
          default: {
            const outer = random.pick([
              mirrored({ ...OUTER, vni, frame }),
              gwlbGeneve({ ...GWLB, vni, frame }),
              random.pick(NOT_MIRRORED),
            ])
            demux.acceptPacket(packetOf(outer, 1, random.below(2) * random.below(outer.length)))
          }
        }
      }
      fed++
      expect([...run.wrongSums(), ...known.wrongSums()]).toEqual([])
    }
    expect([run.ledger.received, known.ledger.received]).toEqual([fed, fed])
    // Every way out was taken.
    expect(run.ledger.malformedTotal).toBeGreaterThan(0)
    expect(run.ledger.duplicate > 0).toBe(duplicates === 'drop')
    expect(run.ledger.filtered > 0).toBe(seed === 2)
    expect(known.ledger.unknownSession).toBeGreaterThan(0)
    expect(run.gone.length).toBeGreaterThan(0)
  })
})

function arpFrame(): Buffer {
  return ethernet(Buffer.alloc(28), { type: 0x0806 })
}
