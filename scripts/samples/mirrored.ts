import { ETHERNET_HEADER_LEN } from '../../src/wire/ethernet.js'
import { GENEVE_PORT } from '../../src/wire/geneve.js'
import { ethernet, geneve, googleGeneve, udp4 } from '../../test/support/frames.js'
import { pcapFile, type Shot } from '../../test/support/pcap-file.js'
import { Random } from '../../test/support/random.js'
import { type Host, udp } from './host.js'
import { delayed, type MirrorSession, mirrorPacket, mirrorShots } from './mirror-session.js'
import { dnsQuery, dnsResponse, httpRequest, httpResponse, tlsRecord } from './payloads.js'
import { TcpTalk } from './tcp-talk.js'
import { inOrder, Timeline } from './timeline.js'

const START = 1_772_366_430

/** Each interface sees the other one, and all the world, behind its own subnet's router. */
const APP: Host = { address: '10.0.1.20', mac: '02:00:5e:00:53:14' }
const APP6: Host = { address: '2001:db8:1::20', mac: APP.mac }
const APP_ROUTER = '02:00:5e:00:53:01'
const DB: Host = { address: '10.0.2.30', mac: '02:00:5e:00:53:1e' }
const DB_ROUTER = '02:00:5e:00:53:02'
const TARGET = '10.0.9.9'
const TARGET_MACS = { src: '02:00:5e:00:53:09', dst: '02:00:5e:00:53:99' }

const APP_SESSION: MirrorSession = { source: APP.address, target: TARGET, vni: 5_569_041 }
const DB_SESSION: MirrorSession = { source: DB.address, target: TARGET, vni: 42 }

const DB_PORT = 5432
/** When the queries begin, microseconds after the start. */
const QUERIES_AT = 4000

/** What the application's interface sees: its database, a web server over IPv6, DNS. */
function appTraffic(): Timeline {
  const random = new Random(0xa99)
  const line = new Timeline(START, random)
  const beyond = (address: string): Host => ({ address, mac: APP_ROUTER })
  const resolver = beyond('192.0.2.53')

  const id = 0x1dea
  const name = 'db.example.com'
  line.add(udp(APP, resolver, { sport: 50_111, dport: 53, payload: dnsQuery(id, name, 'A') }))
  line.pass(900)
  const payload = dnsResponse(id, name, 'A', Buffer.from([10, 0, 2, 30]))
  line.add(udp(resolver, APP, { sport: 53, dport: 50_111, payload }))

  queries(line, APP, beyond(DB.address), 0)
  new TcpTalk(line, APP6, beyond('2001:db8:2::80'), [49_154, 443])
    .handshake()
    .ask(tlsRecord(random, 0x16, 508))
    .answer(tlsRecord(random, 0x16, 2900))
    .close()
  line.pass(31_000_000)
  new TcpTalk(line, APP, beyond('198.51.100.80'), [49_155, 80])
    .handshake()
    .ask(httpRequest('www.example.com', '/status'))
    .answer(httpResponse(700))
    .close()
  return line
}

/** What the database's interface sees of the same minute: the same queries, and a backup. */
function dbTraffic(): Timeline {
  const random = new Random(0xdb)
  const line = new Timeline(START, random)
  queries(line, { address: APP.address, mac: DB_ROUTER }, DB, 120)
  new TcpTalk(line, DB, { address: '10.0.7.7', mac: DB_ROUTER }, [51_000, 873])
    .handshake()
    .ask(random.bytes(12_000))
    .answer(random.bytes(20))
  return line
}

/**
 * One connection, the same bytes wherever it is told. The client's packets are
 * seen `later` microseconds later than by the client itself, the server's so
 * much sooner.
 */
function queries(line: Timeline, client: Host, server: Host, later: number): void {
  const random = new Random(0x5432)
  const told = new Timeline(0, random)
  const talk = new TcpTalk(told, client, server, [41_000, DB_PORT], 250).handshake()
  for (let query = 0; query < 4; query++) {
    talk.ask(random.bytes(60 + 20 * query)).answer(random.bytes(200 + 900 * query))
  }
  talk.close()
  for (const { frame, seconds, nanoseconds } of told.shots) {
    const isServers = frame.readUInt16BE(34) === DB_PORT
    const toldAt = seconds! * 1e6 + Math.floor(nanoseconds! / 1000)
    line.microseconds = QUERIES_AT + toldAt + (isServers ? -later : later)
    line.add(frame)
  }
  line.pass(5000)
}

/** Two mirrored interfaces that talk to each other, as their common target sees them. */
export function vxlanTwoSessions(): Buffer {
  const app = mirrorShots(APP_SESSION, appTraffic().shots, TARGET_MACS)
  const db = mirrorShots(DB_SESSION, dbTraffic().shots, TARGET_MACS)
  return pcapFile(inOrder([...app, ...db]))
}

/** The first of them, in a session whose packet length is 96. */
export function cutByPacketLength(): Buffer {
  const session = { ...APP_SESSION, packetLength: 96 }
  return pcapFile(inOrder(mirrorShots(session, appTraffic().shots, TARGET_MACS)))
}

/** Both, through a Gateway Load Balancer: GENEVE / IP / UDP / VXLAN. */
export function geneveGwlb(): Buffer {
  const endpoint = '10.0.8.5'
  const tell = (session: MirrorSession, shots: readonly Shot[]) =>
    shots.map((shot) => {
      const packet = mirrorPacket({ ...session, target: endpoint }, shot.frame)
      // The load balancer names each flow of the packets it carries, here one outer port a flow.
      const flowCookie = 0xc00c_0000 + packet.readUInt16BE(20)
      const payload = geneve(packet, {
        endpointIdHigh: 0x0a1b_2c3d,
        endpointIdLow: 0x4e5f_6071,
        flowCookie,
      })
      const outer = {
        src: '10.0.8.10',
        dst: '10.0.8.77',
        sport: 60_000 + (flowCookie & 0xff),
        dport: GENEVE_PORT,
      }
      return delayed(shot, ethernet(udp4({ ...outer, payload, checksum: false }), TARGET_MACS))
    })
  const app = tell(APP_SESSION, appTraffic().shots)
  const db = tell(DB_SESSION, dbTraffic().shots)
  return pcapFile(inOrder([...app, ...db]))
}

/** The first of them, as Google Cloud's Network Security Integration sends it: GENEVE around IP packets. */
export function geneveGoogle(): Buffer {
  const outer = { src: APP.address, dst: '10.0.8.77', sport: 60_000, dport: GENEVE_PORT }
  const shots = appTraffic().shots.map((shot) => {
    const payload = googleGeneve(shot.frame.subarray(ETHERNET_HEADER_LEN), {
      network: 0xabc_def0,
      egress: shot.frame.toString('hex', 6, 12) === APP.mac.replaceAll(':', ''),
      endpoint: 0x0a1b_2c3d_4e5f_6071n,
      profile: 77n,
    })
    return delayed(shot, ethernet(udp4({ ...outer, payload, checksum: false }), TARGET_MACS))
  })
  return pcapFile(inOrder(shots))
}
