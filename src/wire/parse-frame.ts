import { u16 } from './bytes.js'
import { ETHERNET_HEADER_LEN, ETHERNET_TYPE, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './ethernet.js'
import type { Fault } from './fault.js'
import { ABSENT, DIRECTION_UNKNOWN, type Frame } from './frame.js'
import { parseIpv4 } from './ipv4.js'
import { parseIpv6 } from './ipv6.js'
import { findNetwork } from './link.js'
import { LINKTYPE_ETHERNET } from './link-type.js'
import type { Packet } from './packet.js'

/**
 * Fills `out` from the frame at `bytes[start, end)`, which had `originalLength`
 * bytes on the wire. Which way it ran is then unknown.
 *
 * No fault and `ipVersion` 0: a sound frame that carries no IP (ARP, say). On a
 * fault only `bytes`, `start`, `end` and `originalLength` hold, and `ipVersion`
 * is 0. A frame cut after its IP header is not a fault: a mirror session may
 * cut frames short.
 */
export function parseFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
  linkType: number,
  originalLength: number,
  out: Frame,
): Fault | undefined {
  out.bytes = bytes
  out.start = start
  out.end = end
  out.originalLength = originalLength
  out.ipVersion = 0
  out.etherType = 0
  out.ethernetAt = ABSENT
  out.direction = DIRECTION_UNKNOWN
  out.isInterfaceConfirmed = false

  // Nearly all mirrored frames: Ethernet with IP right after it.
  if (linkType === LINKTYPE_ETHERNET && end - start >= ETHERNET_HEADER_LEN) {
    const type = u16(bytes, start + ETHERNET_TYPE)
    if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) {
      out.ethernetAt = start
      out.etherType = type
      out.ipAt = start + ETHERNET_HEADER_LEN
      return type === ETHERTYPE_IPV4 ? parseIpv4(out) : parseIpv6(out)
    }
  }

  const fault = findNetwork(out, linkType)
  if (fault !== undefined) return fault
  if (out.etherType === ETHERTYPE_IPV4) return parseIpv4(out)
  if (out.etherType === ETHERTYPE_IPV6) return parseIpv6(out)
  return undefined
}

/** Fills `out` from a packet; as parseFrame. */
export function parsePacket(packet: Packet, out: Frame): Fault | undefined {
  const { bytes, start, end, linkType, originalLength } = packet
  return parseFrame(bytes, start, end, linkType, originalLength, out)
}
