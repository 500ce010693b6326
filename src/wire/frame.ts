/** No such header in this frame. */
export const ABSENT = -1

/** Which part of a fragmented IP packet a frame carries. */
export const FRAGMENT_NONE = 0
/** The part with the transport header. */
export const FRAGMENT_FIRST = 1
/** Any part but the first: no ports inside. */
export const FRAGMENT_LATER = 2

/** Which way a frame ran, seen from the mirrored interface. Numbers, because every frame has one. */
export const INGRESS = 0
/** Sent by the mirrored interface. */
export const EGRESS = 1
/** One of the two, and it is not known which: either list of rules may take it. */
export const DIRECTION_UNKNOWN = 2
/** Neither: a frame between others, as captures of a whole network hold them. */
export const PASSING = 3

/** Which way a frame ran, seen from the mirrored interface. */
export type PacketDirection =
  | typeof INGRESS
  | typeof EGRESS
  | typeof DIRECTION_UNKNOWN
  | typeof PASSING

/**
 * Where things are in the frame last parsed into it.
 *
 * One instance serves a whole pipeline: it is overwritten by the next frame, and
 * addresses are offsets into `bytes`, which the receiver overwrites too. Copy
 * whatever must outlive the call.
 */
export class Frame {
  bytes: Uint8Array = Buffer.alloc(0)
  start = 0
  end = 0
  /** Bytes the frame had on the wire, by whoever captured it. */
  originalLength = 0

  /** Where the Ethernet header starts (destination address first), or ABSENT. */
  ethernetAt = ABSENT
  /** Type of what lies after all tags; 0 where the link layer names none. */
  etherType = 0

  /** 4 or 6; 0 when the frame carries no IP, and then nothing below holds. */
  ipVersion = 0
  ipAt = ABSENT
  srcAt = ABSENT
  dstAt = ABSENT
  /**
   * Bytes of the IP packet by its own header, also where the frame was cut. By
   * the frame's length where the header says 0 (segmentation offload, jumbograms).
   */
  ipLength = 0
  /** IANA number; for IPv6 of the first header that is no extension header (RFC 8200 §4). */
  protocol = 0
  /** Where the transport header starts; ABSENT in later fragments and in frames cut before it. */
  transportAt = ABSENT
  /** 0 for protocols without ports, in later fragments, and where the frame was cut before them. */
  srcPort = 0
  dstPort = 0
  /** The eight flag bits of RFC 9293 §3.1, FIN lowest; 0 where not TCP or cut off. */
  tcpFlags = 0
  fragment = FRAGMENT_NONE
  /** Identification of a fragmented packet: 16 bits in IPv4, 32 in IPv6. */
  fragmentId = 0

  /** Judged by what knows the interface, and DIRECTION_UNKNOWN until then. */
  direction: PacketDirection = DIRECTION_UNKNOWN
  /** Whether the source of the mirrored packet was known then to be an address of the interface. */
  isInterfaceConfirmed = false

  /** Bytes on the wire: what the IP header promises when the frame is shorter than that. */
  wireLength(): number {
    const promised = this.ipVersion === 0 ? 0 : this.ipAt - this.start + this.ipLength
    return promised > this.originalLength ? promised : this.originalLength
  }
}
