import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import {
  ethernet,
  fragments4,
  fragments6,
  icmp4,
  icmp6,
  ip4,
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

/** What is fuzzed begins with these. */

export const A = { src: '10.0.0.1', dst: '192.0.2.1' }
export const A6 = { src: '2001:db8::1', dst: '2001:db8::2' }
export const PORTS = { sport: 40_000, dport: 443 }

/** Sound packets to begin with, from the IP header on. */
export const PACKETS: readonly Buffer[] = [
  tcp4({ ...A, ...PORTS, flags: TCP_SYN }),
  tcp4({ ...A, ...PORTS, flags: TCP_ACK, payload: Buffer.alloc(30), tcpOptions: Buffer.alloc(12) }),
  tcp4({ ...A, ...PORTS, flags: TCP_FIN | TCP_ACK, options: Buffer.alloc(8) }),
  tcp6({ ...A6, ...PORTS, flags: TCP_RST }),
  udp4({ ...A, sport: 53, dport: 4789, payload: Buffer.alloc(20) }),
  udp6({ ...A6, sport: 53, dport: 6081, extensions: [paddedExtension(0), paddedExtension(60, 2)] }),
  icmp4({ ...A, type: 8, payload: Buffer.alloc(16) }),
  icmp6({ ...A6, type: 128 }),
  sctp4({ ...A, sport: 1, dport: 2, payload: Buffer.alloc(8) }),
  ip4({ ...A, protocol: 47, payload: Buffer.alloc(12) }),
  ...fragments4(udp4({ ...A, sport: 7, dport: 9, payload: Buffer.alloc(100), id: 5 }), 60),
  ...fragments6(udp6({ ...A6, sport: 7, dport: 9, payload: Buffer.alloc(100) }), 96, 6),
]

export const FRAMES: readonly Buffer[] = [
  ...PACKETS.map((packet) => ethernet(packet)),
  vlan([1, { vlan: 2, type: 0x88a8 }], ethernet(PACKETS[0]!)),
  mpls([16, 17], PACKETS[1]!),
  pppoe(PACKETS[3]!),
  ethernet(Buffer.alloc(28), { type: 0x0806 }),
]
