/**
 * What a capture holds and what a report says it holds, in four numbers that must
 * agree: packets, bytes, flows, and a digest of who sent how much when.
 *
 * The digest is linear: a sum over packets of hashes of (flow, window), modulo
 * 2^32. So however a report splits a flow into records, they add up to it, and a
 * packet counted to another flow, direction or window changes it.
 */
export const WINDOW_SECONDS = 60

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const GOLDEN = 0x9e3779b1

/** FNV-1a. `text`: source, destination, source port, destination port, protocol, one space between. */
export function flowHash(text) {
  let hash = FNV_OFFSET
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME)
  }
  return hash
}

/** Of a flow's packets in the window that has `seconds`, to be summed. */
export function windowHash(flow, seconds) {
  const mixed = Math.imul(flow ^ Math.imul(Math.floor(seconds / WINDOW_SECONDS), GOLDEN), FNV_PRIME)
  return Math.imul(mixed ^ (mixed >>> 15), GOLDEN)
}

export class FlowDigest {
  packets = 0
  bytes = 0
  /** Of flows alone, and of flows by window; for bytes and packets at once. */
  byFlow = 0
  byWindow = 0

  add(flow, seconds, packets, bytes) {
    this.packets += packets
    this.bytes += bytes
    // Packets and bytes in one number: neither reaches 2^32 in one record here, and a carry would show too.
    const amount = (Math.imul(packets, GOLDEN) + bytes) | 0
    this.byFlow = (this.byFlow + Math.imul(flow, amount)) | 0
    if (seconds !== undefined) {
      this.byWindow = (this.byWindow + Math.imul(windowHash(flow, seconds), amount)) | 0
    }
  }
}
