import { deepStrictEqual } from 'node:assert'
import { createHash } from 'node:crypto'
import { parseBanner } from '../../../src/application/banner.js'
import { parseDns } from '../../../src/application/dns.js'
import { parseHttp } from '../../../src/application/http.js'
import { ja4 } from '../../../src/application/ja4.js'
import { parseKerberos, parseKerberosStream } from '../../../src/application/kerberos.js'
import { parseNetbiosName } from '../../../src/application/netbios-name.js'
import {
  clientInitialKeys,
  decryptInitial,
  eachCryptoFrame,
  parseInitial,
} from '../../../src/application/quic.js'
import { parseSmb } from '../../../src/application/smb.js'
import { type HelloSoFar, parseHandshake, parseHello } from '../../../src/application/tls.js'
import {
  LINKTYPE_ETHERNET,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
  LINKTYPE_RAW,
} from '../../../src/wire/link-type.js'
import {
  ApplicationRun,
  clientHello,
  records,
  segments,
  syn,
} from '../../application/application-run.js'
import { errorMessage, kdcRequest, ticketReply } from '../../application/kerberos-messages.js'
import { authenticate, challenge, treeConnect, treeReply } from '../../application/smb-messages.js'
import { datagramOf, packetOf } from '../../session/datagrams.js'
import { DemuxRun } from '../../session/demux-run.js'
import {
  ethernet,
  fragments4,
  geneve,
  googleGeneve,
  gwlbGeneve,
  mirrored,
  tcp4,
  udp4,
  vxlan,
} from '../../support/frames.js'
import { A, FRAMES, PORTS } from '../sample-frames.js'
import type { FuzzTarget } from '../target.js'

const LINK_TYPES = [
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  LINKTYPE_NULL,
  LINKTYPE_LOOP,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  105,
]

/**
 * Several packets in one input, so that what they do to each other is tried too: each begins with its
 * length in two bytes. One that says more than there is has what there is.
 */
function packed(...packets: readonly Buffer[]): Buffer {
  return Buffer.concat(
    packets.flatMap((packet) => [Buffer.of(packet.length >>> 8, packet.length & 0xff), packet]),
  )
}

const PACKETS_MAX = 64

function unpacked(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = []
  for (let at = 0; at + 2 <= bytes.length && packets.length < PACKETS_MAX; ) {
    const end = Math.min(bytes.length, at + 2 + bytes.readUInt16BE(at))
    packets.push(bytes.subarray(at + 2, end))
    at = end
  }
  return packets
}

type Accept = (run: DemuxRun, packet: Buffer, around: number) => void

/** What the packets come to, which depends on nothing but them. */
function demuxed(bytes: Buffer, accept: Accept, around: number): object {
  const run = new DemuxRun({ max: 3, maxFlows: 8 })
  const packets = unpacked(bytes)
  for (const packet of packets) accept(run, packet, around)
  while (run.tracker.work(7));
  run.demux.end()
  run.tracker.shutdown()
  const { received, fragments } = run.ledger
  const { joined, parts, leftover, repeated } = fragments
  deepStrictEqual(received - joined + parts + leftover + repeated, packets.length)
  deepStrictEqual(run.wrongSums(), [])
  deepStrictEqual(run.tracker.table.count, 0)
  return { ledger: run.ledger, records: run.records, delivered: run.delivered }
}

function demuxTarget(name: string, samples: readonly Buffer[], accept: Accept): FuzzTarget {
  return {
    name,
    samples: [...samples.map((sample) => packed(sample)), packed(...samples)],
    inputs: 40,
    run(bytes) {
      deepStrictEqual(demuxed(bytes, accept, 0xff), demuxed(bytes, accept, 0x00))
    },
  }
}

const OUTER = { source: '10.0.0.9', target: '10.0.0.8', vni: 5 }

/** One parser of bytes within a packet, of which those around it must make no difference. */
function parserTarget(
  name: string,
  samples: readonly Buffer[],
  parse: (bytes: Uint8Array, start: number, end: number) => unknown,
): FuzzTarget {
  const parsed = (bytes: Buffer, around: number): unknown => {
    const memory = Buffer.alloc(bytes.length + 32, around)
    bytes.copy(memory, 16)
    return parse(memory, 16, 16 + bytes.length)
  }
  return {
    name,
    samples,
    inputs: 300,
    run(bytes) {
      deepStrictEqual(parsed(bytes, 0xff), parsed(bytes, 0x00))
    },
  }
}

const DNS_ANSWER = Buffer.from(
  'beef8580000100020000000003777777076578616d706c6503636f6d0000010001' +
    'c00c000500010000012c00060363646ec010c02d000100010000003c0004c6336450',
  'hex',
)
const HELLO = records(
  clientHello({
    ciphers: [0x1301, 0xc02f],
    extensions: [
      [0, Buffer.from('000e00000b6578616d706c652e636f6d', 'hex')],
      [16, Buffer.from('0003026832', 'hex')],
      [43, Buffer.from('0203040303', 'hex')],
    ],
  }),
  90,
)
const SERVER_HELLO = Buffer.from(
  `160303003a020000360303${'11'.repeat(32)}00130100000e002b0002030400330004001d0000`,
  'hex',
)
const INITIAL = Buffer.concat([
  Buffer.from('c300000001088394c8f03e5157080000449e7b9aec34', 'hex'),
  Buffer.alloc(1178, 3),
])

function judged(hello: HelloSoFar): unknown {
  if (hello === undefined || hello === 'more' || hello.type !== 'client') return hello
  return [hello, ja4(hello, 'tcp'), ja4(hello, 'quic')]
}

/** What was told of the frames. */
function told(frames: readonly Buffer[], around: number): unknown {
  const run = new ApplicationRun()
  for (const frame of frames) run.read(frame, { around })
  return run.end()
}

export const PACKET_TARGETS: readonly FuzzTarget[] = [
  demuxTarget(
    'vxlan',
    FRAMES.map((frame) => vxlan(5, frame)),
    (run, packet, around) => run.demux.acceptVxlan(datagramOf(packet, { around })),
  ),
  demuxTarget(
    'geneve',
    [
      ...FRAMES.map((frame) => geneve(frame, { protocol: 0x6558 })),
      geneve(udp4({ ...A, sport: 1, dport: 4789, payload: vxlan(5, FRAMES[0]!) })),
      googleGeneve(tcp4({ ...A, ...PORTS }), {
        network: 9,
        egress: true,
        endpoint: 7n,
        profile: 8n,
      }),
    ],
    (run, packet, around) => run.demux.acceptGeneve(datagramOf(packet, { around })),
  ),
  demuxTarget(
    'frames',
    [
      ...FRAMES,
      ...FRAMES.map((frame) => mirrored({ ...OUTER, frame })),
      ...fragments4(mirrored({ ...OUTER, frame: FRAMES[0]! }).subarray(14), 60).map((packet) =>
        ethernet(packet),
      ),
      gwlbGeneve({ ...OUTER, frame: FRAMES[0]!, balancer: '10.1.1.1', appliance: '10.1.1.2' }),
    ].map((frame) => Buffer.concat([Buffer.of(0), frame])),
    // The first byte says of what link type it is.
    (run, packet, around) => {
      const linkType = LINK_TYPES[(packet[0] ?? 0) % LINK_TYPES.length]!
      run.demux.acceptPacket(packetOf(packet.subarray(1), linkType, 0, around))
    },
  ),
  parserTarget('dns', [DNS_ANSWER, DNS_ANSWER.subarray(0, 33)], (bytes, start, end) => [
    parseDns(bytes, start, end),
    parseNetbiosName(bytes, start, end),
  ]),
  parserTarget('tls', [HELLO, SERVER_HELLO], (bytes, start, end) => [
    judged(parseHello(bytes, start, end, true)),
    judged(parseHello(bytes, start, end, false)),
    parseHandshake(bytes, start, end),
  ]),
  parserTarget('quic', [INITIAL], (bytes, start, end) => {
    const header = parseInitial(bytes, start, end)
    const keys = header && clientInitialKeys(header.version, header.destinationId)
    const frames = header && keys && decryptInitial(bytes, header, end, keys)
    const pieces: unknown[] = []
    const isAll = eachCryptoFrame(bytes.slice(start, end), (...piece) => pieces.push(piece))
    return [header, frames && createHash('md5').update(frames).digest('hex'), pieces, isAll]
  }),
  parserTarget(
    'http',
    [
      Buffer.from('GET /a HTTP/1.1\r\nHost: www.example.com\r\nAuthorization: Basic eDp5\r\n\r\n'),
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n'),
    ],
    (bytes, start, end) => [
      parseHttp(bytes, start, end, true),
      parseHttp(bytes, start, end, false),
    ],
  ),
  parserTarget(
    'banner',
    [
      Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'),
      Buffer.from('220 mx ESMTP Postfix\r\n'),
      Buffer.from('EHLO mail.example.org\r\n'),
    ],
    (bytes, start, end) => [
      parseBanner(bytes, start, end, true, 25),
      parseBanner(bytes, start, end, false, 21),
    ],
  ),
  parserTarget(
    'kerberos',
    [
      kdcRequest(10, { client: ['alice'], realm: 'EXAMPLE.COM', service: ['krbtgt', 'A'] }),
      ticketReply(11, { client: ['alice'], realm: 'EXAMPLE.COM', service: ['cifs', 'files'] }),
      errorMessage({ code: 25, realm: 'EXAMPLE.COM', service: ['krbtgt'], text: 'no' }),
    ],
    (bytes, start, end) => [
      parseKerberos(bytes, start, end),
      parseKerberosStream(bytes, start, end, true),
      parseKerberosStream(bytes, start, end, false),
    ],
  ),
  parserTarget(
    'smb',
    [
      treeConnect('\\\\files\\data'),
      treeReply(1),
      authenticate('EXAMPLE', 'alice', 'DESK-7'),
      challenge([
        [1, 'FILES'],
        [3, 'files.example.com'],
      ]),
    ],
    (bytes, start, end) => parseSmb(bytes, start, end),
  ),
  {
    name: 'streams',
    samples: [
      packed(syn(), ...segments(HELLO, 40)),
      packed(syn(), ...segments(Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'), 9)),
      packed(ethernet(udp4({ ...A, sport: 4000, dport: 53, payload: DNS_ANSWER }))),
      packed(ethernet(udp4({ ...A, sport: 4000, dport: 443, payload: INITIAL }))),
    ],
    inputs: 60,
    run(bytes) {
      const frames = unpacked(bytes)
      deepStrictEqual(told(frames, 0xff), told(frames, 0x00))
    },
  },
]
