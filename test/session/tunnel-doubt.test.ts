import { describe, expect, test } from 'vitest'
import { ethernet, geneve, udp4, udp6, vxlan } from '../support/frames.js'
import { hex } from '../support/hex.js'
import { datagramOf, packetOf } from './datagrams.js'
import { DemuxRun } from './demux-run.js'

const SERVER = '192.0.2.53'
const CLIENT = '192.0.2.1'

const FRAME = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
/** Of a type that nothing knows. */
const STRANGE = ethernet(Buffer.alloc(60, 1), { type: 0x6d70 })

/** An answer of a DNS server. */
function answer(id: number, name = 'www.example.com'): Buffer {
  const head = Buffer.alloc(12)
  for (const [index, word] of [id, 0x8180, 1, 1, 0, 0].entries())
    head.writeUInt16BE(word, 2 * index)
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`)
  const record = hex`00 0001 0001 c00c 0001 0001 0000012c 0004 c0000205`
  return Buffer.concat([head, Buffer.from(labels.join(''), 'latin1'), record])
}

/** With the first four bytes and the last of the VXLAN header as given. */
function vxlanHeader(word: number, tail: number, frame: Buffer): Buffer {
  const datagram = vxlan(7, frame)
  datagram.writeUInt32BE(word, 0)
  datagram[7] = tail
  return datagram
}

const toClient = (payload: Buffer, sport = 53, dport = 4789): Buffer =>
  ethernet(udp4({ src: SERVER, dst: CLIENT, sport, dport, payload }))

const fromClient = (dport = 53, sport = 4789): Buffer =>
  ethernet(udp4({ src: CLIENT, dst: SERVER, sport, dport, payload: Buffer.alloc(30, 1) }))

function sessionsOf(frames: readonly Buffer[], options = {}): (string | null)[] {
  return runOf(frames, options).delivered.map(({ session }) => session)
}

function runOf(frames: readonly Buffer[], options = {}): DemuxRun {
  const run = new DemuxRun(options)
  for (const frame of frames) run.demux.acceptPacket(packetOf(frame))
  expect(run.wrongSums()).toEqual([])
  return run
}

const MIRROR = `vni-7_${SERVER}`

describe('a datagram to the port of a tunnel in a capture file', () => {
  test('stays what it is when it is an answer of a DNS server, whatever its id and name', () => {
    const names = ['www.example.com', 'a.b', 'ab.cd.ef', 'x', 'mirror.internal', 'aaaaaaa.b']
    const frames = names.flatMap((name) =>
      Array.from({ length: 256 }, (_, high) => toClient(answer((high << 8) | 0x12, name))),
    )
    const run = runOf(frames)
    expect(run.delivered.map(({ session, frame }) => [session, frame])).toEqual(
      frames.map((frame) => [null, frame]),
    )
    // Those whose first byte has the I flag could be read as VXLAN.
    expect(run.ledger).toMatchObject({ inDoubt: names.length * 128, reservedBits: 0 })
  })

  test.each([
    { what: 'group policy bits', datagram: vxlanHeader(0x8800_0064, 0, FRAME) },
    { what: 'all flags', datagram: vxlanHeader(0xff01_d1f2, 1, FRAME) },
    { what: 'no reserved bit around an unknown type', datagram: vxlan(7, STRANGE) },
    {
      what: 'reserved bits around 802.3',
      datagram: vxlanHeader(
        0x8800_0064,
        0,
        ethernet(Buffer.concat([hex`424203`, Buffer.alloc(43)]), { type: 38 }),
      ),
    },
  ])('is unwrapped with $what', ({ datagram }) => {
    expect(sessionsOf([toClient(datagram, 50_000)])).toEqual([MIRROR])
  })

  test('is unwrapped around any frame once its session is open', () => {
    const strange = toClient(vxlanHeader(0x8800_0064, 0, STRANGE))
    const known = toClient(vxlanHeader(0x8800_0064, 0, FRAME))
    const run = runOf([strange, known, strange])
    expect(run.delivered.map(({ session }) => session)).toEqual([null, MIRROR, MIRROR])
    expect(run.ledger.inDoubt).toBe(1)
  })

  test('stays what it is when the other direction shows a client at that port', () => {
    // Each is unwrapped where nothing has shown it.
    const doubtful = [vxlan(7, STRANGE), vxlanHeader(0x0800_0000, 1, FRAME)]
    for (const payload of doubtful) {
      expect(sessionsOf([toClient(payload)])).toEqual([MIRROR])
      expect(sessionsOf([fromClient(), toClient(payload)])).toEqual([null, null])
      expect(sessionsOf([fromClient(), toClient(payload, 54)])).toEqual([null, MIRROR])
      expect(sessionsOf([fromClient(53, 4790), toClient(payload)])).toEqual([null, MIRROR])
    }
    // A faultless tunnel is one.
    expect(sessionsOf([fromClient(), toClient(vxlan(7, FRAME))])).toEqual([null, MIRROR])
  })

  test('stays what it is over IPv6 too, and to the port of GENEVE', () => {
    const [server, client] = ['2001:db8::53', '2001:db8::1']
    const dport = 6081
    const payload = geneve(STRANGE, { protocol: 0x6558 })
    const answered = ethernet(udp6({ src: server, dst: client, sport: 53, dport, payload }))
    const asked = ethernet(udp6({ src: client, dst: server, sport: dport, dport: 53 }))
    expect(sessionsOf([answered])).toEqual([`vni-0_${server}`])
    expect(sessionsOf([asked, answered])).toEqual([null, null])
    // Reserved bits of GENEVE.
    payload[7] = 0x7a
    expect(sessionsOf([answered])).toEqual([`vni-0_${server}`])
    const reserved = ethernet(udp6({ src: server, dst: client, sport: 53, dport, payload }))
    expect(sessionsOf([reserved])).toEqual([null])
    const sound = geneve(FRAME, { protocol: 0x6558 })
    sound[7] = 0x7a
    const mirror = ethernet(udp6({ src: server, dst: client, sport: 53, dport, payload: sound }))
    expect(sessionsOf([mirror])).toEqual([`vni-0_${server}`])
  })

  test('is forgotten as a client after three minutes, and when many others came since', () => {
    const payload = vxlan(7, STRANGE)
    const run = new DemuxRun()
    run.demux.acceptPacket(packetOf(fromClient()))
    for (const later of [180, 181]) {
      const packet = packetOf(toClient(payload))
      packet.seconds += later
      run.demux.acceptPacket(packet)
    }
    const others = Array.from({ length: 256 }, (_, index) => fromClient(1000 + index))
    run.demux.acceptPacket(packetOf(fromClient()))
    for (const frame of [...others, toClient(payload), toClient(payload, 1255)]) {
      run.demux.acceptPacket(packetOf(frame))
    }
    expect(
      run.delivered.flatMap(({ session }, index) => (session === null ? [] : [index])),
    ).toEqual([2, 260])
  })

  test('leaves GENEVE around it as its payload, live and from a file', () => {
    const inside = udp4({
      src: SERVER,
      dst: CLIENT,
      sport: 53,
      dport: 4789,
      payload: answer(0x812),
    })
    const file = runOf([toClient(geneve(inside), 60_000, 6081)])
    const live = new DemuxRun()
    live.demux.acceptGeneve(datagramOf(geneve(inside), { source: SERVER }))
    for (const run of [file, live]) {
      expect(run.delivered).toMatchObject([
        { session: `vni-0_${SERVER}`, frame: inside, linkType: 101, originalLength: inside.length },
      ])
      expect(run.ledger).toMatchObject({ received: 1, accepted: 1, inDoubt: 1 })
    }
  })

  test('is a tunnel for a receiver, whose port it is', () => {
    const run = new DemuxRun()
    run.demux.acceptVxlan(datagramOf(vxlanHeader(0x0812_8180, 1, STRANGE)))
    expect(run.ledger).toMatchObject({ accepted: 1, inDoubt: 0, reservedBits: 1 })
  })
})
