import { OperatorError } from '../../src/errors.js'
import { Offline } from '../../src/offline/offline.js'
import { isReadableLinkType } from '../../src/wire/link-type.js'
import type { Packet } from '../../src/wire/packet.js'
import { captureFiles } from '../support/captures.js'
import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  icmp6,
  ip4,
  ip6,
  MAC_A,
  MAC_B,
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
import type { Shot } from '../support/pcap-file.js'

const A = '10.0.0.1'
const B = '10.0.0.2'
const A6 = '2001:db8::1'
const B6 = 'fe80::1'

/** Frames of one link type. */
export type FramesByLinkType = Map<number, Shot[]>

/**
 * The first so many frames of each capture, by link type, and of those that were
 * mirrored the inner ones too. Only link types that are read, and files that can be.
 */
export async function captureFrames(most: number): Promise<FramesByLinkType> {
  const frames: FramesByLinkType = new Map()
  let kept = 0
  const keep = (packet: Packet): void => {
    if (!isReadableLinkType(packet.linkType) || kept++ >= most) return
    const shots = frames.get(packet.linkType) ?? []
    frames.set(packet.linkType, shots)
    const frame = Buffer.from(packet.bytes.subarray(packet.start, packet.end))
    shots.push({ frame, originalLength: Math.max(packet.originalLength, frame.length) })
  }
  for (const decap of ['none', 'auto'] as const) {
    const offline = new Offline({
      decap,
      vxlanPort: 4789,
      genevePort: 6081,
      observe: (session, packet) => {
        if (decap === 'none' || session.vni !== null) keep(packet)
      },
    })
    for (const file of captureFiles()) {
      kept = 0
      await offline.read(file).catch((error) => {
        if (!(error instanceof OperatorError)) throw error
      })
    }
  }
  return frames
}

/** One frame of each kind that the language speaks of. */
export function sampleFrames(): Buffer[] {
  const payload = Buffer.from('GET / HTTP/1.1\r\n\r\n')
  const options = Buffer.from([1, 1, 1, 0])
  const web = tcp4({ src: A, dst: B, sport: 40_000, dport: 80, payload, flags: 0x18 })
  const dns = udp4({ src: B, dst: A, sport: 53, dport: 53, payload })
  const web6 = tcp6({ src: A6, dst: B6, sport: 443, dport: 50_000, payload, flags: 2 })
  const dns6 = udp6({ src: A6, dst: 'ff02::fb', sport: 5353, dport: 53, payload })
  const long = udp4({ src: A, dst: B, sport: 53, dport: 4789, payload: Buffer.alloc(100, 7) })
  const long6 = udp6({ src: A6, dst: B6, sport: 53, dport: 80, payload: Buffer.alloc(100, 7) })
  const arp = Buffer.from(
    '0001080006040001020000000 00a0a000001000000000000 0a000002'.replaceAll(' ', ''),
    'hex',
  )
  return [
    ethernet(web),
    ethernet(dns, { dst: '01:00:5e:00:00:01' }),
    ethernet(dns, { dst: 'ff:ff:ff:ff:ff:ff' }),
    ethernet(tcp4({ src: B, dst: A, sport: 22, dport: 22, options, flags: 0x02 })),
    ethernet(icmp4({ src: A, dst: '224.0.0.1', type: 8, payload })),
    ethernet(sctp4({ src: A, dst: B, sport: 80, dport: 53, payload: Buffer.alloc(8) })),
    ethernet(ip4({ src: A, dst: B, protocol: 47, payload })),
    ethernet(web6),
    ethernet(dns6),
    ethernet(icmp6({ src: A6, dst: B6, type: 128, payload })),
    ethernet(ip6({ src: A6, dst: B6, protocol: 6, extensions: [paddedExtension(0)], payload })),
    ...fragments4(long, 60).map((packet) => ethernet(packet)),
    ...fragments6(long6, 100, 9).map((packet) => ethernet(packet)),
    ethernet(arp, { type: 0x0806, src: MAC_A, dst: MAC_B }),
    ethernet(arp, { type: 0x8035 }),
    vlan([5], ethernet(web)),
    vlan([5, 12], ethernet(web)),
    vlan(
      [
        { vlan: 12, type: 0x88a8 },
        { vlan: 5, type: 0x9100 },
      ],
      ethernet(dns6),
    ),
    vlan([5], pppoe(web)),
    mpls([17], web),
    mpls([100, 200], web),
    mpls([17], dns6),
    vlan([7], mpls([17], dns)),
    pppoe(web),
    pppoe(web6),
    ethernet(Buffer.from('1109000000040101000 0'.replaceAll(' ', ''), 'hex'), { type: 0x8863 }),
    // 802.3: spanning tree, IPX as 802.3, 802.2 and SNAP, NetBEUI, OSI's three, AppleTalk.
    ethernet(Buffer.from('42420300000000000000', 'hex'), { type: 38 }),
    ethernet(Buffer.from('ffff0022000400000000', 'hex'), { type: 34 }),
    ethernet(Buffer.from('e0e003ffff0022000400', 'hex'), { type: 37 }),
    ethernet(Buffer.from('aaaa030000008137ffff', 'hex'), { type: 42 }),
    ethernet(Buffer.from('f0f0032c00ffef0a0000', 'hex'), { type: 47 }),
    ...['81', '82', '83'].map((osi) =>
      ethernet(Buffer.from(`fefe03${osi}1b0100120100`, 'hex'), { type: 100 }),
    ),
    ethernet(Buffer.from('aaaa03080007809b0010', 'hex'), { type: 60 }),
    ethernet(Buffer.from('aaaa0300000080f30001', 'hex'), { type: 60 }),
    ethernet(Buffer.from('00000000', 'hex'), { type: 0x9000 }),
    ...[0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x809b, 0x80f3, 0x8137].map((type) =>
      ethernet(Buffer.alloc(8, 1), { type }),
    ),
  ]
}

/** Every frame, cut at every length. */
export function everyPrefix(frames: readonly Buffer[]): Shot[] {
  return frames.flatMap((frame) =>
    Array.from({ length: frame.length + 1 }, (_, length) => ({
      frame: frame.subarray(0, length),
      originalLength: frame.length,
    })),
  )
}

/** The same packets behind other link headers, where these can say what they carry. */
export function onOtherLinks(frames: readonly Buffer[]): FramesByLinkType {
  const byLinkType: FramesByLinkType = new Map()
  const add = (linkType: number, header: Buffer, packet: Buffer): void => {
    const shots = byLinkType.get(linkType) ?? []
    byLinkType.set(linkType, shots)
    shots.push(...everyPrefix([Buffer.concat([header, packet])]))
  }
  for (const frame of frames) {
    const type = frame.readUInt16BE(12)
    const packet = frame.subarray(14)
    const cooked = Buffer.concat([Buffer.alloc(14), frame.subarray(12, 14)])
    add(113, cooked, packet)
    add(276, Buffer.concat([frame.subarray(12, 14), Buffer.alloc(18)]), packet)
    const family = type === 0x0800 ? 2 : type === 0x86dd ? 30 : 7
    add(0, Buffer.of(family, 0, 0, 0), packet)
    add(108, Buffer.of(0, 0, 0, family), packet)
    const ppp = type === 0x0800 ? 0x21 : type === 0x86dd ? 0x57 : 0xc021
    for (const linkType of [9, 50, 166])
      add(linkType, Buffer.of(0xff, 0x03, ppp >>> 8, ppp), packet)
    const pppoe = [0x11, 0, 0, 1, 0, packet.length + 2, ppp >>> 8, ppp]
    add(51, Buffer.from(pppoe), packet)
    add(104, Buffer.of(0x0f, 0, type >>> 8, type & 0xff), packet)
    for (const linkType of [101, 228, 229]) add(linkType, Buffer.alloc(0), packet)
  }
  return byLinkType
}
