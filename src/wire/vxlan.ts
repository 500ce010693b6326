/**
 * VXLAN header (RFC 7348 §5), the eight bytes between the outer UDP header
 * and the mirrored Ethernet frame.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |R|R|R|R|I|R|R|R|                  Reserved                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |           VXLAN network identifier (VNI)      |   Reserved    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import { putU8, putU24, putU32, u8, u24, u32 } from './bytes.js'
import type { Fault } from './fault.js'

/** UDP destination port that IANA assigned to VXLAN (RFC 7348 §8). */
export const VXLAN_PORT = 4789

/** Bytes of the header. */
export const VXLAN_HEADER_LEN = 8

/** The largest network identifier; it has 24 bits. */
export const VNI_MAX = 0xff_ffff

const FLAGS = 0
const VNI = 4
const VNI_TAIL = 7

/** The I flag: the VNI field holds an identifier. */
const FLAG_VNI = 0x08

/** The first word of a header that has no reserved bit set. */
const PLAIN_FLAGS_WORD = 0x0800_0000

/** A header, parsed. */
export interface Vxlan {
  /** Network identifier, 24 bits: which mirror session the frame belongs to. */
  vni: number
  /** Some reserved bit or byte was not zero. Set by parse, not looked at by emit. */
  reserved: boolean
}

/**
 * Reads the header at `start` into `out`; the mirrored frame begins
 * VXLAN_HEADER_LEN later. On a fault `out` keeps what it held.
 *
 * Reserved bits are ignored, as §5 asks of a receiver: refusing them would lose
 * the frames of senders that use the group-policy extension. `out.reserved`
 * lets the caller count them.
 */
export function parseVxlan(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Vxlan,
): Fault | undefined {
  if (end - start < VXLAN_HEADER_LEN) return 'vxlan-truncated'
  if ((u8(bytes, start + FLAGS) & FLAG_VNI) === 0) return 'vxlan-no-vni'

  out.vni = u24(bytes, start + VNI)
  out.reserved = u32(bytes, start + FLAGS) !== PLAIN_FLAGS_WORD || u8(bytes, start + VNI_TAIL) !== 0
  return undefined
}

/**
 * Writes the header at `start` and returns the offset just past it.
 *
 * Every byte is written, reserved ones as zero, so a send buffer that is used
 * again cannot leak what it held before.
 */
export function emitVxlan(header: Pick<Vxlan, 'vni'>, bytes: Uint8Array, start: number): number {
  putU32(bytes, start + FLAGS, PLAIN_FLAGS_WORD)
  putU24(bytes, start + VNI, header.vni)
  putU8(bytes, start + VNI_TAIL, 0)
  return start + VXLAN_HEADER_LEN
}
