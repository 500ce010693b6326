/** What TCP, UDP, SCTP, DCCP and UDP-Lite have in common: a header that begins with two ports. */
import {
  PROTOCOL_DCCP,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDP_LITE,
} from './protocol.js'

/** Where the ports are in that header. */
export const SOURCE_PORT = 0
export const DESTINATION_PORT = 2
export const PORTS_LEN = 4

export const PORT_MAX = 0xffff

/** Whether the header of this protocol begins with two ports. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === PROTOCOL_TCP ||
    protocol === PROTOCOL_UDP ||
    protocol === PROTOCOL_SCTP ||
    protocol === PROTOCOL_DCCP ||
    protocol === PROTOCOL_UDP_LITE
  )
}
