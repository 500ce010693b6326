import { parseAddress } from '../../src/wire/address.js'
import { Datagram, type Packet } from '../../src/wire/packet.js'
import { lentPacket } from '../support/lent-packet.js'

export interface Arrival {
  /** Outer source address. */
  source?: string
  seconds?: number
  nanoseconds?: number
  cut?: boolean
  /** Byte that fills the memory around it, which nobody may read. */
  around?: number
}

/** The payload of a UDP datagram in the middle of a receiver's memory, as a receiver hands it over. */
export function datagramOf(payload: Buffer, arrival: Arrival = {}): Datagram {
  const { source = '10.0.0.1', seconds = 1_700_000_000, nanoseconds = 0 } = arrival
  const { cut = false, around = 0xa5 } = arrival
  const datagram = new Datagram()
  datagram.bytes = Buffer.concat([Buffer.alloc(5, around), payload, Buffer.alloc(7, around)])
  datagram.start = 5
  datagram.end = 5 + payload.length
  datagram.seconds = seconds
  datagram.nanoseconds = nanoseconds
  const words = parseAddress(source)
  if (words === undefined) throw new Error(`not an address: ${source}`)
  datagram.source0 = words[0]!
  datagram.source1 = words[1]!
  datagram.source2 = words[2]!
  datagram.source3 = words[3]!
  datagram.sourcePort = 65_445
  datagram.cut = cut
  return datagram
}

/** A frame as a capture file hands it over; `lost` bytes of its end were not captured. */
export function packetOf(frame: Buffer, linkType = 1, lost = 0, around = 0xa5): Packet {
  const captured = frame.subarray(0, frame.length - lost)
  const facts = { originalLength: frame.length, linkType, seconds: 1_700_000_000 }
  return lentPacket(captured, facts, around)
}
