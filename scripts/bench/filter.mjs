/**
 * Measures ExpressionFilter.accepts alone: nanoseconds a packet for expressions that
 * people type, over frames in one Buffer as a file block would hold them. Web, DNS,
 * SSH, IPv6, ARP and ICMP are mixed, so that neither the branches of the machine nor
 * those of the program can be guessed. Not measured: parsing the frame, and what is
 * done with it. The number that matters is that of `tcp port 443`, and that nothing
 * typical is above 50.
 *
 * Run after `npm run build`: node scripts/bench/filter.mjs
 */
import { ExpressionFilter } from '../../dist/filter/expression-filter.js'
import { Frame } from '../../dist/wire/frame.js'
import { Packet } from '../../dist/wire/packet.js'
import { xorshift } from './random.js'

const EXPRESSIONS = [
  'ip',
  'tcp',
  'tcp port 443',
  'port 53',
  'host 10.0.1.7',
  'net 10.0.0.0/16 and tcp port 443',
  'tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn',
  'not (arp or icmp or port 22)',
  'tcp port 80 or 443 or 8080 or 8443',
  'host 10.0.1.7 and (udp port 53 or tcp port 443) and greater 100',
  'vni 7 and tcp port 443',
  'session vni-7_10.0.0.5 and not port 22',
  'tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420',
  Array.from({ length: 100 }, (_, index) => `host 10.1.0.${index}`).join(' or '),
]
const FRAMES = 4096
const FRAME_ROOM = 128
/** Short ones, so that some of them have the processor for themselves. */
const ROUNDS = 300
const PACKETS_A_ROUND = 10_000

/** Frames at multiples of FRAME_ROOM, of kinds in the shares that a server sees. */
function makeFrames() {
  const random = xorshift(1)
  const bytes = Buffer.alloc(FRAMES * FRAME_ROOM)
  for (let index = 0; index < FRAMES; index++) {
    const at = index * FRAME_ROOM
    const kind = random() % 20
    const port = kind < 9 ? 443 : kind < 12 ? 80 : kind < 14 ? 22 : kind < 17 ? 53 : 0
    const clientPort = 1024 + (random() % 60_000)
    const [source, destination] = random() % 2 === 0 ? [port, clientPort] : [clientPort, port]
    if (kind === 19) {
      bytes.writeUInt16BE(0x0806, at + 12)
      continue
    }
    const isIpv6 = random() % 8 === 0
    const protocol = port === 53 ? 17 : port === 0 ? (isIpv6 ? 58 : 1) : 6
    const transport = at + (isIpv6 ? 54 : 34)
    if (isIpv6) {
      bytes.writeUInt16BE(0x86dd, at + 12)
      bytes[at + 14] = 0x60
      bytes[at + 20] = protocol
    } else {
      bytes.writeUInt16BE(0x0800, at + 12)
      bytes[at + 14] = 0x45
      bytes[at + 23] = protocol
      bytes.writeUInt32BE(0x0a00_0000 + (random() % 512), at + 26)
      bytes.writeUInt32BE(0x0a00_0000 + (random() % 512), at + 30)
    }
    bytes.writeUInt16BE(source, transport)
    bytes.writeUInt16BE(destination, transport + 2)
    bytes[transport + 12] = 0x50
    bytes[transport + 13] = random() % 10 === 0 ? 0x02 : 0x10
  }
  return bytes
}

const bytes = makeFrames()
const packet = new Packet()
const frame = new Frame()
const session = { vni: 7, name: 'vni-7_10.0.0.5' }
packet.bytes = bytes
packet.originalLength = FRAME_ROOM
frame.originalLength = FRAME_ROOM

function run(filter, packets) {
  let accepted = 0
  for (let index = 0; index < packets; index++) {
    packet.start = (index % FRAMES) * FRAME_ROOM
    packet.end = packet.start + FRAME_ROOM
    if (filter.accepts(packet, frame, session)) accepted++
  }
  return accepted
}

const filters = EXPRESSIONS.map((text) => new ExpressionFilter(text))
const least = filters.map(() => Number.POSITIVE_INFINITY)
const accepted = filters.map(() => 0)
for (let round = 0; round < ROUNDS; round++) {
  for (const [index, filter] of filters.entries()) {
    const began = process.hrtime.bigint()
    accepted[index] = run(filter, PACKETS_A_ROUND) / PACKETS_A_ROUND
    const ns = Number(process.hrtime.bigint() - began) / PACKETS_A_ROUND
    if (ns < least[index]) least[index] = ns
  }
}
console.log('ns/packet   accepted   expression')
for (const [index, text] of EXPRESSIONS.entries()) {
  const share = `${(100 * accepted[index]).toFixed(1)} %`
  const shown = text.length > 70 ? `${text.slice(0, 67)}…` : text
  console.log(`${least[index].toFixed(1).padEnd(11)} ${share.padEnd(10)} ${shown}`)
}
