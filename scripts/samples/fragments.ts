import {
  fragments4,
  fragments6,
  icmp4,
  paddedExtension,
  udp4,
  udp6,
} from '../../test/support/frames.js'
import { pcapFile } from '../../test/support/pcap-file.js'
import { Random } from '../../test/support/random.js'
import { between, type Host, udp } from './host.js'
import { Timeline } from './timeline.js'

const LEFT: Host = { address: '10.0.1.20', mac: '02:00:5e:00:53:14' }
const RIGHT: Host = { address: '10.0.2.30', mac: '02:00:5e:00:53:1e' }
const LEFT6: Host = { address: '2001:db8:1::20', mac: LEFT.mac }
const RIGHT6: Host = { address: '2001:db8:2::30', mac: RIGHT.mac }

const START = 1_772_366_400
const MTU = 1500

/** Packets in fragments: in order, out of order, and with parts missing. */
export function fragments(): Buffer {
  const random = new Random(0xf7a6)
  const line = new Timeline(START, random)
  const send = (from: Host, to: Host, packets: readonly Buffer[]) => {
    for (const packet of packets) {
      line.add(between(from, to, packet))
      line.pass(30)
    }
    line.pass(200_000)
  }
  const head = { src: LEFT.address, dst: RIGHT.address }
  const datagram = (sport: number, id: number) =>
    fragments4(udp4({ ...head, sport, dport: 2049, id, payload: random.bytes(4000) }), MTU)

  send(LEFT, RIGHT, datagram(5001, 1))
  send(LEFT, RIGHT, datagram(5002, 2).reverse())
  send(LEFT, RIGHT, datagram(5003, 3).slice(1))
  send(LEFT, RIGHT, datagram(5004, 4).slice(0, 2))
  // Two packets whose parts come mixed; only the identification tells them apart.
  const [one, other] = [datagram(5005, 5), datagram(5006, 6)]
  send(LEFT, RIGHT, [one[0]!, other[0]!, one[1]!, other[1]!, other[2]!, one[2]!])
  send(
    LEFT,
    RIGHT,
    fragments4(icmp4({ ...head, id: 7, type: 8, rest: 1, payload: random.bytes(2992) }), MTU),
  )

  const head6 = { src: LEFT6.address, dst: RIGHT6.address, sport: 5007, dport: 2049 }
  const long = udp6({ ...head6, payload: random.bytes(3000) })
  send(LEFT6, RIGHT6, fragments6(long, MTU, 0xfeed_0001))
  send(LEFT6, RIGHT6, fragments6(long, MTU, 0xfeed_0002).reverse())
  // A fragment header on a packet that is whole (RFC 6946), and options in front of UDP.
  const atomic = { header: 44, rest: Buffer.from('00000000000009', 'hex') }
  const payload = random.bytes(100)
  send(LEFT6, RIGHT6, [
    udp6({ ...head6, sport: 5008, payload, extensions: [atomic] }),
    udp6({ ...head6, sport: 5008, payload, extensions: [paddedExtension(0), paddedExtension(60)] }),
  ])

  const whole = { sport: 5001, dport: 2049, payload: random.bytes(64), id: 8 }
  line.add(udp(LEFT, RIGHT, whole))
  return pcapFile(line.shots)
}
