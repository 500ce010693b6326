import { u32 } from '../wire/bytes.js'
import { FRAGMENT_NONE, type Frame } from '../wire/frame.js'

/**
 * A number that is the same for all frames of one conversation, in both
 * directions: what the outer source port is chosen by, as AWS does it by the
 * inner 5-tuple. Frames without IP share 0. Fragments leave the ports out, so
 * that all parts of a packet go the same way. Not stable across versions.
 */
export function flowHash(frame: Frame): number {
  if (frame.ipVersion === 0) return 0
  const width = frame.ipVersion === 4 ? 4 : 16
  const hasPorts = frame.fragment === FRAGMENT_NONE
  let source = hasPorts ? frame.srcPort : 0
  let destination = hasPorts ? frame.dstPort : 0
  for (let at = 0; at < width; at += 4) {
    source = mixed(source ^ u32(frame.bytes, frame.srcAt + at))
    destination = mixed(destination ^ u32(frame.bytes, frame.dstAt + at))
  }
  // A sum does not care which end is which.
  return mixed(source + destination + frame.protocol) >>> 0
}

/** Spreads every bit over the word (the finishing steps of MurmurHash3). */
function mixed(word: number): number {
  let x = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35)
  return x ^ (x >>> 16)
}
