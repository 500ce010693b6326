import { u8, u16 } from './bytes.js'
import { ABSENT, FRAGMENT_LATER, type Frame } from './frame.js'
import { DESTINATION_PORT, hasPorts, PORTS_LEN, SOURCE_PORT } from './ports.js'
import { PROTOCOL_TCP } from './protocol.js'
import { TCP_FLAGS } from './tcp.js'

/** Ports and flags, as far as they were captured and belong to the packet (not to Ethernet padding). */
export function parseTransport(frame: Frame, at: number): void {
  frame.srcPort = 0
  frame.dstPort = 0
  frame.tcpFlags = 0
  if (frame.fragment === FRAGMENT_LATER || at > frame.end) {
    frame.transportAt = ABSENT
    return
  }
  frame.transportAt = at

  const ipEnd = frame.ipAt + frame.ipLength
  const end = ipEnd < frame.end ? ipEnd : frame.end
  if (end - at < PORTS_LEN || !hasPorts(frame.protocol)) return
  frame.srcPort = u16(frame.bytes, at + SOURCE_PORT)
  frame.dstPort = u16(frame.bytes, at + DESTINATION_PORT)
  if (frame.protocol === PROTOCOL_TCP && end - at > TCP_FLAGS) {
    frame.tcpFlags = u8(frame.bytes, at + TCP_FLAGS)
  }
}
