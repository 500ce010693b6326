import { describe, expect, test } from 'vitest'
import { Gateway } from '../../src/source/gateway.js'
import { openOuterSockets } from '../../src/source/open.js'
import type { Outlet } from '../../src/source/outlet.js'
import { Geneve, parseGeneve } from '../../src/wire/geneve.js'
import { ethernet, tcp4, tcp6, udp4, udp6, vxlan } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { hasTool, tshark } from '../support/tools.js'
import { UdpTarget } from '../support/udp-target.js'

const V4 = { source: '10.0.1.20', endpoint: '10.0.9.9' }
const V6 = { source: '2001:db8:1::20', endpoint: '2001:db8:9::9' }
const TALK = { src: '10.0.1.20', dst: '192.0.2.7', sport: 40_000, dport: 443 }

/** An outlet that keeps what it is sent, and where it lies until all is settled. */
class Shelf implements Outlet {
  sent = 0
  octets = 0
  readonly notSent = new Map<string, number>()
  readonly lost: number[] = []
  readonly kept: { memory: Buffer; start: number; end: number; copy: Buffer; flow: number }[] = []
  busy: Promise<void> | undefined
  closed = false

  send(memory: Buffer, start: number, end: number, flow: number): void {
    this.sent++
    this.octets += end - start
    this.kept.push({ memory, start, end, copy: Buffer.from(memory.subarray(start, end)), flow })
  }

  room(): Promise<void> | undefined {
    return undefined
  }

  settled(): Promise<void> | undefined {
    // What was sent is still as it was.
    for (const { memory, start, end, copy } of this.kept) {
      expect(memory.subarray(start, end).equals(copy)).toBe(true)
    }
    if (this.busy === undefined) this.kept.length = 0
    return this.busy
  }

  close(): void {
    this.closed = true
  }
}

function wrapped(options: typeof V4, frames: readonly Buffer[]): Buffer[] {
  const shelf = new Shelf()
  const gateway = new Gateway(shelf, options)
  for (const [flow, frame] of frames.entries()) {
    const datagram = Buffer.concat([Buffer.alloc(3, 0xee), vxlan(7, frame), Buffer.alloc(3, 0xee)])
    gateway.send(datagram, 3, datagram.length - 3, 0xabcd_0000 + flow, flow)
  }
  return shelf.kept.map(({ copy }) => copy)
}

describe('Gateway', () => {
  test('puts GENEVE with three options, IP and UDP in front', () => {
    const datagram = vxlan(7, ethernet(tcp4(TALK)))
    const [bytes] = wrapped(V4, [ethernet(tcp4(TALK))])
    const header = new Geneve()
    expect(parseGeneve(bytes!, 0, bytes!.length, header)).toBeUndefined()
    expect(header).toMatchObject({
      vni: 0,
      protocol: 0x0800,
      payloadAt: 40,
      critical: false,
      hasEndpointId: true,
      hasAttachmentId: true,
      hasFlowCookie: true,
      flowCookie: 0xabcd_0000,
    })
    expect(bytes!.subarray(40)).toEqual(
      udp4({
        src: V4.source,
        dst: V4.endpoint,
        sport: 0xff80,
        dport: 4789,
        payload: datagram,
        ttl: 255,
        checksum: false,
      }),
    )
    expect(bytes!.length - datagram.length).toBe(68)
  })

  test('wraps in IPv6, with the checksum it requires', () => {
    const datagram = vxlan(7, ethernet(tcp6({ ...TALK, src: 'fd00::1', dst: 'fd00::2' })))
    const [bytes] = wrapped(V6, [ethernet(tcp6({ ...TALK, src: 'fd00::1', dst: 'fd00::2' }))])
    const expected = udp6({
      ...{ src: V6.source, dst: V6.endpoint, sport: 0xff80, dport: 4789 },
      payload: datagram,
      hopLimit: 255,
    })
    expect(bytes!.readUInt16BE(2)).toBe(0x86dd)
    expect(bytes!.subarray(40)).toEqual(expected)
  })

  test('gives each flow its port and its cookie', () => {
    const frames = Array.from({ length: 300 }, () => ethernet(udp4({ ...TALK })))
    for (const [flow, bytes] of wrapped(V4, frames).entries()) {
      expect(bytes.readUInt32BE(36)).toBe(0xabcd_0000 + flow)
      expect(bytes.readUInt16BE(60)).toBe(0xff80 + (flow % 128))
    }
  })

  test('keeps what it sends as it is until it is settled (seed 1)', async () => {
    const random = new Random(1)
    const shelf = new Shelf()
    const gateway = new Gateway(shelf, V4)
    let waited = 0
    for (let count = 0; count < 2000; count++) {
      if (random.below(50) === 0) {
        shelf.busy = random.below(2) === 0 ? undefined : Promise.resolve()
      }
      const room = gateway.room()
      if (room !== undefined) {
        waited++
        await room
        shelf.kept.length = 0
      }
      const payload = Buffer.alloc(random.pick([random.below(2000), 65_507 - 68]), count)
      gateway.send(payload, 0, payload.length, count, count)
    }
    await gateway.settled()
    expect(waited).toBeGreaterThan(3)
    expect(gateway.sent).toBe(2000)
  })

  test('counts what is too long once wrapped, and closes what it stands before', async () => {
    const target = await UdpTarget.open()
    const sockets = await openOuterSockets('127.0.0.1', target.port)
    const gateway = new Gateway(sockets, V4)
    for (const length of [65_507 - 68, 65_507 - 67, 65_507, 200_000]) {
      gateway.send(Buffer.alloc(length), 0, length, 1, length)
    }
    await gateway.settled()
    gateway.close()
    await target.close()
    expect([gateway.sent, gateway.octets, ...gateway.notSent]).toEqual([1, 65_507, ['EMSGSIZE', 3]])
    expect(gateway.lost).toEqual([65_507 - 67, 65_507, 200_000])
    const shelf = new Shelf()
    new Gateway(shelf, V4).close()
    expect(shelf.closed).toBe(true)
  })

  test.skipIf(!hasTool('tshark'))('is what tshark takes it for (needs tshark)', () => {
    const frame = ethernet(tcp4({ ...TALK, payload: Buffer.from('GET / HTTP/1.1\r\n') }))
    for (const [options, field] of [
      [V4, 'ip.src'],
      [V6, 'ipv6.src'],
    ] as const) {
      const [bytes] = wrapped(options, [frame])
      const outer = udp4({
        src: '10.9.9.1',
        dst: '10.9.9.2',
        sport: 60_000,
        dport: 6081,
        payload: bytes!,
      })
      const lines = tshark(pcapFile([{ frame: ethernet(outer) }]), [
        ...['-d', 'udp.port==4789,vxlan', '-o', 'udp.check_checksum:TRUE', '-T', 'fields'],
        ...['-e', 'frame.protocols', '-e', 'vxlan.vni', '-e', 'tcp.dstport', '-e', field],
        ...['-e', 'geneve.option.class', '-e', '_ws.expert.message'],
      ])
      const ip = options === V4 ? 'ip' : 'ipv6'
      const [protocols, vni, port, sources, classes, expert] = lines[0]!.split('\t')
      expect(protocols).toMatch(
        new RegExp(`^eth:ethertype:ip:udp:geneve:${ip}:udp:vxlan:eth:ethertype:ip:tcp`),
      )
      expect([vni, port]).toEqual(['7', '443'])
      expect(sources!.split(',')).toContain(options.source)
      expect(new Set(classes!.split(',').map(Number))).toEqual(new Set([0x0108]))
      expect(expert).not.toMatch(/[Cc]hecksum|malformed/)
    }
  })
})
