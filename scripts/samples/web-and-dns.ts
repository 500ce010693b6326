import { parseIpv6 } from '../../src/wire/address.js'
import { ethernet, icmp4 } from '../../test/support/frames.js'
import { pcapFile } from '../../test/support/pcap-file.js'
import { Random } from '../../test/support/random.js'
import { between, echo, type Host, udp } from './host.js'
import { dnsQuery, dnsResponse, httpRequest, httpResponse, ntp, tlsRecord } from './payloads.js'
import { TcpTalk } from './tcp-talk.js'
import { inOrder, Timeline } from './timeline.js'

const ROUTER = '02:00:5e:00:53:01'
const DESK: Host = { address: '10.0.1.20', mac: '02:00:5e:00:53:14' }
const DESK6: Host = { address: '2001:db8:1::20', mac: DESK.mac }
const LAB: Host = { address: '10.0.1.21', mac: '02:00:5e:00:53:15' }
const WEB: Host = { address: '198.51.100.80', mac: ROUTER }
const WEB6: Host = { address: '2001:db8:2::80', mac: ROUTER }
const SHELL: Host = { address: '203.0.113.22', mac: ROUTER }
const RESOLVER: Host = { address: '192.0.2.53', mac: ROUTER }
const CLOCK: Host = { address: '192.0.2.123', mac: ROUTER }
const GONE: Host = { address: '203.0.113.99', mac: ROUTER }

/** 2026-03-01 12:00:30 UTC: half-way through a minute, so that windows of a minute cut it. */
const START = 1_772_366_430

/** Two machines of a small network at work, for a minute and a half. */
export function webAndDns(): Buffer {
  const random = new Random(0x5eed)
  const line = new Timeline(START, random)

  line.add(arp(DESK, ROUTER, false))
  line.pass(200)
  line.add(arp(DESK, ROUTER, true))
  line.pass(1000)

  lookUp(line, 50_111, 'A', Buffer.from([198, 51, 100, 80]))
  new TcpTalk(line, DESK, WEB, [49_152, 80])
    .handshake()
    .ask(httpRequest('www.example.com', '/'))
    .answer(httpResponse(6000))
    .retransmit()
    .ask(httpRequest('www.example.com', '/style.css'))
    .answer(httpResponse(900))
    .close()

  line.pass(400_000)
  new TcpTalk(line, DESK, WEB, [49_153, 443])
    .handshake()
    .ask(tlsRecord(random, 0x16, 508))
    .answer(tlsRecord(random, 0x16, 3100))
    .ask(tlsRecord(random, 0x17, 300))
    .answer(tlsRecord(random, 0x17, 9000))
    .close()

  line.pass(700_000)
  lookUp(line, 50_112, 'AAAA', Buffer.from(bytesOf(WEB6.address)))
  new TcpTalk(line, DESK6, WEB6, [49_154, 443])
    .handshake()
    .ask(tlsRecord(random, 0x16, 508))
    .answer(tlsRecord(random, 0x16, 2900))
    .ask(tlsRecord(random, 0x17, 200))
    .answer(tlsRecord(random, 0x17, 5000))
    .close()

  line.pass(1_500_000)
  for (let sequence = 1; sequence <= 4; sequence++) ping(line, LAB, WEB, sequence)
  for (let sequence = 1; sequence <= 2; sequence++) ping(line, DESK6, WEB6, sequence)

  line.pass(200_000)
  new TcpTalk(line, LAB, WEB, [49_200, 8080]).refused()
  line.pass(300_000)
  new TcpTalk(line, LAB, GONE, [49_201, 22]).unanswered()

  line.pass(500_000)
  line.add(udp(LAB, CLOCK, { sport: 123, dport: 123, payload: ntp(3), id: 9 }))
  line.pass(14_000)
  line.add(udp(CLOCK, LAB, { sport: 123, dport: 123, payload: ntp(4), id: 0 }))

  line.pass(300_000)
  const knock = udp(LAB, WEB, { sport: 50_200, dport: 33_434, payload: Buffer.alloc(32), id: 77 })
  line.add(knock)
  line.pass(12_000)
  line.add(between(WEB, LAB, unreachable(knock)))

  // Goes on into the next minute and is never closed.
  line.pass(900_000)
  const shell = new TcpTalk(line, LAB, SHELL, [49_202, 22]).handshake()
  for (let minute = 0; minute < 3; minute++) {
    shell.ask(random.bytes(36)).answer(random.bytes(116)).pause(25_000_000)
  }

  new TcpTalk(line, DESK, WEB, [49_155, 443])
    .handshake()
    .ask(tlsRecord(random, 0x16, 508))
    .answer(tlsRecord(random, 0x16, 1200))
    .reset()
  return pcapFile(inOrder(line.shots))
}

function lookUp(line: Timeline, port: number, type: 'A' | 'AAAA', address: Buffer): void {
  const id = line.random.below(65_536)
  const name = 'www.example.com'
  line.add(udp(DESK, RESOLVER, { sport: port, dport: 53, payload: dnsQuery(id, name, type) }))
  line.pass(9000)
  const payload = dnsResponse(id, name, type, address)
  line.add(udp(RESOLVER, DESK, { sport: 53, dport: port, payload }))
  line.pass(500)
}

function ping(line: Timeline, from: Host, to: Host, sequence: number): void {
  const rest = 0x1234_0000 + sequence
  line.add(echo(from, to, false, rest, Buffer.alloc(56, 0x2a)))
  line.pass(12_000)
  line.add(echo(to, from, true, rest, Buffer.alloc(56, 0x2a)))
  line.pass(988_000)
}

/** Port unreachable (RFC 792), with the header and eight bytes of what was refused. */
function unreachable(frame: Buffer): Buffer {
  const payload = frame.subarray(14, 14 + 28)
  return icmp4({ src: WEB.address, dst: LAB.address, type: 3, code: 3, payload })
}

/** Who has the router's address? And its answer (RFC 826). */
function arp(host: Host, router: string, isReply: boolean): Buffer {
  const [from, to] = isReply ? [router, host.mac] : [host.mac, '00:00:00:00:00:00']
  const [fromIp, toIp] = isReply ? ['0a000101', '0a000114'] : ['0a000114', '0a000101']
  const digits = (mac: string) => mac.replaceAll(':', '')
  const body = `000108000604000${isReply ? 2 : 1}${digits(from)}${fromIp}${digits(to)}${toIp}`
  const dst = isReply ? host.mac : 'ff:ff:ff:ff:ff:ff'
  return ethernet(Buffer.from(body, 'hex'), { src: from, dst, type: 0x0806 })
}

function bytesOf(address: string): Buffer {
  const bytes = Buffer.alloc(16)
  parseIpv6(address)!.forEach((word, index) => {
    bytes.writeUInt32BE(word, 4 * index)
  })
  return bytes
}
