import { Packet } from '../../src/wire/packet.js'

type Facts = Partial<Pick<Packet, 'seconds' | 'nanoseconds' | 'originalLength' | 'linkType'>>

/** A packet of Ethernet, all captured unless `facts` differ, inside something larger, as a receiver lends it. */
export function lentPacket(frame: Buffer, facts: Facts = {}, around = 0xa5): Packet {
  const packet = new Packet()
  packet.bytes = Buffer.concat([Buffer.alloc(3, around), frame, Buffer.alloc(64, around)])
  packet.start = 3
  packet.end = 3 + frame.length
  packet.originalLength = frame.length
  return Object.assign(packet, facts)
}
