import { formatIpv4, formatIpv6 } from '../../src/wire/address.js'
import type { Fault } from '../../src/wire/fault.js'
import { ABSENT, Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { parseFrame } from '../../src/wire/parse-frame.js'

/** What a Frame says, as plain data; positions count from the frame's start. */
export interface FrameView {
  etherType: number
  ipVersion: number
  src?: string
  dst?: string
  ipAt?: number
  ipLength?: number
  protocol?: number
  transportAt?: number
  srcPort?: number
  dstPort?: number
  tcpFlags?: number
  fragment?: number
  fragmentId?: number
}

/** Everything of `frame` that may be read after a parse without a fault. */
export function viewOf(frame: Frame): FrameView {
  const { etherType, ipVersion } = frame
  if (ipVersion === 0) return { etherType, ipVersion }
  return {
    etherType,
    ipVersion,
    src: addressAt(frame, frame.srcAt),
    dst: addressAt(frame, frame.dstAt),
    ipAt: frame.ipAt - frame.start,
    ipLength: frame.ipLength,
    protocol: frame.protocol,
    transportAt: frame.transportAt === ABSENT ? ABSENT : frame.transportAt - frame.start,
    srcPort: frame.srcPort,
    dstPort: frame.dstPort,
    tcpFlags: frame.tcpFlags,
    fragment: frame.fragment,
    fragmentId: frame.fragment === 0 ? 0 : frame.fragmentId,
  }
}

/** Parses `bytes` into a fresh view. */
export function parsed(
  bytes: Buffer,
  linkType = LINKTYPE_ETHERNET,
  originalLength = bytes.length,
): FrameView | Fault {
  const frame = new Frame()
  const fault = parseFrame(bytes, 0, bytes.length, linkType, originalLength, frame)
  return fault ?? viewOf(frame)
}

function addressAt({ bytes, ipVersion }: Frame, at: number): string {
  const word = (index: number) => (bytes as Buffer).readUInt32BE(at + 4 * index)
  return ipVersion === 4 ? formatIpv4(word(0)) : formatIpv6(word(0), word(1), word(2), word(3))
}
