import { u32 } from '../wire/bytes.js'
import type { Frame } from '../wire/frame.js'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  KIND,
  PORTS,
  SESSION,
} from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'

/**
 * Lays the key of `frame` (which must carry IP) and its hash out at `keys[at]`,
 * as an entry begins. Returns its direction: 0 when it runs from A to B, else 1.
 */
export function readFlowKey(
  frame: Frame,
  session: number,
  hash: FlowHash,
  keys: Uint32Array,
  at: number,
): number {
  const bytes = frame.bytes
  const srcAt = frame.srcAt
  const dstAt = frame.dstAt
  const srcPort = frame.srcPort
  const dstPort = frame.dstPort
  const version = frame.ipVersion

  const order =
    version === 4 ? u32(bytes, srcAt) - u32(bytes, dstAt) : compareIpv6(bytes, srcAt, dstAt)
  const flipped = order > 0 || (order === 0 && srcPort > dstPort)
  const aAt = flipped ? dstAt : srcAt
  const bAt = flipped ? srcAt : dstAt

  keys[at + SESSION] = session
  keys[at + KIND] = (version << 8) | frame.protocol
  keys[at + PORTS] = flipped ? (dstPort << 16) | srcPort : (srcPort << 16) | dstPort
  keys[at + ADDRESS_A] = u32(bytes, aAt)
  keys[at + ADDRESS_B] = u32(bytes, bAt)
  if (version === 6) {
    for (let word = 0; word < 3; word++) {
      keys[at + ADDRESS_A_REST + word] = u32(bytes, aAt + 4 + word * 4)
      keys[at + ADDRESS_B_REST + word] = u32(bytes, bAt + 4 + word * 4)
    }
  }
  hash.hash(keys, at)
  return flipped ? 1 : 0
}

/** Below, at or above 0 as the address at `left` is before, the same as or after that at `right`. */
function compareIpv6(bytes: Uint8Array, left: number, right: number): number {
  for (let word = 0; word < 16; word += 4) {
    const difference = u32(bytes, left + word) - u32(bytes, right + word)
    if (difference !== 0) return difference
  }
  return 0
}
